"""Another number of frames a second: frames left out or shown again, never invented."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from stylegan_cli.clips import ClipFrame, ClipInfo

_TICKS_PER_SECOND = 10_000


class FrameRate:
    """Brings the frames of a clip to a constant rate.

    Each frame goes to the slot of 1/rate seconds nearest to its time and stays until the next one
    comes, so nothing is shown more than half a slot early or late, and the clip's length stays.
    Where several come to one slot the last is kept. `info` describes the result.
    """

    def __init__(self, info: ClipInfo, rate: Fraction) -> None:
        seconds = info.duration_s
        # Ticks so fine that sound, which some containers count in them too, loses nothing.
        ticks_per_step = math.ceil(_TICKS_PER_SECOND / rate.numerator)
        self._ticks = rate.denominator * ticks_per_step
        self.info = replace(
            info,
            time_base=Fraction(1, rate.numerator * ticks_per_step),
            frame_rate=rate,
            frame_count=None if seconds is None else round(seconds * rate),
        )
        self.left_out = 0
        self.repeated = 0
        self._slots_per_tick = info.time_base * rate
        self._usual_duration = max(1, round(1 / (info.frame_rate * info.time_base)))

    def __call__(self, frames: Iterable[ClipFrame]) -> Iterator[ClipFrame]:
        """`frames` in the order they are shown, at their new times."""
        waiting: ClipFrame | None = None
        slot = end = 0
        for frame in frames:
            next_slot = self._slot(frame.pts)
            was_shown = waiting is None or next_slot > slot
            if waiting is not None:
                yield from self._shown(waiting, slot, next_slot)
            end = frame.pts + (frame.duration or self._usual_duration)
            # What repeats a frame that was left out repeats nothing.
            waiting = replace(frame, is_repeat=frame.is_repeat and was_shown)
            slot = next_slot
        if waiting is not None:
            # Nothing is shown once the clip is over.
            yield from self._shown(waiting, slot, math.ceil(end * self._slots_per_tick))

    def _shown(self, frame: ClipFrame, first: int, end: int) -> Iterator[ClipFrame]:
        """`frame` in the slots from `first` up to `end`."""
        if end <= first:
            self.left_out += 1
            return
        shown = replace(frame, pts=first * self._ticks, duration=self._ticks)
        yield shown
        for slot in range(first + 1, end):
            self.repeated += 1
            yield replace(shown, pts=slot * self._ticks, is_repeat=True)

    def _slot(self, ticks: int) -> int:
        return math.floor(ticks * self._slots_per_tick + Fraction(1, 2))

    @property
    def notes(self) -> Iterator[str]:
        """A sentence on what became of the frames."""
        if self.left_out or self.repeated:
            yield (
                f"To show {float(self.info.frame_rate):g} frames a second, {self.left_out} frames "
                f"were left out and {self.repeated} shown again."
            )
