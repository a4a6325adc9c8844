"""Another number of frames a second: frames left out or shown again, never invented."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from fractions import Fraction

from stylegan_cli.containers import ClipFrame, ClipInfo, ClipPacket


class FrameRate:
    """Brings the frames of a clip to a constant rate; sound and the rest pass as they are.

    Each frame goes to the slot of 1/rate seconds nearest to its time and stays until the next one
    comes, so nothing is shown more than half a slot early or late, and the clip's length stays.
    Where several come to one slot the last is kept. `info` describes the result: one tick a frame.
    """

    def __init__(self, info: ClipInfo, rate: Fraction) -> None:
        seconds = info.duration_s
        self.info = replace(
            info,
            time_base=1 / rate,
            frame_rate=rate,
            frame_count=None if seconds is None else round(seconds * rate),
        )
        self.left_out = 0
        self.repeated = 0
        self._slots_per_tick = info.time_base * rate
        self._usual_duration = max(1, round(1 / (info.frame_rate * info.time_base)))

    def __call__(self, items: Iterable[ClipFrame | ClipPacket]) -> Iterator[ClipFrame | ClipPacket]:
        """`items` as ClipReader yields them, with frames at the new times."""
        waiting: ClipFrame | None = None
        end = 0
        for item in items:
            if not isinstance(item, ClipFrame):
                yield item
                continue
            slot = self._slot(item.pts)
            if waiting is not None:
                yield from self._shown(waiting, slot)
            end = item.pts + (item.duration or self._usual_duration)
            waiting = replace(item, pts=slot, duration=1)
        if waiting is not None:
            # A last frame is shown at least once, however short it is.
            yield from self._shown(waiting, max(self._slot(end), waiting.pts + 1))

    def _shown(self, frame: ClipFrame, until: int) -> Iterator[ClipFrame]:
        """`frame` in its slot and in those up to `until`."""
        self.left_out += until <= frame.pts
        self.repeated += max(0, until - frame.pts - 1)
        for slot in range(frame.pts, until):
            yield replace(frame, pts=slot)

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
