"""Styles on frames of more than 8 bits, HDR among them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import ToneMapper, shown
from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory, Pixels

Plane = npt.NDArray[np.float32]

_CODES = 65535  # of 16 bits, from 0 on
# The order in which the 8-bit copy rounds up, so that what is smooth stays smooth (Bayer 1973).
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])


class DeepClipStyle:
    """A style that stylizes 8 bits, on frames of 16.

    It stylizes an ordinary copy of each frame, HDR tone mapped. What the frame has beyond that copy
    is added to the result, and the tone mapping undone; what is not stylized stays as it is.
    """

    def __init__(self, style: ClipStyle, tone_mapper: ToneMapper | None) -> None:
        self._style = style
        self._tone_mapper = tone_mapper

    def __call__(self, pixels: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The next frame, (H, W, 3) uint16, upright → stylized, the same shape."""
        mapper = self._tone_mapper
        levels = pixels * np.float32(1 / _CODES) if mapper is None else mapper.levels(pixels)
        copy = shown(levels + _threshold(levels.shape))
        stylized = self._style(copy)
        if stylized is copy:
            return pixels
        result = _with_remainder(stylized, copy, levels)
        if mapper is not None:
            return mapper.codes(result)
        return np.asarray(np.clip(result * _CODES + np.float32(0.5), 0, _CODES), np.uint16)

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return self._style.memory

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._style.recall(memory)


def _threshold(shape: tuple[int, ...]) -> Plane:
    """(H, W, 1) levels to add before rounding to 8 bits, from minus to plus a half of a step."""
    tile = ((_BAYER + 0.5) / 16 - 0.5) / 255
    height, width = shape[:2]
    tiled = np.tile(tile.astype(np.float32), (-(-height // 4), -(-width // 4)))
    return np.asarray(tiled[:height, :width, None], np.float32)


def _with_remainder(stylized: Pixels, copy: Pixels, levels: Plane) -> Plane:
    """The levels of `stylized`, with what `levels` have beyond their 8-bit `copy`.

    Light beyond white grows or shrinks with the result: a black line over it is black. Colours that
    an ordinary display can't show lie below 0; they stay as far as the style leaves colour at all.
    Between two 8-bit levels lies what `copy` was rounded by, unless all of it was stylized black or
    white.
    """
    unit = np.float32(1 / 255)
    beyond = np.maximum(levels - 1, 0)
    below = np.minimum(levels, 0)
    fine = levels - copy * unit - beyond - below
    is_flat = ((stylized == 0) | (stylized == 255)) & (stylized != copy)
    fine[is_flat] = 0
    result = stylized * unit
    result += beyond * result
    result += fine
    if below.min() < -unit:
        before, after = (np.ptp(part, axis=2).astype(np.float32) for part in (copy, stylized))
        below *= np.minimum(after / np.maximum(before, 1), 1)[..., None]
    result += below
    return np.asarray(result, np.float32)
