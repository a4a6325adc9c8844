"""Clips stylized as they are stored: everything at the size of their colour, luma brought up to it.

Nearly all clips store colour at half of their size. A style that follows the picture is stylized at
that size; what a frame has beyond it is luma alone, and goes through the style's own grey curve.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import ClipPlan, YuvCodes, planes_of
from stylegan_cli.video.clip_styles import ClipStyle, ColourClipStyle, PhotographicClipStyle
from stylegan_cli.video.optical_flow import Memory, Pixels

_LEVELS: npt.NDArray[np.float32] = np.arange(256, dtype=np.float32)
_ROWS = 4  # every fourth one says enough of how strong detail is

# Of the short side, px, that a style asks for: with a little less it does the same.
_ENOUGH = 0.9


def planar_style(style: ClipStyle, plan: ClipPlan) -> "PlanarClipStyle | None":
    """`style` on planar frames, where that is as good and they are written as they are."""
    info = plan.like
    if not plan.takes_planes or not isinstance(style, ColourClipStyle | PhotographicClipStyle):
        return None
    if min(info.width, info.height) / 2 < _ENOUGH * style.working_side:
        return None
    return PlanarClipStyle(style, YuvCodes(info.colours, info.height))


class PlanarClipStyle:
    """A style on planar frames, by what it does to a frame of half the size; see `__call__`."""

    def __init__(self, style: ColourClipStyle | PhotographicClipStyle, codes: YuvCodes) -> None:
        self._style: ClipStyle = style
        self._codes = codes
        greys = np.full((1, 256, 3), 128, np.uint8)
        greys[..., 0] = _LEVELS
        self._greys = codes.of_rgb(style.lut(codes.to_rgb(greys)))[0, :, 0].copy()
        ends = np.array([[[0, 0, 0], [255, 255, 255]]], np.uint8)
        black, white = codes.of_rgb(ends)[0, :, 0]
        self.luma_range = int(black), int(white)

    def __call__(self, pixels: Pixels) -> Pixels:
        """The next frame, (3/2 H, W) uint8, upright → stylized, the same shape.

        With y the luma, c a curve and a bar for half the size, stylized luma is c(y) and, enlarged,
        what the style makes of the half frame less c(ȳ). The curve is that of greys, and as much
        steeper as detail of the half frame comes out of the style stronger than through that.
        """
        luma, *differences = planes_of(pixels)
        height, width = luma.shape
        small = cv2.resize(luma, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        half = self._codes.to_rgb(np.asarray(cv2.merge([small, *differences]), np.uint8))
        stylized, *stylized_differences = cv2.split(self._codes.of_rgb(self._style(half)))
        beside = cv2.subtract(stylized, cv2.LUT(small, self._greys), dtype=cv2.CV_16S)
        steeper = np.float32(_slope(small, beside)) * _LEVELS
        curve = np.rint(self._greys + steeper).astype(np.int16)
        beside = cv2.subtract(stylized, cv2.LUT(small, curve), dtype=cv2.CV_16S)
        result = np.empty_like(pixels)
        out, *out_differences = planes_of(result)
        enlarged = cv2.resize(beside, (width, height))
        cv2.add(cv2.LUT(luma, curve), enlarged, out, dtype=cv2.CV_8U)
        for plane, difference in zip(out_differences, stylized_differences, strict=True):
            plane[:] = difference
        return result

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return self._style.memory

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._style.recall(memory)


def _slope(luma: npt.NDArray[Any], added: npt.NDArray[Any]) -> float:
    """How strongly the detail of `luma` lies in what is added to it, by least squares."""
    rows = slice(None, None, _ROWS)
    detail, more = (
        cv2.Laplacian(plane, cv2.CV_16S)[rows].astype(np.int64) for plane in (luma, added)
    )
    return float((detail * more).sum() / max(1, (detail * detail).sum()))
