"""Pictures as the bytes of a file, with the source's colours and metadata."""

import logging
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs import CODECS, Contents, PictureFormat
from stylegan_cli.pictures.colours import PROFILE_ERRORS, Colours, to_srgb
from stylegan_cli.pictures.colours.profiles import srgb_profile, transform
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata import NOTHING_KEPT, Kept, Metadata
from stylegan_cli.pictures.metadata.exif import with_srgb
from stylegan_cli.pictures.metadata.metadata import without_place
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.pixels import change_depth, from_unit, over_white
from stylegan_cli.pictures.provenance import AiLabel

logger = logging.getLogger(__name__)

JPEG_QUALITY: Final = 95
_DPI_OF_SCREENS: Final = {72, 96}  # what programs write that know of no paper
ENCODE_ERRORS: Final = (OSError, ValueError, RuntimeError, struct.error, OverflowError, cv2.error)
"""What libraries raise for a picture that they can't write."""


@dataclass(frozen=True, slots=True)
class _Coloured:
    """Frames in the colours of the file to be, what says so, and whether they had others before."""

    frames: Sequence[Frame]
    colours: Colours
    changed: bool


def encode_picture(
    picture: Picture,
    format: str,
    *,
    quality: int = JPEG_QUALITY,
    kept: Kept = NOTHING_KEPT,
    ai_label: AiLabel | None = None,
    name: str = "the result",
) -> bytes:
    """The bytes of a picture file; what its format can't hold is left out, with a warning.

    name: of the file, for messages. Raises PictureError when the format can't hold the picture.
    """
    codec = CODECS.get(format.upper())
    if codec is None or codec.format.result is not None:
        known = ", ".join(name for name, codec in CODECS.items() if codec.format.result is None)
        raise PictureError(f"{format} is no format that can be written: use one of {known}")
    kind = codec.format
    height, width = picture.size
    if max(height, width) > kind.largest_side:
        raise PictureError(
            f"{width}x{height} pixels do not fit into {kind.name}, "
            f"which ends at {kind.largest_side}: use PNG"
        )
    left_out: list[str] = []
    frames = _frames(picture, kind, left_out)
    coloured = _coloured(frames, picture.colours, kind, left_out)
    metadata = _metadata(picture.metadata, kind, kept, left_out)
    if ai_label is not None and kind.xmp:
        metadata = replace(metadata, xmp=ai_label.merged_into(metadata.xmp))
    if coloured.changed and metadata.exif is not None:
        metadata = replace(metadata, exif=with_srgb(metadata.exif))
    if not kind.alpha and any(_is_seen_through(frame) for frame in frames):
        left_out.append("transparency")
    is_deep = picture.pixels.dtype != np.uint8 and picture.source_format != "RAW"
    if is_deep and _depth(picture.pixels.dtype, kind, len(frames) > 1) == np.uint8:
        left_out.append("more than 8 bits")
    gain_map = picture.gain_map
    if gain_map is not None and not kind.gain_map:
        left_out.append("the HDR gain map")
        gain_map = None
    for what in left_out:
        logger.warning("%s: %s can't hold %s, which is left out", name, kind.name, what)
    contents = Contents(
        frames=[_fitting(frame, kind, len(frames) > 1) for frame in coloured.frames],
        icc=coloured.colours.cmyk_icc or coloured.colours.icc,
        cicp=coloured.colours.cicp,
        metadata=metadata,
        orientation=1,
        loop=picture.loop,
        are_pages=picture.are_pages,
        gain_map=gain_map,
    )
    try:
        return codec.encode(contents, quality)
    except PictureError:
        raise
    except ENCODE_ERRORS as error:
        raise PictureError(
            f"the picture can't be written as {kind.name} ({error}): use PNG"
        ) from error


def _frames(picture: Picture, kind: PictureFormat, left_out: list[str]) -> Sequence[Frame]:
    """All frames where the format holds them, else the first."""
    first = Frame(picture.pixels, picture.alpha, 0)
    if not picture.frames:
        return [first]
    if kind.pages if picture.are_pages else kind.animation:
        return picture.frames
    left_out.append("more than the first page" if picture.are_pages else "movement")
    return [first]


def _is_seen_through(frame: Frame) -> bool:
    return frame.alpha is not None and frame.alpha.min() < from_unit(np.ones(1), frame.alpha.dtype)


def _coloured(
    frames: Sequence[Frame], colours: Colours, kind: PictureFormat, left_out: list[str]
) -> _Coloured:
    """The frames in their own colours where the format can say so, else in sRGB."""

    def as_is(colours: Colours) -> _Coloured:
        return _Coloured(frames, colours, False)

    if colours.cmyk_icc is not None and (converted := _in_cmyk(frames, colours.cmyk_icc, kind)):
        return converted
    if colours.cicp is not None and kind.code_points and (kind.deep or not colours.is_hdr):
        return as_is(colours)
    if not colours.is_hdr and kind.profile:
        return as_is(Colours(icc=colours.profile()))
    if colours.is_srgb:
        return as_is(Colours())
    if colours.is_hdr:
        left_out.append("light beyond white (HDR)")
    frames = [replace(frame, pixels=to_srgb(frame.pixels, colours)) for frame in frames]
    return _Coloured(frames, Colours(), True)


def _in_cmyk(frames: Sequence[Frame], icc: bytes, kind: PictureFormat) -> _Coloured | None:
    """The frames in CMYK by its profile, where the format has it."""
    if not kind.cmyk or any(frame.alpha is not None for frame in frames):
        return None
    try:
        converted = [
            replace(
                frame, pixels=transform(change_depth(frame.pixels, np.uint8), srgb_profile(), icc)
            )
            for frame in frames
        ]
    except PROFILE_ERRORS as error:
        logger.info("no way back to the source's CMYK, the result is sRGB: %s", error)
        return None
    return _Coloured(converted, Colours(cmyk_icc=icc), False)


def _fitting(frame: Frame, kind: PictureFormat, moves: bool) -> Frame:
    """The frame with what this format can't hold taken out: alpha and depth."""
    pixels, alpha = frame.pixels, frame.alpha
    if not kind.alpha and alpha is not None:
        pixels, alpha = over_white(pixels, alpha), None
    depth = _depth(pixels.dtype, kind, moves)
    if alpha is not None:
        alpha = change_depth(alpha, depth)
    return Frame(change_depth(pixels, depth), alpha, frame.duration_ms)


def _depth(dtype: npt.DTypeLike, kind: PictureFormat, moves: bool) -> np.dtype[Any]:
    """The pixel type that the file holds."""
    if np.dtype(dtype) == np.uint8 or not kind.deep or (moves and not kind.pages):
        return np.dtype(np.uint8)
    if np.dtype(dtype) == np.float32 and not kind.floats:
        return np.dtype(np.uint16)
    return np.dtype(dtype)


def _metadata(metadata: Metadata, kind: PictureFormat, kept: Kept, left_out: list[str]) -> Metadata:
    """What the format holds of the metadata, without the place unless it is kept."""
    metadata = without_place(metadata, kept)
    if not kind.exif and metadata.exif is not None:
        left_out.append("EXIF")
        metadata = replace(metadata, exif=None)
    if not kind.xmp and metadata.xmp is not None:
        left_out.append("XMP")
        metadata = replace(metadata, xmp=None)
    if not (kind.iptc or kind.text) and metadata.resources is not None:
        left_out.append("IPTC")
        metadata = replace(metadata, resources=None)
    if not kind.comment and metadata.comment is not None:
        left_out.append("the comment")
        metadata = replace(metadata, comment=None)
    if metadata.text and not kind.text:
        kinds = {chunk for chunk, _ in metadata.text}
        if kinds & {b"tEXt", b"zTXt", b"iTXt"}:
            left_out.append("PNG text")
        metadata = replace(metadata, text=())
    if metadata.dpi is not None and not kind.dpi and {*map(round, metadata.dpi)} - _DPI_OF_SCREENS:
        left_out.append(f"the resolution of {metadata.dpi[0]:.0f} dpi")
    levels = tuple(level for level in metadata.hdr_levels if level[0] in kind.hdr_levels)
    if levels != metadata.hdr_levels:
        left_out.append("the light levels that the source tells")
    return replace(metadata, hdr_levels=levels)
