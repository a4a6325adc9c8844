"""EXIF and XMP: kept, without what would be wrong or tell too much in the result."""

import logging
import re
import struct
from typing import Any, Final

from PIL import ExifTags, Image

logger = logging.getLogger(__name__)

_EXIF_ERRORS: Final = (
    SyntaxError,
    struct.error,
    ValueError,
    KeyError,
    TypeError,
    OSError,
    IndexError,
    AttributeError,
    ArithmeticError,
)
_EXIF_IFD: Final = ExifTags.IFD.Exif.value
_GPS_IFD: Final = ExifTags.IFD.GPSInfo.value
_ORIENTATION: Final = ExifTags.Base.Orientation.value

# TIFF's description of the old pixels in memory, blobs that hold a preview of them, and what has a
# field of its own in a Picture. What is left over describes the photo.
# fmt: off
_STRUCTURE: Final = frozenset((
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 290,
    291, 292, 293, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337,
    338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532,
    700, 33723, 34377, 34675, 37724, 50341, 50740, 59932,
))
# fmt: on
_MAKER_NOTE: Final = 0x927C
_COLOUR_SPACE: Final = 0xA001
_PIXEL_WIDTH: Final = 0xA002
_PIXEL_HEIGHT: Final = 0xA003
_INTEROPERABILITY: Final = 0xA005

# Each pattern takes time in proportion to the text: one blank, not a run of them, and no text that
# another such element could begin in.
_GPS_XMP: Final = re.compile(
    rb"""\s[\w.-]+:(?:GPS|Gps)\w+\s*=\s*(?:"[^"]*"|'[^']*')"""
    rb"""|<[\w.-]+:(?:GPS|Gps)\w+(?:\s[^<>]*)?(?:/>|>[^<>]*</[^<>]*>)"""
)
_THUMBNAILS: Final = (b"xmp:Thumbnails", b"xap:Thumbnails")
_EXTENDED_XMP: Final = re.compile(rb"""\sxmpNote:HasExtendedXMP\s*=\s*(?:"[^"]*"|'[^']*')""")
_ORIENTATION_XMP: Final = re.compile(
    rb"""(tiff:Orientation\s*=\s*["'])\d+(["'])|(<tiff:Orientation>\s*)\d+(\s*</tiff:Orientation>)"""
)


def read_exif(image: Image.Image) -> Image.Exif:
    """The EXIF block of an opened image; empty when there is none or it can't be read."""
    try:
        # Not the PNG reader's own method, which decodes the whole picture to look behind it.
        return Image.Image.getexif(image)
    except _EXIF_ERRORS as error:
        logger.info("the EXIF block can't be read and is left out: %s", error)
        return Image.Exif()


def upright_exif(exif: Image.Exif, size: tuple[int, int]) -> bytes | None:
    """EXIF for the upright picture of `size` (height, width), without thumbnail and MakerNote.

    None when there is none worth keeping or it can't be read.
    """
    try:
        kept = Image.Exif()
        for tag, value in exif.items():
            if tag not in _STRUCTURE and tag not in (
                _EXIF_IFD,
                _GPS_IFD,
                ExifTags.IFD.Interop.value,
            ):
                kept[tag] = value
        details = dict(exif.get_ifd(_EXIF_IFD))
        for tag in (_MAKER_NOTE, _INTEROPERABILITY):
            details.pop(tag, None)
        if details.keys() & {_PIXEL_WIDTH, _PIXEL_HEIGHT}:
            details.update({_PIXEL_WIDTH: size[1], _PIXEL_HEIGHT: size[0]})
        place = dict(exif.get_ifd(_GPS_IFD))
        if not (details or place or set(kept) - {_ORIENTATION}):
            return None
        kept[_ORIENTATION] = 1
        return _serialised(kept, details, place)
    except _EXIF_ERRORS as error:
        logger.info("the EXIF block can't be read and is left out: %s", error)
        return None


def without_place(exif: bytes) -> bytes | None:
    """An EXIF block of ours without its GPS part."""
    source = Image.Exif()
    try:
        source.load(exif)
        kept = Image.Exif()
        for tag, value in source.items():
            if tag not in (_EXIF_IFD, _GPS_IFD):
                kept[tag] = value
        return _serialised(kept, dict(source.get_ifd(_EXIF_IFD)), {})
    except _EXIF_ERRORS:
        return None  # better no EXIF than one that may tell the place


def with_srgb(exif: bytes) -> bytes:
    """An EXIF block of ours that calls its colours sRGB, if it names them at all."""
    source = Image.Exif()
    source.load(exif)
    details = dict(source.get_ifd(_EXIF_IFD))
    if details.get(_COLOUR_SPACE, 1) == 1:
        return exif
    details[_COLOUR_SPACE] = 1
    kept = Image.Exif()
    for tag, value in source.items():
        if tag not in (_EXIF_IFD, _GPS_IFD):
            kept[tag] = value
    return _serialised(kept, details, dict(source.get_ifd(_GPS_IFD)))


def upright_xmp(xmp: bytes) -> bytes:
    """XMP for the upright picture, without embedded thumbnails.

    Works on the bytes: nothing a file could make endless is parsed or expanded.
    """
    for name in _THUMBNAILS:
        xmp = _without_element(xmp, name)
    xmp = _EXTENDED_XMP.sub(b"", xmp)
    return _ORIENTATION_XMP.sub(rb"\g<1>\g<3>1\g<2>\g<4>", xmp)


def xmp_without_place(xmp: bytes) -> bytes:
    """XMP without its GPS fields."""
    return _GPS_XMP.sub(b"", xmp)


def _without_element(xmp: bytes, name: bytes) -> bytes:
    """XMP without the elements called `name` and all that is in them."""
    kept, place = [], 0
    while (start := xmp.find(b"<" + name, place)) >= 0:
        last_tag = xmp.find(b"</" + name, start)
        end = xmp.find(b">", last_tag) + 1 if last_tag >= 0 else 0
        if end == 0:
            break
        kept.append(xmp[place:start])
        place = end
    return b"".join((*kept, xmp[place:]))


def _serialised(base: Image.Exif, details: dict[int, Any], place: dict[int, Any]) -> bytes:
    if details:
        base[_EXIF_IFD] = details
    if place:
        base[_GPS_IFD] = place
    return base.tobytes()
