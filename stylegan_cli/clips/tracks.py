"""The tracks beside the pictures: copied packet by packet, re-encoded only where they must be."""

import hashlib
import logging
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av.error
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.format import Flags
from av.packet import Packet
from av.stream import Disposition, Stream

from stylegan_cli.clips.opening import open_clip
from stylegan_cli.clips.side_data import data_kinds
from stylegan_cli.clips.sound import add_encoder, differences
from stylegan_cli.clips.subtitles import TextConverter, add_text
from stylegan_cli.clips.trial import is_decodable, takes

if TYPE_CHECKING:
    ClipPacket = Packet[Stream]
else:
    ClipPacket = Packet  # Generic in PyAV's type stubs alone.

_log = logging.getLogger(__name__)

# Tags that describe the file they came from, not the clip.
_FILE_TAGS = {
    "major_brand", "minor_version", "compatible_brands", "encoder", "duration", "vendor_id", "bps",
    "alpha_mode",
}  # fmt: skip
_NONSTRICT: Any = Flags.ts_nonstrict.value  # the format takes two packets of one time
_MIN_GAP_S = 0.1  # between two pieces of sound; less is a container that rounds times
# Languages with two names (ISO 639-2), by the one that FFmpeg's QuickTime writer knows.
_QUICKTIME_NAMES = {
    "deu": "ger", "fre": "fra", "nld": "dut", "ell": "gre", "isl": "ice", "zho": "chi",
    "sqi": "alb", "rum": "ron", "cze": "ces", "slo": "slk",
}  # fmt: skip
# What players and people choose a track by.
_PURPOSES = {
    "default", "dub", "original", "comment", "lyrics", "karaoke", "forced", "hearing_impaired",
    "visual_impaired", "captions", "descriptions",
}  # fmt: skip
_FILE_TAG_PREFIXES = ("_statistics", "number_of_")
_FILE_TAG_ENDS = ("_uid", "_umid", "_ul")  # MXF's identifiers of a file


@dataclass(frozen=True, slots=True)
class Description:
    """What a track says of itself: its language, its title, and what it is for."""

    language: str | None
    title: str | None
    purposes: frozenset[str]

    @classmethod
    def of(cls, stream: Stream) -> "Description":
        """That of a track as it is read."""
        tags = {name.lower(): value for name, value in stream.metadata.items()}
        language = tags.get("language")
        title = tags.get("title") or tags.get("name")
        purposes = frozenset(
            purpose.name.replace("_", " ")
            for purpose in Disposition
            if purpose.name in _PURPOSES and purpose in stream.disposition
        )
        return cls(None if language == "und" else language, title, purposes)

    def lost_in(self, other: "Description") -> list[str]:
        """Words for what of it `other` does not say."""
        words = []
        if self.language is not None and _usual(self.language) != _usual(other.language):
            words.append(f"its language ({self.language})")
        if self.title is not None and self.title != other.title:
            words.append(f"its title ({self.title})")
        return words + [f"the mark '{name}'" for name in sorted(self.purposes - other.purposes)]


@dataclass
class Track:
    """One track of the new clip, copied as it is, and what went into it.

    number: of the stream in the source. description: what that says of itself. end_s: when its last
    packet or sample ends, seconds. checksum: MD5 over the packets' bytes, as they were read.
    """

    output: Stream
    number: int
    description: Description
    packets: int = 0
    end_s: float = 0.0
    checksum: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))
    is_copied = True
    _last: int | None = None  # decoding time so far, ticks of `output`

    @property
    def index(self) -> int:
        """Of the stream in the new clip."""
        return self.output.index

    @property
    def kind(self) -> str:
        """`audio`, `subtitle` or `data`."""
        return self.output.type

    def take(self, packet: ClipPacket) -> list[ClipPacket]:
        """What to write for one packet of the source."""
        self.packets += 1
        _end_with_track(packet)
        self._follow(packet)
        self.end_s = max(self.end_s, end_of(packet))
        self.checksum.update(bytes(packet))
        packet.stream = self.output
        return [packet]

    def finish(self) -> list[ClipPacket]:
        """What is still to be written at the end."""
        return []

    def _follow(self, packet: ClipPacket) -> None:
        """Let a packet come after the one before, as containers insist, where its times go back."""
        if packet.dts is None or self.output.time_base is None:
            return
        unit = self.output.time_base / packet.time_base
        is_strict = self.kind == "audio" and not self.output.container.format.flags & _NONSTRICT
        if self._last is not None and round(packet.dts / unit) < self._last + is_strict:
            late = ceil((self._last + is_strict) * unit) - packet.dts
            packet.dts += late
            packet.pts = max(packet.pts or 0, packet.dts)
        self._last = round(packet.dts / unit)


class EncodedSound(Track):
    """A track of sound that is encoded anew."""

    is_copied = False
    _decoder: Any = None
    _end: int | None = None  # of the sound so far, samples

    def take(self, packet: ClipPacket) -> list[ClipPacket]:
        """See Track."""
        self._decoder = packet.stream.codec_context
        return self._encode(packet)

    def _encode(self, packet: ClipPacket | None) -> list[ClipPacket]:
        output: Any = self.output
        encoded: list[ClipPacket] = []
        try:
            frames: list[Any] = self._decoder.decode(packet)
        except av.error.FFmpegError as error:
            _log.debug("a piece of sound can't be decoded: %s", error)
            return []
        for frame in frames:
            self._set_time(frame)
            encoded += output.encode(frame)
        return encoded

    def _set_time(self, frame: Any) -> None:
        """Let the sound go on without a break, as encoders ask for, unless there is a gap."""
        rate = frame.sample_rate
        if frame.pts is not None:
            time = round(frame.pts * frame.time_base * rate)
            if self._end is None or time > self._end + rate * _MIN_GAP_S:
                self._end = time
        frame.pts, frame.time_base = self._end or 0, Fraction(1, rate)
        self._end = frame.pts + frame.samples
        self.end_s = self._end / rate

    def finish(self) -> list[ClipPacket]:
        """See Track."""
        output: Any = self.output
        rest = [] if self._decoder is None else self._encode(None)
        return [*rest, *output.encode(None)]


class ConvertedText(Track):
    """A track of subtitles that are turned into another kind of text."""

    is_copied = False

    @cached_property
    def _convert(self) -> TextConverter:
        return TextConverter(self.output)

    def take(self, packet: ClipPacket) -> list[ClipPacket]:
        """See Track."""
        try:
            return self._counted(self._convert(packet))
        except av.error.FFmpegError as error:
            _log.debug("a subtitle can't be decoded: %s", error)
            return []

    def finish(self) -> list[ClipPacket]:
        """See Track."""
        return self._counted(self._convert.finish())

    def _counted(self, packets: list[ClipPacket]) -> list[ClipPacket]:
        self.end_s = max([self.end_s, *(end_of(packet) for packet in packets)])
        return packets


class Tracks:
    """Sound, subtitles, covers, data and attachments on their way into `output`.

    suffix: of the output, for the sentences in `notes`. sound_codec: the encoder for sound that
    `output` can't hold as it is. encoded: numbers of the tracks of sound to encode in any case.
    """

    def __init__(
        self,
        output: OutputContainer,
        suffix: str,
        sound_codec: str,
        notes: list[str],
        encoded: Collection[int] = (),
    ) -> None:
        self._encoded = encoded
        self._output = output
        self._suffix = suffix
        self._sound_codec = sound_codec
        self._notes = notes
        self._by_source: dict[int, Track] = {}
        self._covers: list[Any] = []

    def __iter__(self) -> Iterator[Track]:
        return iter(self._by_source.values())

    def add(
        self, source: InputContainer, path: Path, *, pictures: Stream, sound: bool
    ) -> list[int]:
        """Make room for each track of `source`, the clip at `path`, that fits beside `pictures`.

        Returns the indices of the streams to read and to hand to `write`.
        """
        adders = {
            "attachment": self._add_attachment,
            "audio": self._add_sound,
            "subtitle": self._add_subtitles,
            "video": self._add_cover,
        }
        for stream in source.streams:
            if stream.index == pictures.index or (stream.type == "audio" and not sound):
                continue
            if stream.type in adders:
                adders[stream.type](stream, path)
        self._add_data(source, path)
        return list(self._by_source)

    def start(self) -> None:
        """Write what comes once, after the header."""
        for packet in self._covers:
            self._output.mux(packet)

    def write(self, packet: ClipPacket) -> None:
        """Put in one packet of a stream that `add` returned."""
        self._output.mux(self._by_source[packet.stream.index].take(packet))

    def finish(self) -> None:
        """Write what the encoders still hold."""
        for track in self:
            self._output.mux(track.finish())

    def _add_sound(self, stream: Stream, path: Path) -> None:
        name, number = _codec_name(stream), stream.index
        output = None if number in self._encoded else self._copy(stream, path)
        if output is not None:
            self._by_source[number] = Track(output, number, Description.of(stream))
            return
        encoder = None
        if isinstance(stream, AudioStream) and is_decodable(stream, path):
            encoder = add_encoder(self._output, stream, self._sound_codec)
        if encoder is None or not isinstance(stream, AudioStream):
            self._notes.append(f"Sound track {number} ({name}) can't be decoded and is left out.")
            return
        _describe(encoder, stream)
        self._by_source[number] = EncodedSound(encoder, number, Description.of(stream))
        self._notes.append(
            f"Sound track {number} is {name}, which can't be copied into {self._suffix}; it is "
            f"encoded again with {self._sound_codec}{differences(stream, encoder)}."
        )

    def _add_subtitles(self, stream: Stream, path: Path) -> None:
        name, number = _codec_name(stream), stream.index
        if (output := self._copy(stream, path)) is not None:
            self._by_source[number] = Track(output, number, Description.of(stream))
        elif (output := add_text(self._output, stream)) is not None:
            _describe(output, stream)
            self._by_source[number] = ConvertedText(output, number, Description.of(stream))
            self._notes.append(
                f"Subtitle track {number} is {name}, which {self._suffix} does not support; it is "
                f"converted into {_codec_name(output)}."
            )
        else:
            hint = "" if self._output.format.name == "matroska" else "; an .mkv would keep it"
            self._notes.append(
                f"Subtitle track {number} ({name}) can't be kept in {self._suffix} and is left out"
                f"{hint}."
            )

    def _add_attachment(self, stream: Stream, path: Path) -> None:
        if self._output.format.name == "matroska":
            self._output.add_stream_from_template(stream)
        else:
            self._notes.append(
                f"The attachment {stream.name or stream.index} is left out; an .mkv would keep it."
            )

    def _add_cover(self, stream: Stream, path: Path) -> None:
        if not stream.disposition & Disposition.attached_pic:
            self._notes.append(f"Picture track {stream.index} is left out.")
            return
        with open_clip(path) as source:
            packets = source.demux(source.streams[stream.index])
            packet: Any = next((packet for packet in packets if packet.size), None)
        name = _codec_name(stream)
        if packet is not None and self._output.format.name == "matroska":
            kind = "jpeg" if name == "mjpeg" else name
            suffix = "jpg" if name == "mjpeg" else name
            self._output.add_attachment(f"cover.{suffix}", f"image/{kind}", bytes(packet))
        elif packet is not None and self._output.format.name == "mp4":
            output = self._output.add_stream_from_template(stream, opaque=True)
            _describe(output, stream)
            packet.stream, packet.pts, packet.dts = output, 0, 0
            self._covers.append(packet)
        else:
            self._notes.append("The cover picture is left out; an .mp4 or .mkv would keep it.")

    def _add_data(self, source: InputContainer, path: Path) -> None:
        """Telemetry and the like: kept where the container can, said where it can't."""
        left_out: dict[str, list[int]] = {}
        for number, kind in data_kinds(source).items():
            stream = source.streams[number]
            # The timecode is a tag, too, and chapters are kept as chapters.
            if kind == "tmcd" or (kind == "text" and source.chapters()):
                continue
            if (output := self._copy(stream, path)) is not None:
                self._by_source[number] = Track(output, number, Description.of(stream))
            else:
                left_out.setdefault(kind, []).append(number)
        for kind, numbers in left_out.items():
            many = "s" if len(numbers) > 1 else ""
            names = ", ".join(str(number) for number in numbers)
            self._notes.append(
                f"Data track{many} {names} ({kind}) can't be kept in {self._suffix} and "
                f"{'are' if many else 'is'} left out."
            )

    def _copy(self, stream: Stream, path: Path) -> Stream | None:
        """A track of the output that takes the packets of `stream` as they are, if it can."""
        # FFmpeg writes raw sound into .mp4, but hardly any player finds it there.
        if self._output.format.name == "mp4" and _codec_name(stream).startswith("pcm_"):
            return None
        if not takes(self._output.format.name, stream, path):
            return None
        output = self._output.add_stream_from_template(stream)
        _describe(output, stream)
        return output


def _describe(output: Stream, source: Stream) -> None:
    """Give a track the name, the language and the purpose of the one it comes from."""
    tags = clip_tags(source.metadata)
    if output.container.format.name == "mov" and "language" in tags:
        tags["language"] = _QUICKTIME_NAMES.get(tags["language"], tags["language"])
    output.metadata.update(tags)
    output.disposition = source.disposition


def _usual(language: str | None) -> str | None:
    """One name for a language with two."""
    return language if language is None else _QUICKTIME_NAMES.get(language, language)


def clip_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Titles, dates and places, without what describes only the file they were found in."""
    return {
        name: value
        for name, value in metadata.items()
        if name.lower() not in _FILE_TAGS
        and not name.lower().startswith(_FILE_TAG_PREFIXES)
        and not name.lower().endswith(_FILE_TAG_ENDS)
    }


def end_of(packet: ClipPacket) -> float:
    """When a packet ends, seconds."""
    return float(((packet.pts or 0) + (packet.duration or 0)) * packet.time_base)


def _end_with_track(packet: ClipPacket) -> None:
    """Shorten a last packet that an edit list cuts, so that the copy ends with the original."""
    stream = packet.stream
    if not stream.container.format.name.startswith("mov"):
        return
    if stream.duration is None or packet.pts is None or packet.duration is None:
        return
    rest = (stream.start_time or 0) + stream.duration - packet.pts
    if 0 < rest < packet.duration:
        packet.duration = rest


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.name if stream.codec_context is not None else "of an unknown kind"
