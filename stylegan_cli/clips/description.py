"""What a clip is, by its tags and its first frame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Self

import av
import av.error
import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import Interpolation
from av.video.stream import VideoStream

from stylegan_cli.clips.colour_tags import ColourTags, MasteringDisplay
from stylegan_cli.clips.fields import field_order
from stylegan_cli.clips.opening import open_clip, picture_decoder, picture_stream
from stylegan_cli.clips.pixel_formats import PixelShape
from stylegan_cli.clips.side_data import side_data_of, stream_facts
from stylegan_cli.errors import ClipError, messages

Pixels = npt.NDArray[np.uint8]

_BT709 = 1  # the code point of its transfer

# Without these two flags swscale darkens every conversion by a level.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


@dataclass(frozen=True, slots=True)
class Orientation:
    """One of the eight ways a rectangle can lie: transpose first, then mirror."""

    transposed: bool = False
    mirrored_x: bool = False
    mirrored_y: bool = False

    @classmethod
    def of(cls, matrix: Sequence[int] | None) -> Self:
        """From a display matrix (a b u, c d v, x y w), which maps x' = a x + c y, y' = b x + d y.

        A matrix that turns by anything but quarters leaves the frames as they are stored.
        """
        if matrix is None:
            return cls()
        a, b, _, c, d = matrix[:5]
        if b == c == 0 and a and d:
            return cls(False, a < 0, d < 0)
        if a == d == 0 and b and c:
            return cls(True, c < 0, b < 0)
        return cls()

    def upright(self, pixels: Pixels) -> Pixels:
        """A stored frame, (H, W) or (H, W, C), as it is shown."""
        turned = pixels.swapaxes(0, 1) if self.transposed else pixels
        return np.ascontiguousarray(self._mirrored(turned))

    def stored(self, pixels: Pixels) -> Pixels:
        """The inverse of `upright`: (H, W) or (H, W, C) as it is shown, back as it is stored."""
        turned = self._mirrored(pixels)
        return np.ascontiguousarray(turned.swapaxes(0, 1) if self.transposed else turned)

    def _mirrored(self, pixels: Pixels) -> Pixels:
        return pixels[:: -1 if self.mirrored_y else 1, :: -1 if self.mirrored_x else 1]


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipInfo:
    """What a clip says of itself, and what its first frame shows.

    width, height: pixels as stored and cropped, before `display_matrix`. crop: pixels that are cut
    off on the left, right, top and bottom of what is decoded. fields: "top first" or "bottom
    first" of an interlaced clip, else None. dolby_vision: (profile, compatibility id).
    has_scene_light: whether it has HDR10+ data.
    frame_count: from the index, None without one. duration_s, start_s: seconds; the duration is
    None where it is unknown. tags, picture_tags: titles and the like, of the file and of the
    picture track. disposition: of the picture track, such as that it is the default.
    """

    path: Path
    format_name: str
    codec: str
    width: int
    height: int
    pix_fmt: str
    has_alpha: bool
    display_matrix: tuple[int, ...] | None
    crop: tuple[int, int, int, int]
    fields: str | None
    dolby_vision: tuple[int, int] | None
    has_scene_light: bool
    sample_aspect_ratio: Fraction | None
    colours: ColourTags
    mastering: MasteringDisplay
    time_base: Fraction
    frame_rate: Fraction
    frame_count: int | None
    duration_s: float | None
    start_s: float
    tags: Mapping[str, str]
    picture_tags: Mapping[str, str]
    disposition: Disposition

    @property
    def orientation(self) -> Orientation:
        """How stored frames are turned to stand upright."""
        return Orientation.of(self.display_matrix)

    @property
    def is_deep(self) -> bool:
        """Whether frames hold more than the 8 ordinary bits of a number that stylizers work in."""
        bits = PixelShape.of(self.pix_fmt).bits
        return (bits > 8 or self.colours.is_hdr) and not self.has_alpha

    @property
    def can_keep_fields(self) -> bool:
        """Whether both fields of a frame can be stylized by themselves and joined again."""
        is_whole = self.height % 4 == 0 and not any(self.crop) and not self.orientation.transposed
        return self.fields is not None and is_whole and self.pix_fmt.startswith("yuv")

    @property
    def unreadable_colours(self) -> str | None:
        """How colours are stored that can't be converted, None where they can."""
        if self.dolby_vision is not None and self.dolby_vision[1] == 0:
            return f"Dolby Vision, profile {self.dolby_vision[0]}, without another picture in it"
        return self.colours.unreadable

    @property
    def coded_size(self) -> tuple[int, int]:
        """(width, height) of what is decoded, before the crop."""
        left, right, top, bottom = self.crop
        return self.width + left + right, self.height + top + bottom

    def cropped(self, decoded: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(H, W, ...) of the coded size without what the container says to cut off."""
        left, _, top, _ = self.crop
        return decoded[top : top + self.height, left : left + self.width]

    @property
    def estimated_frames(self) -> int:
        """How many frames to expect, for a progress bar; 0 where nobody can say."""
        if self.frame_count is not None:
            return self.frame_count
        return round((self.length_s or 0.0) * self.frame_rate)

    @property
    def length_s(self) -> float | None:
        """From the first moment to the last, seconds."""
        if self.duration_s is None:
            return None
        # Matroska counts from nothing, even where its tracks begin late.
        late_s = max(0.0, self.start_s) if self.format_name.startswith("matroska") else 0.0
        return max(0.0, self.duration_s - late_s)


@dataclass(frozen=True, slots=True)
class StoredFrame:
    """A decoded frame, and the upright pixels, (H, W, 3), that it was converted to."""

    frame: VideoFrame
    pixels: npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class ClipFrame:
    """One frame as a viewer sees it: upright, RGB.

    pixels: (H, W, 3) uint8, uint16 where more than 8 bits were asked for, or planar where that was
    (see `planes`). alpha: (H, W) uint8 or None. pts, duration: ticks of `time_base`. is_repeat:
    stands in for a damaged frame; its picture is that of the frame before. stored: see there; it
    goes along with the frame where it is written as it was.
    """

    pixels: npt.NDArray[Any]
    alpha: Pixels | None
    pts: int
    duration: int
    is_repeat: bool = False
    stored: StoredFrame | None = None

    def over_white(self) -> Pixels:
        """The pixels, (H, W, 3) uint8, over white where the frame is transparent."""
        if self.alpha is None:
            return self.pixels
        alpha = self.alpha[..., None].astype(np.uint16)
        mixed = self.pixels * alpha + 255 * (255 - alpha)
        return ((mixed + 127) // 255).astype(np.uint8)


def read_info(path: Path) -> ClipInfo:
    """What `path` holds. Raises ClipError when it can't be read or not one frame can be decoded."""
    with open_clip(path) as container:
        stream = picture_stream(container, path)
        facts = stream_facts(container, stream)
        frame = _first_frame(container, stream, path)
        side_data = dict(side_data_of(frame))
        left, right, top, bottom = crop = _possible_crop(facts.crop, frame)
        return ClipInfo(
            path=path,
            format_name=container.format.name,
            codec=stream.codec_context.name,
            width=frame.width - left - right,
            height=frame.height - top - bottom,
            pix_fmt=frame.format.name,
            has_alpha=any(part.is_alpha for part in frame.format.components),
            display_matrix=_display_matrix(side_data.get("DISPLAYMATRIX")),
            crop=crop,
            fields=field_order(frame) if frame.interlaced_frame else facts.fields,
            dolby_vision=facts.dolby_vision or _dolby_vision(frame, side_data),
            has_scene_light="DYNAMIC_HDR_PLUS" in side_data,
            sample_aspect_ratio=stream.sample_aspect_ratio or None,
            colours=ColourTags.of(frame),
            mastering=MasteringDisplay.of(side_data),
            time_base=stream.time_base or Fraction(1, 90_000),
            frame_rate=_frame_rate(stream),
            frame_count=stream.frames or None,
            duration_s=container.duration / av.time_base if container.duration else None,
            start_s=(container.start_time or 0) / av.time_base,
            tags=container.metadata,
            picture_tags=stream.metadata,
            disposition=stream.disposition,
        )


def _first_frame(container: InputContainer, stream: VideoStream, path: Path) -> VideoFrame:
    decoder = picture_decoder(stream)
    try:
        for packet in container.demux(stream):
            try:
                frames: list[VideoFrame] = decoder.decode(packet)
            except av.error.FFmpegError:
                continue  # Damage at the start; a later packet may decode.
            if frames:
                return frames[0]
    except av.error.FFmpegError as error:
        raise ClipError(
            messages.cannot_read(path, "it ends before its first frame", messages.COPY_AGAIN)
        ) from error
    raise ClipError(
        messages.cannot_read(path, "no frame of it can be decoded", messages.COPY_AGAIN)
    )


def _possible_crop(crop: tuple[int, int, int, int], frame: VideoFrame) -> tuple[int, int, int, int]:
    """`crop`, or none where it would leave nothing of the frame."""
    left, right, top, bottom = crop
    is_possible = left + right < frame.width and top + bottom < frame.height
    return crop if is_possible else (0, 0, 0, 0)


def _display_matrix(content: bytes | None) -> tuple[int, ...] | None:
    if content is None:
        return None
    matrix = tuple(int(number) for number in np.frombuffer(content, np.int32))
    return matrix if len(matrix) == 9 else None


def _dolby_vision(frame: VideoFrame, side_data: Mapping[str, bytes]) -> tuple[int, int] | None:
    """Of a stream that does not say: one without tags is a picture for Dolby Vision alone."""
    if "DOVI_RPU_BUFFER" not in side_data:
        return None
    colours = ColourTags.of(frame)
    return (8, 1) if colours.is_hdr or colours.transfer == _BT709 else (5, 0)


def _frame_rate(stream: VideoStream) -> Fraction:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= 1000:
            return rate
    return Fraction(25)
