"""The part of a clip that is read, and times moved so that it begins at zero."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import av

from stylegan_cli.clips.description import ClipInfo
from stylegan_cli.clips.tracks import ClipPacket


class ClipPart:
    """From `start_s` to `end_s`, both in seconds from the clip's beginning; None for the whole.

    is_cut: whether it is less than the clip. start_s: where it begins, 0 for the whole.
    origin_s, end_s: the same on the clock of the file. origin, end: in ticks of the pictures.
    """

    def __init__(self, info: ClipInfo, start_s: float | None, end_s: float | None) -> None:
        # All tracks begin together at nothing. What begins before it, as sound with a delay of its
        # encoder does, stays where it is; but a broadcast's clock starts anywhere and turns over.
        first_s = _seconds(info.start_s)
        if not info.format_name.startswith("mpeg"):
            first_s = max(first_s, Fraction(0))
        self.is_cut = start_s is not None or end_s is not None
        self.start_s = _seconds(start_s or 0.0)
        self.origin_s = first_s + self.start_s
        self.end_s = None if end_s is None else first_s + _seconds(end_s)
        self.origin = round(self.origin_s / info.time_base)
        self.end = None if self.end_s is None else round(self.end_s / info.time_base)

    def has_frame(self, pts: int) -> bool:
        """Whether a frame that is shown at `pts`, in ticks of the pictures, belongs to it."""
        is_late_enough = not self.is_cut or pts >= self.origin
        return is_late_enough and (self.end is None or pts < self.end)

    def has_time(self, time_s: Fraction) -> bool:
        """Whether a packet of another track belongs to it."""
        if self.is_cut and time_s < self.origin_s:
            return False
        return self.end_s is None or time_s < self.end_s

    def is_over(self, packet: ClipPacket, slack_s: int) -> bool:
        """Whether a packet is decoded more than `slack_s` seconds after the end."""
        if self.end_s is None or packet.dts is None:
            return False
        return packet.dts * packet.time_base > self.end_s + slack_s

    def moved(self, packet: ClipPacket) -> ClipPacket:
        """The packet itself, with times that count from the beginning of the part."""
        ticks = round(self.origin_s / packet.time_base)
        if packet.pts is not None:
            packet.dts = (packet.pts if packet.dts is None else packet.dts) - ticks
            packet.pts -= ticks
        return packet

    def moved_chapters(self, chapters: Sequence[Any]) -> list[Any]:
        """The chapters that it touches, cut to it, with times that count from its beginning."""
        kept: list[Any] = []
        for chapter in chapters:
            time_base = chapter["time_base"] or Fraction(1, av.time_base)
            origin = round(self.origin_s / time_base)
            end = chapter["end"]
            if self.end_s is not None:
                end = min(end, round(self.end_s / time_base))
            start = max(chapter["start"], origin)
            if start < end:
                kept.append({**chapter, "start": start - origin, "end": end - origin})
        return kept


def _seconds(seconds: float) -> Fraction:
    """A time as people mean it: 0.1 is a tenth, not the nearest float."""
    return Fraction(seconds).limit_denominator(1_000_000)
