"""JPEG 2000 by OpenJPEG (imagecodecs), 16 bits and all; metadata in boxes of their own."""

import io
import struct
import uuid
from typing import BinaryIO, Final

import numpy as np

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.boxes import box, walk
from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import (
    Contents,
    Header,
    PictureFormat,
    Wanted,
    frame_of,
    in_16_bits,
    planes_of,
)
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.metadata.iptc import iptc_of, resources_of

_NAMES: Final = ("JPEG2000",)
_CONTAINER: Final = b"\0\0\0\x0cjP  \r\n\x87\n"
_CODESTREAM: Final = b"\xff\x4f\xff\x51"
_XMP: Final = uuid.UUID("be7acfcb-97a9-42e8-9c71-999491e3afac").bytes
_EXIF: Final = b"JpgTiffExif->JP2"
_IPTC: Final = uuid.UUID("33c7a4d2-b81d-4723-a0ba-f1a3e097ad38").bytes
_SRGB, _GREY = 16, 17  # enumerated colour spaces (ISO/IEC 15444-1, I.5.3.3)


class Jpeg2000:
    """JP2 and bare codestreams."""

    format = PictureFormat(
        name="JPEG2000",
        suffixes=(".jp2", ".j2k", ".jpx"),
        alpha=True,
        deep=True,
        exif=True,
        xmp=True,
        iptc=True,
    )

    def recognises(self, head: bytes) -> bool:
        """By the container's signature, or the codestream's."""
        return head.startswith((_CONTAINER, _CODESTREAM))

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, _NAMES)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture; of palettes and other colour spaces Pillow makes RGB, in 8 bits."""
        import imagecodecs

        data = stream.read()
        image = pillow.open_image(io.BytesIO(data), _NAMES, wanted)
        bits, is_signed = _depth(data)
        is_plain, icc = _colour_space(data)
        if bits <= 8:
            still = pillow.still(image, wanted)
            return Contents(frames=[still], icc=icc, metadata=_metadata(data))
        if is_signed or bits > 16 or not is_plain:
            kind = "signed" if is_signed else f"{bits}-bit" if bits > 16 else "unusual"
            raise PictureError(f"{wanted.name} is JPEG 2000 of {kind} colours: convert it to PNG")
        planes = np.asarray(imagecodecs.jpeg2k_decode(data))
        if bits < 16:
            planes = in_16_bits(planes, (1 << bits) - 1)
        return Contents(frames=[frame_of(planes)], icc=icc, metadata=_metadata(data))

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture without loss, in 8 or 16 bits."""
        import imagecodecs

        frame, metadata = contents.frames[0], contents.metadata
        data = bytes(imagecodecs.jpeg2k_encode(planes_of(frame), level=0, reversible=True))
        if metadata.exif is not None:
            data += box(b"uuid", _EXIF + metadata.exif)
        if metadata.xmp is not None:
            data += box(b"uuid", _XMP + metadata.xmp)
        if metadata.resources is not None and (iptc := iptc_of(metadata.resources)) is not None:
            data += box(b"uuid", _IPTC + iptc)
        return data


def _depth(data: bytes) -> tuple[int, bool]:
    """Bits of the deepest component and whether any is signed (ISO/IEC 15444-1, A.5.1)."""
    at = data.find(_CODESTREAM)
    (count,) = struct.unpack_from(">H", data, at + 40)
    sizes = data[at + 42 : at + 42 + 3 * count : 3]
    return max((size & 127) + 1 for size in sizes), any(size >> 7 for size in sizes)


def _colour_space(data: bytes) -> tuple[bool, bytes | None]:
    """Whether the numbers are plain RGB or grey, and the profile."""
    head = next((found for found in walk(data) if found.kind == b"jp2h"), None)
    if head is None:
        return True, None
    is_plain, icc = True, None
    for found in walk(data, head.body, head.end):
        if found.kind in (b"pclr", b"cmap"):
            is_plain = False
        elif found.kind == b"colr" and data[found.body] == 1:
            (space,) = struct.unpack_from(">I", data, found.body + 3)
            is_plain = is_plain and space in (_SRGB, _GREY)
        elif found.kind == b"colr" and data[found.body] == 2:
            icc = data[found.body + 3 : found.end]
    return is_plain, icc


def _metadata(data: bytes) -> Metadata:
    exif = xmp = resources = None
    for found in walk(data) if data.startswith(_CONTAINER) else ():
        if found.kind == b"uuid":
            name, body = data[found.body : found.body + 16], data[found.body + 16 : found.end]
            if name == _XMP:
                xmp = body
            elif name == _EXIF:
                exif = body.removeprefix(b"Exif\0\0")
            elif name == _IPTC:
                resources = resources_of(body)
    return Metadata(exif, xmp, resources)
