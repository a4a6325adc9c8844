"""Which encoder makes the pictures, and how."""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any

import av.error
import cv2
from av.codec.codec import Codec, UnknownCodecError
from av.codec.context import CodecContext
from av.video.format import VideoFormat
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange

from stylegan_cli.clips.colour_tags import ColourTags, MasteringDisplay
from stylegan_cli.clips.description import ClipInfo
from stylegan_cli.clips.pixel_formats import PixelShape, nearest_format, words_on_format
from stylegan_cli.errors import UsageError, messages
from stylegan_cli.runtime.config import Option, config_class

_log = logging.getLogger(__name__)

# Visually near the source, and fast enough that stylizing stays the slower part.
_DEFAULT_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libx265": {"crf": "18", "preset": "superfast", "x265-params": "log-level=error"},
    "libsvtav1": {"crf": "24", "preset": "8"},
    "libvpx-vp9": {"crf": "24", "deadline": "good", "cpu-used": "4", "row-mt": "1"},
    "libvpx": {"crf": "10", "b": "4M", "deadline": "good", "cpu-used": "4"},
}
_AVX_512 = 13  # OpenCV's number of that instruction set (CPU_AVX_512F in C++)

# What --crf and --preset are called by one encoder or another.
_QUALITY_NAMES = ("crf", "cq", "global_quality", "qp")
_SPEED_NAMES = ("preset", "cpu-used")

_HARDWARE = ("_nvenc", "_qsv", "_vaapi", "_videotoolbox", "_amf", "_v4l2m2m", "_mf", "_vulkan")
_SOFTWARE = {"h264": "libx264", "hevc": "libx265", "av1": "libsvtav1", "vp9": "libvpx-vp9"}
# Presets from fast to slow as libx264 and libx265 name them; those of hardware stand for one each.
_PRESETS = (
    "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow",
)  # fmt: skip
_HARDWARE_PRESETS = {f"p{number}": _PRESETS[number] for number in range(1, 8)} | {
    "speed": "veryfast", "balanced": "medium", "quality": "slow",
}  # fmt: skip
_HARDWARE_PIXEL_FORMATS = {"nv12": "yuv420p", "p010le": "yuv420p10le", "p016le": "yuv420p10le"}
_SUGGESTED = ("libx264", "libx265", "libsvtav1", "libvpx-vp9", "prores_ks")


@config_class
class EncoderOptions:
    """How pictures are encoded; None leaves it to the container and the codec."""

    codec: Annotated[
        str | None,
        Option(
            "Encoder: libx264, libx265, libsvtav1, libvpx-vp9, prores_ks, h264_nvenc...",
            shown="libx264, libx265 for HDR and 10 bits; in .webm libvpx-vp9, libsvtav1",
        ),
    ] = None
    crf: Annotated[
        float | None,
        Option(
            "Quality of the encoder; lower is better.",
            at_least=-100,
            at_most=100,
            shown="18 for libx264 and libx265",
        ),
    ] = None
    preset: Annotated[str | None, Option("Speed of the encoder.", shown="veryfast for libx264")] = (
        None
    )
    pix_fmt: Annotated[
        str | None,
        Option("Pixel format of the encoder.", shown="the clip's own, if the encoder supports it"),
    ] = None


@dataclass(frozen=True, slots=True)
class Encoder:
    """An encoder that is there, and what to tell it.

    colours: the tags to write, and what frames are converted by. options: FFmpeg's, by name.
    """

    name: str
    pix_fmt: str
    colours: ColourTags
    options: Mapping[str, str]

    @property
    def keeps_alpha(self) -> bool:
        """Whether transparency goes in."""
        return _has_alpha(self.pix_fmt)

    @property
    def is_deep(self) -> bool:
        """Whether more than 8 bits of a number go in."""
        return PixelShape.of(self.pix_fmt).bits > 8

    @property
    def conversions(self) -> tuple[str, ...]:
        """The pixel formats through which an RGB frame comes to this encoder."""
        # To full range swscale rounds colour down, which tints; with four more bits it hardly can.
        is_full = self.colours.swscale_range == ColorRange.JPEG
        if is_full and self.pix_fmt in ("yuv420p", "yuv422p", "yuv444p"):
            return f"{self.pix_fmt}12le", self.pix_fmt
        return (self.pix_fmt,)


def choose_encoder(
    asked: EncoderOptions,
    usual: str,
    like: ClipInfo,
    size: tuple[int, int],
    colours: ColourTags,
    notes: list[str],
) -> Encoder:
    """The encoder asked for, or the usual one, made to fit frames of `size` with what `like` has.

    size: (width, height) as stored. colours: what the frames mean. notes: gets a sentence for what
    is not as it was asked or as it was. Raises UsageError for what does not exist or go together.
    """
    # SVT-AV1 talks on stderr unless the environment tells it not to.
    os.environ.setdefault("SVT_LOG", "1")
    name = _available(asked.codec or usual, notes)
    if asked.codec is not None and name != asked.codec:
        asked = _for_substitute(asked, name, notes)
    min_bits = 10 if colours.is_hdr else 8
    pix_fmt = _pixel_format(name, asked.pix_fmt, like, size, min_bits, notes)
    written = _written_colours(name, pix_fmt, colours, size[1])
    mastering = like.mastering if colours.is_hdr else MasteringDisplay()
    return Encoder(name, pix_fmt, written, _options(name, asked, mastering))


def has_encoder(name: str) -> bool:
    """Whether this build of FFmpeg has it."""
    try:
        Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


def _available(name: str, notes: list[str]) -> str:
    """`name`, or its software twin where the hardware it needs is not there."""
    try:
        codec = Codec(name, "w")
    except UnknownCodecError as error:
        raise UsageError(messages.unknown_name("encoder", name, _SUGGESTED)) from error
    if codec.type != "video":
        raise UsageError(f"{name} does not encode pictures; try {', '.join(_SUGGESTED)}")
    if not name.endswith(_HARDWARE) or _encodes(name):
        return codec.name
    substitute = _SOFTWARE.get(name.partition("_")[0], "libx264")
    notes.append(f"{name} finds no hardware here; {substitute} encodes instead.")
    return substitute


def _for_substitute(asked: EncoderOptions, codec: str, notes: list[str]) -> EncoderOptions:
    """What was asked of hardware, in the words of the software that stands in for it."""
    preset, pix_fmt = asked.preset, asked.pix_fmt
    if preset is not None:
        preset = _software_preset(_HARDWARE_PRESETS.get(preset, preset), codec)
        if preset is None:
            notes.append(f"{codec} has no preset {asked.preset} and keeps its usual one.")
    if pix_fmt is not None and pix_fmt not in _pixel_formats(codec):
        pix_fmt = _HARDWARE_PIXEL_FORMATS.get(pix_fmt)
        if pix_fmt not in _pixel_formats(codec):
            pix_fmt = None
            notes.append(f"{codec} has no pixel format {asked.pix_fmt} and keeps its usual one.")
    return EncoderOptions(codec=codec, crf=asked.crf, preset=preset, pix_fmt=pix_fmt)


def _software_preset(name: str, codec: str) -> str | None:
    if name not in _PRESETS:
        return None
    rank = _PRESETS.index(name)
    # Those of AV1 and VP9 are numbers, fast ones large.
    return {"libsvtav1": str(12 - rank), "libvpx-vp9": str(8 - rank)}.get(codec, name)


def _pixel_formats(codec: str) -> list[str]:
    return [item.name for item in Codec(codec, "w").video_formats or ()]


def _pixel_format(
    codec: str,
    asked: str | None,
    like: ClipInfo,
    size: tuple[int, int],
    min_bits: int,
    notes: list[str],
) -> str:
    available = _pixel_formats(codec)
    if asked is not None:
        if available and asked not in available:
            raise UsageError(f"{codec} has no pixel format {asked}: it has {', '.join(available)}")
        return asked
    if like.has_alpha:
        if alpha := [name for name in available if _has_alpha(name)]:
            notes += filter(None, [words_on_format(codec, like.pix_fmt, alpha[0])])
            return alpha[0]
        notes.append(
            f"{codec} does not support transparency, so transparent pixels become white; "
            "a .webm keeps it."
        )
    is_odd = size[0] % 2 or size[1] % 2
    # VP9 and AV1 cut a padded frame to any size; H.264 and H.265 can't halve an odd one.
    whole_colour = bool(is_odd) and not codec.startswith("libvpx")
    chosen = nearest_format(
        available,
        like.pix_fmt,
        whole_colour=whole_colour,
        min_bits=min_bits,
        max_bits=8 if like.has_alpha else 10,  # With transparency, frames are stylized in 8.
    )
    if whole_colour and PixelShape.of(chosen).columns < PixelShape.of(like.pix_fmt).columns:
        notes.append(
            f"{codec} can keep {size[0]}x{size[1]} only as 4:4:4, which some "
            "phones don't play; --codec libvpx-vp9 keeps it as 4:2:0."
        )
    elif words := words_on_format(codec, like.pix_fmt, chosen):
        notes.append(words)
    return chosen


def _written_colours(codec: str, pix_fmt: str, colours: ColourTags, height: int) -> ColourTags:
    """The tags to write: those of the source where the new pixel format can mean them."""
    is_rgb = VideoFormat(pix_fmt, 16, 16).is_rgb
    # Code point 0 says that there is no matrix, which is true of RGB alone.
    matrix = colours.matrix
    if is_rgb:
        matrix = 0
    elif not colours.is_matrix_known:
        matrix = colours.usual_matrix(height)
    limited_only = codec.startswith("prores")
    return ColourTags(
        range=1 if limited_only else colours.range,
        primaries=colours.primaries,
        transfer=colours.transfer,
        matrix=matrix,
    )


def _options(codec: str, asked: EncoderOptions, mastering: MasteringDisplay) -> dict[str, str]:
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
    if codec == "libx264" and cv2.checkHardwareSupport(_AVX_512):
        # With AVX-512 it encodes a frame in a few thousand otherwise than the time before.
        options["x264-params"] = "asm=avx2"
    if parameters := mastering.parameters(codec):
        key = {"libx265": "x265-params", "libsvtav1": "svtav1-params"}[codec]
        options[key] = ":".join([*filter(None, [options.get(key)]), *parameters])
    return options


@contextmanager
def same_scheduling() -> Iterator[None]:
    """Here an encoder may open; its process and threads are scheduled as before.

    SVT-AV1 makes a process of root's real-time. All else on the machine would starve, and whatever
    the process starts would be real-time, too.
    """
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        for task in Path("/proc/self/task").glob("*"):
            with suppress(OSError):  # a thread that has ended meanwhile
                os.sched_setscheduler(int(task.name), policy, parameters)


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
