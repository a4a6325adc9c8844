import io
import os
import struct
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from picture_files import (
    ADOBE_RGB,
    DISPLAY_P3,
    SRGB_CURVE,
    cmyk_profile,
    deep_file,
    every_deep_value,
    grey_profile,
    put,
    rgb_profile,
    saved,
    scene,
)
from PIL import Image, ImageFile, PngImagePlugin

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures import (
    Picture,
    count_pixels,
    encode_picture,
    read_picture,
    read_rgb,
    read_rgb_or_warn,
    resize_short_side,
)

pillow_heif.register_heif_opener()


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP", "PPM", "TGA"])
def test_a_lossless_file_reads_as_it_was_saved(format: str) -> None:
    picture = read_picture(saved(scene(), format))
    assert picture.source_format == format
    assert picture.alpha is None
    np.testing.assert_array_equal(picture.pixels, scene())


@pytest.mark.parametrize(
    ("format", "options"),
    [
        ("JPEG", {"quality": 97, "subsampling": 0}),
        ("WEBP", {"lossless": True}),
        ("HEIF", {"quality": 95}),
        ("AVIF", {"quality": 95}),
        ("JPEG2000", {}),
        ("GIF", {}),
    ],
)
def test_every_format_of_phones_and_the_web_reads(format: str, options: dict[str, object]) -> None:
    picture = read_picture(saved(scene(), format, **options))
    assert picture.source_format == format
    assert np.abs(picture.pixels.astype(int) - scene()).mean() < 4


def test_the_first_picture_of_an_mpo_is_read_as_a_jpeg() -> None:
    stream = io.BytesIO()
    other = Image.fromarray(scene()[::-1])
    Image.fromarray(scene()).save(stream, "MPO", save_all=True, append_images=[other], quality=95)
    picture = read_picture(stream.getvalue())
    assert (picture.source_format, picture.frames) == ("JPEG", ())
    assert np.abs(picture.pixels.astype(int) - scene()).mean() < 4


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF", "HEIF"])
def test_every_orientation_comes_out_upright_once(format: str, orientation: int) -> None:
    turns: dict[int, Callable[[np.ndarray], np.ndarray]] = {
        1: lambda p: p,
        2: np.fliplr,
        3: lambda p: np.rot90(p, 2),
        4: np.flipud,
        5: lambda p: p.swapaxes(0, 1),
        6: lambda p: np.rot90(p, 1),
        7: lambda p: np.rot90(p.swapaxes(0, 1), 2),
        8: lambda p: np.rot90(p, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "maker"
    stored = np.ascontiguousarray(turns[orientation](scene()))
    data = saved(
        stored,
        format,
        exif=exif.tobytes(),
        **({} if format in ("PNG", "TIFF") else {"quality": 95}),
    )
    picture = read_picture(data)
    assert picture.size == (48, 64)
    assert np.abs(picture.pixels.astype(int) - scene()).mean() < 5
    again = read_picture(encode_picture(picture, "PNG"))
    np.testing.assert_array_equal(again.pixels, picture.pixels)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_deep_tiff_comes_out_upright_too(orientation: int) -> None:
    deep = every_deep_value()[:200]
    data = encode_picture(Picture(np.ascontiguousarray(deep), source_format="TIFF"), "TIFF")
    at = data.rindex(struct.pack("<HHI", 277, 3, 1))  # put the orientation before SamplesPerPixel
    (first,) = struct.unpack("<I", data[4:8])
    (count,) = struct.unpack("<H", data[first : first + 2])
    entries, rest = data[first + 2 : at], data[at : first + 2 + 12 * count]
    directory = struct.pack("<H", count + 1) + entries
    directory += struct.pack("<HHIHH", 274, 3, 1, orientation, 0) + rest + bytes(4)
    moved = data[:4] + struct.pack("<I", len(data)) + data[8:] + directory
    turned = np.rot90(deep, -1) if orientation == 6 else np.rot90(deep, 2)
    np.testing.assert_array_equal(read_picture(moved).pixels, turned)


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_every_16_bit_colour_value_is_read_exactly(suffix: str) -> None:
    picture = read_picture(deep_file(every_deep_value(), suffix))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, every_deep_value())


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm", ".jp2"])
def test_every_16_bit_grey_value_is_read_exactly(suffix: str) -> None:
    values = every_deep_value()[..., 0]
    picture = read_picture(deep_file(values, suffix))
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, np.dstack([values] * 3))


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_16_bit_alpha_is_read_exactly(suffix: str) -> None:
    planes = np.dstack([every_deep_value(), every_deep_value()[..., 0]])
    picture = read_picture(deep_file(planes, suffix))
    assert picture.alpha is not None
    np.testing.assert_array_equal(picture.pixels, planes[..., :3])
    np.testing.assert_array_equal(picture.alpha, planes[..., 3])


def test_16_bit_grey_with_alpha_keeps_its_bits() -> None:
    grey, alpha = every_deep_value()[..., 0], every_deep_value()[..., 1]
    rows = np.dstack([grey, alpha]).astype(">u2")
    body = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", 256, 256, 16, 4, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    data += chunk(b"IDAT", zlib.compress(body)) + chunk(b"IEND", b"")
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, np.dstack([grey] * 3))
    np.testing.assert_array_equal(picture.alpha, alpha)


def test_the_clear_colour_of_a_16_bit_png_becomes_alpha() -> None:
    data = deep_file(every_deep_value(), ".png")
    clear = every_deep_value()[5, 7]
    data = data[:33] + chunk(b"tRNS", clear.astype(">u2").tobytes()) + data[33:]
    picture = read_picture(data)
    assert picture.alpha is not None
    assert picture.alpha[5, 7] == 0
    assert (picture.alpha == 0).sum() == 1
    np.testing.assert_array_equal(picture.pixels[0], every_deep_value()[0])


def test_ten_bit_heif_is_read_in_more_than_eight() -> None:
    ramp = np.repeat(np.linspace(0, 65535, 256).astype(np.uint16)[None, :, None], 3, 2).repeat(
        64, 0
    )
    stream = io.BytesIO()
    image = pillow_heif.from_bytes("RGB;16", (256, 64), ramp.tobytes())
    image.save(stream, quality=-1, chroma="444")
    picture = read_picture(stream.getvalue())
    assert picture.pixels.dtype == np.uint16
    assert np.abs(picture.pixels.astype(int) - ramp).max() < 400


def test_palette_transparency_becomes_alpha() -> None:
    image = Image.fromarray(scene()).quantize(8)
    clear = int(np.asarray(image)[0, 0])
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=clear)
    picture = read_picture(stream.getvalue())
    assert picture.alpha is not None
    assert picture.alpha[0, 0] == 0
    assert picture.alpha[24, 32] == 255


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "F"])
def test_every_mode_of_tiff_reads(mode: str) -> None:
    image = Image.fromarray(scene())
    if mode == "I;16":
        image = Image.fromarray(every_deep_value()[:48, :64, 0])
    elif mode == "F":
        image = Image.fromarray((scene()[..., 0] / 255).astype(np.float32))
    else:
        image = image.convert(mode)
    stream = io.BytesIO()
    image.save(stream, "TIFF")
    picture = read_picture(stream.getvalue())
    assert picture.size == (48, 64)
    assert picture.pixels.dtype == {"I;16": np.uint16, "F": np.float32}.get(mode, np.uint8)


def test_display_p3_is_read_as_the_same_colours_in_srgb() -> None:
    colours = np.random.default_rng(0).integers(0, 256, (64, 16, 3), dtype=np.uint8)
    colours[:32] //= 16  # the straight part of the curve
    icc = rgb_profile(DISPLAY_P3, SRGB_CURVE)
    # CSS Color Module Level 4, linear Display-P3 to linear sRGB
    matrix = np.array([[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]])
    unit = colours / 255
    linear = np.where(unit <= 0.04045, unit / 12.92, ((unit + 0.055) / 1.055) ** 2.4) @ matrix.T
    linear = linear.clip(0, 1)
    expected = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    shallow = read_picture(saved(colours, "PNG", icc_profile=icc))
    assert np.abs(shallow.srgb_pixels() / 255 - expected).max() < 1.6 / 255
    assert shallow.colours.icc == icc
    deep = deep_file((colours * 257.0).astype(np.uint16), ".png")
    deep = deep[:33] + chunk(b"iCCP", b"p3\0\0" + zlib.compress(icc)) + deep[33:]
    assert np.abs(read_picture(deep).srgb_pixels() / 65535 - expected).max() < 0.6 / 255


def test_an_srgb_profile_changes_no_pixel() -> None:
    srgb = rgb_profile(
        ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)),
        SRGB_CURVE,
    )
    picture = read_picture(saved(scene(), "PNG", icc_profile=srgb))
    np.testing.assert_array_equal(picture.pixels, scene())
    assert picture.colours.icc == srgb
    assert picture.colours.is_srgb


def test_pixels_stay_in_the_files_own_colours() -> None:
    icc = rgb_profile(ADOBE_RGB, (563 / 256,))
    picture = read_picture(saved(scene(), "PNG", icc_profile=icc))
    np.testing.assert_array_equal(picture.pixels, scene())
    assert not picture.colours.is_srgb


def test_a_grey_profile_is_respected() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
    plain = read_picture(saved(ramp, "PNG")).pixels
    bright = read_picture(saved(ramp, "PNG", icc_profile=grey_profile(1.0))).pixels
    assert bright[0, 64, 0] > plain[0, 64, 0] + 50  # linear light 0.25 is encoded as 0.54


def test_cmyk_goes_through_its_profile() -> None:
    image = Image.fromarray(scene()).convert("CMYK")
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, icc_profile=cmyk_profile())
    through = read_picture(stream.getvalue())
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95)
    naive = read_picture(stream.getvalue())
    assert np.abs(naive.pixels.astype(int) - scene()).mean() < 6
    assert np.abs(through.pixels.astype(int) - naive.pixels).mean() > 6
    # Full cyan is (0, 255, 255) by arithmetic; the profile's ink is a darker green-blue.
    ink = Image.new("CMYK", (8, 8), (255, 0, 0, 0))
    stream = io.BytesIO()
    ink.save(stream, "TIFF", icc_profile=cmyk_profile())
    red, green, blue = read_picture(stream.getvalue()).pixels[4, 4]
    assert red < 10
    assert 130 < blue < green < 200


@pytest.mark.parametrize("icc", [b"", b"nonsense", bytes(300), cmyk_profile()[:200]])
def test_a_broken_or_unfitting_profile_is_left_out(icc: bytes) -> None:
    picture = read_picture(saved(scene(), "PNG", icc_profile=icc or None))
    np.testing.assert_array_equal(picture.pixels, scene())


def animation(format: str, durations: list[int], **options: object) -> bytes:
    frames = [Image.fromarray(np.roll(scene(), 7 * i, axis=1)) for i in range(len(durations))]
    stream = io.BytesIO()
    frames[0].save(
        stream, format, save_all=True, append_images=frames[1:], duration=durations, **options
    )
    return stream.getvalue()


@pytest.mark.parametrize("format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_an_animation_is_read_frame_by_frame_with_its_timing(format: str) -> None:
    picture = read_picture(animation(format, [70, 200, 40]))
    assert [frame.duration_ms for frame in picture.frames] == [70, 200, 40]
    assert not np.array_equal(picture.frames[0].pixels, picture.frames[2].pixels)
    np.testing.assert_array_equal(picture.pixels, picture.frames[0].pixels)


def test_the_stand_in_of_an_apng_is_no_frame_and_is_said(caplog: pytest.LogCaptureFixture) -> None:
    frames = [Image.fromarray(np.roll(scene(), 9 * i, axis=0)) for i in range(3)]
    stream = io.BytesIO()
    frames[0].save(
        stream,
        "PNG",
        save_all=True,
        append_images=frames[1:],
        duration=[50, 60],
        default_image=True,
    )
    picture = read_picture(stream.getvalue())
    assert [frame.duration_ms for frame in picture.frames] == [50, 60]
    assert "for programs that show no animation is left out" in caplog.text
    np.testing.assert_array_equal(picture.pixels, np.asarray(frames[1]))


def test_an_animation_is_limited_by_all_its_frames_together() -> None:
    data = animation("GIF", [50] * 5)
    with pytest.raises(PictureError, match="in 5 frames"):
        read_picture(data, max_pixels=4 * 48 * 64)
    assert len(read_picture(data, max_pixels=5 * 48 * 64).frames) == 5


# What is refused, by name and before it costs memory


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"can\'t read .*nowhere\.jpg: it does not exist"):
        read_picture(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("empty.jpg", b"", "is empty"),
        ("text.png", b"no picture at all\n", "it is text"),
        ("noise.jpg", bytes(range(1, 200)) * 3, "format is not known"),
        ("cut.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "damaged"),
        ("cut.jpg", b"\xff\xd8\xff\xe0\0\x10JFIF", "damaged|cut short"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(
    tmp_path: Path, name: str, data: bytes, reason: str
) -> None:
    with pytest.raises(PictureError, match=reason) as refused:
        read_picture(put(tmp_path / name, data))
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_folders_pipes_and_devices_are_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="is a named pipe"):
        read_picture(tmp_path / "pipe.jpg")
    with pytest.raises(PictureError, match="is a folder"):
        read_picture(tmp_path)
    with pytest.raises(PictureError, match="is a device"):
        read_picture(Path("/dev/zero"))


def test_a_link_to_a_picture_is_read(tmp_path: Path) -> None:
    put(tmp_path / "real.png", saved(scene(), "PNG"))
    (tmp_path / "link.png").symlink_to("real.png")
    np.testing.assert_array_equal(read_picture(tmp_path / "link.png").pixels, scene())


def test_a_png_of_too_many_pixels_is_refused_by_its_header() -> None:
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    with pytest.raises(PictureError, match="limit"):
        read_picture(bomb)


def test_a_gif_whose_frame_outgrows_its_screen_is_refused() -> None:
    bomb = b"GIF89a" + struct.pack("<HH", 32, 32) + b"\xf1\0\0" + bytes(12)
    bomb += b"," + struct.pack("<HHHH", 0, 0, 65535, 65321) + b"\0\x02\x02\x4c\x01\0;"
    with pytest.raises(PictureError, match="limit"):
        read_picture(bomb)


def test_the_limit_is_ours_and_up_to_the_caller() -> None:
    data = saved(scene(), "PNG")
    with pytest.raises(PictureError, match=r"64x48 pixels, the limit is 0\.003 million"):
        read_picture(data, max_pixels=3000)
    assert read_picture(data, max_pixels=48 * 64).size == (48, 64)


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_text_that_unpacks_to_megabytes_is_refused(name: bytes) -> None:
    data = saved(scene(), "PNG")
    bomb = zlib.compress(bytes(200_000_000), 9)
    data = data[:33] + chunk(name, b"Comment\0\0" + bomb) + data[33:]
    with pytest.raises(PictureError, match="bomb"):
        read_picture(data)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "WEBP", "TIFF", "HEIF", "AVIF", "BMP"])
def test_a_file_cut_short_is_refused(format: str) -> None:
    data = saved(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), format)
    with pytest.raises(PictureError, match="the data: it is"):
        read_picture(data[: len(data) // 2])


def test_what_is_there_of_a_cut_jpeg_can_be_used() -> None:
    data = saved(scene(480, 640), "JPEG", quality=95)
    with pytest.raises(PictureError, match="--allow-truncated"):
        read_picture(data[: len(data) // 2])
    picture = read_picture(data[: len(data) // 2], allow_truncated=True)
    assert picture.size == (480, 640)
    assert np.abs(picture.pixels[:100].astype(int) - scene(480, 640)[:100]).mean() < 4
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False


def test_what_is_there_of_a_cut_16_bit_png_can_be_used(
    capfd: pytest.CaptureFixture[str],
) -> None:
    data = deep_file(every_deep_value(), ".png")
    with pytest.raises(PictureError, match="cut short"):
        read_picture(data[: len(data) // 2])
    assert read_picture(data[: len(data) // 2], allow_truncated=True).size == (256, 256)
    assert capfd.readouterr() == ("", "")  # libpng would have talked to the terminal


def test_pixels_are_counted_by_the_header(tmp_path: Path) -> None:
    for format in ("JPEG", "PNG", "TIFF", "WEBP", "HEIF", "AVIF"):
        assert count_pixels(put(tmp_path / "a", saved(scene(), format))) == 48 * 64
    for format in ("GIF", "PNG", "WEBP"):
        assert count_pixels(put(tmp_path / "a", animation(format, [40] * 5))) == 5 * 48 * 64
    cut = saved(scene(480, 640), "JPEG")[:900]
    assert count_pixels(put(tmp_path / "a", cut)) == 480 * 640
    for junk in (b"", b"text", bytes(100)):
        assert count_pixels(put(tmp_path / "a", junk)) == 0
    assert count_pixels(tmp_path / "lost") == 0


def test_a_reader_leaves_pillow_and_the_warnings_as_they_were() -> None:
    before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    read_picture(saved(scene(), "PNG"), max_pixels=10_000)
    with pytest.raises(PictureError):
        read_picture(b"text")
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == before


def test_many_readers_at_once_keep_their_own_limits() -> None:
    whole, cut = saved(scene(240, 320), "JPEG"), saved(scene(240, 320), "JPEG")[:3000]
    moving = animation("GIF", [30, 40])
    cases = [(whole, 100_000, True), (whole, 1000, False), (cut, 100_000, False)]
    cases += [(moving, 100_000, True), (moving, 3073, False), (b"text", 100_000, False)]

    def reads(case: tuple[bytes, int, bool]) -> bool:
        try:
            read_picture(case[0], max_pixels=case[1])
        except PictureError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(reads, cases * 20))
    assert outcomes == [expected for *_, expected in cases] * 20


def test_what_pillow_would_print_does_not_leak(recwarn: pytest.WarningsRecorder) -> None:
    exif = b"Exif\0\0II*\0\x08\0\0\0\xff\0broken"
    data = saved(scene(), "JPEG", exif=exif)
    picture = read_picture(data)
    assert picture.metadata.exif is None
    assert not recwarn.list


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    kind=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "deep", "APNG", "HEIF"]),
    hits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=8),
    cut=st.one_of(st.none(), st.floats(0, 1)),
    tolerant=st.booleans(),
)
def test_damaged_bytes_give_a_picture_or_a_sentence(
    kind: str, hits: list[tuple[float, int]], cut: float | None, tolerant: bool
) -> None:
    data = bytearray(_WHOLE[kind])
    for place, value in hits:
        data[int(place * (len(data) - 1))] = value
    if cut is not None:
        data = data[: int(cut * len(data))]
    try:
        picture = read_picture(bytes(data), max_pixels=1_000_000, allow_truncated=tolerant)
    except PictureError as error:  # anything else fails the test
        sentence = str(error)
    else:
        sentence = ""
        assert picture.pixels.shape[2] == 3
    assert "\n" not in sentence


_WHOLE = {
    "JPEG": saved(scene(), "JPEG", icc_profile=rgb_profile(ADOBE_RGB, (2.2,))),
    "PNG": saved(scene(), "PNG", icc_profile=rgb_profile(DISPLAY_P3, SRGB_CURVE)),
    "GIF": animation("GIF", [30, 40]),
    "WEBP": animation("WEBP", [30, 40]),
    "TIFF": saved(scene(), "TIFF"),
    "BMP": saved(scene(), "BMP"),
    "deep": deep_file(every_deep_value()[:40, :40], ".png"),
    "APNG": animation("PNG", [30, 40]),
    "HEIF": saved(scene(64, 64), "HEIF"),
}


@settings(max_examples=60, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    format=st.sampled_from(["PNG", "TIFF", "WEBP", "GIF", "BMP", "TGA"]),
    mode=st.sampled_from(["1", "L", "RGB", "RGBA", "P"]),
)
def test_any_size_and_mode_reads_at_its_size(
    height: int, width: int, format: str, mode: str
) -> None:
    pixels = np.random.default_rng(height * 41 + width).integers(
        0, 255, (height, width, 3), np.uint8
    )
    if (format, mode) in (("BMP", "RGBA"),):
        mode = "RGB"
    picture = read_picture(saved(pixels, format, mode))
    assert picture.size == (height, width)


# For data sets


def test_read_rgb_puts_alpha_on_white_and_scales_the_short_side(tmp_path: Path) -> None:
    planes = np.dstack([scene(480, 640), np.zeros((480, 640), np.uint8)])
    pixels = read_rgb(put(tmp_path / "clear.png", saved(planes, "PNG")), short_side=120)
    assert pixels.shape == (120, 160, 3)
    assert pixels.dtype == np.uint8
    assert (pixels == 255).all()


def test_read_rgb_of_a_large_jpeg_is_its_pixels_scaled(tmp_path: Path) -> None:
    path = put(tmp_path / "large.jpg", saved(scene(960, 1280), "JPEG", quality=95))
    assert (read_rgb(path, short_side=96) == resize_short_side(read_rgb(path), 96)).all()


def test_a_line_of_pixels_is_never_enlarged_without_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = put(tmp_path / "line.png", saved(np.zeros((1, 60_000, 3), np.uint8), "PNG"))
    assert read_rgb(path).shape == (1, 60_000, 3)
    with pytest.raises(PictureError, match=r"line.png: at 60000x1 px it is too narrow; cut"):
        read_rgb(path, short_side=256)
    assert read_rgb_or_warn(path, 256) is None
    assert "left out: can't read" in caplog.text


def test_read_rgb_names_what_it_cannot_read(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match=r"text\.png: it is text"):
        read_rgb(put(tmp_path / "text.png", b"hello there"))


def test_xmp_of_every_kind_of_file_is_found() -> None:
    packet = (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        b'<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:source="film"/>'
        b"</rdf:RDF></x:xmpmeta>"
    )
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", packet.decode())
    assert read_picture(saved(scene(), "PNG", pnginfo=text)).xmp == packet
    for format in ("JPEG", "WEBP", "HEIF", "AVIF"):
        assert read_picture(saved(scene(), format, xmp=packet)).xmp == packet
