"""Frames out of a clip, and what damage has left of it."""

import heapq
import logging
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import av
import av.error
import numpy.typing as npt
from av.stream import Stream
from av.video.frame import VideoFrame

from stylegan_cli.clips.avi import lateness, set_unit, sound_units
from stylegan_cli.clips.clock import Clock, clock_of
from stylegan_cli.clips.conversion import FrameConverter
from stylegan_cli.clips.description import ClipFrame, ClipInfo, Pixels, StoredFrame, read_info
from stylegan_cli.clips.fields import Deinterlacer
from stylegan_cli.clips.opening import open_clip, picture_decoder, picture_stream
from stylegan_cli.clips.part import ClipPart
from stylegan_cli.clips.side_data import holds_captions
from stylegan_cli.clips.tracks import ClipPacket
from stylegan_cli.errors import ClipError

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Shown:
    """A decoded frame and, once it is asked for, what it is converted to."""

    frame: VideoFrame
    picture: tuple[npt.NDArray[Any], Pixels | None, StoredFrame | None] | None = None


class ClipReader:
    """A clip's frames, upright, in the order they are shown, with its other packets in between.

    start_s, end_s: the part to read, seconds from the clip's beginning; time then starts anew at
    start_s. tone_map: convert HDR to SDR; `converter` tells what else frames are made to.
    copied: indices of the streams whose packets are wanted too. skipped: how many frames to leave
    out at the beginning; they are decoded, for what follows from them, and counted. Raises
    ClipError.
    """

    def __init__(
        self,
        path: Path,
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        tone_map: bool = False,
    ) -> None:
        self._clock = clock_of(path)
        self.info = _on_one_clock(read_info(path), self._clock)
        self.decoded_frames = 0
        self.held_frames = 0
        self.retimed_frames = 0
        self.resized_frames = 0
        self._shown_frames = 0
        self.converter = FrameConverter(self.info)
        self.converter.tone_map = tone_map
        self.has_captions = False
        self._deinterlacer: Deinterlacer | None = Deinterlacer()
        self.copied: frozenset[int] = frozenset()
        self.skipped = 0
        self._seen_packets = 0
        self._discarded_packets = 0
        self._seen_until_s = 0.0
        self._broke_off = False
        self._is_damaged = False
        self._due: list[int] = []
        self._last: _Shown | None = None
        self._last_pts: int | None = None
        self.container = open_clip(path)
        self.stream = picture_stream(self.container, path)
        self._decoder = picture_decoder(self.stream)
        self._late = lateness(self.info)
        self._sound_units = sound_units(self.info)
        self._track_end: int | None = None
        if self._is_indexed and self.stream.duration is not None:
            self._track_end = (self.stream.start_time or 0) + self.stream.duration
        self.part = ClipPart(self.info, start_s, end_s)
        if start_s and self._can_seek:
            self._seek(start_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.container.close()

    @property
    def _can_seek(self) -> bool:
        # Without an index a search ends between keyframes: read such a file from its beginning.
        is_indexed = self.info.format_name.startswith(("mov", "matroska", "avi"))
        # A search goes to a keyframe, and sound before the first one would be lost.
        first = (self.stream.start_time or 0) * (self.stream.time_base or 0)
        # It looks for the time that the sound states.
        return is_indexed and first <= self.part.origin_s and not self._sound_units

    def _seek(self, start_s: float) -> None:
        try:
            self.container.seek(round(self.part.origin_s * av.time_base), backward=True)
        except av.error.FFmpegError as error:
            raise ClipError(
                f"{self.info.path} can't be searched for {start_s:g} s: leave out the start"
            ) from error

    def __iter__(self) -> Iterator[ClipFrame | ClipPacket]:
        try:
            for packet in self._demux():
                # The packets that flush a decoder have no index of their own, only a stream.
                if packet.stream.index == self.stream.index:
                    yield from self._decode(packet)
                    # Sound lags behind pictures in some files: read a little past the end.
                    if self.part.is_over(packet, slack_s=1):
                        return
                elif packet.size and self._is_wanted(packet):
                    yield self.part.moved(packet)
        except av.error.FFmpegError as error:
            _log.debug("reading %s stops early: %s", self.info.path, error)
            self._broke_off = True
            yield from self._decode(None)
        if self._deinterlacer is not None:
            for frame in self._deinterlacer.finish():
                yield from self._deliver(frame)
        if self.shortfall is None:
            while self._due:
                yield from self._hold(heapq.heappop(self._due))

    def packets(self) -> Iterator[ClipPacket]:
        """The packets of the `copied` streams alone; no frame is decoded for them."""
        with suppress(av.error.FFmpegError):  # Where the file breaks off, so did the frames.
            for packet in self._demux():
                if packet.stream.index == self.stream.index:
                    if self.part.is_over(packet, slack_s=1):
                        return
                elif packet.size and self._is_wanted(packet):
                    yield self.part.moved(packet)

    def chapters(self) -> list[Any]:
        """The chapters of the part that is read, moved along with it."""
        return self.part.moved_chapters(self.container.chapters())

    def _demux(self) -> Iterator[ClipPacket]:
        """The packets of the pictures and of the `copied` streams, all on one clock."""
        wanted: list[Stream] = [
            self.stream,
            *(self.container.streams[index] for index in sorted(self.copied)),
        ]
        if self._clock is None:
            for packet in self.container.demux(*wanted):
                index = packet.stream.index
                if packet.pts is not None and index == self.stream.index:
                    packet.pts -= self._late
                if packet.size and index in self._sound_units:
                    set_unit(packet, self._sound_units[index])
                yield packet
            return
        numbers = {stream.index for stream in wanted}
        # The clock has to see all that it was made of.
        for stream in (*self.container.streams.video, *self.container.streams.audio):
            if stream.index not in numbers:
                wanted.append(stream)
        for packet in self.container.demux(*wanted):
            if packet.size:
                self._clock.set(packet)
            if packet.stream.index in numbers:
                yield packet

    def keep_fields(self) -> None:
        """Give each frame with its upper field above the lower one, and deinterlace nothing."""
        self._deinterlacer, self.converter.splits_fields = None, True

    @property
    def deinterlaced_frames(self) -> int:
        """How many frames were interlaced and are not any more."""
        return 0 if self._deinterlacer is None else self._deinterlacer.count

    @property
    def parts(self) -> int:
        """Of how many parts, each with a clock of its own, the recording is joined."""
        return 1 if self._clock is None else self._clock.parts

    @property
    def shortfall(self) -> str | None:
        """How much of a clip that was read through there was: "65 of 180 frames"; None for all."""
        if self.part.is_cut:
            return self._shortfall_of_part()
        count = self.info.frame_count
        if count is not None and self._seen_packets < count and self._is_indexed:
            return f"{self.decoded_frames} of {count - self._discarded_packets} frames"
        total_s, seen_s = self.info.duration_s, self._seen_until_s
        if self.info.format_name.startswith("mpeg"):
            seen_s -= self.info.start_s
        if total_s is not None and seen_s < total_s - 0.5:
            return f"{seen_s:.1f} of {total_s:.1f} seconds"
        return f"the first {self.decoded_frames} frames" if self._broke_off else None

    def _shortfall_of_part(self) -> str | None:
        if self.stream.duration is None or self._last_pts is None or self._clock is not None:
            return None
        end = (self.stream.start_time or 0) + self.stream.duration
        end = end if self.part.end is None else min(end, self.part.end)
        total_s = float((end - self.part.origin) * self.info.time_base)
        seen_s = float((self._last_pts - self.part.origin) * self.info.time_base)
        return None if seen_s > total_s - 0.5 else f"{max(seen_s, 0):.1f} of {total_s:.1f} seconds"

    @property
    def _is_indexed(self) -> bool:
        """Whether the frame count is that of an index, not a guess in a header."""
        return self.info.format_name.startswith("mov")

    def _decode(self, packet: ClipPacket | None) -> Iterator[ClipFrame]:
        if packet is not None and packet.size and not self._admit(packet):
            return
        try:
            frames: list[VideoFrame] = self._decoder.decode(packet)
        except av.error.EOFError:
            return
        except av.error.FFmpegError as error:
            _log.debug("a frame of %s can't be decoded: %s", self.info.path, error)
            self._is_damaged = True
            return
        for frame in frames:
            for whole in self._deinterlacer(frame) if self._deinterlacer else (frame,):
                yield from self._deliver(whole)

    def _admit(self, packet: ClipPacket) -> bool:
        """Count a packet of pictures; False for one of which only a part is in the file."""
        self._seen_packets += 1
        if packet.is_discard:
            self._discarded_packets += 1
        elif packet.pts is not None:
            heapq.heappush(self._due, packet.pts)
            end = packet.pts + (packet.duration or 0)
            self._seen_until_s = max(self._seen_until_s, float(end * packet.time_base))
        if packet.is_corrupt and self._is_indexed:
            self._is_damaged = True
            return False
        return True

    def _deliver(self, frame: VideoFrame) -> Iterator[ClipFrame]:
        if self._is_damaged and self._is_late(frame):
            return  # Another frame has already stood in for it.
        pts = self._time_of(frame)
        while self._due and self._due[0] < pts:
            yield from self._hold(heapq.heappop(self._due))
        if self._due and self._due[0] == pts:
            heapq.heappop(self._due)
        self._last_pts = pts
        self.decoded_frames += 1
        if frame.key_frame and not self.has_captions:  # Looking into each takes its time.
            self.has_captions = holds_captions(frame)
        if self.part.has_frame(pts):
            if (frame.width, frame.height) != self.info.coded_size:
                self.resized_frames += 1
            self._last = _Shown(frame)
            yield from self._show(self._last, pts)

    def _hold(self, pts: int) -> Iterator[ClipFrame]:
        """The last good frame again where damage has eaten one, so that sound stays in step.

        A packet without a frame is no damage by itself: VP8 stores some that are never shown.
        """
        if self._is_damaged and self._last is not None and self.part.has_frame(pts):
            self.held_frames += 1
            self._last_pts = pts
            yield from self._show(self._last, pts, is_repeat=True)

    def _show(self, shown: "_Shown", pts: int, *, is_repeat: bool = False) -> Iterator[ClipFrame]:
        self._shown_frames += 1
        if self._shown_frames <= self.skipped:
            return
        if shown.picture is None:
            shown.picture = self.converter(shown.frame)
        pixels, alpha, stored = shown.picture
        # An edit list may end the track before its last frame ends.
        duration = shown.frame.duration
        if self._track_end is not None and pts < self._track_end:
            duration = min(duration, self._track_end - pts)
        yield ClipFrame(pixels, alpha, pts - self.part.origin, duration, is_repeat, stored)

    def _is_late(self, frame: VideoFrame) -> bool:
        last = self._last_pts
        return last is not None and frame.pts is not None and frame.pts <= last

    def _time_of(self, frame: VideoFrame) -> int:
        """The frame's pts; made from the frame rate without one, the next tick where it repeats."""
        pts = frame.pts if frame.pts is not None else frame.dts
        if pts is None:
            self.retimed_frames += 1
            step = max(1, round(1 / (self.info.frame_rate * self.info.time_base)))
            return 0 if self._last_pts is None else self._last_pts + (frame.duration or step)
        if self._last_pts is not None and pts <= self._last_pts:
            self.retimed_frames += 1
            return self._last_pts + 1
        return pts

    def _is_wanted(self, packet: ClipPacket) -> bool:
        if packet.pts is None:
            return False
        time_s = packet.pts * packet.time_base
        self._seen_until_s = max(self._seen_until_s, float(time_s))
        return self.part.has_time(time_s)


def _on_one_clock(info: ClipInfo, clock: Clock | None) -> ClipInfo:
    if clock is None:
        return info
    length_s = float(clock.end_s - clock.start_s)
    return replace(info, start_s=float(clock.start_s), duration_s=length_s)
