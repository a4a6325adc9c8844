"""What a written clip turns out to hold, read back packet by packet."""

import hashlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av.error
from av.container import InputContainer

from stylegan_cli.clips.description import ClipInfo, read_info
from stylegan_cli.clips.opening import open_clip, picture_stream
from stylegan_cli.clips.tracks import Description, end_of
from stylegan_cli.errors import ClipError, messages


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """Everything that can be compared without decoding more than one frame.

    times: pts of the picture packets in the order they are shown, ticks of `info.time_base`.
    chapters_end_s: when the last chapter ends, seconds. sound_packet_s: the longest packet of
    sound, seconds. ends_s: index of each other stream → when its last packet ends, seconds. tracks:
    index of each track that is copied or encoded → (number of packets, MD5 over their bytes).
    descriptions: of the same tracks.
    """

    info: ClipInfo
    times: "array[int]"
    chapters_end_s: float
    sound_packet_s: float
    ends_s: dict[int, float]
    tracks: dict[int, tuple[int, str]]
    descriptions: dict[int, Description]


def record_clip(path: Path) -> ClipRecord:
    """Read through `path`. Raises ClipError when it can't be read to its end."""
    info = read_info(path)
    times = array("q")
    counts: dict[int, int] = {}
    checksums = {}
    descriptions = {}
    with open_clip(path) as container:
        chapters = [float(entry["end"] * entry["time_base"]) for entry in _chapters(container)]
        sound_packet_s = 0.0
        ends_s: dict[int, float] = {}
        pictures = picture_stream(container, path)
        for stream in container.streams:
            if stream.type in ("audio", "subtitle", "data"):
                counts[stream.index] = 0
                descriptions[stream.index] = Description.of(stream)
                checksums[stream.index] = hashlib.md5(usedforsecurity=False)
        try:
            for packet in container.demux():
                if not packet.size:
                    continue
                index = packet.stream.index
                if index != pictures.index:
                    ends_s[index] = max(ends_s.get(index, 0.0), end_of(packet))
                if packet.stream.type == "audio":
                    length = float((packet.duration or 0) * packet.time_base)
                    sound_packet_s = max(sound_packet_s, length)
                if index == pictures.index and packet.pts is not None:
                    times.append(packet.pts)
                elif index in counts:
                    counts[index] += 1
                    checksums[index].update(bytes(packet))
        except av.error.FFmpegError as error:
            raise ClipError(
                messages.cannot_read(path, f"it ends early ({error.strerror})", "try again")
            ) from error
    tracks = {index: (count, checksums[index].hexdigest()) for index, count in counts.items()}
    return ClipRecord(
        info,
        array("q", sorted(times)),
        max(chapters, default=0.0),
        sound_packet_s,
        ends_s,
        tracks,
        descriptions,
    )


def _chapters(container: InputContainer) -> list[Any]:
    return list(container.chapters())
