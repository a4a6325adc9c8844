"""Directories of a TIFF stream (TIFF 6.0, section 2): read and changed where they stand.

Those of BigTIFF, whose counts and places have 64 bits, are read alike.
"""

import struct
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

_SUB_IFDS: Final = 0x014A
_LONG: Final = 4
_SIZES: Final = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4,
                16: 8, 17: 8, 18: 8}  # fmt: skip
_LARGEST_IFD: Final = 1000  # entries; more is damage


@dataclass(frozen=True, slots=True)
class Entry:
    """One field of a directory: where its 12 bytes are (20 in BigTIFF), and where its value."""

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
        if head[:4] not in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            raise ValueError("not a TIFF stream")
        self.order = "<" if head[:2] == b"II" else ">"
        self._is_big = 43 in head[2:4]
        self._count_format, self._offset_format = ("Q", "Q") if self._is_big else ("H", "I")
        self.first = self._number(8 if self._is_big else 4, self._offset_format)

    def read(self, at: int, size: int) -> bytes:
        """`size` bytes from `at`."""
        data = self._read(at, size)
        if len(data) < size:
            raise ValueError("a value lies beyond the end")
        return data

    def entries(self, ifd: int) -> list[Entry]:
        """The entries of the directory at `ifd`; what points beyond the end is passed over."""
        count = self._number(ifd, self._count_format)
        if count > _LARGEST_IFD:
            raise ValueError("a directory is too long")
        row = struct.Struct(f"{self.order}HH{self._offset_format}")
        inside = struct.calcsize(self._offset_format)  # bytes that lie in the entry itself
        width, start = row.size + inside, ifd + struct.calcsize(self._count_format)
        table = self.read(start, width * count)
        found = []
        for index in range(count):
            tag, kind, number = row.unpack_from(table, width * index)
            size, at = _SIZES.get(kind, 0) * number, start + width * index
            value_at = at + row.size
            if size > inside:
                (value_at,) = struct.unpack_from(
                    self.order + self._offset_format, table, width * index + row.size
                )
            if size:
                found.append(Entry(tag, kind, number, at, value_at, size))
        return found

    def after(self, ifd: int) -> int:
        """Where the directory after the one at `ifd` is; 0 for none."""
        width = (
            struct.calcsize(f"={self._count_format}"),
            struct.calcsize(f"=HH2{self._offset_format}"),
        )
        try:
            end = ifd + width[0] + width[1] * self._number(ifd, self._count_format)
            return self._number(end, self._offset_format)
        except ValueError:
            return 0

    def _number(self, at: int, letter: str) -> int:
        return int(struct.unpack(self.order + letter, self.read(at, struct.calcsize(letter)))[0])

    def numbers(self, entry: Entry) -> tuple[int, ...]:
        """The value of an entry of whole numbers."""
        letter = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}.get(entry.kind)
        if letter is None:
            raise ValueError("a number has the wrong type")
        return struct.unpack(
            f"{self.order}{entry.count}{letter}", self.read(entry.value_at, entry.size)
        )

    def child(self, entries: Collection[Entry], tag: int) -> int | None:
        """Where the directory is that the entry `tag` points to."""
        entry = find(entries, tag)
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
            below = find(entries, _SUB_IFDS)
            waiting += [self.after(ifd), *(self.numbers(below) if below else ())]


def fields_of_file(stream: BinaryIO) -> Directories:
    """The directories of an open TIFF file."""

    def read(at: int, size: int) -> bytes:
        stream.seek(at)
        return stream.read(size)

    return Directories(read)


def fields_of(block: bytes) -> Directories:
    """The directories of a block in memory."""
    return Directories(lambda at, size: block[at : at + size])


class Editor(Directories):
    """A block whose entries can be changed or taken out; all else keeps its place."""

    def __init__(self, block: bytes) -> None:
        self.data = bytearray(block)
        super().__init__(lambda at, size: bytes(self.data[at : at + size]))

    def set_numbers(self, entry: Entry, *numbers: int) -> None:
        """Write whole numbers over those of an entry, where there are as many."""
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
        """Put zeros over a part of the block."""
        end = min(at + size, len(self.data))
        self.data[at:end] = bytes(max(0, end - at))


@dataclass(frozen=True, slots=True)
class Directory:
    """A directory to be written. fields: (tag, type, count, bytes). children: by their pointers."""

    fields: list[tuple[int, int, int, bytes]]
    children: dict[int, "Directory"]


def packed(order: str, main: Directory) -> bytes:
    """A TIFF stream of a directory and all below it."""
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HI", 42, 8) + _table(order, main, 8)


def _table(order: str, directory: Directory, at: int) -> bytes:
    """A directory that stands at `at`, then its values and the directories below it."""
    rows: dict[int, bytes] = {}
    values = b""
    start = at + 2 + 12 * (len(directory.fields) + len(directory.children)) + 4
    for tag, kind, count, value in directory.fields:
        inside = value.ljust(4, b"\0")
        if len(value) > 4:
            inside = struct.pack(order + "I", start + len(values))
            values += value + bytes(len(value) % 2)
        rows[tag] = struct.pack(order + "HHI", tag, kind, count) + inside
    for tag, child in directory.children.items():
        place = start + len(values)
        rows[tag] = struct.pack(order + "HHII", tag, _LONG, 1, place)
        values += _table(order, child, place)
    table = b"".join(rows[tag] for tag in sorted(rows))
    return struct.pack(order + "H", len(rows)) + table + bytes(4) + values


def find(entries: Collection[Entry], tag: int) -> Entry | None:
    """The entry of this tag."""
    return next((entry for entry in entries if entry.tag == tag), None)
