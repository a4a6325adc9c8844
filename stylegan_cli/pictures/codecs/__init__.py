"""The kinds of picture file, one codec for each: this table is where another one is added."""

from typing import BinaryIO, Final

from stylegan_cli.pictures.codecs.codec import (
    Codec,
    Contents,
    Header,
    PictureFormat,
    Wanted,
)
from stylegan_cli.pictures.codecs.gif import Gif
from stylegan_cli.pictures.codecs.heif import Avif, Heif
from stylegan_cli.pictures.codecs.jpeg import Jpeg
from stylegan_cli.pictures.codecs.jpeg2000 import Jpeg2000
from stylegan_cli.pictures.codecs.jpegxl import JpegXl
from stylegan_cli.pictures.codecs.plain import Bmp, Pnm, Tga
from stylegan_cli.pictures.codecs.png import Png
from stylegan_cli.pictures.codecs.raw import Raw, is_raw
from stylegan_cli.pictures.codecs.tiff import Tiff
from stylegan_cli.pictures.codecs.webp import Webp

__all__ = ["CODECS", "Codec", "Contents", "Header", "PictureFormat", "Wanted", "codec_for"]

CODECS: Final[dict[str, Codec]] = {
    codec.format.name: codec
    for codec in (
        Jpeg(),
        Png(),
        Webp(),
        Heif(),
        Avif(),
        JpegXl(),
        Tiff(),
        Raw(),
        Gif(),
        Jpeg2000(),
        Bmp(),
        Pnm(),
        Tga(),
    )
}


def codec_for(stream: BinaryIO) -> Codec | None:
    """The codec for an open file, by what it begins with; None for no picture."""
    head = stream.read(64)
    stream.seek(0)
    found = next((codec for codec in CODECS.values() if codec.recognises(head)), None)
    if isinstance(found, Tiff) and is_raw(stream):
        found = CODECS["RAW"]
    stream.seek(0)
    return found
