"""Subtitles of one kind of text turned into another: mov_text, SRT, ASS, WebVTT."""

from typing import Any

from av.container import OutputContainer
from av.stream import Stream

_TEXT = frozenset(
    {"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text", "stl", "microdvd", "mpl2", "sami",
     "realtext", "subviewer", "subviewer1", "jacosub", "pjs", "vplayer", "eia_608", "cc_dec"}
)  # fmt: skip
_KIND_OF = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}


def add_text(output: OutputContainer, source: Stream) -> Stream | None:
    """A track of `output` for the words of `source`; None where they are no text."""
    context: Any = source.codec_context
    if context is None or context.name not in _TEXT:
        return None
    context.open(False)  # FFmpeg's common form of text has a header, which the decoder makes.
    track: Any = output.add_stream(_KIND_OF[output.format.name])
    track.codec_context.subtitle_header = context.subtitle_header
    added: Stream = track
    return added


def converted(packet: Any, output: Any) -> Any | None:
    """The packet of `output` with the words of a packet; None where nothing is said in it."""
    words = packet.stream.codec_context.decode2(packet)
    if words is None or not len(words):
        return None
    result = output.codec_context.encode_subtitle(words)
    result.time_base = packet.time_base
    result.pts = result.dts = packet.pts
    result.duration = packet.duration
    result.stream = output
    return result
