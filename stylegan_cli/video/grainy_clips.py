"""Film grain on the frames of a clip: new in each frame, as strong in all of them."""

from collections.abc import Callable

import numpy as np

from stylegan_cli.clips import planes_of
from stylegan_cli.rendering.grain import GrainPainter
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory, Pixels
from stylegan_cli.video.planar import PlanarClipStyle

_FRAME = "grain_frame"


class GrainyClipStyle:
    """A style whose results get grain after they are steadied.

    The grain of a frame is drawn by its number in its part of the clip, which is the same for any
    number of processes and after an interruption.
    """

    def __init__(self, style: ClipStyle, painter_of: Callable[[int], GrainPainter]) -> None:
        """painter_of: what paints the grain, by the short side of a frame, px."""
        self._style = style
        self._painter_of = painter_of
        self._frame = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        stylized = self._style(pixels)
        self._frame += 1
        if not isinstance(self._style, PlanarClipStyle):
            return self._painter_of(min(stylized.shape[:2])).paint(stylized, self._frame)
        luma, *_ = planes_of(stylized)
        painter = self._painter_of(min(luma.shape))
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


def with_grain(style: ClipStyle, stylizer: object) -> ClipStyle:
    """`style` with the grain of the stylizer, if it has any."""
    if not isinstance(stylizer, Stylizer) or stylizer.grain is None:
        return style

    def painter_of(short_side: int) -> GrainPainter:
        painter = stylizer.grain_painter(short_side)
        assert painter is not None
        return painter

    return GrainyClipStyle(style, painter_of)
