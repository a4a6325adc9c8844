"""Frames into packets: the shape of a new clip, and the encoder at work."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from av.codec.context import CodecContext, Flags, ThreadType
from av.video.frame import VideoFrame

from stylegan_cli.clips.colour_tags import ColourTags
from stylegan_cli.clips.description import EXACT, ClipFrame, ClipInfo
from stylegan_cli.clips.encoders import (
    Encoder,
    EncoderOptions,
    choose_encoder,
    has_encoder,
    same_scheduling,
)
from stylegan_cli.clips.failures import explained
from stylegan_cli.clips.fields import INTERLACED_CODECS, FieldSplitter
from stylegan_cli.clips.planes import can_be_planar, turned
from stylegan_cli.clips.stored_codes import copied, restore
from stylegan_cli.clips.tracks import ClipPacket
from stylegan_cli.errors import UsageError, messages


@dataclass(frozen=True, slots=True)
class Container:
    """A format that can be written: FFmpeg's name, and what goes in where nobody chooses.

    deep_codec: for pictures of more than 8 bits.
    """

    format_name: str
    picture_codec: str
    deep_codec: str
    sound_codec: str


_CONTAINERS = {
    ".mp4": Container("mp4", "libx264", "libx265", "aac"),
    ".m4v": Container("mp4", "libx264", "libx265", "aac"),
    ".mov": Container("mov", "libx264", "libx265", "aac"),
    ".mkv": Container("matroska", "libx264", "libx265", "aac"),
    ".webm": Container("webm", "libvpx-vp9", "libsvtav1", "libopus"),
}
WRITABLE_SUFFIXES = tuple(_CONTAINERS)
_BT709 = ColourTags(range=1, primaries=1, transfer=1, matrix=1)


def check_suffix(suffix: str) -> str:
    """`suffix` in lower case if clips with it can be written. Raises UsageError if not."""
    if suffix.lower() not in _CONTAINERS:
        *others, last = WRITABLE_SUFFIXES
        raise UsageError(
            messages.cannot_write(
                "a clip",
                f"{suffix or 'no suffix'} is not a format for clips",
                f"use {', '.join(others)} or {last}",
            )
        )
    return suffix.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPlan:
    """A new clip in the shape of another: same time base, orientation, pixel aspect, colour tags.

    like: the other. width, height: of the frames as stored. tone_maps: HDR is brought to ordinary
    range. fields: "top first" or "bottom first" of frames that stay interlaced, else None. notes:
    a sentence for whatever the encoder can't keep.
    """

    suffix: str
    container: Container
    like: ClipInfo
    width: int
    height: int
    encoder: Encoder
    tone_maps: bool
    fields: str | None
    notes: tuple[str, ...]

    @property
    def takes_planes(self) -> bool:
        """Whether planar frames of `like` are encoded as they are."""
        encoder, like = self.encoder, self.like
        is_same = encoder.colours == like.colours and encoder.pix_fmt == "yuv420p"
        return can_be_planar(like) and is_same

    @property
    def keeps_stored(self) -> bool:
        """Whether frames are written in numbers that mean what those of `like` do."""
        encoder, like = self.encoder, self.like
        is_same = encoder.colours == like.colours and not self.tone_maps
        is_yuv = like.pix_fmt.startswith("yuv") and like.colours.is_matrix_known
        is_whole = not like.has_alpha and not any(like.crop)
        return is_same and is_yuv and is_whole and _plain(encoder.pix_fmt) == _plain(like.pix_fmt)

    @property
    def is_deep(self) -> bool:
        """Whether frames of more than 8 bits stay so."""
        return self.like.is_deep and self.encoder.is_deep and not self.tone_maps

    @property
    def usual_duration(self) -> int:
        """How long a frame is shown that does not say so, ticks."""
        return max(1, round(1 / (self.like.frame_rate * self.like.time_base)))

    def configure(self, context: Any) -> None:
        """Set up a codec context, not yet open, to encode the pictures of this clip."""
        info, encoder = self.like, self.encoder
        context.width, context.height = self.width, self.height
        context.pix_fmt = encoder.pix_fmt
        context.time_base = info.time_base
        context.framerate = info.frame_rate
        context.bit_rate = 0  # Quality rules; FFmpeg's own default would be 200 kbit/s.
        context.flags |= Flags.frame_duration | Flags.global_header
        if self.fields is not None:
            context.flags |= Flags.interlaced_dct | Flags.interlaced_me
        context.options = dict(encoder.options)
        if self.fields is not None and encoder.name == "libx264":
            # Frames say so too, but the headers are written before the first of them.
            order = "tff=1" if self.fields == "top first" else "bff=1"
            known = encoder.options.get("x264-params")
            context.options["x264-params"] = f"{known}:{order}" if known else order
        # Whole frames side by side rather than slices of one: quicker, and smaller files.
        context.thread_type = ThreadType.AUTO
        if info.sample_aspect_ratio is not None:
            context.sample_aspect_ratio = info.sample_aspect_ratio
        context.color_range = encoder.colours.range
        context.colorspace = encoder.colours.matrix
        context.color_primaries = encoder.colours.primaries
        context.color_trc = encoder.colours.transfer
        is_hevc = encoder.name.startswith(("libx265", "hevc"))
        if is_hevc and self.container.format_name != "matroska":
            context.codec_tag = "hvc1"  # Apple's players open no other.


def plan_clip(
    suffix: str,
    like: ClipInfo,
    size: tuple[int, int],
    options: EncoderOptions,
    *,
    tone_map: bool = False,
    keep_fields: bool = False,
) -> ClipPlan:
    """Decide how a clip like `like` is written.

    suffix: of its name, which chooses the container. size: (width, height) of the frames as they
    are shown. tone_map: convert HDR to SDR, which is done, too, where no encoder keeps
    it. keep_fields: leave an interlaced clip so. Raises UsageError for options that do not exist or
    do not fit together.
    """
    container = _CONTAINERS[check_suffix(suffix)]
    width, height = size[::-1] if like.orientation.transposed else size
    is_hdr = like.colours.is_hdr
    fields = like.fields if keep_fields and like.can_keep_fields else None

    def choose(tone_map: bool, notes: list[str]) -> Encoder:
        is_deep = like.is_deep and not tone_map and has_encoder(container.deep_codec)
        usual = container.deep_codec if is_deep and not fields else container.picture_codec
        source = replace(like, pix_fmt="yuv420p") if is_hdr and tone_map else like
        colours = _BT709 if is_hdr and tone_map else like.colours
        return choose_encoder(options, usual, source, (width, height), colours, notes)

    notes: list[str] = []
    encoder = choose(tone_map, notes)
    if is_hdr and not tone_map and not (like.is_deep and encoder.is_deep):
        tone_map, lost = True, encoder.name
        notes = [f"{lost} can't keep HDR here, so it is converted to SDR (tone mapping)."]
        encoder = choose(tone_map, notes)
    if fields and encoder.name not in INTERLACED_CODECS:
        raise UsageError(
            f"{encoder.name} does not keep fields: use --codec libx264, or --interlaced deinterlace"
        )
    if keep_fields and like.fields and not fields:
        notes.append("The fields of this clip can't be kept, so it is deinterlaced.")
    return ClipPlan(
        suffix=suffix.lower(),
        container=container,
        like=like,
        width=width,
        height=height,
        encoder=encoder,
        tone_maps=is_hdr and tone_map,
        fields=fields,
        notes=tuple(notes),
    )


def _plain(pix_fmt: str) -> str:
    """A pixel format without the range that its name may tell."""
    return pix_fmt.replace("yuvj", "yuv")


class FrameEncoder:
    """Encodes frames as `plan` says; what comes out can stand alone, beginning with a keyframe.

    path: where the packets will go, for error messages. Raises UsageError for options the encoder
    does not accept, ClipError when encoding fails.
    """

    def __init__(self, plan: ClipPlan, path: Path) -> None:
        self._plan = plan
        self._path = path
        self._join = None if plan.fields is None else FieldSplitter(order=plan.fields)
        self._context: Any = CodecContext.create(plan.encoder.name, "w")
        plan.configure(self._context)
        with explained(path, starting=True), same_scheduling():
            self._context.open()

    def encode(self, frame: ClipFrame) -> list[ClipPacket]:
        """The packets that are ready now; `pts` and `duration` in the time base of `plan.like`."""
        with explained(self._path):
            packets: list[ClipPacket] = self._context.encode(self._to_video_frame(frame))
        return packets

    def finish(self) -> list[ClipPacket]:
        """The packets still held back."""
        with explained(self._path):
            packets: list[ClipPacket] = self._context.encode(None)
        return packets

    def _to_video_frame(self, frame: ClipFrame) -> VideoFrame:
        pixels = frame.pixels
        encoder, info = self._plan.encoder, self._plan.like
        if frame.alpha is not None:
            pixels = (
                np.dstack([frame.pixels, frame.alpha])
                if encoder.keeps_alpha
                else frame.over_white()
            )
        if frame.stored is not None and pixels is frame.stored.pixels:
            picture = copied(frame.stored.frame, encoder.pix_fmt)
        elif pixels.ndim == 2:
            stored = turned(pixels, info.orientation.stored)
            picture = VideoFrame.from_numpy_buffer(stored, encoder.pix_fmt)
        else:
            picture = self._converted(pixels)
            if frame.stored is not None:
                restore(picture, self._converted(frame.stored.pixels), frame.stored.frame)
        if self._join is not None:
            picture = self._join(picture)
        colours = encoder.colours
        picture.colorspace, picture.color_range = colours.matrix, colours.range
        picture.color_primaries, picture.color_trc = colours.primaries, colours.transfer
        picture.pts, picture.duration = frame.pts, frame.duration
        picture.time_base = info.time_base
        return picture

    def _converted(self, pixels: npt.NDArray[Any]) -> VideoFrame:
        """Upright RGB or RGBA in the pixel format and with the matrix and range of the output."""
        encoder = self._plan.encoder
        layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
        if pixels.dtype == np.uint16:
            layout = "rgb48le"
        stored = self._plan.like.orientation.stored(pixels)
        picture = VideoFrame.from_numpy_buffer(stored, layout)
        matrix = encoder.colours.swscale_matrix(self._plan.height)
        code_range = encoder.colours.swscale_range
        for pix_fmt in encoder.conversions:
            picture = picture.reformat(
                format=pix_fmt,
                src_colorspace=matrix,
                dst_colorspace=matrix,
                src_color_range=None if picture.format.is_rgb else code_range,
                dst_color_range=code_range,
                interpolation=EXACT,
            )
        return picture
