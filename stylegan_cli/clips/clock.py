"""One clock for a recording that is joined of parts, each with a clock of its own.

Parts of a broadcast, a DVD or a camcorder's card are joined byte by byte, so their times jump back
or ahead. As FFmpeg's own tools do, a jump of the decoding times tells where a part begins; all
tracks of a part are then moved together, so that it begins where the part before it ends.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av.error
from av.container import InputContainer
from av.format import Flags

from stylegan_cli.clips.opening import open_clip
from stylegan_cli.clips.tracks import ClipPacket

# Seconds. Decoding times within a track never go back, but for rounding; all tracks of a part lie
# near to one another. ISO/IEC 13818-1 allows 0.7 s between two times, and slide shows take more.
_BACK, _AHEAD = Fraction(1, 10), Fraction(3)

# Seconds between decoding and showing. Where parts meet, FFmpeg may give the last packet of one the
# time of the first of the next.
_LONGEST_DELAY = Fraction(10)


@dataclass(slots=True)
class _Part:
    """One part. latest: its newest time. starts, ends: of each track, when it is shown."""

    latest: Fraction
    starts: dict[int, Fraction] = field(default_factory=dict)
    ends: dict[int, Fraction] = field(default_factory=dict)


class _PartFinder:
    """Tells to which part a packet belongs, given all packets of pictures and sound in order."""

    def __init__(self) -> None:
        self.parts: list[_Part] = []
        self._last: dict[int, tuple[int, Fraction]] = {}  # track → part and decoding time
        self._delays: dict[int, int] = {}  # track → ticks between decoding and showing

    def part_of(self, packet: ClipPacket) -> int:
        """The number of the part; a time to be shown that can't be right is mended."""
        ticks = packet.pts if packet.dts is None else packet.dts
        index = packet.stream.index
        if ticks is None or packet.stream.type not in ("video", "audio"):
            return max(0, len(self.parts) - 1)
        self._mend(packet, ticks)
        time = ticks * packet.time_base
        number = self._number(index, time)
        shown = time if packet.pts is None else packet.pts * packet.time_base
        if number == len(self.parts):
            self.parts.append(_Part(max(time, shown)))
        part = self.parts[number]
        part.latest = max(part.latest, time, shown)
        self._last[index] = (number, time)
        end = shown + (packet.duration or 0) * packet.time_base
        part.starts[index] = min(part.starts.get(index, shown), shown)
        part.ends[index] = max(part.ends.get(index, end), end)
        return number

    def _mend(self, packet: ClipPacket, decoded: int) -> None:
        if packet.pts is None:
            return
        delay = packet.pts - decoded
        if -_BACK <= delay * packet.time_base <= _LONGEST_DELAY:
            self._delays[packet.stream.index] = delay
        else:
            packet.pts = decoded + self._delays.get(packet.stream.index, 0)

    def _number(self, index: int, time: Fraction) -> int:
        if index in self._last:
            number, last = self._last[index]
            if last - _BACK <= time <= max(last, self.parts[number].latest) + _AHEAD:
                return number
            is_begun = number < len(self.parts) - 1
        else:
            is_begun = bool(self.parts)
        newest = len(self.parts) - 1
        if is_begun and abs(time - self.parts[newest].latest) <= _AHEAD:
            return newest
        return len(self.parts)


class Clock:
    """Moves the packets of a recording onto one clock; the packets have to come in order.

    parts: how many there are. start_s, end_s: of the whole, seconds of the clip's own clock.
    """

    def __init__(self, container: InputContainer) -> None:
        """Read through `container`, which is then at its end."""
        finder = _PartFinder()
        for packet in _packets(container):
            finder.part_of(packet)
        self._offsets: list[Fraction] = []
        ends: dict[int, Fraction] = {}
        for part in finder.parts:
            shared = [ends[index] - part.starts[index] for index in part.starts if index in ends]
            offset = max(shared, default=Fraction(0))
            if ends and not shared:
                offset = max(ends.values()) - min(part.starts.values())
            self._offsets.append(offset)
            ends |= {index: end + offset for index, end in part.ends.items()}
        self.parts = len(self._offsets)
        self.start_s = min(finder.parts[0].starts.values()) if finder.parts else Fraction(0)
        self.end_s = max(ends.values(), default=Fraction(0))
        self._finder = _PartFinder()

    def set(self, packet: ClipPacket) -> None:
        """Move the times of a packet, as it comes out of the container."""
        offset = self._offsets[self._finder.part_of(packet)]
        ticks = round(offset / packet.time_base)
        if packet.pts is not None:
            packet.pts += ticks
        if packet.dts is not None:
            packet.dts += ticks


def clock_of(path: Path) -> Clock | None:
    """The clock of a recording that is joined of parts, None for any other clip."""
    with open_clip(path) as container:
        clock = Clock(container) if _may_be_joined(container) else None
    return clock if clock is not None and clock.parts > 1 else None


def _may_be_joined(container: InputContainer) -> bool:
    """Whether the format allows for times that jump, as FFmpeg's description of it says."""
    jumps: Any = Flags.ts_discont.value
    return bool(container.format.flags & jumps)


def _packets(container: InputContainer) -> Iterator[ClipPacket]:
    streams = [*container.streams.video, *container.streams.audio]
    try:
        for packet in container.demux(*streams):
            if packet.size:
                yield packet
    except av.error.FFmpegError:
        return  # Where the file breaks off, so does what is read of it later.
