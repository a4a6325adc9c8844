"""Whether a container takes a track: tried on one that is thrown away."""

import io
from itertools import islice
from pathlib import Path
from typing import Any

import av
import av.error
from av.stream import Stream

from stylegan_cli.clips.opening import open_clip
from stylegan_cli.clips.side_data import data_kinds

# How many packets of which kind of track: what a container refuses, it refuses at once.
_TRIED = {"audio": 4, "data": 1}


def takes(format_name: str, stream: Stream, path: Path) -> bool:
    """Whether a file of that format holds `stream` of the clip at `path` as it is.

    Its header is written, with the first packets; FFmpeg knows best what it can't write.
    """
    try:
        file = io.BytesIO()
        with av.open(file, "w", format=format_name) as container:
            added: Any = container
            output = added.add_stream_from_template(stream, opaque=True)
            container.start_encoding()
            if stream.type in _TRIED:
                with open_clip(path) as source:
                    for packet in first_packets(source, stream.index, _TRIED[stream.type]):
                        packet.stream = output
                        container.mux(packet)
        if stream.type != "data":
            return True
        # Of data that it does not know, a container may forget what it is.
        file.seek(0)
        with open_clip(path) as source, av.open(file, "r") as written:
            kind = data_kinds(source)[stream.index]
            return kind in data_kinds(written).values()
    except (av.error.FFmpegError, ValueError):
        return False


def is_decodable(stream: Stream, path: Path) -> bool:
    """Whether any of the first packets of sound can be decoded."""
    context: Any = stream.codec_context
    if context is None:
        return False
    with open_clip(path) as source:
        for packet in first_packets(source, stream.index):
            try:
                if packet.decode():
                    return True
            except av.error.FFmpegError:
                continue
    return False


def first_packets(source: Any, index: int, count: int = 4) -> list[Any]:
    """The first packets of the stream of that number that hold anything and have a time."""
    packets = source.demux(source.streams[index])
    try:
        return list(islice((p for p in packets if p.size and p.pts is not None), count))
    except av.error.FFmpegError:
        return []
