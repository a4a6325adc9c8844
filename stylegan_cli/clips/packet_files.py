"""Packets of pictures on the disk, exactly as the encoder made them.

Not a container, because none of them keeps it all: Matroska counts in milliseconds, mp4 has no
place for transparency, NUT none for ProRes. Each packet is one line of JSON with its times, then
its bytes, then those of its side data.
"""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

from av.packet import Packet, PacketSideData, packet_sidedata_type_from_literal

from stylegan_cli.clips.tracks import ClipPacket


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
    """The packets of a file, with no dts: that depends on what they are joined to."""
    with path.open("rb") as file:
        while line := file.readline():
            header = json.loads(line)
            packet: Any = Packet(file.read(header["size"]))
            packet.time_base = time_base
            packet.pts, packet.duration = header["pts"], header["duration"]
            packet.is_keyframe = header["keyframe"]
            for kind, size in header["side"]:
                create: Any = PacketSideData
                side = create(packet_sidedata_type_from_literal(kind), size)
                side.update(file.read(size))
                packet.set_sidedata(side)
            yield packet


def read_times(path: Path) -> list[int]:
    """The pts of the packets of a file, in its order, which is that of decoding."""
    times = []
    with path.open("rb") as file:
        while line := file.readline():
            header = json.loads(line)
            times.append(header["pts"])
            file.seek(header["size"] + sum(size for _, size in header["side"]), 1)
    return times
