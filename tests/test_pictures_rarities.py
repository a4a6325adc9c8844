"""What few files have beside pixels: light levels, 64-bit directories, pages, shapes of pixels."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from picture_files import deep_file, saved, scene

from stylegan_cli.pictures import Picture, encode_picture, read_picture
from stylegan_cli.pictures.boxes import Items, box
from stylegan_cli.pictures.colours import Cicp, Colours

HEADER_END = 33  # of a PNG: after the signature and the header


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: tuple[bytes, bytes], deep: bool = True) -> bytes:
    pixels = scene().astype(np.uint16) * 257
    data = deep_file(pixels, ".png") if deep else saved(scene(), "PNG")
    return data[:HEADER_END] + b"".join(chunk(*one) for one in chunks) + data[HEADER_END:]


def test_light_levels_of_a_png_are_kept(caplog: pytest.LogCaptureFixture) -> None:
    levels = ((b"mDCV", bytes(range(24))), (b"cLLI", struct.pack(">II", 10_000_000, 4_000_000)))
    picture = read_picture(png_with((b"cICP", bytes([9, 16, 0, 1])), *levels))
    again = encode_picture(picture, "PNG")
    for one in levels:
        assert chunk(*one) in again[: again.index(b"IDAT")]
    assert caplog.text == ""
    assert read_picture(encode_picture(picture, "AVIF")).metadata.hdr_levels == ()
    assert "AVIF can't hold the light levels that the source tells" in caplog.text


@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
def test_light_levels_of_heif_and_avif_are_kept(format: str) -> None:
    pixels = scene().astype(np.uint16) * 257
    items = Items(encode_picture(Picture(pixels, colours=Colours(cicp=Cicp(9, 16, 9))), format))
    levels = ((b"mdcv", bytes(range(24))), (b"clli", struct.pack(">HH", 1000, 400)))
    for kind, body in levels:
        items.add_property(items.primary, box(kind, body))
    picture = read_picture(items.saved())
    assert picture.metadata.hdr_levels == levels
    again = read_picture(encode_picture(picture, format))
    assert again.metadata.hdr_levels == levels
    assert again.colours.cicp is not None
    assert again.colours.cicp.transfer == 16


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_bigtiff_says_of_the_photo_is_kept(order: str) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        scene(),
        bigtiff=True,
        byteorder=order,
        photometric="rgb",
        metadata=None,
        description="what is to be seen",
        software="some program",
        extratags=[(33432, 2, 0, "whose it is", True)],
    )
    again = encode_picture(read_picture(stream.getvalue()), "TIFF")
    with tifffile.TiffFile(io.BytesIO(again)) as file:
        tags = file.pages[0].tags
        told = [tags[code].value for code in (270, 305, 33432)]
    assert told == ["what is to be seen", "some program", "whose it is"]


def test_what_later_pages_say_is_said_to_be_left_out(caplog: pytest.LogCaptureFixture) -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(scene(), photometric="rgb", metadata=None)
        writer.write(scene()[:20], photometric="rgb", metadata=None, description="the second")
    assert len(read_picture(stream.getvalue()).frames) == 2
    assert "what its later pages say of themselves is left out" in caplog.text


def test_the_shape_of_pixels_in_a_png_is_kept(caplog: pytest.LogCaptureFixture) -> None:
    shape = (b"pHYs", struct.pack(">IIB", 4, 3, 0))
    picture = read_picture(png_with(shape, deep=False))
    assert chunk(*shape) in encode_picture(picture, "PNG")
    encode_picture(picture, "JPEG")
    assert caplog.text == ""  # no format has a word for text that is none
