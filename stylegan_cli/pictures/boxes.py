"""The boxes of HEIF and AVIF files (ISO/IEC 14496-12, 23008-12): items read, and items added.

The codecs write the pixels; what they have no way to write beside them is added here.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from stylegan_cli.pictures.colours import Cicp

_LARGEST_COUNT: Final = 65535


@dataclass(frozen=True, slots=True)
class Box:
    """A box: its kind, and its body as a part of the data."""

    kind: bytes
    start: int
    body: int
    end: int


def walk(data: bytes, start: int = 0, end: int | None = None) -> Iterator[Box]:
    """The boxes in a part of the data, up to the first that is damaged."""
    end = len(data) if end is None else end
    while start + 8 <= end:
        size, kind = struct.unpack_from(">I4s", data, start)
        body = start + 8
        if size == 1 and start + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            body += 8
        elif size == 0:
            size = end - start
        if size < body - start or start + size > end:
            return
        yield Box(kind, start, body, start + size)
        start += size


def box(kind: bytes, body: bytes) -> bytes:
    """A box as bytes."""
    return struct.pack(">I4s", 8 + len(body), kind) + body


def full_box(kind: bytes, body: bytes, version: int = 0, flags: int = 0) -> bytes:
    """A box with a version and flags."""
    return box(kind, struct.pack(">I", version << 24 | flags) + body)


@dataclass(slots=True)
class _Item:
    kind: bytes
    infe: bytes
    method: int = 0
    extents: list[tuple[int, int]] = field(default_factory=list)
    properties: list[tuple[int, bool]] = field(default_factory=list)  # place, essential


class Items:
    """The items of a HEIF or AVIF file. Raises ValueError and struct.error for what is damaged."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        meta = next((found for found in walk(data) if found.kind == b"meta"), None)
        if meta is None:
            raise ValueError("the file has no items")
        self._meta = meta
        self._inside = {found.kind: found for found in walk(data, meta.body + 4, meta.end)}
        self._items: dict[int, _Item] = {}
        self._references: list[tuple[bytes, int, tuple[int, ...]]] = []
        self._properties: list[bytes] = []
        self._added = b""
        self.primary = self._read_primary()
        self._read_infos()
        self._read_locations()
        self._read_references()
        self._read_properties()

    def content(self, item: int) -> bytes:
        """The bytes of an item."""
        found = self._items[item]
        base = self._inside[b"idat"].body if found.method == 1 else 0
        return b"".join(self._data[base + at : base + at + size] for at, size in found.extents)

    def describing(self, kind: bytes, item: int | None = None) -> bytes | None:
        """The bytes of the metadata item of this kind ("Exif", "mime") for an item, the primary."""
        of = self.primary if item is None else item
        for reference, source, targets in self._references:
            found = self._items.get(source)
            if reference != b"cdsc" or of not in targets or found is None or found.kind != kind:
                continue
            if kind != b"mime" or b"rdf+xml" in found.infe:
                return self.content(source)
        return None

    def exif(self) -> bytes | None:
        """The EXIF block of the primary, a TIFF stream."""
        content = self.describing(b"Exif")
        if content is None or len(content) < 4:
            return None
        return content[4 + struct.unpack(">I", content[:4])[0] :]

    def colours(self) -> tuple[bytes | None, Cicp | None]:
        """Profile and code points of the primary."""
        icc = cicp = None
        for body in self._bodies(self.primary, b"colr"):
            if body[:4] == b"nclx" and len(body) >= 10:
                cicp = Cicp(*struct.unpack_from(">HHH", body, 4))
            elif body[:4] in (b"prof", b"rICC"):
                icc = body[4:]
        return icc, cicp

    def orientation(self) -> int:
        """The primary's rotation and mirroring as an EXIF orientation (1 to 8)."""
        turns = [body[0] & 3 for body in self._bodies(self.primary, b"irot")]
        mirrors = [body[0] & 1 for body in self._bodies(self.primary, b"imir")]
        turn = turns[0] if turns else 0  # quarters, anticlockwise, before the mirror
        rotated = (1, 8, 3, 6)[turn]
        if not mirrors:
            return rotated
        # imir 0: top and bottom change places; 1: left and right.
        return {1: (4, 2), 8: (5, 7), 3: (2, 4), 6: (7, 5)}[rotated][mirrors[0]]

    def bodies_of_primary(self, kind: bytes) -> list[bytes]:
        """The bodies of the primary's properties of this kind."""
        return self._bodies(self.primary, kind)

    def others(self) -> list[int]:
        """Pictures besides the primary that are neither parts of others nor beside others."""
        parts = {
            target
            for reference, _, targets in self._references
            if reference == b"dimg"
            for target in targets
        }
        beside = {source for kind, source, _ in self._references if kind in (b"auxl", b"thmb")}
        pictures = (b"hvc1", b"av01", b"grid", b"iden", b"iovl")
        return [
            item
            for item, found in self._items.items()
            if found.kind in pictures and item not in parts | beside | {self.primary}
        ]

    def has(self, kind: bytes) -> bool:
        """Whether there is any item of this kind."""
        return any(found.kind == kind for found in self._items.values())

    def add_property(self, item: int, data: bytes, essential: bool = False) -> None:
        """Give an item a property, as the bytes of its box."""
        self._properties.append(data)
        self._items[item].properties.append((len(self._properties), essential))

    def add_reference(self, kind: bytes, source: int, target: int) -> None:
        """Let one item refer to another."""
        self._references.append((kind, source, (target,)))

    def add_item(self, kind: bytes, content: bytes, media_type: bytes = b"") -> int:
        """Add an item and its bytes; returns its number."""
        number = max(self._items) + 1
        body = struct.pack(">HH4s", number, 0, kind) + b"\0"
        body += media_type + b"\0" if kind == b"mime" else b""
        at = len(self._data) + 8 + len(self._added)
        self._items[number] = _Item(kind, full_box(b"infe", body, 2), extents=[(at, len(content))])
        self._added += content
        return number

    def hide(self, item: int) -> None:
        """Let an item be no picture of its own."""
        infe = self._items[item].infe
        flags = int.from_bytes(infe[8:12]) | 1
        self._items[item].infe = infe[:8] + struct.pack(">I", flags) + infe[12:]

    def drop_property(self, item: int, kind: bytes) -> None:
        """Take the properties of this kind from an item."""
        properties = self._items[item].properties
        properties[:] = [(n, e) for n, e in properties if self._properties[n - 1][4:8] != kind]

    def saved(self) -> bytes:
        """The file with all that was added."""
        shift = len(self._meta_box(0)) - (self._meta.end - self._meta.start)
        new = self._data[: self._meta.start] + self._meta_box(shift) + self._data[self._meta.end :]
        return new + (box(b"mdat", self._added) if self._added else b"")

    def _meta_box(self, shift: int) -> bytes:
        fixed = [
            self._data[found.start : found.end]
            for kind, found in self._inside.items()
            if kind not in (b"iinf", b"iref", b"iprp", b"iloc", b"idat", b"free")
        ]
        infos = b"".join(item.infe for item in self._items.values())
        parts = [*fixed, full_box(b"iinf", struct.pack(">H", len(self._items)) + infos)]
        references = b"".join(
            box(kind, struct.pack(f">HH{len(targets)}H", source, len(targets), *targets))
            for kind, source, targets in self._references
        )
        if references:
            parts.append(full_box(b"iref", references))
        parts.append(box(b"iprp", box(b"ipco", b"".join(self._properties)) + self._associations()))
        parts.append(self._locations(shift))
        if b"idat" in self._inside:
            parts.append(self._data[self._inside[b"idat"].start : self._inside[b"idat"].end])
        return full_box(b"meta", b"".join(parts))

    def _associations(self) -> bytes:
        body = struct.pack(">I", sum(bool(item.properties) for item in self._items.values()))
        for number, item in self._items.items():
            if item.properties:
                body += struct.pack(">HB", number, len(item.properties))
                body += b"".join(struct.pack(">H", n | e << 15) for n, e in item.properties)
        return full_box(b"ipma", body, flags=1)

    def _locations(self, shift: int) -> bytes:
        body = b"\x44\0" + struct.pack(">H", len(self._items))
        for number, item in self._items.items():
            body += struct.pack(">HHHH", number, item.method, 0, len(item.extents))
            for at, size in item.extents:
                moved = shift if item.method == 0 and at >= self._meta.end else 0
                body += struct.pack(">II", at + moved, size)
        return full_box(b"iloc", body, version=1)

    def _bodies(self, item: int, kind: bytes) -> list[bytes]:
        found = self._items.get(item)
        numbers = [] if found is None else [n for n, _ in found.properties]
        boxes = [self._properties[n - 1] for n in numbers if 0 < n <= len(self._properties)]
        return [data[8:] for data in boxes if data[4:8] == kind]

    def _read_primary(self) -> int:
        found = self._inside[b"pitm"]
        layout = ">H" if self._data[found.body] == 0 else ">I"
        return int(struct.unpack_from(layout, self._data, found.body + 4)[0])

    def _read_infos(self) -> None:
        found = self._inside[b"iinf"]
        start = found.body + (6 if self._data[found.body] == 0 else 8)
        for info in walk(self._data, start, found.end):
            layout = ">HH4s" if self._data[info.body] < 3 else ">IH4s"
            number, _, kind = struct.unpack_from(layout, self._data, info.body + 4)
            self._items[number] = _Item(kind, self._data[info.start : info.end])

    def _read_locations(self) -> None:
        found = self._inside[b"iloc"]
        version, at = self._data[found.body], found.body + 4
        offset_size, length_size = self._data[at] >> 4, self._data[at] & 15
        base_size = self._data[at + 1] >> 4
        index_size = self._data[at + 1] & 15 if version else 0

        def number(size: int) -> int:
            nonlocal at
            at += size
            return int.from_bytes(self._data[at - size : at])

        at += 2
        for _ in range(min(number(2 if version < 2 else 4), _LARGEST_COUNT)):
            item = self._items.get(number(2 if version < 2 else 4))
            method = number(2) & 15 if version else 0
            number(2)
            base = number(base_size)
            extents = []
            for _ in range(number(2)):
                number(index_size)
                extents.append((base + number(offset_size), number(length_size)))
            if item is not None:
                item.method, item.extents = method, extents

    def _read_references(self) -> None:
        found = self._inside.get(b"iref")
        if found is None:
            return
        letter = "H" if self._data[found.body] == 0 else "I"
        width = 2 if letter == "H" else 4
        for reference in walk(self._data, found.body + 4, found.end):
            source, count = struct.unpack_from(f">{letter}H", self._data, reference.body)
            targets = struct.unpack_from(
                f">{count}{letter}", self._data, reference.body + width + 2
            )
            self._references.append((reference.kind, source, targets))

    def _read_properties(self) -> None:
        inside = self._inside[b"iprp"]
        for part in walk(self._data, inside.body, inside.end):
            if part.kind == b"ipco":
                self._properties = [
                    self._data[found.start : found.end]
                    for found in walk(self._data, part.body, part.end)
                ]
            elif part.kind == b"ipma":
                self._read_associations(part)

    def _read_associations(self, part: Box) -> None:
        version, flags = self._data[part.body], self._data[part.body + 3]
        wide_number, wide_index = version > 0, flags & 1
        (count,) = struct.unpack_from(">I", self._data, part.body + 4)
        at = part.body + 8
        for _ in range(min(count, _LARGEST_COUNT)):
            (number,) = struct.unpack_from(">I" if wide_number else ">H", self._data, at)
            at += 4 if wide_number else 2
            many, at = self._data[at], at + 1
            for _ in range(many):
                value = int.from_bytes(self._data[at : at + 1 + wide_index])
                at += 1 + wide_index
                top = 15 if wide_index else 7
                if number in self._items:
                    self._items[number].properties.append(
                        (value & ((1 << top) - 1), bool(value >> top))
                    )
