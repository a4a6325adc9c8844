"""Colours of files: carried, or converted; wide ones and HDR are stylized, not clipped."""

import io
import logging
import zlib
from dataclasses import replace

import imagecodecs
import numpy as np
import pillow_heif
import pytest
from picture_files import (
    DISPLAY_P3,
    SRGB_CURVE,
    Array,
    every_deep_value,
    grey_profile,
    rgb_profile,
    saved,
    scene,
)
from PIL import Image

from stylegan_cli.pictures import Metadata, Picture, encode_picture, read_picture
from stylegan_cli.pictures.colours import Cicp, Colours, to_srgb
from stylegan_cli.pictures.colours.coding import nits_of_pq, pq_of_nits
from stylegan_cli.pictures.gain_maps import GainMap, apple_headroom, from_iso, of_linear_gains
from stylegan_cli.pictures.metadata.exif import maker_note_of

P3 = rgb_profile(DISPLAY_P3, SRGB_CURVE)
PQ_2020 = Cicp(9, 16)
APPLE_MAP = "urn:com:apple:photo:2020:aux:hdrgainmap"


def saturated() -> Array:
    """Display P3 colours from grey to the edge of its cube, most of them beyond sRGB."""
    steps = np.linspace(0, 255, 64).round().astype(np.uint8)
    full = np.full_like(steps, 255)
    rows = [(steps, full - steps, 0 * steps), (full, steps, 0 * steps), (0 * steps, full, steps)]
    return np.stack([np.stack(row, axis=-1) for row in rows] * 4)


def brighter(pixels: Array) -> Array:
    white = np.iinfo(pixels.dtype).max
    return (white * (pixels / white) ** 0.8).astype(pixels.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_wide_colours_are_stylized_and_stay_apart(dtype: type) -> None:
    pixels = saturated().astype(dtype) * (1 if dtype is np.uint8 else 257)
    picture = Picture(pixels, colours=Colours(P3))
    same = picture.map_pixels(lambda p: p.copy()).pixels
    assert np.abs(same.astype(float) - pixels).max() <= (3 if dtype is np.uint8 else 200)
    stylized = picture.map_pixels(brighter, lambda unit: unit**0.8).pixels
    clipped = Picture(to_srgb(pixels, Colours(P3))).map_pixels(brighter).pixels
    kinds = [len(np.unique(shown.reshape(-1, 3), axis=0)) for shown in (stylized, clipped)]
    assert kinds[0] > 1.05 * kinds[1]
    assert to_srgb(stylized, Colours(P3)).max() == np.iinfo(dtype).max


def test_wide_colours_come_out_alike_in_8_and_16_bits() -> None:
    wide = saturated()  # each colour four times, in three shades
    shades = np.repeat([0, 20, 20, 40], 3).astype(np.uint8)[:, None, None]

    def stylize(pixels: Array) -> Array:
        one = pixels.dtype.type(1 if pixels.dtype == np.uint8 else 257)
        return brighter(pixels) // 2 + shades * one

    shallow, deep = (
        Picture(pixels, colours=Colours(P3)).map_pixels(stylize, lambda unit: unit**0.8 / 2).pixels
        for pixels in (wide, wide.astype(np.uint16) * 257)
    )
    assert np.abs(shallow - deep / 257).max() <= 3


@pytest.mark.parametrize("colours", [Colours(P3), Colours(cicp=PQ_2020)], ids=["P3", "PQ"])
def test_a_little_strength_changes_a_little(colours: Colours) -> None:
    pixels = saturated().astype(np.uint16) * 257
    picture = Picture(pixels, colours=colours)
    little, more = (
        picture.map_pixels(brighter, lambda unit: unit**0.8, share=share).pixels
        for share in (0.01, 0.1)
    )
    assert np.abs(little.astype(float) - pixels).max() <= 0.0101 * 65535
    assert np.abs(more.astype(float) - pixels).max() <= 0.101 * 65535
    assert np.abs(more.astype(float) - pixels).max() > 0.01 * 65535


def test_pq_and_hlg_light_are_those_of_the_standards() -> None:
    assert nits_of_pq(np.array(0.5081)) == pytest.approx(100, rel=0.01)  # ST 2084
    assert pq_of_nits(np.array([203.0], np.float32))[0] == pytest.approx(0.58, abs=0.002)
    for transfer, white in ((16, 0.5807), (18, 0.75)):  # BT.2408, table 1
        codes = np.full((1, 3), round(white * 65535), np.uint16)
        assert Cicp(9, transfer).light(codes) == pytest.approx(1, rel=0.01)
        every = every_deep_value()[::16, ::16].reshape(-1, 3)
        back = Cicp(9, transfer).codes(Cicp(9, transfer).light(every))
        assert np.abs(back.astype(int) - every).max() <= 16


def test_an_hdr_picture_keeps_its_light() -> None:
    ramp = np.tile(np.linspace(8000, 60000, 96).astype(np.uint16)[None, :, None], (40, 1, 3))
    picture = Picture(ramp, colours=Colours(cicp=PQ_2020))
    seen = picture.srgb_pixels()
    assert (np.diff(seen[0, :, 0].astype(int)) >= 0).all()
    same = picture.map_pixels(lambda p: p.copy()).pixels
    assert np.abs(same.astype(int) - ramp).max() < 400
    dimmed = picture.map_pixels(lambda p: (p * 0.9).astype(p.dtype), lambda unit: unit * 0.9)
    assert (dimmed.pixels < ramp).all()
    assert dimmed.pixels.max() > 52000


@pytest.mark.parametrize(
    ("format", "cicp"),
    [("PNG", PQ_2020), ("PNG", Cicp(12, 13)), ("HEIF", PQ_2020), ("AVIF", PQ_2020),
     ("AVIF", Cicp(12, 13)), ("AVIF", Cicp(9, 18))],
)  # fmt: skip
def test_code_points_are_carried(format: str, cicp: Cicp) -> None:
    deep = scene().astype(np.uint16) * 257
    data = encode_picture(Picture(deep, colours=Colours(cicp=cicp)), format)
    again = read_picture(data)
    found = again.colours.cicp
    assert found is not None
    assert (found.primaries, found.transfer) == (cicp.primaries, cicp.transfer)
    assert again.pixels.dtype == np.uint16
    assert np.abs(again.pixels.astype(int) - deep).mean() < 900
    if format != "PNG":  # by another reader
        nclx = pillow_heif.open_heif(data).info["nclx_profile"]
        assert nclx["color_primaries"] == cicp.primaries
        assert nclx["transfer_characteristics"] == cicp.transfer
        assert pillow_heif.open_heif(data).info["bit_depth"] == 10


def test_a_png_of_narrow_range_becomes_one_of_full_range() -> None:
    codes = np.repeat(np.array([[16, 126, 235]], np.uint8)[..., None], 3, axis=2)
    data = encode_picture(Picture(codes, colours=Colours(cicp=Cicp(12, 13))), "PNG")
    at = data.index(b"cICP")
    body = b"cICP" + bytes([12, 13, 0, 0])
    narrow = data[:at] + body + zlib.crc32(body).to_bytes(4) + data[at + 12 :]
    picture = read_picture(narrow)
    assert picture.pixels[0, :, 0].tolist() == [0, 128, 255]
    assert bytes([12, 13, 0, 1]) in encode_picture(picture, "PNG")


def test_code_points_become_a_profile_where_there_are_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wide = Picture(saturated(), colours=Colours(cicp=Cicp(12, 13)))
    tagged = read_picture(encode_picture(wide, "TIFF"))
    assert tagged.colours.icc is not None
    np.testing.assert_array_equal(tagged.pixels, wide.pixels)
    off = tagged.srgb_pixels().astype(int) - to_srgb(wide.pixels, Colours(P3))
    assert np.abs(off).max() <= 2
    bright = Picture(saturated().astype(np.uint16) * 257, colours=Colours(cicp=PQ_2020))
    with caplog.at_level(logging.WARNING):
        flat = read_picture(encode_picture(bright, "JPEG"))
    assert flat.colours.is_srgb
    assert "light beyond white" in caplog.text


def test_the_gamma_of_a_png_is_a_profile() -> None:
    data = saved(scene(), "PNG")
    body = b"gAMA" + (100000).to_bytes(4)
    linear = data[:33] + (4).to_bytes(4) + body + zlib.crc32(body).to_bytes(4) + data[33:]
    picture = read_picture(linear)
    np.testing.assert_array_equal(picture.pixels, scene())
    shown = picture.srgb_pixels()[30, 20] / 255  # linear light 0.31 is encoded as 0.59
    light = scene()[30, 20] / 255
    expected = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(shown - expected).max() < 0.01
    assert read_picture(encode_picture(picture, "PNG")).colours.icc == picture.colours.icc


def test_a_profile_of_another_space_is_left_out_with_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = saved(scene(), "JPEG", icc_profile=grey_profile(1.0), quality=97)
    with caplog.at_level(logging.WARNING):
        picture = read_picture(data)
    assert "is for GRAY, not for RGB pixels" in caplog.text
    assert np.abs(picture.pixels.astype(int) - scene()).mean() < 3
    assert picture.colours.icc is None


# Gain maps


GAINS = np.repeat([[0, 255]], 24, axis=0).repeat(16, axis=1).astype(np.uint8)
GAIN_MAP = GainMap(GAINS, high=(2.0,), offset_sdr=(0.0,), offset_hdr=(0.0,), headroom=(0.0, 2.0))


def with_map() -> Picture:
    """A picture whose right half is brighter in HDR by two stops."""
    return Picture(scene(), metadata=Metadata(), gain_map=GAIN_MAP)


def hdr_of(data: bytes) -> Array:
    """The HDR rendition by libultrahdr: linear, SDR white 1."""
    return np.asarray(imagecodecs.ultrahdr_decode(data)).astype(np.float32)[..., :3]


def test_an_ultra_hdr_photo_keeps_its_hdr() -> None:
    data = encode_picture(with_map(), "JPEG")
    light = hdr_of(data)
    sdr = ((scene() / 255 + 0.055) / 1.055) ** 2.4
    gain = light[10:30].mean(axis=0) / np.maximum(sdr[10:30].mean(axis=0), 1e-3)
    assert np.median(gain[8:24, 1]) == pytest.approx(1, abs=0.1)
    assert np.median(gain[40:56, 1]) == pytest.approx(4, rel=0.1)
    stylized = read_picture(data).map_pixels(lambda pixels: 255 - pixels)
    again = encode_picture(stylized, "JPEG")
    assert stylized.gain_map is not None
    assert stylized.gain_map.jpeg is not None
    assert again.endswith(stylized.gain_map.jpeg)
    dark = (((255 - scene()) / 255 + 0.055) / 1.055) ** 2.4
    assert np.median(hdr_of(again)[20, 40:56] / dark[20, 40:56]) == pytest.approx(4, rel=0.1)
    once = encode_picture(read_picture(data), "JPEG")
    before, after = (pq_of_nits(np.maximum(hdr_of(d), 0) * 203) for d in (data, once))
    assert -10 * np.log10(np.mean((before - after) ** 2)) > 45


def test_a_gain_map_turns_with_its_picture() -> None:
    data = encode_picture(with_map(), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    block = exif.tobytes()
    turned = data[:20] + b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block + data[20:]
    at = turned.index(b"MPF\0") + 4  # what was moved by the length of the new segment
    size = int.from_bytes(turned[at + 54 : at + 58]) + len(block) + 4
    turned = turned[: at + 54] + size.to_bytes(4) + turned[at + 58 :]
    picture = read_picture(turned)
    assert picture.size == (64, 48)
    assert picture.gain_map is not None
    assert picture.gain_map.pixels.shape == (32, 24)
    assert picture.gain_map.pixels[:14].mean() < 8 < 240 < picture.gain_map.pixels[18:].mean()
    assert hdr_of(encode_picture(picture, "JPEG")).shape[:2] == (64, 48)


def test_gains_of_each_colour_are_read_elsewhere() -> None:
    gain_map = replace(GAIN_MAP, pixels=np.full((24, 32, 3), 255, np.uint8), high=(0.0, 1.0, 2.0))
    data = encode_picture(Picture(np.full((48, 64, 3), 128, np.uint8), gain_map=gain_map), "JPEG")
    red, green, blue = np.median(hdr_of(data), axis=(0, 1))
    assert green == pytest.approx(2 * red, rel=0.05)
    assert blue == pytest.approx(4 * red, rel=0.05)
    again = read_picture(data).gain_map
    assert again is not None
    assert again.high == pytest.approx((0.0, 1.0, 2.0))


def test_a_gain_map_that_only_iso_21496_describes_is_read() -> None:
    gain_map = replace(GAIN_MAP, high=(1.5,), gamma=(1.25,), headroom=(0.0, 1.5))
    data = encode_picture(Picture(scene(), gain_map=gain_map), "JPEG")
    again = read_picture(data.replace(b"hdr-gain-map", b"hdr-gone-map")).gain_map
    assert again is not None
    assert (again.high, again.gamma) == ((1.5,), (1.25,))
    assert again.headroom == (0.0, 1.5)
    for under in (1, 7):  # the same with a denominator of its own for each number
        numbers = (0, 3 * under, -under, 2 * under, under, 0, under)
        block = b"\0\0\0\0\x40" + b"".join(
            number.to_bytes(4, signed=True) + under.to_bytes(4) for number in numbers
        )
        found = from_iso(gain_map.pixels, block, None)
        assert found is not None
        assert (found.low, found.high, found.headroom) == ((-1.0,), (2.0,), (0.0, 3.0))
    assert from_iso(gain_map.pixels, b"\0\0\0\0\x44" + block[5:], None) is None  # HDR below it
    assert from_iso(gain_map.pixels, block[:40], None) is None


def test_apples_gain_map_in_a_jpeg_becomes_one_that_others_read() -> None:
    xmp = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf'
        b'-syntax-ns#"><rdf:Description rdf:about="" xmlns:HDRGainMap="http://ns.apple.com/'
        b'HDRGainMap/1.0/" HDRGainMap:HDRGainMapHeadroom="4.0"/></rdf:RDF></x:xmpmeta>'
    )
    behind = saved(GAINS, "JPEG", quality=95, xmp=xmp)
    with_room = encode_picture(with_map(), "JPEG")
    base = with_room[: with_room.rindex(b"\xff\xd8\xff")].replace(b"hdr-gain-map", b"hdr-gone-map")
    at = base.index(b"MPF\0") + 4 + 50 + 16
    base = base[: at + 4] + len(behind).to_bytes(4) + base[at + 8 :]
    picture = read_picture(base + behind)
    assert picture.gain_map is not None
    assert picture.gain_map.headroom[1] == pytest.approx(2)
    light = hdr_of(encode_picture(picture, "JPEG"))
    assert light[20, 56, 2] == pytest.approx(4 * light[20, 20, 2], rel=0.25)


def test_a_heic_keeps_apples_gain_map_and_jpeg_gets_one() -> None:
    data = encode_picture(with_map(), "HEIF")
    opened = pillow_heif.open_heif(data)
    assert len(opened) == 1
    gains = np.asarray(opened.get_aux_image(opened.info["aux"][APPLE_MAP][0]))
    assert gains[:, :14].max() < 12
    assert gains[:, 18:].min() > 243
    picture = read_picture(data)
    assert picture.gain_map is not None
    assert picture.gain_map.headroom[1] == pytest.approx(2, abs=0.01)
    light = hdr_of(encode_picture(picture, "JPEG"))
    assert light[20, 56, 2] == pytest.approx(4 * light[20, 20, 2], rel=0.25)


def test_apples_gains_survive_the_way_there_and_back() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    gains, headroom = of_linear_gains(ramp, 4.0).to_apple()
    assert headroom == pytest.approx(4)
    assert np.abs(gains.astype(int) - ramp).max() <= 3


def test_apples_headroom_is_read_from_the_makers_note() -> None:
    fields = b"".join(
        tag.to_bytes(2) + b"\0\x0a\0\0\0\1" + at.to_bytes(4) for tag, at in ((33, 48), (48, 56))
    )
    note = b"Apple iOS\0\0\1MM" + b"\0\2" + fields + bytes(8)
    note += (1).to_bytes(4) + (1).to_bytes(4) + bytes(4) + (1).to_bytes(4)
    assert apple_headroom(note) == pytest.approx(2**3.0)
    exif = Image.Exif()
    exif[0x8769] = {0x927C: note}
    assert maker_note_of(exif.tobytes().removeprefix(b"Exif\0\0")) == note
    assert apple_headroom(b"Nikon\0") is None


def test_a_format_without_gain_maps_says_so(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        data = encode_picture(with_map(), "PNG", name="a.png")
    assert caplog.messages == ["a.png: PNG can't hold the HDR gain map, which is left out"]
    assert Image.open(io.BytesIO(data)).size == (64, 48)
