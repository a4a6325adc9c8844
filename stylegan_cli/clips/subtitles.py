"""Subtitles of one kind of text turned into another: mov_text, SRT, ASS, WebVTT."""

from dataclasses import dataclass
from typing import Any

from av.container import OutputContainer
from av.stream import Stream
from av.subtitles.subtitle import SubtitleSet

_TEXT = frozenset(
    {"mov_text", "subrip", "srt", "ass", "ssa", "webvtt", "text", "stl", "microdvd", "mpl2", "sami",
     "realtext", "subviewer", "subviewer1", "jacosub", "pjs", "vplayer", "eia_608", "cc_dec"}
)  # fmt: skip
_KIND_OF = {"mp4": "mov_text", "mov": "mov_text", "matroska": "subrip", "webm": "webvtt"}
_FIELDS = 8  # before the text, of a line as FFmpeg's decoders make it
_NEW_LINE = rb"{\r}\N"  # without the italics of the line before


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


@dataclass(frozen=True, slots=True)
class _Words:
    """What is shown until `end`, ticks. head: the fields of a line of ASS before the text."""

    end: int
    head: bytes
    text: bytes


class TextConverter:
    """Turns packets of text, in the order of their times, into packets of `output`.

    In an mp4 one sample of text ends where the next begins (ISO/IEC 14496-30). Words that are shown
    at the same time are cut there: each piece holds all that is shown in it.
    """

    def __init__(self, output: Any) -> None:
        self._output = output
        self._shown: list[_Words] = []  # the words that are not over yet
        self._done = 0  # where the pieces so far end, ticks
        self._time_base: Any = None

    def __call__(self, packet: Any) -> list[Any]:
        """The packets of `output` that are whole now. Raises FFmpegError."""
        lines = packet.stream.codec_context.decode2(packet)
        if lines is None or not len(lines):
            return []
        if self._output.container.format.name not in ("mp4", "mov") or not packet.duration:
            return [self._encoded(lines, packet.pts, packet.duration, packet.time_base)]
        self._time_base = packet.time_base
        pieces = self._pieces(packet.pts)
        self._done = max(self._done, packet.pts)
        end = packet.pts + packet.duration
        if end > self._done:
            for line in lines:
                *fields, text = line.ass.split(b",", _FIELDS)
                self._shown.append(_Words(end, b",".join(fields), text))
        return pieces

    def finish(self) -> list[Any]:
        """The packets of what is still shown."""
        return self._pieces(None)

    def _pieces(self, until: int | None) -> list[Any]:
        pieces = []
        while self._shown and (until is None or self._done < until):
            ends = [words.end for words in self._shown]
            end = min(ends if until is None else [*ends, until])
            text = _NEW_LINE.join(words.text for words in self._shown)
            line = self._shown[0].head + b"," + text
            duration = end - self._done
            lines = SubtitleSet.create(line, 0, duration)
            pieces.append(self._encoded(lines, self._done, duration, self._time_base))
            self._done = end
            self._shown = [words for words in self._shown if words.end > end]
        return pieces

    def _encoded(self, lines: SubtitleSet, start: int, duration: int, time_base: Any) -> Any:
        result = self._output.codec_context.encode_subtitle(lines)
        result.time_base = time_base
        result.pts = result.dts = start
        result.duration = duration
        result.stream = self._output
        return result
