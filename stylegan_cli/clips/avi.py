"""What FFmpeg gets wrong of the times in an AVI, which stores none.

An AVI holds packets that follow one another, and for each track the unit that they count in.
"""

from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from statistics import median_low
from typing import Any

import av.error

from stylegan_cli.clips.description import ClipInfo
from stylegan_cli.clips.opening import open_clip, picture_stream
from stylegan_cli.clips.tracks import ClipPacket

_LONGEST_REORDERING = 2  # frames that are decoded before an earlier one, as encoders write them
_TRIED = 100  # packets that tell in which unit a track counts
# Its bytes a second vary, and a track that counts bytes states their mean: quiet ones tell nothing.
_VARYING = ("mp3", "mp3float")
_CONTRADICTION = Fraction(5, 4)  # between two units; less comes of packets of unlike lengths


def lateness(info: ClipInfo) -> int:
    """Ticks by which FFmpeg shows pictures of an AVI late.

    An AVI only says in which order frames are decoded; the first is shown when it is decoded.
    """
    if info.format_name != "avi":
        return 0
    with open_clip(info.path) as container:
        packets = container.demux(picture_stream(container, info.path))
        first = next((packet for packet in packets if packet.size), None)
    if first is None or first.pts is None or first.dts is None:
        return 0
    longest = round(_LONGEST_REORDERING / (info.frame_rate * info.time_base))
    return min(max(first.pts - first.dts, 0), longest)


def sound_units(info: ClipInfo) -> dict[int, Fraction]:
    """Seconds per tick of each track of sound that counts in another unit than it states.

    Some programs, FFmpeg among them, count bytes and state the length of a packet as the unit. The
    samples tell. By the number of the track.
    """
    if info.format_name != "avi":
        return {}
    units = {}
    with open_clip(info.path) as container:
        stated = {
            stream.index: stream.time_base
            for stream in container.streams.audio
            if stream.codec_context is not None and stream.codec_context.name not in _VARYING
        }
    for number, usual in stated.items():
        unit = _counted_unit(info.path, number)
        if unit and usual and not 1 / _CONTRADICTION < unit / usual < _CONTRADICTION:
            units[number] = unit
    return units


def set_unit(packet: ClipPacket, unit: Fraction) -> None:
    """Let the times of a packet count in another unit; its length is right as it is stated."""
    if packet.duration is not None:
        packet.duration = round(packet.duration * packet.time_base / unit)
    packet.time_base = unit


def _counted_unit(path: Path, number: int) -> Fraction | None:
    """The length of the samples between two times, seconds per tick, for most of a track."""
    units = []
    begin, length_s = None, Fraction(0)
    # Where the file breaks off, so does what is read of it later.
    with open_clip(path) as container, suppress(av.error.FFmpegError):
        for packet in islice(container.demux(container.streams[number]), _TRIED):
            if packet.size and packet.pts is not None:
                if begin is not None and length_s and packet.pts > begin:
                    units.append(length_s / (packet.pts - begin))
                begin, length_s = packet.pts, Fraction(0)
            length_s += _length_s(packet)
    return median_low(units) if units else None


def _length_s(packet: Any) -> Fraction:
    """That of the samples in a packet."""
    try:
        return sum((Fraction(f.samples, f.sample_rate) for f in packet.decode()), Fraction(0))
    except av.error.FFmpegError:
        return Fraction(0)
