"""Picture files decoded: upright, in RGB of their own colours, with all their bits."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO

import numpy as np

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs import Contents, Header, Wanted, codec_for
from stylegan_cli.pictures.colours import PROFILE_ERRORS, Cicp, Colours, profile_space
from stylegan_cli.pictures.colours.profiles import srgb_profile, transform
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata.metadata import orientation_of, upright
from stylegan_cli.pictures.orientation import turned
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.pixels import Pixels, from_unit, to_unit

logger = logging.getLogger(__name__)


class UnknownFormatError(PictureError):
    """The file is in no format that is known here."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What the numbers of a file mean, and what is said of what does not fit."""

    colours: Colours
    grey_icc: bytes | None
    notes: tuple[str, ...]


def decode(stream: BinaryIO, wanted: Wanted) -> Picture:
    """The picture of an open file, in the file's own colours.

    Raises PictureError for what is over the limits, UnknownFormatError for no picture, and whatever
    libraries raise for damaged files.
    """
    codec = codec_for(stream)
    if codec is None:
        raise UnknownFormatError(wanted.name)
    contents = codec.decode(stream, wanted)
    meaning = _meaning(contents)
    if not wanted.still:
        for note in (*contents.notes, *meaning.notes):
            logger.warning("%s: %s", wanted.name, note)
    stored = contents.frames[0].pixels.shape
    orientation = contents.orientation
    if orientation is None:
        orientation = orientation_of(contents.metadata)
    frames = [_upright(_in_rgb(frame, meaning), orientation) for frame in contents.frames]
    gain_map = contents.gain_map
    return Picture(
        frames[0].pixels,
        frames[0].alpha,
        colours=meaning.colours,
        metadata=upright(contents.metadata, (stored[0], stored[1]), orientation),
        gain_map=None if gain_map is None else gain_map.upright(orientation),
        source_format=codec.format.name,
        frames=tuple(frames) if len(frames) > 1 else (),
        loop=contents.loop,
        are_pages=contents.are_pages,
    )


def declared_size(stream: BinaryIO) -> Header:
    """The size that the header of an open file tells."""
    codec = codec_for(stream)
    return Header(0, 0) if codec is None else codec.probe(stream)


def _upright(frame: Frame, orientation: int) -> Frame:
    return replace(
        frame, pixels=turned(frame.pixels, orientation), alpha=turned(frame.alpha, orientation)
    )


def _meaning(contents: Contents) -> _Meaning:
    """What fits the pixels of what a file says of its colours."""
    pixels, icc, cicp = contents.frames[0].pixels, contents.icc, contents.cicp
    notes: list[str] = []
    if cicp is not None and not cicp.is_known:
        notes.append(f"its colours are coded in an unknown way ({_codes(cicp)}) and taken as sRGB")
        cicp = None
    space = profile_space(icc)
    kind, fitting = _kind(pixels)
    if icc and (space not in fitting or not _works(icc)):
        why = f"is for {space}, not for {kind} pixels" if space else "can't be used"
        notes.append(f"its colour profile {why} and is left out")
        icc = space = None
    if cicp is not None and not cicp.is_srgb:
        return _Meaning(Colours(cicp=cicp), None, tuple(notes))
    # What is brought to sRGB from grey or CMYK says so.
    profile = srgb_profile() if space in ("GRAY", "CMYK") else icc or None
    return _Meaning(
        Colours(icc=profile, cmyk_icc=icc if space == "CMYK" else None),
        icc if space == "GRAY" else None,
        tuple(notes),
    )


def _kind(pixels: Pixels) -> tuple[str, Sequence[str]]:
    if pixels.ndim == 2:
        return "grey", ("GRAY", "RGB")
    return ("CMYK", ("CMYK",)) if pixels.shape[2] == 4 else ("RGB", ("RGB",))


def _codes(cicp: Cicp) -> str:
    return f"{cicp.primaries}/{cicp.transfer}/{cicp.matrix}"


def _works(icc: bytes) -> bool:
    """Whether colours can go through a profile, and those of RGB back."""
    channels = {"GRAY": (1, 1), "RGB": (1, 1, 3), "CMYK": (1, 1, 4)}[profile_space(icc) or "RGB"]
    try:
        black = transform(np.zeros(channels, np.uint8), icc, srgb_profile())
        if profile_space(icc) != "GRAY":
            transform(black, srgb_profile(), icc)
    except PROFILE_ERRORS:
        return False
    return True


def _in_rgb(frame: Frame, meaning: _Meaning) -> Frame:
    """The frame as RGB of the file's own colours, or as sRGB where those are grey or CMYK."""
    pixels = frame.pixels
    if pixels.ndim == 2 and meaning.grey_icc is not None:
        pixels = transform(pixels, meaning.grey_icc, srgb_profile())
    elif pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    elif pixels.shape[2] == 4 and meaning.colours.cmyk_icc is not None:
        pixels = transform(pixels, meaning.colours.cmyk_icc, srgb_profile())
    elif pixels.shape[2] == 4:
        paper = 1 - to_unit(pixels)
        pixels = from_unit(paper[..., :3] * paper[..., 3:], pixels.dtype)
    return replace(frame, pixels=np.ascontiguousarray(pixels))
