"""Frames into a clip, with everything else of the original beside them."""

import errno
import logging
import os
from array import array
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import av.error
import numpy as np
from av.codec.codec import Codec, UnknownCodecError
from av.codec.context import CodecContext, Flags
from av.container import OutputContainer
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange
from av.video.stream import VideoStream

from stylegan_cli.containers.description import EXACT, ClipFrame, ClipInfo, Colours
from stylegan_cli.containers.reading import ClipReader
from stylegan_cli.containers.tracks import ClipPacket, Tracks, clip_tags
from stylegan_cli.errors import ClipError, UsageError

_log = logging.getLogger(__name__)


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

# Visually near the source, and fast enough that painting stays the slower part.
_DEFAULT_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "20", "preset": "fast", "x265-params": "log-level=error"},
    "libsvtav1": {"crf": "24", "preset": "8"},
    "libvpx-vp9": {"crf": "24", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    "libvpx": {"crf": "10", "b": "4M", "deadline": "good", "cpu-used": "4"},
}
# What --crf and --preset are called by one encoder or another.
_QUALITY_NAMES = ("crf", "cq", "global_quality", "qp")
_SPEED_NAMES = ("preset", "cpu-used")

_HARDWARE = ("_nvenc", "_qsv", "_vaapi", "_videotoolbox", "_amf", "_v4l2m2m", "_mf", "_vulkan")
_SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
_SUGGESTED = "libx264, libx265, libsvtav1, libvpx-vp9 or prores_ks"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderOptions:
    """How pictures are encoded; None leaves it to the container and the codec."""

    codec: str | None = None
    crf: float | None = None
    preset: str | None = None
    pix_fmt: str | None = None


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
        self._codec = self._available_codec(options.codec or kind.picture_codec)
        self._pix_fmt = self._pixel_format(options.pix_fmt)
        self._colours = self._written_colours(colours or like.colours)
        self._pending: ClipPacket | None = None
        self._first_dts = 0
        self._end = 0
        with _explained(path, starting=True):
            self._container = _create(path, kind.format_name, like)
            self._pictures = self._add_pictures(options)
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
        return self._codec

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
                np.dstack([frame.pixels, frame.alpha]) if self._keeps_alpha else frame.over_white()
            )
        layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
        stored = self._orientation.stored(pixels)
        colours = self._colours
        picture = self._converted(VideoFrame.from_numpy_buffer(stored, layout))
        picture.colorspace, picture.color_range = colours.matrix, colours.range
        picture.color_primaries, picture.color_trc = colours.primaries, colours.transfer
        picture.pts, picture.duration = frame.pts, frame.duration
        picture.time_base = self._info.time_base
        return picture

    def _converted(self, picture: VideoFrame) -> VideoFrame:
        """An RGB frame in the pixel format and with the matrix and range of the output."""
        matrix = self._colours.swscale_matrix(self._height)
        code_range = self._colours.swscale_range
        for pix_fmt in self._conversions:
            picture = picture.reformat(
                format=pix_fmt,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=None if picture.format.is_rgb else code_range,
                dst_color_range=code_range,
                interpolation=EXACT,
            )
        return picture

    @property
    def _conversions(self) -> tuple[str, ...]:
        # To full range swscale rounds colour down, which tints; with four more bits it hardly can.
        is_full = self._colours.swscale_range == ColorRange.JPEG
        if is_full and self._pix_fmt in ("yuv420p", "yuv422p", "yuv444p"):
            return f"{self._pix_fmt}12le", self._pix_fmt
        return (self._pix_fmt,)

    @property
    def _keeps_alpha(self) -> bool:
        return _has_alpha(self._pix_fmt)

    def _available_codec(self, name: str) -> str:
        """`name`, or its software twin where the hardware it needs is not there."""
        try:
            codec = Codec(name, "w")
        except UnknownCodecError as error:
            raise UsageError(f"there is no encoder {name}: try {_SUGGESTED}") from error
        if codec.type != "video":
            raise UsageError(f"{name} does not encode pictures: try {_SUGGESTED}")
        if not name.endswith(_HARDWARE) or _encodes(name):
            return codec.name
        substitute = _SOFTWARE.get(name.partition("_")[0], "libx264")
        self.notes.append(f"{name} finds no hardware here; {substitute} encodes instead.")
        return substitute

    def _pixel_format(self, asked: str | None) -> str:
        available = [item.name for item in Codec(self._codec, "w").video_formats or ()]
        if asked is not None:
            if available and asked not in available:
                raise UsageError(
                    f"{self._codec} has no pixel format {asked}: it has {', '.join(available)}"
                )
            return asked
        if self._info.has_alpha:
            if alpha := [name for name in available if _has_alpha(name)]:
                return alpha[0]
            self.notes.append(
                f"{self._codec} can't hold transparency, so what is transparent turns white; "
                "a .webm keeps it."
            )
        opaque = [name for name in available if not _has_alpha(name)]
        is_odd = self._width % 2 or self._height % 2
        # VP9 and AV1 cut a padded frame to any size; H.264 and H.265 can't halve an odd one.
        if is_odd and "yuv444p" in opaque and not self._codec.startswith("libvpx"):
            self.notes.append(
                f"{self._codec} can keep {self._width}x{self._height} only as 4:4:4, which some "
                "phones don't play; --codec libvpx-vp9 keeps it as 4:2:0."
            )
            return "yuv444p"
        return "yuv420p" if "yuv420p" in opaque or not opaque else opaque[0]

    def _written_colours(self, colours: Colours) -> Colours:
        """The tags to write: those of the source where the new pixel format can mean them."""
        is_rgb = VideoFormat(self._pix_fmt, self._width, self._height).is_rgb
        # Code point 0 says that there is no matrix, which is true of RGB alone.
        matrix = colours.matrix
        if is_rgb:
            matrix = 0
        elif not colours.is_matrix_known:
            matrix = 1 if self._height >= 720 else 6
        limited_only = self._codec.startswith("prores")
        return Colours(
            range=1 if limited_only else colours.range,
            primaries=colours.primaries,
            transfer=colours.transfer,
            matrix=matrix,
        )

    def _add_pictures(self, options: EncoderOptions) -> VideoStream:
        info = self._info
        # SVT-AV1 talks on stderr unless the environment tells it not to.
        os.environ.setdefault("SVT_LOG", "1")
        try:
            stream: Any = self._container.add_stream(self._codec, rate=info.frame_rate)
        except ValueError as error:
            raise UsageError(
                f"{self._container.format.name} can't hold {self._codec}: "
                "leave out the codec or choose another suffix"
            ) from error
        context = stream.codec_context
        context.width, context.height = self._width, self._height
        context.pix_fmt = self._pix_fmt
        context.time_base = info.time_base
        context.flags |= Flags.frame_duration
        context.options = _encoder_options(self._codec, options)
        if info.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range = self._colours.range
        context.colorspace = self._colours.matrix
        context.color_primaries = self._colours.primaries
        context.color_trc = self._colours.transfer
        if (
            self._codec.startswith(("libx265", "hevc"))
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


def _encoder_options(codec: str, asked: EncoderOptions) -> dict[str, str]:
    known = {option.name for option in CodecContext.create(codec, "w").supported_options.private}
    options = dict(_DEFAULT_OPTIONS.get(codec, {}))
    for label, value, names in (
        ("--crf", asked.crf, _QUALITY_NAMES),
        ("--preset", asked.preset, _SPEED_NAMES),
    ):
        if value is None:
            continue
        name = next((name for name in names if name in known), None)
        if name is None:
            raise UsageError(f"{codec} has no {label}: leave it out")
        options[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return options


def _encodes(codec: str) -> bool:
    """Whether a hardware encoder opens and takes a frame on this machine."""
    try:
        context: Any = CodecContext.create(codec, "w")
        context.width, context.height, context.pix_fmt = 256, 256, "yuv420p"
        context.time_base, context.framerate = Fraction(1, 25), Fraction(25)
        context.encode(VideoFrame(256, 256, "yuv420p"))
    except (av.error.FFmpegError, ValueError, RuntimeError) as error:
        _log.debug("%s does not open: %s", codec, error)
        return False
    return True


def _has_alpha(pix_fmt: str) -> bool:
    return any(part.is_alpha for part in VideoFormat(pix_fmt, 16, 16).components)


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
