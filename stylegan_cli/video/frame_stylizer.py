"""One frame after the other in a creator's style, and what is remembered between two of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from stylegan_cli.clips import ClipFrame
from stylegan_cli.video.clip_parts import ALL, PartFinder, Share
from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory, Pixels

OnProgress = Callable[[int, int], None]


_LAST = "last frame"  # in a memory: the result that stands in where the next frame is damaged


@dataclass(frozen=True, slots=True)
class StyledFrame:
    """A finished frame, and what its stylizer remembers for those that follow.

    A stylizer that is given `memory` makes them exactly as the one that made this frame.
    begins: whether a part of the clip begins with it.
    """

    frame: ClipFrame
    memory: Memory
    begins: bool


class FrameStylizer:
    """Stylizes the frames of a clip in their order, and counts them.

    Where a part of the clip begins, what came before it is forgotten. share: the parts to stylize;
    frames of others are only looked at. done: how many frames of the share came before, stylized in
    an earlier run, and memory: what was remembered then. expected: frames in all, if known.
    side_by_side: leave what was there to the left.
    """

    def __init__(
        self,
        style: ClipStyle,
        *,
        share: Share = ALL,
        side_by_side: bool = False,
        expected: int = 0,
        done: int = 0,
        memory: Memory | None = None,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._style = style
        self._share = share
        self._parts = PartFinder(memory)
        self._side_by_side = side_by_side
        self._expected = expected
        self._done = done
        self._on_progress = on_progress
        self._last: Pixels | None = None
        if memory is not None:
            style.recall(memory)
            self._last = memory[_LAST]

    def __call__(self, frame: ClipFrame) -> StyledFrame | None:
        """The next frame; None for one of another share."""
        begins = self._parts.begins(frame)
        if not self._share.has(self._parts.number):
            return None
        if begins:
            self._style.recall({})
            self._last = None
        result = self._result_of(frame)
        stylized = replace(frame, pixels=result)
        if self._side_by_side:
            alpha = None if frame.alpha is None else np.hstack([frame.alpha, frame.alpha])
            both = np.hstack([frame.pixels, result])
            stylized = replace(frame, pixels=both, alpha=alpha, stored=None)
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done, max(self._expected, self._done))
        memory: dict[str, Any] = {**self._style.memory, **self._parts.memory, _LAST: result}
        return StyledFrame(stylized, memory, begins)

    def _result_of(self, frame: ClipFrame) -> Pixels:
        if not frame.is_repeat or self._last is None:
            result = self._style(frame.pixels)
            if result.shape != frame.pixels.shape or result.dtype != frame.pixels.dtype:
                raise ValueError(
                    f"stylize made {result.dtype} {result.shape} of {frame.pixels.shape}"
                )
            self._last = result
        return self._last
