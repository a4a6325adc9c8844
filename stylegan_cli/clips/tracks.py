"""The tracks beside the pictures: copied packet by packet, re-encoded only where they must be."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import av.error
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer, OutputContainer
from av.packet import Packet
from av.stream import Disposition, Stream

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
_FILE_TAG_PREFIXES = ("_statistics", "number_of_")

_USUAL_LAYOUTS = {
    "1 channels": "mono", "2 channels": "stereo", "4 channels": "quad", "6 channels": "5.1",
    "8 channels": "7.1",
}  # fmt: skip


@dataclass(slots=True)
class Track:
    """One track of the new clip and what went into it.

    index: of the stream in the new clip. checksum: MD5 over the packets' bytes, as they were read.
    """

    output: Stream
    is_copied: bool
    packets: int = 0
    checksum: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    @property
    def index(self) -> int:
        """Of the stream in the new clip."""
        return self.output.index

    @property
    def kind(self) -> str:
        """`audio` or `subtitle`."""
        return self.output.type

    def encode(self, frame: AudioFrame | None) -> list[ClipPacket]:
        """Packets of one frame of sound, or the last ones for None."""
        output: Any = self.output
        packets: list[ClipPacket] = output.encode(frame)
        return packets


class Tracks:
    """Sound, subtitles and attachments on their way into `output`.

    suffix: of the output, for the sentences in `notes`. sound_codec: the encoder for sound that
    `output` can't hold as it is.
    """

    def __init__(
        self, output: OutputContainer, suffix: str, sound_codec: str, notes: list[str]
    ) -> None:
        self._output = output
        self._suffix = suffix
        self._sound_codec = sound_codec
        self._notes = notes
        self._by_source: dict[int, Track] = {}

    def __iter__(self) -> Iterator[Track]:
        return iter(self._by_source.values())

    def add(self, source: InputContainer, *, pictures: Stream, sound: bool) -> list[int]:
        """Make room for each track of `source` that fits beside `pictures`.

        Returns the indices of the streams to read and to hand to `write`.
        """
        for stream in source.streams:
            if stream.index == pictures.index or (stream.type == "audio" and not sound):
                continue
            if stream.type == "attachment":
                self._add_attachment(stream)
            elif stream.type == "audio":
                self._add_sound(stream)
            elif stream.type == "subtitle":
                self._add_subtitles(stream)
            else:
                self._leave_out(stream)
        return list(self._by_source)

    def write(self, packet: ClipPacket) -> None:
        """Put in one packet of a stream that `add` returned."""
        track = self._by_source[packet.stream.index]
        track.packets += 1
        if track.is_copied:
            _end_with_track(packet)
            track.checksum.update(bytes(packet))
            packet.stream = track.output
            self._output.mux(packet)
            return
        try:
            frames: list[Any] = packet.decode()
        except av.error.FFmpegError as error:
            _log.debug("a piece of sound can't be decoded: %s", error)
            return
        for frame in frames:
            self._output.mux(track.encode(frame))

    def finish(self) -> None:
        """Write what the sound encoders still hold."""
        for track in self:
            if not track.is_copied:
                self._output.mux(track.encode(None))

    def _add_sound(self, stream: Stream) -> None:
        name = _codec_name(stream)
        if (output := self._template(stream)) is not None:
            self._by_source[stream.index] = Track(output, is_copied=True)
        elif isinstance(stream, AudioStream) and stream.codec_context is not None:
            output = self._add_sound_encoder(stream)
            _describe(output, stream)
            self._by_source[stream.index] = Track(output, is_copied=False)
            self._notes.append(
                f"Sound track {stream.index} is {name}, which {self._suffix} can't hold; "
                f"it is encoded again with {self._sound_codec}."
            )
        else:
            self._notes.append(f"Sound track {stream.index} ({name}) is unknown and left out.")

    def _add_sound_encoder(self, stream: AudioStream) -> Stream:
        encoder: Any = self._output.add_stream(self._sound_codec, rate=self._sound_rate(stream))
        # A count of channels without a layout, as old files have it, is no layout to an encoder.
        encoder.layout = _USUAL_LAYOUTS.get(stream.layout.name, stream.layout.name)
        output: Stream = encoder
        return output

    def _sound_rate(self, stream: AudioStream) -> int:
        # Opus knows a handful of rates and resamples to this one anyway.
        return 48_000 if self._sound_codec == "libopus" else stream.rate

    def _add_subtitles(self, stream: Stream) -> None:
        if (output := self._template(stream)) is not None:
            self._by_source[stream.index] = Track(output, is_copied=True)
        else:
            self._notes.append(
                f"Subtitle track {stream.index} is {_codec_name(stream)}, which {self._suffix} "
                "can't hold; it is left out, an .mkv would keep it."
            )

    def _add_attachment(self, stream: Stream) -> None:
        if self._output.format.name == "matroska":
            self._output.add_stream_from_template(stream)
        else:
            self._notes.append(
                f"The attachment {stream.name or stream.index} is left out; an .mkv would keep it."
            )

    def _leave_out(self, stream: Stream) -> None:
        if stream.disposition & Disposition.attached_pic:
            self._notes.append("The cover picture is left out.")
        elif stream.type == "video":
            self._notes.append(f"Picture track {stream.index} is left out.")
        else:
            _log.info("track %d (%s) is left out", stream.index, stream.type)

    def _template(self, stream: Stream) -> Stream | None:
        """A track of the output that takes the packets of `stream` as they are, if it can."""
        # FFmpeg writes raw sound into .mp4, but hardly any player finds it there.
        if self._output.format.name == "mp4" and _codec_name(stream).startswith("pcm_"):
            return None
        try:
            output = self._output.add_stream_from_template(stream)
        except ValueError:
            return None
        _describe(output, stream)
        return output


def _describe(output: Stream, source: Stream) -> None:
    """Give a track the name, the language and the purpose of the one it comes from."""
    output.metadata.update(clip_tags(source.metadata))
    output.disposition = source.disposition


def clip_tags(metadata: Mapping[str, str]) -> dict[str, str]:
    """Titles, dates and places, without what describes only the file they were found in."""
    return {
        name: value
        for name, value in metadata.items()
        if name.lower() not in _FILE_TAGS and not name.lower().startswith(_FILE_TAG_PREFIXES)
    }


def _end_with_track(packet: ClipPacket) -> None:
    """Shorten a last packet that an edit list cuts, so that the copy ends with the original."""
    stream = packet.stream
    if stream.duration is None or packet.pts is None or packet.duration is None:
        return
    rest = (stream.start_time or 0) + stream.duration - packet.pts
    if 0 < rest < packet.duration:
        packet.duration = rest


def _codec_name(stream: Stream) -> str:
    return stream.codec_context.name if stream.codec_context is not None else "of an unknown kind"
