"""Styles on frames of more than 8 bits, HDR among them."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import ToneMapper, shown
from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory, Pixels

Codes = npt.NDArray[np.uint16]
Plane = npt.NDArray[np.float32]

_STEP = 257  # codes of 16 bits to one of 8
# The order in which the 8-bit copy rounds up, so that what is smooth stays smooth (Bayer 1973).
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


class DeepClipStyle:
    """A style that paints 8 bits, on frames of 16.

    It paints an ordinary copy of each frame, HDR tone mapped. What it changes there is added to the
    frame, and the tone mapping undone; where it changes nothing the frame stays as it is.
    """

    def __init__(self, look: ClipStyle, tone_mapper: ToneMapper | None) -> None:
        self._look = look
        self._tone_mapper = tone_mapper

    def __call__(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The next frame, (H, W, 3) uint16, upright → painted, the same shape."""
        if self._tone_mapper is None:
            return self._ordinary(pixels)
        levels = self._tone_mapper.levels(pixels)
        copy = shown(levels + _threshold(levels.shape, 1 / 255))
        painted = self._look(copy)
        if painted is copy:
            return pixels
        change = cv2.subtract(painted, copy, dtype=cv2.CV_32F)
        levels += _kept_beyond(levels, painted, copy)
        levels += np.asarray(change, np.float32) * np.float32(1 / 255)
        return self._tone_mapper.codes(levels)

    def _ordinary(self, pixels: Codes) -> Codes:
        rounded = pixels + _threshold(pixels.shape, _STEP)
        copy = np.clip(np.rint(rounded * np.float32(1 / _STEP)), 0, 255).astype(np.uint8)
        change = cv2.subtract(self._look(copy), copy, dtype=cv2.CV_32F)
        added = cv2.add(pixels, np.asarray(change * _STEP), dtype=cv2.CV_32F)
        return np.asarray(np.clip(added + np.float32(0.5), 0, 65535), np.uint16)

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return self._look.memory

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._look.recall(memory)


def _threshold(shape: tuple[int, ...], step: float) -> Plane:
    """(H, W, 1): what to add before rounding to `step`, from minus to plus a half of it."""
    tile = ((_BAYER + 0.5) / 16 - 0.5) * step
    height, width = shape[:2]
    tiled = np.tile(tile.astype(np.float32), (-(-height // 4), -(-width // 4)))
    return np.asarray(tiled[:height, :width, None], np.float32)


def _kept_beyond(levels: Plane, painted: Pixels, copy: Pixels) -> Plane | float:
    """What to add to `levels` for colours that an ordinary display can't show.

    They lie below 0, where the look has not seen them. They stay as far as it leaves colour at all:
    what it makes grey has to be grey.
    """
    if levels.min() > -1 / 255:
        return 0.0
    before, after = (np.ptp(pixels, axis=2).astype(np.float32) for pixels in (copy, painted))
    lost = 1 - np.minimum(after / np.maximum(before, 1), 1)
    return np.asarray(-np.minimum(levels, 0) * lost[..., None], np.float32)
