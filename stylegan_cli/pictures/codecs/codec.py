"""What every codec is: one kind of picture file, read and written by a well-kept library."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import BinaryIO, Final, Protocol

import numpy as np

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.colours import Cicp
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.gain_maps import GainMap
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.pixels import Pixels

CLIP_LEFT_OUT: Final = "the clip of this motion photo is left out"
MAP_LEFT_OUT: Final = "the HDR gain map that it speaks of can't be used and is left out"
FIRST_ALONE: Final = "only the first of the pictures in this file is used"


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """One kind of picture file, and what its codec can write. The first suffix goes to new files.

    deep: 16 bits, or the 10 to 12 that the format has. code_points: colours by H.273.
    hdr_levels: kinds of chunks or boxes for the light levels of an HDR picture.
    result: the format that results get, where the codec only reads.
    """

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = False
    deep: bool = False
    floats: bool = False
    animation: bool = False
    pages: bool = False
    profile: bool = False
    cmyk: bool = False
    code_points: bool = False
    exif: bool = False
    xmp: bool = False
    iptc: bool = False
    comment: bool = False
    text: bool = False
    dpi: bool = False
    gain_map: bool = False
    hdr_levels: tuple[bytes, ...] = ()
    largest_side: int = 2**31 - 1
    result: str | None = None


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its size: in pixels, and in frames or pages."""

    height: int
    width: int
    frames: int = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a decoder, and what it may cost.

    name: of the file, for messages. still: the first frame alone is needed, and no gain map.
    """

    name: str
    max_pixels: int
    allow_truncated: bool = False
    still: bool = False

    def check(self, height: int, width: int, frames: int = 1) -> None:
        """Raise PictureError for a picture of no pixels or too many."""
        if height < 1 or width < 1:
            raise PictureError(f"{self.name} has no pixels: use another file")
        if height * width * frames > self.max_pixels:
            each = f" in {frames} frames" if frames > 1 else ""
            remedy = self.remedy("raise it with --max-pixels if you trust it")
            raise PictureError(
                f"{self.name} is {width}x{height} pixels{each}, the limit is "
                f"{self.max_pixels / 1e6:g} million: {remedy}"
            )

    def remedy(self, option: str) -> str:
        """What to do about a picture; options are for pictures that are stylized."""
        return "use another file" if self.still else option


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What is in a picture file.

    frames: at least one, as stored; pixels (H, W) grey, (H, W, 3) RGB or (H, W, 4) CMYK. Frames of
        an animation are composed, each as it is shown; pages may differ in size.
    orientation: how the pixels must still be turned, 1 to 8; None for what the metadata says.
    notes: what the file holds that is left out, each the end of a sentence.
    """

    frames: Sequence[Frame]
    icc: bytes | None = None
    cicp: Cicp | None = None
    metadata: Metadata = field(default_factory=Metadata)
    orientation: int | None = None
    loop: int | None = 0
    are_pages: bool = False
    gain_map: GainMap | None = None
    notes: tuple[str, ...] = ()


class Codec(Protocol):
    """One kind of picture file."""

    format: PictureFormat

    def recognises(self, head: bytes) -> bool:
        """Whether a file that begins with these bytes (64, or all there are) is of this kind."""

    def probe(self, stream: BinaryIO) -> Header:
        """The size that an open file declares, at no cost."""

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """What is in an open file.

        Raises PictureError for what is over the limits or can't be read right, and whatever the
        library raises for what is damaged.
        """

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The bytes of a file; frames are 8 bits unless the format says more."""


def frame_of(planes: Pixels) -> Frame:
    """A frame of decoded planes (H, W) or (H, W, C); a second or fourth one is alpha."""
    if planes.ndim == 2 or planes.shape[2] == 3:
        return Frame(np.ascontiguousarray(planes), None, 0)
    alpha = np.ascontiguousarray(planes[..., -1]) if planes.shape[2] in (2, 4) else None
    colour = planes[..., 0] if planes.shape[2] < 3 else planes[..., :3]
    return Frame(np.ascontiguousarray(colour), alpha, 0)


def planes_of(frame: Frame) -> Pixels:
    """The planes (H, W, C) of a frame, alpha the last."""
    planes = frame.pixels if frame.alpha is None else np.dstack([frame.pixels, frame.alpha])
    return np.ascontiguousarray(planes)


def in_16_bits(values: Pixels, most: int) -> Pixels:
    """Whole numbers from 0 to `most` as uint16, white 65535."""
    return ((values.astype(np.uint32) * 65535 + most // 2) // most).astype(np.uint16)
