"""JPEG XL by libjxl: pixels by imagecodecs, the profile by pillow-jxl-plugin (an extra)."""

import struct
from dataclasses import replace
from typing import BinaryIO, Final

import numpy as np

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.boxes import box, walk
from stylegan_cli.pictures.codecs.codec import (
    Contents,
    Header,
    PictureFormat,
    Wanted,
    frame_of,
    planes_of,
)
from stylegan_cli.pictures.colours.profiles import linear_of_srgb
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.pixels import from_unit, to_unit

_CONTAINER: Final = b"\0\0\0\x0cJXL \r\n\x87\n"
_CODESTREAM: Final = b"\xff\x0a"
_EFFORT: Final = 4
# Ratios of the width to the height that a header has short names for (ISO/IEC 18181-1, D.2).
_RATIOS: Final = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


class JpegXl:
    """JPEG XL of 8 and 16 bits; written in sRGB."""

    format = PictureFormat(
        name="JPEGXL", suffixes=(".jxl",), alpha=True, deep=True, exif=True, xmp=True
    )

    def recognises(self, head: bytes) -> bool:
        """By the container's signature, or the codestream's."""
        return head.startswith((_CONTAINER, _CODESTREAM))

    def probe(self, stream: BinaryIO) -> Header:
        """By the first bits of the codestream."""
        return _header(stream.read(1 << 20))[0]

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture, upright as the decoder turns it."""
        import imagecodecs

        data = stream.read()
        header, is_animation = _header(data)
        wanted.check(header.height, header.width)
        icc = _profile(data, wanted.name)
        planes = np.asarray(imagecodecs.jpegxl_decode(data, 0))
        if planes.dtype.kind == "f":
            planes = np.rint(np.clip(planes, 0, 1) * 65535).astype(np.uint16)
        return Contents(
            frames=[frame_of(planes)],
            icc=icc,
            metadata=_metadata(data),
            orientation=1,
            notes=("only the first frame of this animation is used",) if is_animation else (),
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture in 8 or 16 bits."""
        import imagecodecs

        frame, metadata = contents.frames[0], contents.metadata
        if frame.pixels.dtype == np.uint16:  # the library calls these linear, whatever they are
            light = linear_of_srgb(to_unit(frame.pixels))
            frame = replace(frame, pixels=from_unit(light, np.uint16))
        data = bytes(
            imagecodecs.jpegxl_encode(planes_of(frame), quality, effort=_EFFORT, usecontainer=True)
        )
        if metadata.exif is not None:
            data += box(b"Exif", bytes(4) + metadata.exif)
        if metadata.xmp is not None:
            data += box(b"xml ", metadata.xmp)
        return data


def _profile(data: bytes, name: str) -> bytes | None:
    try:
        from pillow_jxl import Decoder
    except ImportError as error:
        raise PictureError(
            f"{name} is JPEG XL, which takes an extra: pip install 'stylegan-cli[jxl]'"
        ) from error
    profile = Decoder(num_threads=-1)(data)[3]
    return bytes(profile) if profile else None


def _header(data: bytes) -> tuple[Header, bool]:
    """The size, and whether it moves, as the header packs them (ISO/IEC 18181-1, D.2 and D.3)."""
    start = 0
    if data.startswith(_CONTAINER):
        parts = [found for found in walk(data) if found.kind in (b"jxlc", b"jxlp")]
        if not parts:  # the first part goes on beyond what was read
            start = max(data.find(b"jxlc") + 4, data.find(b"jxlp") + 8)
        else:
            start = parts[0].body + (4 if parts[0].kind == b"jxlp" else 0)
    if data[start : start + 2] != _CODESTREAM:
        raise ValueError("no JPEG XL codestream")
    bits = int.from_bytes(data[start + 2 : start + 20], "little")

    def take(count: int) -> int:
        nonlocal bits
        value = bits & ((1 << count) - 1)
        bits >>= count
        return value

    def side(is_small: int) -> int:
        if is_small:
            return (take(5) + 1) * 8
        return take((9, 13, 18, 30)[take(2)]) + 1

    def size() -> Header:
        small = take(1)
        height = side(small)
        ratio = take(3)
        if ratio:
            over, under = _RATIOS[ratio]
            return Header(height, height * over // under)
        return Header(height, side(small))

    header, is_animation = size(), False
    is_usual = take(1)
    if not is_usual and take(1):  # what most files have no use for
        take(3)  # the orientation
        if take(1):
            size()  # as it is to be shown
        is_animation = bool(not take(1) and take(1))  # after a preview
    return header, is_animation


def _metadata(data: bytes) -> Metadata:
    import imagecodecs

    exif = xmp = None
    for found in walk(data) if data.startswith(_CONTAINER) else ():
        kind, body = found.kind, data[found.body : found.end]
        if kind == b"brob":
            kind = body[:4]
            if kind in (b"Exif", b"xml "):
                body = bytes(imagecodecs.brotli_decode(body[4:]))
        if kind == b"Exif" and len(body) > 4:
            exif = body[4 + struct.unpack(">I", body[:4])[0] :]
        elif kind == b"xml ":
            xmp = body
    return Metadata(exif, xmp)
