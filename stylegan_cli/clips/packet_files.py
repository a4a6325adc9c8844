"""Packets of pictures on the disk, exactly as the encoder made them.

Not a container, because none of them keeps it all: Matroska counts in milliseconds, mp4 has no
place for transparency, NUT none for ProRes. Each packet is one line of JSON with its times, then
its bytes, then those of its side data.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, get_args

from av.packet import Packet, PacketSideData, PktSideDataT, packet_sidedata_type_from_literal

from stylegan_cli.clips.tracks import ClipPacket
from stylegan_cli.errors import ClipError, ConfigError
from stylegan_cli.runtime.files import parse_json
from stylegan_cli.runtime.mappings import from_mapping

MAX_HEADER = 1 << 14  # bytes of a line
MAX_PACKET = 1 << 30  # bytes
MAX_SIDES = 64
_KINDS = frozenset(get_args(PktSideDataT))


def append_packet(file: IO[bytes], packet: ClipPacket) -> None:
    """Write one packet at the end of `file`."""
    sides = [(side.data_type, bytes(side)) for side in packet.iter_sidedata()]
    header = {
        "size": packet.size,
        "pts": packet.pts,
        "duration": packet.duration,
        "keyframe": packet.is_keyframe,
        "side": [[kind, len(data)] for kind, data in sides],
    }
    file.write(json.dumps(header).encode() + b"\n")
    file.write(bytes(packet))
    for _, data in sides:
        file.write(data)


def read_packets(path: Path, time_base: Fraction) -> Iterator[ClipPacket]:
    """The packets of a file, with no dts: that depends on what they are joined to.

    Raises ClipError where the file is not as `append_packet` made it.
    """
    with path.open("rb") as file:
        while (header := _next_header(file, path)) is not None:
            packet: Any = Packet(_exactly(file, header.size, path))
            packet.time_base = time_base
            packet.pts, packet.duration = header.pts, header.duration
            packet.is_keyframe = header.keyframe
            for kind, size in header.side:
                create: Any = PacketSideData
                known: Any = kind
                side = create(packet_sidedata_type_from_literal(known), size)
                side.update(_exactly(file, size, path))
                packet.set_sidedata(side)
            yield packet


def read_times(path: Path) -> list[int]:
    """The pts of the packets of a file, in its order, which is that of decoding.

    Raises ClipError where the file is not as `append_packet` made it.
    """
    times = []
    with path.open("rb") as file:
        while (header := _next_header(file, path)) is not None:
            times.append(header.pts)
            file.seek(header.size + sum(size for _, size in header.side), 1)
    return times


@dataclass(frozen=True, slots=True)
class _Header:
    """What the line before a packet tells. size: bytes; pts, duration: ticks; side: kind, bytes."""

    size: int
    pts: int
    duration: int | None
    keyframe: bool
    side: tuple[tuple[str, int], ...]

    def __post_init__(self) -> None:
        """Raises ConfigError for what no packet is."""
        sizes = (self.size, *(size for _, size in self.side))
        ticks = (self.pts, self.duration or 0)
        kinds = {kind for kind, _ in self.side}
        if not all(0 <= size <= MAX_PACKET for size in sizes) or len(self.side) > MAX_SIDES:
            raise ConfigError("a packet is larger than any")
        if not all(abs(tick) < 1 << 62 for tick in ticks) or not kinds <= _KINDS:
            raise ConfigError("a packet has no such time or side data")


def _next_header(file: IO[bytes], path: Path) -> _Header | None:
    line = file.readline(MAX_HEADER + 1)
    if not line:
        return None
    try:
        if len(line) > MAX_HEADER:
            raise ConfigError("a line is too long")
        return from_mapping(_Header, parse_json(line, ClipError, "a line"))
    except (ClipError, ConfigError) as error:
        raise ClipError(f"{path} is damaged: {error}") from error


def _exactly(file: IO[bytes], size: int, path: Path) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise ClipError(f"{path} is damaged: it is cut short")
    return data
