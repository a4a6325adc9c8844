"""EXIF changed where it stands: every byte that is not at fault stays as the camera wrote it.

A block is a TIFF stream (TIFF 6.0, section 2; Exif 3.0, 4.5): directories of 12-byte entries, and
values that entries point to. Nothing is moved, so that types, byte order, text and private
pointers stay as they are.
"""

import logging
import struct
from collections.abc import Callable
from typing import BinaryIO, Final

from stylegan_cli.pictures.metadata.directories import (
    Directories,
    Directory,
    Editor,
    fields_of,
    fields_of_file,
    find,
    packed,
)
from stylegan_cli.pictures.orientation import turned_point

logger = logging.getLogger(__name__)

ORIENTATION: Final = 0x0112
_EXIF_IFD, _GPS_IFD, _MAKER_NOTE = 0x8769, 0x8825, 0x927C
_INTEROP_IFD: Final = 0xA005
# The directories that fields point to: of the first directory, of one below it, and none further.
_POINTERS: Final = ({_EXIF_IFD, _GPS_IFD, _INTEROP_IFD}, {_INTEROP_IFD}, set[int]())
_PRIMARIES: Final = {301, 318, 319}  # with the curve and the white point that go with them
_COLOUR_SPACE, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA001, 0xA002, 0xA003
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202

# What a directory says of the pixels of its own file, and what has a field of its own in Metadata.
# fmt: off
_STRUCTURE: Final = frozenset((
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288,
    289, 290, 291, 292, 293, 297, 301, 317, 320, 321, 322, 323, 324, 325, 330, 332, 333,
    334, 336, 337, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529,
    530, 531, 532, 700, 33723, 34377, 34675, 37724, 50341, 50740, 59932,
))
# fmt: on


def upright_exif(block: bytes, stored: tuple[int, int], orientation: int) -> bytes | None:
    """EXIF for the upright picture: no thumbnail, no MakerNote, sizes and areas turned.

    block: a TIFF stream. stored: (height, width) of the pixels before they were turned as
    `orientation` (1 to 8) says. None when it can't be read.
    """

    upright = stored if orientation < 5 else stored[::-1]

    def change(edit: Editor) -> None:
        entries = edit.entries(edit.first)
        if (entry := find(entries, ORIENTATION)) is not None:
            edit.set_numbers(entry, 1)
        _drop_thumbnail(edit)
        details = edit.child(entries, _EXIF_IFD)
        if details is None:
            return
        edit.remove(details, {_MAKER_NOTE})
        fields = {entry.tag: entry for entry in edit.entries(details)}
        for tag, side in zip((_PIXEL_HEIGHT, _PIXEL_WIDTH), upright, strict=True):
            if tag in fields:
                edit.set_numbers(fields[tag], side)
        for tag in (_SUBJECT_AREA, _SUBJECT_LOCATION):
            if tag in fields and orientation != 1:
                area = _turned_area(edit.numbers(fields[tag]), stored, orientation)
                edit.set_numbers(fields[tag], *area)

    return _edited(block, change)


def without_place(block: bytes) -> bytes | None:
    """EXIF without its GPS directory; None when it can't be read: then it may tell the place."""

    def change(edit: Editor) -> None:
        place = edit.child(edit.entries(edit.first), _GPS_IFD)
        if place is not None:
            edit.remove_directory(place)
            edit.remove(edit.first, {_GPS_IFD})

    return _edited(block, change)


def with_srgb(block: bytes) -> bytes | None:
    """EXIF that calls its colours sRGB, if it names them at all."""

    def change(edit: Editor) -> None:
        edit.remove(edit.first, _PRIMARIES)
        details = edit.child(edit.entries(edit.first), _EXIF_IFD)
        entry = None if details is None else find(edit.entries(details), _COLOUR_SPACE)
        if entry is not None:
            edit.set_numbers(entry, 1)

    return _edited(block, change)


def orientation_of(block: bytes | None) -> int | None:
    """How the pixels of the file must be turned (1 to 8); None where it does not say."""
    if block is None:
        return None
    try:
        fields = fields_of(block)
        entry = find(fields.entries(fields.first), ORIENTATION)
        number = None if entry is None else fields.numbers(entry)[0]
    except ValueError:
        return None
    return number if number in range(1, 9) else None


def maker_note_of(block: bytes) -> bytes | None:
    """The camera maker's own field."""
    try:
        fields = fields_of(block)
        details = fields.child(fields.entries(fields.first), _EXIF_IFD)
        note = None if details is None else find(fields.entries(details), _MAKER_NOTE)
        return None if note is None else fields.read(note.value_at, note.size)
    except ValueError:
        return None


def exif_of_tiff(stream: BinaryIO) -> bytes | None:
    """A block of its own out of a TIFF file: the describing fields of its first directory.

    Byte order and types stay. None when there is nothing to keep.
    """
    try:
        fields = fields_of_file(stream)
        main = _describing(fields, fields.first)
    except ValueError as error:
        logger.info("the EXIF block can't be read and is left out: %s", error)
        return None
    resolution = {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT}
    tags = {tag for tag, *_ in main.fields}
    if not main.children and not tags - {ORIENTATION} - resolution:
        return None
    return packed(fields.order, main)


def _describing(fields: Directories, ifd: int, depth: int = 0) -> Directory:
    """What in a directory, and in those below it, describes the photo and not its file."""
    entries = fields.entries(ifd)
    below = _POINTERS[depth]
    places = {entry.tag: fields.numbers(entry)[0] for entry in entries if entry.tag in below}
    known = _STRUCTURE if depth == 0 else {_MAKER_NOTE}
    values = {
        entry.tag: (entry.tag, entry.kind, entry.count, fields.read(entry.value_at, entry.size))
        for entry in entries
        if entry.tag not in known and entry.tag not in places
    }
    children = {tag: _describing(fields, place, depth + 1) for tag, place in places.items()}
    return Directory(list(values.values()), children)


def _edited(block: bytes, change: Callable[[Editor], None]) -> bytes | None:
    try:
        edit = Editor(block)
        change(edit)
    except (ValueError, struct.error) as error:
        logger.info("the EXIF block can't be read and is left out: %s", error)
        return None
    return bytes(edit.data)


def _drop_thumbnail(edit: Editor) -> None:
    """Take out the second directory, with the small picture that it holds."""
    second = edit.after(edit.first)
    if not second:
        return
    (count,) = struct.unpack_from(edit.order + "H", edit.data, edit.first)
    edit.blank(edit.first + 2 + 12 * count, 4)
    try:
        entries = edit.entries(second)
        start, length = find(entries, _THUMBNAIL), find(entries, _THUMBNAIL_LENGTH)
        at, size = len(edit.data), 0
        if start is not None and length is not None:
            at, size = edit.numbers(start)[0], edit.numbers(length)[0]
        edit.remove_directory(second)
    except ValueError:
        return
    edit.blank(at, size)
    if at + size >= len(edit.data):
        del edit.data[at:]


def _turned_area(area: tuple[int, ...], stored: tuple[int, int], orientation: int) -> list[int]:
    """A point, circle or rectangle around a point (Exif 3.0, 4.6.5), turned with the picture."""
    height, width = stored
    x, y = turned_point(area[0], area[1], width - 1, height - 1, orientation)
    sides = list(area[2:])
    if orientation >= 5 and len(sides) == 2:
        sides.reverse()
    return [max(0, round(x)), max(0, round(y)), *sides]
