"""Pixels of more than 8 bits, which Pillow narrows or clips without a word."""

import struct
import zlib
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.picture import Pixels

Planes = tuple[Pixels, Pixels | None]
"""(H, W, 3) RGB and (H, W) alpha or None; uint16 or float32."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BITS_PER_SAMPLE, _SAMPLE_FORMAT, _PLANES_APART, _PHOTOMETRIC = 258, 339, 284, 262


def read_deep(stream: BinaryIO, image: Image.Image) -> Planes | None:
    """The pixels of a 16-bit PNG, as stored, or of a 16-bit TIFF or 10- or 12-bit HEIF, upright.

    image: the same file as Pillow opened it. None when the file has 8 bits, or when it is damaged
    or unusual and Pillow's reader must say so or do its best.
    """
    if image.format == "PNG":
        return _read_png(stream)
    if image.format == "TIFF":
        return _read_tiff(stream, image)
    if image.format == "HEIF" and image.info.get("bit_depth", 8) > 8:
        return _read_heif(stream)
    return None


def loaded_deep(image: Image.Image) -> Planes | None:
    """The pixels of an image that Pillow decoded to more than 8 bits: grey. Raises PictureError."""
    if not image.mode.startswith("I") and image.mode != "F":
        return None
    values = np.asarray(image)
    if image.mode == "F":
        if not (np.isfinite(values).all() and values.min() >= 0 and values.max() <= 1):
            raise PictureError(
                "floating-point pixels must lie between 0 and 1: convert the picture to 16 bits"
            )
        grey: Pixels = values.astype(np.float32)
    else:
        if values.min() < 0 or values.max() > 65535:
            raise PictureError(
                "more than 16 bits per channel can't be used: convert the picture to 16 bits"
            )
        grey = values.astype(np.uint16)
    return np.repeat(grey[..., None], 3, axis=2), None


def _read_png(stream: BinaryIO) -> Planes | None:
    data = whole_file(stream, 26)
    if len(data) < 26 or data[24] != 16:
        return None
    data = whole_file(stream)
    if not is_complete_png(data):
        return None  # libpng would complain on the user's terminal; Pillow says it in words
    return _decoded(data)


def _read_tiff(stream: BinaryIO, image: Image.Image) -> Planes | None:
    tags = getattr(image, "tag_v2", {})
    deep = set(tags.get(_BITS_PER_SAMPLE, (1,))) == {16} and set(
        tags.get(_SAMPLE_FORMAT, (1,))
    ) == {1}
    # Grey ones go through Pillow, which knows white-is-zero.
    if not deep or tags.get(_PHOTOMETRIC) != 2 or tags.get(_PLANES_APART, 1) != 1:
        return None
    return _decoded(whole_file(stream))


def _read_heif(stream: BinaryIO) -> Planes | None:
    import pillow_heif

    opened = pillow_heif.open_heif(whole_file(stream), convert_hdr_to_8bit=False)
    return _split(np.asarray(opened))


def _decoded(data: bytes) -> Planes | None:
    # Of a damaged file OpenCV tells the terminal; Pillow's reader, which comes next, tells us.
    level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    finally:
        cv2.utils.logging.setLogLevel(level)
    if pixels is None or pixels.dtype != np.uint16:
        return None
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    return _split(np.asarray(pixels))


def _split(pixels: Pixels) -> Planes | None:
    if pixels.dtype != np.uint16:
        return None
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., None], 3, axis=2)
    alpha = np.ascontiguousarray(pixels[..., 3]) if pixels.shape[2] == 4 else None
    return np.ascontiguousarray(pixels[..., :3]), alpha


def whole_file(stream: BinaryIO, size: int = -1) -> bytes:
    """The file from its start, without moving Pillow's place in it."""
    place = stream.tell()
    stream.seek(0)
    data = stream.read(size)
    stream.seek(place)
    return data


def is_complete_png(data: bytes) -> bool:
    """Whether every chunk of a PNG is there, down to the last, with the right checksum."""
    if not data.startswith(_PNG_SIGNATURE):
        return False
    place = len(_PNG_SIGNATURE)
    while place + 12 <= len(data):
        length, name = struct.unpack_from(">I4s", data, place)
        end = place + 12 + length
        if end > len(data) or zlib.crc32(data[place + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end]
        ):
            return False
        if name == b"IEND":
            return True
        place = end
    return False
