"""All that a file says besides its pixels, and what of it the result may say."""

import logging
from dataclasses import dataclass, replace
from typing import Final

from stylegan_cli.pictures.metadata import exif as exif_blocks
from stylegan_cli.pictures.metadata import iptc, xmp_contents, xmp_regions
from stylegan_cli.pictures.metadata import xmp as packets

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Metadata:
    """What a file says besides its pixels, as bytes.

    exif: a TIFF stream. xmp: one packet, UTF-8. resources: Photoshop's image resources, with IPTC.
    comment: of JPEG and GIF. text: (kind, body) of PNG's text chunks. dpi: across and down.
    hdr_levels: (kind, body) of the chunks or boxes that tell the light levels of an HDR picture.
    """

    exif: bytes | None = None
    xmp: bytes | None = None
    resources: bytes | None = None
    comment: bytes | None = None
    text: tuple[tuple[bytes, bytes], ...] = ()
    dpi: tuple[float, float] | None = None
    hdr_levels: tuple[tuple[bytes, bytes], ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """What of the place stays in the metadata: coordinates (`gps`), names of places (`place`)."""

    gps: bool = False
    place: bool = False


NOTHING_KEPT: Final = Kept()


def orientation_of(metadata: Metadata) -> int:
    """How the stored pixels must be turned (1 to 8), by EXIF, or by XMP where EXIF is silent."""
    found = exif_blocks.orientation_of(metadata.exif)
    if found is not None:
        return found
    document = None if metadata.xmp is None else packets.parse(metadata.xmp)
    said = None if document is None else packets.value_of(document, packets.TIFF, "Orientation")
    return int(said) if said in set("12345678") else 1


def upright(metadata: Metadata, stored: tuple[int, int], orientation: int) -> Metadata:
    """What is true of the upright picture, without small pictures of it and makers' notes.

    stored: (height, width) before it was turned as `orientation` (1 to 8) says.
    """
    size = stored if orientation < 5 else stored[::-1]
    exif, xmp, resources = metadata.exif, metadata.xmp, metadata.resources
    if exif is not None:
        exif = exif_blocks.upright_exif(exif, stored, orientation)
    if xmp is not None:
        turn = xmp_regions.turn(orientation, size)
        xmp = packets.edited(xmp, xmp_contents.drop_thumbnails, turn, xmp_contents.drop_claims)
    if resources is not None:
        resources = iptc.lasting(resources)
    dpi = metadata.dpi if orientation < 5 or metadata.dpi is None else metadata.dpi[::-1]
    return replace(metadata, exif=exif, xmp=xmp, resources=resources, dpi=dpi)


def without_place(metadata: Metadata, kept: Kept) -> Metadata:
    """The metadata without what `kept` does not name."""
    exif, xmp, resources, text = metadata.exif, metadata.xmp, metadata.resources, metadata.text
    if exif is not None and not kept.gps:
        exif = exif_blocks.without_place(exif)
    changes = []
    if not kept.gps:
        changes.append(xmp_contents.drop_coordinates)
        text = tuple(chunk for chunk in text if b"gps" not in chunk[1][:80].lower())
    if not kept.place:
        changes.append(xmp_contents.drop_place_names)
        resources = None if resources is None else iptc.without_places(resources)
    if xmp is not None and changes:
        xmp = packets.edited(xmp, *changes)
    return replace(metadata, exif=exif, xmp=xmp, resources=resources, text=text)
