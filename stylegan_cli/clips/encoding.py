"""Frames into packets: the shape of a new clip, and the encoder at work."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from av.codec.context import CodecContext, Flags, ThreadType
from av.video.frame import VideoFrame

from stylegan_cli.clips.description import EXACT, ClipFrame, ClipInfo, ColourTags
from stylegan_cli.clips.encoders import Encoder, EncoderOptions, choose_encoder
from stylegan_cli.clips.failures import explained
from stylegan_cli.clips.planes import can_be_planar, turned
from stylegan_cli.clips.tracks import ClipPacket
from stylegan_cli.errors import UsageError, messages


@dataclass(frozen=True, slots=True)
class Container:
    """A format that can be written: FFmpeg's name, and what goes in where nobody chooses."""

    format_name: str
    picture_codec: str
    sound_codec: str


_CONTAINERS = {
    ".mp4": Container("mp4", "libx264", "aac"),
    ".m4v": Container("mp4", "libx264", "aac"),
    ".mov": Container("mov", "libx264", "aac"),
    ".mkv": Container("matroska", "libx264", "aac"),
    ".webm": Container("webm", "libvpx-vp9", "libopus"),
}
WRITABLE_SUFFIXES = tuple(_CONTAINERS)


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

    like: the other. width, height: of the frames as stored. notes: a sentence for whatever the
    encoder can't keep.
    """

    suffix: str
    container: Container
    like: ClipInfo
    width: int
    height: int
    encoder: Encoder
    notes: tuple[str, ...]

    @property
    def takes_planes(self) -> bool:
        """Whether planar frames of `like` are encoded as they are."""
        encoder, like = self.encoder, self.like
        is_same = encoder.colours == like.colours and encoder.pix_fmt == "yuv420p"
        return can_be_planar(like) and is_same

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
        context.options = dict(encoder.options)
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
    colours: ColourTags | None = None,
) -> ClipPlan:
    """Decide how a clip like `like` is written.

    suffix: of its name, which chooses the container. size: (width, height) of the frames as they
    are shown. colours: what the frames mean, if not the same as in `like`. Raises UsageError for
    options that do not exist or do not fit together.
    """
    container = _CONTAINERS[check_suffix(suffix)]
    width, height = size[::-1] if like.orientation.transposed else size
    notes: list[str] = []
    encoder = choose_encoder(
        options,
        container.picture_codec,
        like,
        (width, height),
        colours or like.colours,
        notes,
    )
    return ClipPlan(
        suffix=suffix.lower(),
        container=container,
        like=like,
        width=width,
        height=height,
        encoder=encoder,
        notes=tuple(notes),
    )


class FrameEncoder:
    """Encodes frames as `plan` says; what comes out can stand alone, beginning with a keyframe.

    path: where the packets will go, for error messages. Raises UsageError for options the encoder
    does not accept, ClipError when encoding fails.
    """

    def __init__(self, plan: ClipPlan, path: Path) -> None:
        self._plan = plan
        self._path = path
        self._context: Any = CodecContext.create(plan.encoder.name, "w")
        plan.configure(self._context)
        with explained(path, starting=True):
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
        if pixels.ndim == 2:
            stored = turned(pixels, info.orientation.stored)
            picture = VideoFrame.from_numpy_buffer(stored, encoder.pix_fmt)
        else:
            layout = "rgba" if pixels.shape[2] == 4 else "rgb24"
            stored = info.orientation.stored(pixels)
            picture = self._converted(VideoFrame.from_numpy_buffer(stored, layout))
        colours = encoder.colours
        picture.colorspace, picture.color_range = colours.matrix, colours.range
        picture.color_primaries, picture.color_trc = colours.primaries, colours.transfer
        picture.pts, picture.duration = frame.pts, frame.duration
        picture.time_base = info.time_base
        return picture

    def _converted(self, picture: VideoFrame) -> VideoFrame:
        """An RGB frame in the pixel format and with the matrix and range of the output."""
        encoder = self._plan.encoder
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
