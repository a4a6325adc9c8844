"""EXIF changed where it stands: every byte that is not at fault stays as the camera wrote it.

A block is a TIFF stream (TIFF 6.0, section 2; Exif 3.0, 4.5): directories of 12-byte entries, and
values that entries point to. Nothing is moved, so that types, byte order, text and private
pointers stay as they are.
"""

import logging
import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from stylegan_cli.pictures.orientation import turned_point

logger = logging.getLogger(__name__)

ORIENTATION: Final = 0x0112
_EXIF_IFD, _GPS_IFD, _MAKER_NOTE = 0x8769, 0x8825, 0x927C
_INTEROP_IFD, _SUB_IFDS = 0xA005, 0x014A
_COLOUR_SPACE, _PIXEL_WIDTH, _PIXEL_HEIGHT = 0xA001, 0xA002, 0xA003
_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT = 0x011A, 0x011B, 0x0128
_SUBJECT_AREA, _SUBJECT_LOCATION = 0x9214, 0xA214
_THUMBNAIL, _THUMBNAIL_LENGTH = 0x0201, 0x0202
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4}
_SHORT, _LONG = 3, 4
_LARGEST_IFD: Final = 1000  # entries; more is damage

# What a directory says of the pixels of its own file, and what has a field of its own in Metadata.
# fmt: off
_STRUCTURE: Final = frozenset((
    254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 288,
    289, 290, 291, 292, 293, 297, 301, 317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333,
    334, 336, 337, 338, 339, 340, 341, 342, 347, 512, 513, 514, 515, 517, 518, 519, 520, 521, 529,
    530, 531, 532, 700, 33723, 34377, 34675, 37724, 50341, 50740, 59932,
))
# fmt: on


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a directory: where its 12 bytes are, and where its value."""

    tag: int
    kind: int
    count: int
    at: int
    value_at: int
    size: int


class Directories:
    """The directories of a TIFF stream, read where they stand. Raises ValueError for damage."""

    def __init__(self, read: Callable[[int, int], bytes]) -> None:
        """read: (at, size) -> bytes, fewer at the end of the stream."""
        self._read = read
        head = self.read(0, 8)
        if head[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("not a TIFF stream")
        self.order = "<" if head[:2] == b"II" else ">"
        (self.first,) = struct.unpack(self.order + "I", head[4:])

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes from `at`."""
        data = self._read(at, size)
        if len(data) < size:
            raise ValueError("a value lies beyond the end")
        return data

    def entries(self, ifd: int) -> list[Entry]:
        """The entries of the directory at `ifd`; what points beyond the end is passed over."""
        (count,) = struct.unpack(self.order + "H", self.read(ifd, 2))
        if count > _LARGEST_IFD:
            raise ValueError("a directory is too long")
        table = self.read(ifd + 2, 12 * count)
        found = []
        for index in range(count):
            tag, kind, number = struct.unpack_from(self.order + "HHI", table, 12 * index)
            size, at = _SIZES.get(kind, 0) * number, ifd + 2 + 12 * index
            value_at = at + 8
            if size > 4:
                (value_at,) = struct.unpack_from(self.order + "I", table, 12 * index + 8)
            if size:
                found.append(Entry(tag, kind, number, at, value_at, size))
        return found

    def after(self, ifd: int) -> int:
        """Where the directory after the one at `ifd` is; 0 for none."""
        (count,) = struct.unpack(self.order + "H", self.read(ifd, 2))
        try:
            return int(self.numbers_at(ifd + 2 + 12 * count, 1)[0])
        except ValueError:
            return 0

    def numbers_at(self, at: int, count: int) -> tuple[int, ...]:
        """`count` numbers of 32 bits."""
        return struct.unpack(f"{self.order}{count}I", self.read(at, 4 * count))

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """The value of an entry of whole numbers."""
        letter = {1: "B", 3: "H", 4: "I", 13: "I"}.get(entry.kind)
        if letter is None:
            raise ValueError("a number has the wrong type")
        return struct.unpack(
            f"{self.order}{entry.count}{letter}", self.read(entry.value_at, entry.size)
        )

    def child(self, entries: Collection[Entry], tag: int) -> int | None:
        """Where the directory is that the entry `tag` points to."""
        entry = _find(entries, tag)
        return None if entry is None else self.numbers(entry)[0]

    def walk(self) -> Iterator[list[Entry]]:
        """The entries of every directory of pictures: the chain, and all below by SubIFDs."""
        waiting, seen = [self.first], set[int]()
        while waiting and len(seen) < _LARGEST_IFD:
            ifd = waiting.pop(0)
            if ifd == 0 or ifd in seen:
                continue
            seen.add(ifd)
            entries = self.entries(ifd)
            yield entries
            below = _find(entries, _SUB_IFDS)
            waiting += [self.after(ifd), *(self.numbers(below) if below else ())]


def fields_of_file(stream: BinaryIO) -> Directories:
    """The directories of an open TIFF file."""

    def read(at: int, size: int) -> bytes:
        stream.seek(at)
        return stream.read(size)

    return Directories(read)


def _fields(block: bytes) -> Directories:
    return Directories(lambda at, size: block[at : at + size])


class _Editor(Directories):
    """A block whose entries can be changed or taken out; all else keeps its place."""

    def __init__(self, block: bytes) -> None:
        self.data = bytearray(block)
        super().__init__(lambda at, size: bytes(self.data[at : at + size]))

    def set_numbers(self, entry: Entry, *numbers: int) -> None:
        letter = {3: "H", 4: "I"}.get(entry.kind)
        if letter is not None and len(numbers) == entry.count:
            struct.pack_into(
                f"{self.order}{len(numbers)}{letter}", self.data, entry.value_at, *numbers
            )

    def remove(self, ifd: int, tags: Collection[int]) -> None:
        """Take entries out of a directory, and blank their values."""
        for entry in reversed(self.entries(ifd)):
            if entry.tag not in tags:
                continue
            self.blank(entry.value_at, entry.size)
            (count,) = struct.unpack_from(self.order + "H", self.data, ifd)
            end = ifd + 2 + 12 * count + 4  # with the pointer to the next directory
            self.data[entry.at : end - 12] = self.data[entry.at + 12 : end]
            self.blank(end - 12, 12)
            struct.pack_into(self.order + "H", self.data, ifd, count - 1)

    def remove_directory(self, ifd: int) -> None:
        """Blank a directory and its values."""
        for entry in self.entries(ifd):
            self.blank(entry.value_at, entry.size)
        (count,) = struct.unpack_from(self.order + "H", self.data, ifd)
        self.blank(ifd, 2 + 12 * count)

    def blank(self, at: int, size: int) -> None:
        end = min(at + size, len(self.data))
        self.data[at:end] = bytes(max(0, end - at))


def upright_exif(block: bytes, stored: tuple[int, int], orientation: int) -> bytes | None:
    """EXIF for the upright picture: no thumbnail, no MakerNote, sizes and areas turned.

    block: a TIFF stream. stored: (height, width) of the pixels before they were turned as
    `orientation` (1 to 8) says. None when it can't be read.
    """

    upright = stored if orientation < 5 else stored[::-1]

    def change(edit: _Editor) -> None:
        entries = edit.entries(edit.first)
        if (entry := _find(entries, ORIENTATION)) is not None:
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

    def change(edit: _Editor) -> None:
        place = edit.child(edit.entries(edit.first), _GPS_IFD)
        if place is not None:
            edit.remove_directory(place)
            edit.remove(edit.first, {_GPS_IFD})

    return _edited(block, change)


def with_srgb(block: bytes) -> bytes | None:
    """EXIF that calls its colours sRGB, if it names them at all."""

    def change(edit: _Editor) -> None:
        details = edit.child(edit.entries(edit.first), _EXIF_IFD)
        entry = None if details is None else _find(edit.entries(details), _COLOUR_SPACE)
        if entry is not None:
            edit.set_numbers(entry, 1)

    return _edited(block, change)


def orientation_of(block: bytes | None) -> int | None:
    """How the pixels of the file must be turned (1 to 8); None where it does not say."""
    if block is None:
        return None
    try:
        fields = _fields(block)
        entry = _find(fields.entries(fields.first), ORIENTATION)
        number = None if entry is None else fields.numbers(entry)[0]
    except ValueError:
        return None
    return number if number in range(1, 9) else None


def maker_note_of(block: bytes) -> bytes | None:
    """The camera maker's own field."""
    try:
        fields = _fields(block)
        details = fields.child(fields.entries(fields.first), _EXIF_IFD)
        note = None if details is None else _find(fields.entries(details), _MAKER_NOTE)
        return None if note is None else fields.read(note.value_at, note.size)
    except ValueError:
        return None


def describing_entries(fields: Directories, ifd: int) -> list[tuple[int, int, int, bytes]]:
    """(tag, type, count, bytes) of what in a directory describes the photo, not its file."""
    return [
        (entry.tag, entry.kind, entry.count, fields.read(entry.value_at, entry.size))
        for entry in fields.entries(ifd)
        if entry.tag not in _STRUCTURE
    ]


def exif_of_tiff(stream: BinaryIO) -> bytes | None:
    """A block of its own out of a TIFF file: the describing fields of its first directory.

    Byte order and types stay. None when there is nothing to keep.
    """
    try:
        fields = fields_of_file(stream)
        main = describing_entries(fields, fields.first)
        inner = {}
        for tag in (_EXIF_IFD, _GPS_IFD, _INTEROP_IFD):
            at = fields.child(fields.entries(fields.first), tag)
            if at is not None:
                inner[tag] = [
                    entry
                    for entry in describing_entries(fields, at)
                    if entry[0] not in (_MAKER_NOTE, _INTEROP_IFD)
                ]
    except ValueError as error:
        logger.info("the EXIF block can't be read and is left out: %s", error)
        return None
    resolution = {_X_RESOLUTION, _Y_RESOLUTION, _RESOLUTION_UNIT}
    if not inner and not {entry[0] for entry in main} - {ORIENTATION} - resolution:
        return None
    return _packed(fields.order, main, inner)


def _packed(
    order: str,
    main: list[tuple[int, int, int, bytes]],
    inner: dict[int, list[tuple[int, int, int, bytes]]],
) -> bytes:
    """A TIFF stream of a main directory and directories that it points to."""
    plain = [entry for entry in main if entry[0] not in inner]
    blocks: list[bytes] = []
    length = 8 + 2 + 12 * (len(plain) + len(inner)) + 4
    pointers = []
    for tag, entries in inner.items():
        pointers.append((tag, _LONG, 1, struct.pack(order + "I", length)))
        blocks.append(_directory(order, entries, length))
        length += len(blocks[-1])
    first = _directory(order, sorted(plain + pointers), 8, values_at=length)
    head_end = 2 + 12 * (len(plain) + len(pointers)) + 4
    start = struct.pack(order + "HI", 42, 8)
    mark = b"II" if order == "<" else b"MM"
    return mark + start + first[:head_end] + b"".join(blocks) + first[head_end:]


def _directory(
    order: str,
    entries: list[tuple[int, int, int, bytes]],
    at: int,
    values_at: int | None = None,
) -> bytes:
    """A directory that stands at `at`, then its values, which stand at `values_at`."""
    table, values = struct.pack(order + "H", len(entries)), b""
    place = at + 2 + 12 * len(entries) + 4 if values_at is None else values_at
    for tag, kind, count, value in sorted(entries):
        table += struct.pack(order + "HHI", tag, kind, count)
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", place + len(values))
            values += value + bytes(len(value) % 2)
    return table + bytes(4) + values


def _edited(block: bytes, change: Callable[[_Editor], None]) -> bytes | None:
    try:
        edit = _Editor(block)
        change(edit)
    except (ValueError, struct.error) as error:
        logger.info("the EXIF block can't be read and is left out: %s", error)
        return None
    return bytes(edit.data)


def _drop_thumbnail(edit: _Editor) -> None:
    """Take out the second directory, with the small picture that it holds."""
    second = edit.after(edit.first)
    if not second:
        return
    (count,) = struct.unpack_from(edit.order + "H", edit.data, edit.first)
    edit.blank(edit.first + 2 + 12 * count, 4)
    try:
        entries = edit.entries(second)
        start, length = _find(entries, _THUMBNAIL), _find(entries, _THUMBNAIL_LENGTH)
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


def _find(entries: Collection[Entry], tag: int) -> Entry | None:
    return next((entry for entry in entries if entry.tag == tag), None)
