"""Frames into a clip, with everything else of the original beside them."""

import errno
from array import array
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import av
import av.error
import numpy as np
from av.codec.context import Flags
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from stylegan_cli.containers.description import EXACT, ClipFrame, ClipInfo, Colours
from stylegan_cli.containers.encoders import EncoderOptions, choose_encoder
from stylegan_cli.containers.reading import ClipReader
from stylegan_cli.containers.tracks import ClipPacket, Tracks, clip_tags
from stylegan_cli.errors import ClipError, UsageError


@dataclass(frozen=True, slots=True)
class _Container:
    """A format that can be written: FFmpeg's name, and what goes in where nobody chooses."""

    format_name: str
    picture_codec: str
    sound_codec: str


_CONTAINERS = {
    ".mp4": _Container("mp4", "libx264", "aac"),
    ".m4v": _Container("mp4", "libx264", "aac"),
    ".mov": _Container("mov", "libx264", "aac"),
    ".mkv": _Container("matroska", "libx264", "aac"),
    ".webm": _Container("webm", "libvpx-vp9", "libopus"),
}
WRITABLE_SUFFIXES = tuple(_CONTAINERS)


class ClipWriter:
    """A new clip in the shape of another: same time base, orientation, pixel aspect, colour tags.

    path: the file to write; suffix: of the name it will have, which chooses the container.
    size: (width, height) of the frames as they are shown. colours: what the frames mean, if not the
    same as in `like`. `notes` gets a sentence for whatever could not be kept. Raises UsageError for
    options that do not fit together, ClipError when writing fails.
    """

    def __init__(
        self,
        path: Path,
        suffix: str,
        like: ClipInfo,
        size: tuple[int, int],
        *,
        options: EncoderOptions,
        colours: Colours | None = None,
    ) -> None:
        kind = _CONTAINERS[check_suffix(suffix)]
        self.notes: list[str] = []
        self.times = array("q")
        self._path = path
        self._info = like
        self._orientation = like.orientation
        self._width, self._height = size[::-1] if self._orientation.transposed else size
        self._encoder = choose_encoder(
            options,
            kind.picture_codec,
            like,
            (self._width, self._height),
            colours or like.colours,
            self.notes,
        )
        self._pending: ClipPacket | None = None
        self._first_dts = 0
        self._end = 0
        with _explained(path, starting=True):
            self._container = _create(path, kind.format_name, like)
            self._pictures = self._add_pictures()
        self.tracks = Tracks(self._container, suffix, kind.sound_codec, self.notes)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.abort()

    @property
    def stored_size(self) -> tuple[int, int]:
        """(width, height) of the frames in the file, before they are turned upright."""
        return self._width, self._height

    @property
    def codec(self) -> str:
        """The encoder in use."""
        return self._encoder.name

    def begin(self, reader: ClipReader, *, sound: bool = True) -> None:
        """Add the other tracks and the tags of what `reader` reads, and write the header.

        sound: False leaves it out. The reader then yields the packets of those tracks for `copy`.
        """
        source = reader.container
        with _explained(self._path, starting=True):
            reader.copied = frozenset(self.tracks.add(source, pictures=reader.stream, sound=sound))
            self._container.metadata.update(clip_tags(source.metadata))
            if not reader.is_cut:
                self._container.set_chapters(source.chapters())
            self._container.start_encoding()

    def put(self, item: ClipFrame | ClipPacket) -> None:
        """Take one item as `ClipReader` yields them."""
        if isinstance(item, ClipFrame):
            self.write(item)
        else:
            self.copy(item)

    def write(self, frame: ClipFrame) -> None:
        """Encode one frame; `pts` and `duration` are in the time base of `like`."""
        with _explained(self._path):
            self._mux(self._pictures.encode(self._to_video_frame(frame)))
        self.times.append(frame.pts)
        self._end = frame.pts + (frame.duration or self._usual_duration)

    def copy(self, packet: ClipPacket) -> None:
        """Put one packet of another track in; its stream is one of those `begin` returned."""
        with _explained(self._path):
            self.tracks.write(packet)

    def finish(self) -> None:
        """Flush the encoders and close the file. Raises ClipError when the disk is full."""
        with _explained(self._path):
            self._mux(self._pictures.encode(None))
            if self._pending is not None:
                self._stretch_to_end(self._pending)
                self._container.mux(self._pending)
            self.tracks.finish()
            self._container.close()

    def abort(self) -> None:
        """Stop without caring for the file, which is removed."""
        # Removed first: closing would otherwise move a large file's index to its front.
        self._path.unlink(missing_ok=True)
        with suppress(av.error.FFmpegError, OSError):
            self._container.close()
        self._path.unlink(missing_ok=True)

    @property
    def _usual_duration(self) -> int:
        return max(1, round(1 / (self._info.frame_rate * self._info.time_base)))

    def _mux(self, packets: list[ClipPacket]) -> None:
        """Write all packets but the newest, which may be the last one."""
        for packet in packets:
            if self._pending is None:
                self._first_dts = packet.dts or 0
            else:
                self._container.mux(self._pending)
            self._pending = packet

    def _stretch_to_end(self, last: ClipPacket) -> None:
        """Make the last packet reach the end of the last frame.

        mp4 knows no length but that from the first to the last packet in decoding order, where
        frames that were put in order of reference make the track end early.
        """
        length = self._end - self.times[0]
        rest = length - ((last.dts or 0) - self._first_dts)
        last.duration = max(last.duration or 0, rest)

    def _to_video_frame(self, frame: ClipFrame) -> VideoFrame:
        pixels = frame.pixels
        if frame.alpha is not None:
            pixels = (
                np.dstack([frame.pixels, frame.alpha])
                if self._encoder.keeps_alpha
                else frame.over_white()
            )
        layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
        stored = self._orientation.stored(pixels)
        colours = self._encoder.colours
        picture = self._converted(VideoFrame.from_numpy_buffer(stored, layout))
        picture.colorspace, picture.color_range = colours.matrix, colours.range
        picture.color_primaries, picture.color_trc = colours.primaries, colours.transfer
        picture.pts, picture.duration = frame.pts, frame.duration
        picture.time_base = self._info.time_base
        return picture

    def _converted(self, picture: VideoFrame) -> VideoFrame:
        """An RGB frame in the pixel format and with the matrix and range of the output."""
        matrix = self._encoder.colours.swscale_matrix(self._height)
        code_range = self._encoder.colours.swscale_range
        for pix_fmt in self._encoder.conversions:
            picture = picture.reformat(
                format=pix_fmt,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=None if picture.format.is_rgb else code_range,
                dst_color_range=code_range,
                interpolation=EXACT,
            )
        return picture

    def _add_pictures(self) -> VideoStream:
        info, encoder = self._info, self._encoder
        try:
            stream: Any = self._container.add_stream(encoder.name, rate=info.frame_rate)
        except ValueError as error:
            raise UsageError(
                f"{self._container.format.name} can't hold {encoder.name}: "
                "leave out the codec or choose another suffix"
            ) from error
        context = stream.codec_context
        context.width, context.height = self._width, self._height
        context.pix_fmt = encoder.pix_fmt
        context.time_base = info.time_base
        context.flags |= Flags.frame_duration
        context.options = dict(encoder.options)
        if info.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range = encoder.colours.range
        context.colorspace = encoder.colours.matrix
        context.color_primaries = encoder.colours.primaries
        context.color_trc = encoder.colours.transfer
        if (
            encoder.name.startswith(("libx265", "hevc"))
            and self._container.format.name != "matroska"
        ):
            context.codec_tag = "hvc1"  # Apple's players open no other.
        stream.time_base = info.time_base
        stream.set_display_matrix(info.display_matrix)
        context.open()
        stream.metadata.update(clip_tags(info.picture_tags))
        pictures: VideoStream = stream
        return pictures


def check_suffix(suffix: str) -> str:
    """`suffix` in lower case if clips with it can be written. Raises UsageError if not."""
    if suffix.lower() not in _CONTAINERS:
        *others, last = WRITABLE_SUFFIXES
        raise UsageError(
            f"a clip can't be written as '{suffix}': use {', '.join(others)} or {last}"
        )
    return suffix.lower()


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


@contextmanager
def _explained(path: Path, *, starting: bool = False) -> Iterator[None]:
    """Turn what goes wrong inside FFmpeg into one sentence."""
    try:
        yield
    except (av.error.FFmpegError, OSError) as error:
        if starting and error.errno == errno.EINVAL:
            raise UsageError(
                "the encoder does not accept these options together: check --codec, --preset, "
                "--crf and the suffix"
            ) from error
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            sentence = f"{path.parent} has no room for the clip: free some space and try again"
        elif isinstance(error, PermissionError):
            sentence = f"{path.parent} may not be written to: choose another folder with --out"
        else:
            reason = error.strerror or error
            sentence = f"the clip can't be encoded ({reason}): try another --codec or suffix"
        raise ClipError(sentence) from error
