"""Halation and film grain on the frames of a clip; grain is new in each, as strong in all."""

import numpy as np

from stylegan_cli.clips import planes_of
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory, Pixels
from stylegan_cli.video.planar import PlanarClipStyle

_FRAME = "grain_frame"


class FilmClipStyle:
    """A style whose results get halation and grain after they are steadied.

    Halation follows the frame. The grain of a frame is drawn by its number in its part of the clip,
    which is the same for any number of processes and after an interruption.
    """

    def __init__(self, style: ClipStyle, stylizer: Stylizer) -> None:
        """stylizer: its film is painted. Planar frames get the grain of luma alone."""
        self._style = style
        self._stylizer = stylizer
        self._frame = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        stylized = self._style(pixels)
        self._frame += 1
        if not isinstance(self._style, PlanarClipStyle):
            return self._stylizer.with_film(stylized, self._frame)
        luma, *_ = planes_of(stylized)
        painter = self._stylizer.grain_painter(min(luma.shape))
        if painter is not None:
            luma[:] = painter.paint_luma(luma, self._style.luma_range, self._frame)
        return stylized

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return {**self._style.memory, _FRAME: np.array(self._frame)}

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._style.recall(memory)
        self._frame = int(memory.get(_FRAME, 0))


def with_film(style: ClipStyle, stylizer: object) -> ClipStyle:
    """`style` with the halation and grain of the stylizer, if it has any."""
    if not isinstance(stylizer, Stylizer) or not (stylizer.grain or stylizer.halation):
        return style
    return FilmClipStyle(style, stylizer)
