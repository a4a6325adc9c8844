"""JPEG by libjpeg-turbo (Pillow), with every segment that describes the photo kept as bytes."""

import hashlib
import io
import logging
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, UnidentifiedImageError

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import (
    CLIP_LEFT_OUT,
    FIRST_ALONE,
    MAP_LEFT_OUT,
    Contents,
    Header,
    PictureFormat,
    Wanted,
)
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.gain_maps import GainMap, from_apple, from_iso, from_xmp
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.metadata import xmp as packets
from stylegan_cli.pictures.metadata.directories import Directories
from stylegan_cli.pictures.metadata.xmp_contents import claims
from stylegan_cli.pictures.metadata.xmp_extended import merged, split
from stylegan_cli.pictures.pixels import Pixels

logger = logging.getLogger(__name__)

_NAMES: Final = ("JPEG",)  # and MPO, which begins alike
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_EXTENDED: Final = b"http://ns.adobe.com/xmp/extension/\0"
_PHOTOSHOP, _ICC, _MPF = b"Photoshop 3.0\0", b"ICC_PROFILE\0", b"MPF\0"
_START, _JFIF, _END = b"\xff\xd8", b"\xff\xe0\0\x10JFIF\0", b"\xff\xd9"
_ISO_GAIN_MAP: Final = b"urn:iso:std:iso:ts:21496:-1\0"
# The start of a frame of more than 8 bits (ITU-T T.81, B.2.2).
_DEEP_HEADER: Final = re.compile(rb"\xff[\xc0-\xc3]\0.[\x09-\x10]", re.DOTALL)
_SAMSUNG_CLIP: Final = b"MotionPhoto_Data"
_SEGMENT: Final = 65533  # bytes that fit into one
_LARGEST_EXTENDED: Final = 64 * 1024 * 1024
_ICC_PART: Final = 65519
_LONGEST_HEAD: Final = 1 << 20  # within it stands the index
_MAP_QUALITY: Final = 97
_MP_ENTRIES, _MULTI_FRAME = 0xB002, 2
_FIRST_ENTRY, _ENTRY_SIZE = 50, 16  # of a multi-picture index


class Jpeg:
    """JPEG, and the first picture of MPO; Ultra HDR with its gain map."""

    format = PictureFormat(
        name="JPEG",
        suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
        profile=True,
        cmyk=True,
        exif=True,
        xmp=True,
        iptc=True,
        dpi=True,
        comment=True,
        gain_map=True,
        largest_side=65500,
    )

    def recognises(self, head: bytes) -> bool:
        """By the marker of its start."""
        return head.startswith(b"\xff\xd8\xff")

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, _NAMES)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture, its segments, and the gain map behind it."""
        try:
            image = pillow.open_image(stream, _NAMES, wanted)
        except UnidentifiedImageError:
            stream.seek(0)
            if found := _DEEP_HEADER.search(stream.read(_LONGEST_HEAD)):
                bits = found.group()[4]
                raise PictureError(
                    f"{wanted.name} is a JPEG of {bits} bits: convert it to PNG"
                ) from None
            raise
        pixels = _pixels(stream, image, wanted)
        metadata = _metadata(image)
        notes, gain_map = [], None
        if not wanted.still:
            gain_map = _gain_map(stream, image, metadata, wanted)
            speaks_of_map, speaks_of_clip = claims(metadata.xmp)
            if speaks_of_clip or _has_clip(stream):
                notes.append(CLIP_LEFT_OUT)
            if gain_map is None and speaks_of_map:
                notes.append(MAP_LEFT_OUT)
            if any(view.kind >> 16 == _MULTI_FRAME for view in _views(stream, image)[1:]):
                notes.append(FIRST_ALONE)
        icc = image.info.get("icc_profile")
        return Contents(
            frames=[Frame(pixels, None, 0)],
            icc=icc if isinstance(icc, bytes) else None,
            metadata=metadata,
            gain_map=gain_map,
            notes=tuple(notes),
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture with 4:4:4 colours, then its gain map."""
        if contents.gain_map is None:
            return _base(contents, quality, None)
        behind = _map_file(contents.gain_map)
        base = _base(contents, quality, behind)
        index = base.index(_MPF) + len(_MPF)
        # The first picture; the second, by its distance from the index.
        entries = struct.pack(">IIIHH", 0x30000, len(base), 0, 0, 0)
        entries += struct.pack(">IIIHH", 0, len(behind), len(base) - index, 0, 0)
        at = index + _FIRST_ENTRY
        return base[:at] + entries + base[at + 2 * _ENTRY_SIZE :] + behind


def _pixels(stream: BinaryIO, image: Image.Image, wanted: Wanted) -> Pixels:
    """The pixels, straight into an array; by Pillow what is cut short or in CMYK."""
    import imagecodecs

    if not wanted.allow_truncated and image.mode in ("L", "RGB"):
        at = stream.tell()  # where the header ends
        stream.seek(0)
        data = stream.read()
        if data.find(_END, at) < 0:
            raise EOFError("the picture is truncated")
        return np.asarray(imagecodecs.jpeg8_decode(data))
    pillow.load(image, wanted)
    return pillow.planes(image)[0]


def _metadata(image: Image.Image) -> Metadata:
    """What the segments say."""
    exif = xmp = None
    resources, extended = b"", b""
    for kind, body in getattr(image, "applist", ()):
        if kind == "APP1" and body.startswith(_EXIF) and exif is None:
            exif = body[len(_EXIF) :]
        elif kind == "APP1" and body.startswith(_XMP) and xmp is None:
            xmp = body[len(_XMP) :]
        elif kind == "APP1" and body.startswith(_EXTENDED) and len(extended) < _LARGEST_EXTENDED:
            extended += body[len(_EXTENDED) + 40 :]
        elif kind == "APP13" and body.startswith(_PHOTOSHOP):
            resources += body[len(_PHOTOSHOP) :]
    comment, dpi = image.info.get("comment"), None
    if image.info.get("jfif_unit") in (1, 2):
        scale = 1 if image.info["jfif_unit"] == 1 else 2.54
        across, down = image.info["jfif_density"]
        dpi = (across * scale, down * scale)
    return Metadata(
        exif,
        merged(xmp, extended or None),
        resources or None,
        comment if isinstance(comment, bytes) else None,
        dpi=dpi,
    )


@dataclass(frozen=True, slots=True)
class _View:
    """A picture of a multi-picture file: its kind, and where it stands, 0 for the first."""

    kind: int
    at: int
    size: int


def _views(stream: BinaryIO, image: Image.Image) -> list[_View]:
    """The index of a multi-picture file (CIPA DC-007, 5.2.3); none where it can't be read."""
    index = image.info.get("mp")
    if not isinstance(index, bytes):
        return []
    # Places count from where the index begins.
    base = _part(stream, 0, _LONGEST_HEAD).find(_MPF + index) + len(_MPF)
    try:
        fields = Directories(lambda at, size: index[at : at + size])
        entry = next(one for one in fields.entries(fields.first) if one.tag == _MP_ENTRIES)
        table = fields.read(entry.value_at, entry.size)
        rows = struct.iter_unpack(fields.order + "IIIHH", table[: entry.size // 16 * 16])
        return [_View(kind & 0xFFFFFF, base + at if at else 0, size) for kind, size, at, *_ in rows]
    except (ValueError, StopIteration, struct.error):
        return []


def _has_clip(stream: BinaryIO) -> bool:
    """Whether a clip stands behind all pictures, as phones of Samsung and Google have it."""
    stream.seek(0)
    data = stream.read()
    return data.find(b"ftyp", data.rfind(_END) + 1) > 0 or data.find(_SAMSUNG_CLIP) > 0


def _gain_map(
    stream: BinaryIO, image: Image.Image, metadata: Metadata, wanted: Wanted
) -> GainMap | None:
    """The gain map behind the picture, where it can be used."""
    for data in _files_behind(stream, image, metadata.xmp):
        head = data[:65536]
        names = (packets.GAIN_MAP.encode(), packets.APPLE_GAIN_MAP.encode(), _ISO_GAIN_MAP)
        if not data.startswith(b"\xff\xd8\xff") or not any(name in head for name in names):
            continue
        try:
            opened = pillow.open_image(io.BytesIO(data), _NAMES, wanted)
            pillow.load(opened, wanted)
        except (OSError, SyntaxError, ValueError) as error:
            logger.warning("%s: the gain map is damaged and left out: %s", wanted.name, error)
            return None
        return _described_map(opened, data, metadata.exif)
    return None


def _described_map(image: Image.Image, data: bytes, exif: bytes | None) -> GainMap | None:
    """A gain map with what its file says of it: by Ultra HDR, ISO 21496-1 or Apple."""
    pixels = np.asarray(image if image.mode == "L" else image.convert("RGB"))
    xmp = _metadata(image).xmp
    found = None if xmp is None else from_xmp(pixels, xmp, data)
    for kind, body in getattr(image, "applist", ()):
        if kind == "APP2" and body.startswith(_ISO_GAIN_MAP):
            found = found or from_iso(pixels, body[len(_ISO_GAIN_MAP) :], data)
    if found is None and xmp is not None and packets.APPLE_GAIN_MAP.encode() in xmp:
        found = from_apple(np.asarray(image.convert("L")), xmp, exif)
    return found


def _files_behind(stream: BinaryIO, image: Image.Image, xmp: bytes | None) -> Iterator[bytes]:
    """The files behind the first picture, by CIPA DC-007, else by Google's container."""
    stream.seek(0, io.SEEK_END)
    end = stream.tell()
    for view in _views(stream, image):
        if view.at:
            yield _part(stream, view.at, view.size)
    document = None if xmp is None else packets.parse(xmp)
    if document is None:
        return
    items = document.getElementsByTagNameNS(packets.CONTAINER, "Item")
    names = ("Semantic", "Length", "Padding")
    entries = [[item.getAttributeNS(packets.ITEM, name) for name in names] for item in items]
    if not all(number.isdigit() or not number for entry in entries for number in entry[1:]):
        return
    lengths = [int(length or 0) + int(padding or 0) for _, length, padding in entries]
    at = end - sum(lengths[1:])
    for (semantic, length, _), taken in zip(entries[1:], lengths[1:], strict=True):
        if semantic == "GainMap" and 0 < at < end:
            yield _part(stream, at, int(length or 0))
        at += taken


def _part(stream: BinaryIO, at: int, size: int) -> bytes:
    stream.seek(at)
    return stream.read(size)


def _map_file(gain_map: GainMap) -> bytes:
    """The file of a gain map: as it came, or made anew."""
    if gain_map.jpeg is not None:
        return gain_map.jpeg
    image = Image.fromarray(gain_map.pixels)
    extra = _segment(0xE1, _XMP + gain_map.xmp())
    extra += _segment(0xE2, _ISO_GAIN_MAP + gain_map.iso())
    return pillow.saved(image, "JPEG", quality=_MAP_QUALITY, subsampling=0, extra=extra)


def _base(contents: Contents, quality: int, behind: bytes | None) -> bytes:
    """The picture itself; with room for the index of two where a gain map is to stand behind."""
    metadata = contents.metadata
    xmp = metadata.xmp if behind is None else _with_container(metadata.xmp, len(behind))
    extra = b""
    if metadata.exif is not None and len(metadata.exif) + len(_EXIF) > _SEGMENT:
        logger.warning("the EXIF block is too long for JPEG and is left out")
    elif metadata.exif is not None:
        extra += _segment(0xE1, _EXIF + metadata.exif)
    if xmp is not None:
        extra += _xmp_segments(xmp)
    resources, room = metadata.resources or b"", _SEGMENT - len(_PHOTOSHOP)
    for start in range(0, len(resources), room):
        extra += _segment(0xED, _PHOTOSHOP + resources[start : start + room])
    if behind is not None:
        if _ISO_GAIN_MAP in behind[:65536]:
            extra += _segment(0xE2, _ISO_GAIN_MAP + bytes(4))
        extra += _segment(0xE2, _MPF + _index_of_two())
    icc = contents.icc or b""
    parts = [icc[at : at + _ICC_PART] for at in range(0, len(icc), _ICC_PART)]
    for number, part in enumerate(parts):
        extra += _segment(0xE2, _ICC + bytes([number + 1, len(parts)]) + part)
    if metadata.comment is not None:
        extra += _segment(0xFE, metadata.comment[:_SEGMENT])
    unit, across, down = 0, 1, 1
    if metadata.dpi is not None:
        unit, (across, down) = 1, (min(round(side), 65535) for side in metadata.dpi)
    jfif = _JFIF + struct.pack(">HBHHH", 0x101, unit, across, down, 0)
    data = _encoded(contents.frames[0], quality)
    return _START + jfif + extra + data[2 + (len(jfif) if data.startswith(_JFIF, 2) else 0) :]


def _encoded(frame: Frame, quality: int) -> bytes:
    """The file of the pixels alone."""
    import imagecodecs

    if frame.pixels.shape[2] == 4:
        return pillow.saved(pillow.image_of(frame), "JPEG", quality=quality, subsampling=0)
    pixels = np.ascontiguousarray(frame.pixels)
    return bytes(imagecodecs.jpeg8_encode(pixels, quality, subsampling="444"))


def _segment(marker: int, body: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def _xmp_segments(xmp: bytes) -> bytes:
    """XMP in one segment, or with what does not fit as extended XMP (Part 3, 1.1.3.1)."""
    try:
        main, rest = split(xmp, _SEGMENT - len(_XMP))
    except ValueError:
        logger.warning("the XMP block is too long for JPEG and is left out")
        return b""
    segments = _segment(0xE1, _XMP + main)
    if rest is not None:
        digest = hashlib.md5(rest, usedforsecurity=False).hexdigest().upper().encode()
        for start in range(0, len(rest), 65400):
            head = _EXTENDED + digest + struct.pack(">II", len(rest), start)
            segments += _segment(0xE1, head + rest[start : start + 65400])
    return segments


def _with_container(xmp: bytes | None, map_length: int) -> bytes:
    """XMP that says that a gain map follows (Ultra HDR 1.1, "XMP")."""
    document = None if xmp is None else packets.parse(xmp)
    document = document or packets.parse(packets.EMPTY)
    assert document is not None
    packets.add_description(document, "hdrgm", packets.GAIN_MAP, {"Version": "1.0"})
    packets.add_fragment(
        document,
        f'<rdf:Description xmlns:rdf="{packets.RDF}" rdf:about="" '
        f'xmlns:Container="{packets.CONTAINER}" xmlns:Item="{packets.ITEM}">'
        "<Container:Directory><rdf:Seq>"
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="Primary" '
        'Item:Mime="image/jpeg"/></rdf:li>'
        '<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="GainMap" '
        f'Item:Mime="image/jpeg" Item:Length="{map_length}"/></rdf:li>'
        "</rdf:Seq></Container:Directory></rdf:Description>",
    )
    return packets.serialised(document)


def _index_of_two() -> bytes:
    """A multi-picture index (CIPA DC-007, 5.2.3) whose two entries are still empty."""
    index = b"MM\0*" + struct.pack(">IH", 8, 3)
    index += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
    index += struct.pack(">HHII", 0xB001, 4, 1, 2)
    index += struct.pack(">HHII", 0xB002, 7, 2 * _ENTRY_SIZE, _FIRST_ENTRY)
    return index + bytes(4) + bytes(2 * _ENTRY_SIZE)
