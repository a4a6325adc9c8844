"""IPTC in Photoshop's image resources, taken apart and put together without a change to the rest.

Sources: Adobe Photoshop File Formats (image resource blocks), IPTC-IIM 4.2 (datasets).
"""

import struct
from collections.abc import Iterator
from typing import Final

_IPTC, _DIGEST = 0x0404, 0x0425
# Small pictures of what was there before, and copies of what a file has fields of its own for:
# EXIF, XMP and the profile.
_DROPPED: Final = frozenset((0x0409, 0x040C, 0x040F, 0x0422, 0x0423, 0x0424))
# Record 2: content location, city, sublocation, province, country.
_PLACES: Final = frozenset(((2, 26), (2, 27), (2, 90), (2, 92), (2, 95), (2, 100), (2, 101)))


def resources_of(iptc: bytes) -> bytes:
    """Image resources that hold bare IPTC datasets, as TIFF keeps them."""
    return _block(_IPTC, b"\0\0", iptc)


def iptc_of(resources: bytes) -> bytes | None:
    """The bare IPTC datasets in image resources."""
    return next((body for kind, _, body in _blocks(resources) if kind == _IPTC), None)


def lasting(resources: bytes) -> bytes | None:
    """Image resources that are still true of the result; None when nothing is left."""
    return _joined(block for block in _blocks(resources) if block[0] not in _DROPPED)


def without_places(resources: bytes) -> bytes | None:
    """Image resources without the names of places; None when nothing is left."""
    blocks = []
    for kind, name, body in _blocks(resources):
        if kind == _DIGEST:  # of the datasets as they were
            continue
        if kind == _IPTC:
            body = b"".join(
                dataset
                for record, number, dataset in _datasets(body)
                if (record, number) not in _PLACES
            )
        blocks.append((kind, name, body))
    return _joined(iter(blocks))


def _blocks(resources: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(number, name as stored, body) of each resource, up to the first that is damaged."""
    at = 0
    while resources[at : at + 4] == b"8BIM" and at + 12 <= len(resources):
        (kind,) = struct.unpack_from(">H", resources, at + 4)
        name_length = resources[at + 6] + 1
        name_length += name_length % 2
        name = resources[at + 6 : at + 6 + name_length]
        start = at + 6 + name_length + 4
        (size,) = struct.unpack(">I", resources[start - 4 : start].rjust(4, b"\0"))
        if start + size > len(resources):
            return
        yield kind, name, resources[start : start + size]
        at = start + size + size % 2


def _block(kind: int, name: bytes, body: bytes) -> bytes:
    head = b"8BIM" + struct.pack(">H", kind) + name + struct.pack(">I", len(body))
    return head + body + bytes(len(body) % 2)


def _joined(blocks: Iterator[tuple[int, bytes, bytes]]) -> bytes | None:
    return b"".join(_block(*block) for block in blocks) or None


def _datasets(iptc: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(record, number, bytes) of each dataset, up to the first that is damaged."""
    at = 0
    while at + 5 <= len(iptc) and iptc[at] == 0x1C:
        record, number = iptc[at + 1], iptc[at + 2]
        (size,) = struct.unpack_from(">H", iptc, at + 3)
        end = at + 5 + size
        if size & 0x8000:  # an extended dataset: so many bytes tell the size
            width = size & 0x7FFF
            end = at + 5 + width + int.from_bytes(iptc[at + 5 : at + 5 + width])
        if end > len(iptc):
            return
        yield record, number, iptc[at:end]
        at = end
