"""Frames as they are stored, in 8 bits and 4:2:0: luma at full size, colour at half of it.

A planar frame is one array, (3/2 H, W) uint8, both even: the luma, and below it, each row after the
other, the differences of blue and of red from it, (H/2, W/2) each.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from av.video.reformatter import ColorRange, Colorspace

from stylegan_cli.clips.colour_tags import ColourTags
from stylegan_cli.clips.description import ClipInfo, Pixels

_FORMATS = ("yuv420p", "yuvj420p")

# What red and blue weigh in the luma (H.273, table 4).
_WEIGHTS = {
    Colorspace.ITU709: (0.2126, 0.0722),
    Colorspace.FCC: (0.30, 0.11),
    Colorspace.ITU601: (0.299, 0.114),
    Colorspace.SMPTE240M: (0.212, 0.087),
    Colorspace.BT2020: (0.2627, 0.0593),
}


def can_be_planar(info: ClipInfo) -> bool:
    """Whether the frames of that clip can be had as they are stored."""
    is_even = not info.width % 2 and not info.height % 2
    is_plain = info.pix_fmt in _FORMATS and not info.colours.is_hdr
    return is_plain and is_even and not any(info.crop)


def planes_of(frame: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """Luma and both colour differences of a planar frame; writing to them writes to it."""
    height, width = frame.shape[0] * 2 // 3, frame.shape[1]
    luma, blue, red = np.split(frame.reshape(-1), [height * width, height * width * 5 // 4])
    half = (height // 2, width // 2)
    return luma.reshape(height, width), blue.reshape(half), red.reshape(half)


def turned(frame: Pixels, turn: Callable[[Pixels], Pixels]) -> Pixels:
    """A planar frame whose planes have gone through `turn`, each by itself."""
    parts = [turn(plane) for plane in planes_of(frame)]
    return np.concatenate([part.ravel() for part in parts]).reshape(-1, parts[0].shape[1])


class YuvCodes:
    """What the numbers of planar frames mean, both ways."""

    def __init__(self, colours: ColourTags, height: int) -> None:
        """colours: of frames of so many px."""
        red, blue = _WEIGHTS[colours.swscale_matrix(height)]
        luma = np.array([red, 1 - red - blue, blue])
        # Luma from 0 to 1, differences from -1/2 to 1/2, of colours from 0 to 1.
        differences = [
            (np.eye(3)[i] - luma) / (2 * (1 - weight)) for i, weight in ((2, blue), (0, red))
        ]
        is_full = colours.swscale_range == ColorRange.JPEG
        scale = np.array([1.0, 1.0, 1.0] if is_full else [219 / 255, 224 / 255, 224 / 255])
        zero = np.array([0.0 if is_full else 16.0, 128.0, 128.0])
        matrix = scale[:, None] * np.stack([luma, *differences])
        inverse = np.linalg.inv(matrix)
        self._to_codes = _affine(matrix, zero)
        self._to_rgb = _affine(inverse, -inverse @ zero)

    def to_rgb(self, codes: Pixels) -> Pixels:
        """(H, W, 3) of luma and both differences → RGB, the same shape."""
        return cv2.transform(codes, self._to_rgb).astype(np.uint8, copy=False)

    def of_rgb(self, pixels: Pixels) -> Pixels:
        """The inverse of `to_rgb`."""
        return cv2.transform(pixels, self._to_codes).astype(np.uint8, copy=False)


def _affine(
    matrix: npt.NDArray[np.float64], offset: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    return np.column_stack([matrix, offset]).astype(np.float32)
