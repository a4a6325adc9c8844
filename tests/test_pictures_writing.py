import errno
import io
import os
import stat
import time
import zlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB_CURVE,
    cmyk_profile,
    every_deep_value,
    grey_profile,
    rgb_profile,
    saved,
    scene,
)
from PIL import Image

from stylegan_cli.errors import OutputExistsError, PictureError, UsageError, WriteError
from stylegan_cli.pictures import (
    FORMATS,
    AiLabel,
    Frame,
    Kept,
    Metadata,
    Picture,
    change_depth,
    encode_picture,
    find_pictures,
    read_picture,
    require_format,
    write_picture,
)
from stylegan_cli.pictures.colours import Colours
from stylegan_cli.pictures.colours.profiles import srgb_profile
from stylegan_cli.pictures.metadata.metadata import upright, without_place
from stylegan_cli.runtime.files import write_atomically

pillow_heif.register_heif_opener()
WRITTEN = sorted(name for name, kind in FORMATS.items() if kind.result is None)


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


@pytest.mark.parametrize("format", WRITTEN)
def test_every_format_is_written_and_reads_back(format: str) -> None:
    again = read_picture(encode_picture(Picture(scene()), format))
    assert again.source_format == format
    assert again.pixels.dtype == np.uint8
    limit = 0 if format in ("PNG", "TIFF", "BMP", "PPM", "TGA") else 4
    assert np.abs(again.pixels.astype(int) - scene()).mean() <= limit


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_every_16_bit_value_survives_the_round_trip(format: str) -> None:
    alpha = np.ascontiguousarray(every_deep_value()[..., 2])
    for picture in (Picture(every_deep_value()), Picture(every_deep_value(), alpha)):
        again = read_picture(encode_picture(picture, format))
        np.testing.assert_array_equal(again.pixels, picture.pixels)
        if picture.alpha is not None:
            np.testing.assert_array_equal(again.alpha, picture.alpha)


def test_a_deep_tiff_of_many_strips_is_readable_elsewhere() -> None:
    tall = np.tile(every_deep_value(), (3, 1, 1))
    data = encode_picture(Picture(tall, colours=Colours(rgb_profile(ADOBE_RGB, (2.2,)))), "TIFF")
    shown = opened(data)
    assert shown.info["icc_profile"] == rgb_profile(ADOBE_RGB, (2.2,))
    assert np.abs(np.asarray(shown).astype(int) - (tall >> 8)).max() <= 1


def test_sixteen_bit_heif_keeps_at_least_ten() -> None:
    ramp = np.tile(np.linspace(0, 65535, 512).astype(np.uint16)[None, :, None], (64, 1, 3))
    again = read_picture(encode_picture(Picture(ramp), "HEIF", quality=100))
    assert again.pixels.dtype == np.uint16
    assert len(np.unique(again.pixels[32, :, 1])) > 300


def test_float_pixels_are_written_with_16_bits_where_there_are_16() -> None:
    pixels = (every_deep_value() / 65535).astype(np.float32)
    again = read_picture(encode_picture(Picture(pixels), "PNG"))
    np.testing.assert_array_equal(again.pixels, every_deep_value())
    assert read_picture(encode_picture(Picture(pixels), "JPEG")).pixels.dtype == np.uint8


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "HEIF", "AVIF", "TGA"])
def test_alpha_is_kept(format: str) -> None:
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    again = read_picture(encode_picture(Picture(scene(), alpha), format))
    assert again.alpha is not None
    assert np.abs(again.alpha.astype(int) - alpha).max() <= (0 if format in ("PNG", "TIFF") else 8)


def test_where_alpha_has_no_place_the_picture_lies_on_white() -> None:
    alpha = np.zeros((48, 64), np.uint8)
    again = read_picture(encode_picture(Picture(scene(), alpha), "JPEG"))
    assert again.alpha is None
    assert again.pixels.min() > 250


def test_a_gif_keeps_what_is_clear() -> None:
    alpha = np.where(np.arange(64) < 20, 0, 255).astype(np.uint8)[None].repeat(48, 0)
    again = read_picture(encode_picture(Picture(scene(), alpha), "GIF"))
    np.testing.assert_array_equal(again.alpha, alpha)


def moving(durations: tuple[float, ...], alpha: np.ndarray | None = None) -> Picture:
    frames = tuple(
        Frame(
            np.roll(scene(), 5 * i, axis=1), None if alpha is None else np.roll(alpha, 5 * i, 1), ms
        )
        for i, ms in enumerate(durations)
    )
    return Picture(frames[0].pixels, alpha, frames=frames, loop=3)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
@pytest.mark.parametrize("clear", [False, True])
def test_an_animation_keeps_its_frames_and_timing(format: str, clear: bool) -> None:
    alpha = np.where(np.arange(64) < 20, 0, 255).astype(np.uint8)[None].repeat(48, 0)
    picture = moving((70, 200, 40, 110), alpha if clear else None)
    again = read_picture(encode_picture(picture, format))
    assert [frame.duration_ms for frame in again.frames] == [70, 200, 40, 110]
    assert again.loop == (0 if format == "AVIF" else 3)  # AVIF has no field for it
    assert (again.alpha is not None) == clear
    for before, after in zip(picture.frames, again.frames, strict=True):
        shown = np.ones((48, 64), bool) if before.alpha is None else before.alpha > 0
        assert np.abs(after.pixels.astype(int) - before.pixels)[shown].mean() < 8
        if before.alpha is not None and after.alpha is not None:
            assert (np.abs(after.alpha.astype(int) - before.alpha) < 40).mean() > 0.97


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_a_long_animation_does_not_drift(format: str) -> None:
    picture = moving((1000 / 30,) * 30)
    again = read_picture(encode_picture(picture, format))
    assert sum(frame.duration_ms for frame in again.frames) == pytest.approx(1000)


def test_an_animation_that_plays_once_plays_once() -> None:
    for format in ("GIF", "WEBP", "PNG"):
        once = replace(moving((50, 60)), loop=None)
        again = read_picture(encode_picture(once, format))
        assert again.loop == (None if format == "GIF" else 1)


def test_an_opaque_alpha_channel_stays() -> None:
    opaque = np.full((48, 64), 255, np.uint8)
    for format in ("PNG", "TIFF"):
        again = read_picture(encode_picture(Picture(scene(), opaque), format))
        np.testing.assert_array_equal(again.alpha, opaque)


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG"])
def test_frames_that_stand_still_keep_their_time(format: str) -> None:
    frames = tuple(Frame(np.roll(scene(), 9 * (i // 3), axis=1), None, 40) for i in range(9))
    again = read_picture(encode_picture(Picture(frames[0].pixels, frames=frames), format))
    seen = [f.pixels for f in again.frames for _ in range(round(f.duration_ms / 40))]
    assert len(seen) == 9
    for before, after in zip(frames, seen, strict=True):
        assert np.abs(after.astype(int) - before.pixels).mean() < 6


@pytest.mark.parametrize("clear", [False, True])
def test_a_gif_of_few_colours_is_written_exactly(clear: bool) -> None:
    few = scene() // 64 * 64 + (np.indices((48, 64)).sum(axis=0) % 3)[..., None].astype(np.uint8)
    alpha = np.where(scene()[..., 0] > 128, 255, 0).astype(np.uint8) if clear else None
    again = read_picture(encode_picture(Picture(few, alpha), "GIF"))
    shown = np.ones((48, 64), bool) if alpha is None else alpha > 0
    np.testing.assert_array_equal(again.pixels[shown], few[shown])


def test_a_still_format_gets_the_first_frame() -> None:
    again = read_picture(encode_picture(moving((50, 50)), "BMP"))
    np.testing.assert_array_equal(again.pixels, scene())


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
def test_a_large_heif_is_written_in_tiles_without_seams(depth: type) -> None:
    pixels = change_depth(cv2.resize(scene(), (1300, 1100)), depth)
    data = encode_picture(Picture(pixels), "HEIF")
    assert pillow_heif.open_heif(data).info["tiling"]["num_columns"] == 2
    again = read_picture(data)
    assert again.size == (1100, 1300)
    assert (
        np.abs(
            change_depth(again.pixels, np.uint8).astype(int) - cv2.resize(scene(), (1300, 1100))
        ).max()
        < 30
    )


# Colours


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_a_wide_gamut_picture_goes_back_to_its_own_profile(format: str) -> None:
    icc = rgb_profile(DISPLAY_P3, SRGB_CURVE)
    colours = np.full((16, 16, 3), (180, 120, 90), np.uint8)
    picture = read_picture(saved(colours, "PNG", icc_profile=icc))
    data = encode_picture(picture, format)
    again = read_picture(data)
    assert again.colours.icc == icc
    assert np.abs(again.pixels.astype(int) - colours).max() <= 3
    stylized = read_picture(encode_picture(picture.map_pixels(lambda pixels: pixels), format))
    assert np.abs(stylized.pixels.astype(int) - colours).max() <= 3


def test_16_bits_go_to_srgb_and_back_without_loss_inside_srgb() -> None:
    icc = rgb_profile(ADOBE_RGB, (563 / 256,))
    inside = (every_deep_value() // 8 + 30000).astype(np.uint16)
    picture = read_picture(encode_picture(Picture(inside, colours=Colours(icc)), "PNG"))
    np.testing.assert_array_equal(picture.pixels, inside)
    assert np.abs(picture.srgb_pixels().astype(int) - inside).max() > 300
    stylized = picture.map_pixels(lambda pixels: pixels)
    again = read_picture(encode_picture(stylized, "TIFF"))
    assert np.abs(again.pixels.astype(int) - inside).max() <= 12


def test_cmyk_goes_back_to_cmyk_in_jpeg_and_to_tagged_srgb_elsewhere() -> None:
    stream = io.BytesIO()
    Image.fromarray(scene()).convert("CMYK").save(stream, "TIFF", icc_profile=cmyk_profile())
    picture = read_picture(stream.getvalue())
    back = opened(encode_picture(picture, "JPEG"))
    assert (back.mode, back.info["icc_profile"]) == ("CMYK", cmyk_profile())
    elsewhere = opened(encode_picture(picture, "PNG"))
    assert elsewhere.mode == "RGB"
    assert elsewhere.info["icc_profile"][16:20] == b"RGB "
    np.testing.assert_array_equal(np.asarray(elsewhere), picture.pixels)


def test_grey_profiles_have_no_way_back_and_become_srgb() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    picture = read_picture(saved(ramp, "PNG", icc_profile=grey_profile(1.8)))
    again = read_picture(encode_picture(picture, "PNG"))
    np.testing.assert_array_equal(again.pixels, picture.pixels)
    assert again.colours.icc == srgb_profile()


def test_kept_colours_are_written_as_they_were_or_converted_where_no_profile_fits() -> None:
    icc = rgb_profile(ADOBE_RGB, (563 / 256,))
    data = saved(scene(), "PNG", icc_profile=icc)
    kept = read_picture(data)
    copy = opened(encode_picture(kept, "PNG"))
    np.testing.assert_array_equal(np.asarray(copy), scene())
    assert copy.info["icc_profile"] == icc
    bmp = read_picture(encode_picture(kept, "BMP"))
    np.testing.assert_array_equal(bmp.pixels, read_picture(data).srgb_pixels())


def test_the_same_picture_gives_the_same_file() -> None:
    picture = replace(Picture(scene()), colours=Colours(cmyk_icc=cmyk_profile()))
    assert encode_picture(picture, "PNG") == encode_picture(picture, "PNG")


def test_jpeg_keeps_colour_at_full_size_and_high_quality() -> None:
    image = opened(encode_picture(Picture(scene()), "JPEG"))
    assert {layer[1:3] for layer in image.layer} == {(1, 1)}  # type: ignore[attr-defined]
    assert max(image.quantization[0]) <= 12  # type: ignore[attr-defined]
    small = encode_picture(Picture(scene(480, 640)), "JPEG", quality=30)
    assert len(small) < len(encode_picture(Picture(scene(480, 640)), "JPEG"))


# Metadata


def camera_exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0132], exif[0x0112] = "Maker", "2024:05:06 07:08:09", 6
    exif[0x8769] = {0x9003: "2024:05:06 07:08:09", 0x927C: b"secret maker note"}
    exif[0x8769] |= {0xA002: 64, 0xA003: 48}
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}
    return exif.tobytes()


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/" tiff:Orientation="6" '
    b'exif:GPSLatitude="52,31.2N" exif:GPSLongitude=\'13,24E\' dc:creator="me">'
    b"<exif:GPSAltitude>34</exif:GPSAltitude><xmp:Thumbnails><rdf:Alt>AAAA</rdf:Alt>"
    b"</xmp:Thumbnails><dc:title>kept</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)


@pytest.mark.parametrize("source", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF"])
@pytest.mark.parametrize("target", ["JPEG", "PNG", "WEBP", "TIFF", "HEIF", "AVIF"])
def test_exif_is_kept_upright_without_thumbnail_maker_note_and_place(
    source: str, target: str
) -> None:
    picture = read_picture(saved(scene(), source, exif=camera_exif()))
    data = encode_picture(picture, target)
    exif = opened(data).getexif()
    assert exif[0x010F] == "Maker"
    assert exif.get(0x0112, 1) == 1
    details = exif.get_ifd(0x8769)
    assert details[0x9003] == "2024:05:06 07:08:09"
    assert 0x927C not in details
    assert not exif.get_ifd(0x8825)
    assert b"secret maker note" not in data
    told = opened(encode_picture(picture, target, kept=Kept(gps=True))).getexif()
    assert told.get_ifd(0x8825)[2] == (52.0, 31.0, 12.0)


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("target", ["PNG", "TIFF", "HEIF"])
def test_metadata_goes_with_8_and_16_bits_alike(target: str, depth: type) -> None:
    picture = read_picture(saved(scene(), "JPEG", exif=camera_exif(), xmp=XMP))
    pixels = (scene().astype(np.uint16) * 257).astype(depth) if depth is np.uint16 else scene()
    again = read_picture(encode_picture(replace(picture, pixels=pixels), target))
    assert again.pixels.dtype == depth
    assert again.metadata.exif is not None
    assert b"Maker" in again.metadata.exif
    assert again.xmp is not None
    assert b"kept" in again.xmp


def test_the_thumbnail_is_gone() -> None:
    thumbnail = saved(scene(12, 16), "JPEG")
    base = Image.Exif()
    base[0x010F] = "Maker"
    block = bytearray(base.tobytes())
    tiff = bytearray(block[6:])
    (first,) = np.frombuffer(tiff[4:8], ">u4")
    count = int.from_bytes(tiff[first : first + 2], "big")
    after = int(first) + 2 + 12 * count
    tiff[after : after + 4] = len(tiff).to_bytes(4, "big")
    place = len(tiff) + 2 + 24 + 4
    tiff += (2).to_bytes(2, "big")
    for tag, value in ((0x0201, place), (0x0202, len(thumbnail))):
        tiff += tag.to_bytes(2, "big") + b"\0\4\0\0\0\1" + value.to_bytes(4, "big")
    tiff += bytes(4) + thumbnail
    data = saved(scene(), "JPEG", exif=b"Exif\0\0" + bytes(tiff))
    assert thumbnail in data
    again = encode_picture(read_picture(data), "JPEG")
    assert thumbnail not in again
    assert opened(again).getexif()[0x010F] == "Maker"


def test_xmp_is_kept_without_place_thumbnail_and_old_orientation() -> None:
    picture = read_picture(saved(scene(), "WEBP", xmp=XMP))
    xmp = read_picture(encode_picture(picture, "PNG")).xmp
    assert xmp is not None
    assert b'tiff:Orientation="1"' in xmp
    assert b"GPS" not in xmp
    assert b"Thumbnails" not in xmp
    assert b"<dc:title>kept</dc:title>" in xmp
    told = read_picture(encode_picture(picture, "PNG", kept=Kept(gps=True))).xmp
    assert told is not None
    assert told.count(b"GPS") == 4


def test_the_place_that_drones_write_is_gone_too() -> None:
    drone = (
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:d="http://www.dji.com/drone-dji/1.0/" d:GpsLatitude="+52.5" '
        b'd:GpsLongtitude="+13.4" d:RelativeAltitude="+9" d:FlightYawDegree="kept"/></rdf:RDF>'
    )
    xmp = read_picture(encode_picture(Picture(scene(), metadata=Metadata(xmp=drone)), "JPEG")).xmp
    assert xmp is not None
    assert b"kept" in xmp
    assert b"52.5" not in xmp
    assert b"13.4" not in xmp
    assert b"+9" not in xmp


@pytest.mark.parametrize(
    "block",
    [
        b" " * 1_000_000,
        b"<exif:GPSAltitude>" * 50_000,
        b"<xmp:Thumbnails>" * 50_000,
        b"<Iptc4xmpExt:AISystemUsed " * 40_000,
        b'xmlns:a="' * 100_000,
        b"<rdf:RDF></rdf:RDF" * 50_000,
    ],
    ids=lambda block: block[:20].decode(),
)
def test_no_xmp_holds_the_program_up(block: bytes) -> None:
    started = time.process_time()
    rdf = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    metadata = upright(Metadata(xmp=rdf + block + b"</rdf:RDF>"), (48, 64), 6)
    AiLabel("influ", "1").merged_into(without_place(metadata, Kept()).xmp)
    assert time.process_time() - started < 5


def test_the_orientation_in_xmp_is_applied_and_then_gone() -> None:
    picture = read_picture(saved(scene(), "JPEG", xmp=XMP, quality=97))
    assert picture.size == (64, 48)
    again = read_picture(encode_picture(picture, "JPEG"))
    assert again.size == (64, 48)


def test_the_size_in_exif_is_that_of_the_upright_picture() -> None:
    picture = read_picture(saved(scene(), "JPEG", exif=camera_exif()))
    assert picture.size == (64, 48)
    details = opened(encode_picture(picture, "JPEG")).getexif().get_ifd(0x8769)
    assert (details[0xA002], details[0xA003]) == (48, 64)


# Files


def test_a_file_is_written_whole_with_the_usual_mode(tmp_path: Path) -> None:
    target = tmp_path / "result.png"
    before = os.umask(0o027)
    try:
        write_picture(Picture(scene()), target)
    finally:
        os.umask(before)
    np.testing.assert_array_equal(read_picture(target).pixels, scene())
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["result.png"]


def test_nothing_is_written_over_unless_told(tmp_path: Path) -> None:
    target = tmp_path / "mine.png"
    target.write_bytes(b"mine")
    target.chmod(0o604)
    with pytest.raises(OutputExistsError, match=r"mine\.png exists already"):
        write_picture(Picture(scene()), target)
    assert target.read_bytes() == b"mine"
    write_picture(Picture(scene()), target, overwrite=True)
    np.testing.assert_array_equal(read_picture(target).pixels, scene())
    assert stat.S_IMODE(target.stat().st_mode) == 0o604


@pytest.mark.parametrize("overwrite", [False, True])
def test_links_folders_and_pipes_are_never_targets(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "real.png").write_bytes(b"mine")
    (tmp_path / "link.png").symlink_to("real.png")
    (tmp_path / "dangling.png").symlink_to("nowhere.png")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    for name in ("link.png", "dangling.png", "folder.png", "pipe.png"):
        reason = "symbolic link" if "ing" in name or "link" in name else "not a regular file"
        with pytest.raises(WriteError, match=rf"{name}: it is .*{reason}"):
            write_picture(Picture(scene()), tmp_path / name, overwrite=overwrite)
    assert (tmp_path / "real.png").read_bytes() == b"mine"
    assert not (tmp_path / "nowhere.png").exists()


def test_a_name_taken_while_we_worked_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "result.png"
    really_sync = os.fsync

    def sync_and_lose_the_race(descriptor: int) -> None:
        really_sync(descriptor)
        if not target.exists():
            target.write_bytes(b"somebody else")

    monkeypatch.setattr(os, "fsync", sync_and_lose_the_race)
    with pytest.raises(OutputExistsError):
        write_picture(Picture(scene()), target)
    assert target.read_bytes() == b"somebody else"
    assert [path.name for path in tmp_path.iterdir()] == ["result.png"]


def test_a_full_disk_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "result.png"
    target.write_bytes(b"mine")

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(WriteError, match="make room"):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"mine"
    assert [path.name for path in tmp_path.iterdir()] == ["result.png"]


def test_a_missing_folder_and_an_unknown_suffix_are_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match=r"the folder .*nowhere does not exist"):
        write_picture(Picture(scene()), tmp_path / "nowhere" / "a.png")
    with pytest.raises(PictureError, match=r"\.doc"):
        write_picture(Picture(scene()), tmp_path / "a.doc")


def test_the_format_follows_the_name_or_what_was_asked_or_the_source(tmp_path: Path) -> None:
    write_picture(Picture(scene()), tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").source_format == "JPEG"
    write_picture(Picture(scene()), tmp_path / "b.jpg", format="PNG")
    assert read_picture(tmp_path / "b.jpg").source_format == "PNG"
    stream = io.BytesIO()
    write_picture(Picture(scene(), source_format="WEBP"), stream)
    assert read_picture(stream.getvalue()).source_format == "WEBP"


def test_what_a_format_cannot_hold_is_said() -> None:
    wide = Picture(np.zeros((1, 17000, 3), np.uint8))
    with pytest.raises(PictureError, match="16383: use PNG"):
        encode_picture(wide, "WEBP")
    assert read_picture(encode_picture(wide, "PNG")).size == (1, 17000)


def test_formats_are_known_by_the_names_people_use() -> None:
    named = [require_format(name) for name in ("jpg", "JPEG", ".heic", "tif", "WebP")]
    assert named == ["JPEG", "JPEG", "HEIF", "TIFF", "WEBP"]
    with pytest.raises(UsageError, match="docx"):
        require_format("docx")


def test_pictures_are_found_by_suffix_in_order_without_hidden_ones(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt", "in/c.heic", ".git/d.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    own = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    tree = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path, True)]
    assert own == ["a.png", "b.JPG"]
    assert tree == ["a.png", "b.JPG", "in/c.heic"]


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    clear=st.booleans(),
    format=st.sampled_from(WRITTEN),
)
def test_any_picture_can_be_written_in_any_format(
    height: int, width: int, dtype: type, clear: bool, format: str
) -> None:
    rng = np.random.default_rng(height * 31 + width)
    planes = rng.random((height, width, 4))
    scale = 1 if dtype is np.float32 else np.iinfo(dtype).max
    planes = (planes * scale).astype(dtype)
    picture = Picture(
        np.ascontiguousarray(planes[..., :3]), planes[..., 3].copy() if clear else None
    )
    again = read_picture(encode_picture(picture, format))
    assert again.size == (height, width)


def test_a_compressed_profile_of_a_deep_png_is_whole() -> None:
    icc = rgb_profile(DISPLAY_P3, SRGB_CURVE)
    data = encode_picture(Picture(every_deep_value(), colours=Colours(icc)), "PNG")
    start = data.index(b"iCCP")
    length = int.from_bytes(data[start - 4 : start], "big")
    body = data[start + 4 : start + 4 + length]
    assert zlib.decompress(body.split(b"\0\0", 1)[1]) == icc
