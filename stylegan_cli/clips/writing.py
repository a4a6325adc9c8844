"""A clip put together: packets of pictures, with everything else of the original beside them."""

import heapq
from array import array
from bisect import bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any, Self

import av
import av.error
from av.container import OutputContainer
from av.video.stream import VideoStream

from stylegan_cli.clips.description import ClipInfo
from stylegan_cli.clips.encoders import same_scheduling
from stylegan_cli.clips.encoding import ClipPlan
from stylegan_cli.clips.failures import explained
from stylegan_cli.clips.packet_files import read_packets, read_times
from stylegan_cli.clips.reading import ClipReader
from stylegan_cli.clips.timecodes import moved_timecode
from stylegan_cli.clips.tracks import ClipPacket, Tracks, clip_tags
from stylegan_cli.errors import UsageError


class ClipWriter:
    """Writes a clip as `plan` says, out of packets that are encoded already.

    `notes` gets a sentence for whatever could not be kept. encoded: see Tracks. Raises UsageError
    for options that do not fit together, ClipError when writing fails.
    """

    def __init__(self, path: Path, plan: ClipPlan, encoded: Collection[int] = ()) -> None:
        self.plan = plan
        self.notes = list(plan.notes)
        self.times = array("q")
        self._path = path
        self.end = 0
        with explained(path, starting=True):
            self._container = _create(path, plan.container.format_name, plan.like)
            self._pictures = self._add_pictures()
        sound_codec = plan.container.sound_codec
        self.tracks = Tracks(self._container, plan.suffix, sound_codec, self.notes, encoded)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abort()

    def begin(self, reader: ClipReader, *, sound: bool = True) -> None:
        """Add the other tracks and the tags of what `reader` reads, and write the header.

        sound: False leaves it out. `reader.copied` names the streams that `join` then wants.
        """
        source = reader.container
        with explained(self._path, starting=True):
            copied = self.tracks.add(source, reader.info.path, pictures=reader.stream, sound=sound)
            reader.copied = frozenset(copied)
            self._container.metadata.update(clip_tags(source.metadata))
            self._move_timecode(reader)
            self._container.set_chapters(reader.chapters())
            self._container.start_encoding()
            self.tracks.start()

    def _move_timecode(self, reader: ClipReader) -> None:
        """Let the timecode name the moment that is now the first, in frames of the new rate."""
        rates = reader.info.frame_rate, self.plan.like.frame_rate
        for tags in (self._container.metadata, self._pictures.metadata):
            for key in [key for key in tags if key.lower() == "timecode"]:
                if moved := moved_timecode(tags[key], reader.part.start_s, *rates):
                    tags[key] = moved
                else:
                    del tags[key]
                    self.notes.append("The timecode does not fit this rate and is left out.")

    def join(self, segments: Sequence[Path], end: int, others: Iterable[ClipPacket]) -> None:
        """Write all there is, and close the file. Raises ClipError when the disk is full.

        segments: files of packets, one after the other in time, as FrameEncoder made them. end:
        when the last frame ends, ticks. others: the packets of the other tracks.
        """
        orders = [read_times(segment) for segment in segments]
        self.times = array("q", (time for order in orders for time in sorted(order)))
        self.end = end
        delay = max((_reordering(order) for order in orders), default=0)
        pictures = (
            (packet.dts * packet.time_base, self._container.mux, packet)
            for packet in self._decodable(segments, delay)
        )
        copies = (
            ((packet.dts or 0) * packet.time_base, self.tracks.write, packet) for packet in others
        )
        with explained(self._path):
            for _, write, packet in heapq.merge(pictures, copies, key=itemgetter(0)):
                write(packet)
            self.tracks.finish()
            self._container.close()

    def abort(self) -> None:
        """Stop without caring for the file, which is removed."""
        # Removed first: closing would otherwise move a large file's index to its front.
        self._path.unlink(missing_ok=True)
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()
        self._path.unlink(missing_ok=True)

    def _decodable(self, segments: Iterable[Path], delay: int) -> Iterator[Any]:
        """The packets of pictures, each to be decoded when the frame `delay` places ago is shown.

        The encoder's own decoding times start anew in each segment and may run into those before.
        """
        usual = self.plan.usual_duration
        number = 0
        for segment in segments:
            packet: Any
            for packet in read_packets(segment, self.plan.like.time_base):
                early = delay - number
                packet.dts = self.times[0] - early * usual if early > 0 else self.times[-early]
                packet.duration = self._shown_until(packet.pts) - packet.pts
                packet.stream = self._pictures
                number += 1
                if number == len(self.times) and self._container.format.name in ("mp4", "mov"):
                    self._end_with_pictures(packet, delay * usual)
                yield packet

    def _shown_until(self, pts: int) -> int:
        """When the frame shown at `pts` gives way to the next one, or the clip ends, ticks."""
        index = bisect_right(self.times, pts)
        return self.times[index] if index < len(self.times) else self.end

    def _end_with_pictures(self, last: Any, early: int) -> None:
        """Give the packet that is decoded last times with which the track ends with its pictures.

        To an mp4 the length of a track is that from the first packet to the end of the last one in
        the order of decoding, which begins `early` ticks before the first frame is shown, and also
        where the last frame's time to be shown ends. Both have to be `end`.
        """
        last.dts = max(last.dts, last.pts - early)
        last.duration = max(1, self.end - early - last.dts)

    def _add_pictures(self) -> VideoStream:
        info, encoder = self.plan.like, self.plan.encoder
        try:
            stream: Any = self._container.add_stream(encoder.name, rate=info.frame_rate)
        except ValueError as error:
            raise UsageError(
                f"{self._container.format.name} can't contain {encoder.name}: "
                "leave out the codec or choose another suffix"
            ) from error
        # This encoder never gets a frame; it is here for the headers that it would write.
        self.plan.configure(stream.codec_context)
        stream.time_base = info.time_base
        stream.set_display_matrix(info.display_matrix)
        with same_scheduling():
            stream.codec_context.open()
        stream.disposition = info.disposition
        stream.metadata.update(clip_tags(info.picture_tags))
        pictures: VideoStream = stream
        return pictures


def _reordering(order: Sequence[int]) -> int:
    """How many places later than it is shown a frame comes at most, given its pts in order."""
    rank = {time: index for index, time in enumerate(sorted(order))}
    return max((index - rank[time] for index, time in enumerate(order)), default=0)


def _create(path: Path, format_name: str, like: ClipInfo) -> OutputContainer:
    if format_name in ("mp4", "mov"):
        flags = ["faststart"]
        if any(name.startswith("com.") for name in like.tags):
            flags.append("use_metadata_tags")  # Apple's names for camera and place need it.
        # A delay before the first frame is written in this unit, by default whole milliseconds.
        unit = str(like.time_base.denominator)
        options = {"movflags": "+".join(flags), "movie_timescale": unit}
    else:
        # Sound may begin before zero, with samples to drop; nothing else is shifted for it.
        options = {"avoid_negative_ts": "disabled"}
    return av.open(f"file:{path}", "w", format=format_name, container_options=options)
