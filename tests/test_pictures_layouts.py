"""Every layout of pixels in TIFF, JPEG 2000, RAW and moving PNG, against known values."""

import io
import logging
import struct
import zlib
from pathlib import Path

import cv2
import imagecodecs
import numpy as np
import pytest
import tifffile
from picture_files import Array, every_deep_value, saved, scene
from PIL import Image

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures import Frame, Picture, encode_picture, read_picture


def tiff(
    planes: Array, photometric: int, *, planar: bool = False, extra: int | None = None,
    orientation: int = 1, order: str = "<",
) -> bytes:  # fmt: skip
    """An uncompressed TIFF by the book; planes: (H, W, C) uint8, uint16 or float32."""
    height, width, channels = planes.shape
    stored = (planes.transpose(2, 0, 1) if planar else planes).astype(
        planes.dtype.newbyteorder(order)
    )
    data = stored.tobytes()
    count = channels if planar else 1
    bits = planes.itemsize * 8
    lists = {258: [bits] * channels, 273: [8 + i * len(data) // count for i in range(count)]}
    lists |= {
        279: [len(data) // count] * count,
        339: [3 if planes.dtype.kind == "f" else 1] * channels,
    }
    tags = {256: [width], 257: [height], 259: [1], 262: [photometric], 274: [orientation]}
    tags |= {277: [channels], 278: [height], 284: [2 if planar else 1]} | lists
    if extra is not None:
        tags[338] = [extra]
    at = 8 + len(data)
    values_at = at + 2 + 12 * len(tags) + 4
    table, values = struct.pack(order + "H", len(tags)), b""
    for tag, numbers in sorted(tags.items()):
        kind, letter = (4, "I") if tag in (256, 257, 273, 278, 279) else (3, "H")
        body = struct.pack(f"{order}{len(numbers)}{letter}", *numbers)
        table += struct.pack(order + "HHI", tag, kind, len(numbers))
        if len(body) <= 4:
            table += body.ljust(4, b"\0")
        else:
            table += struct.pack(order + "I", values_at + len(values))
            values += body
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HI", 42, at) + data + table + bytes(4) + values


DEEP = every_deep_value()[:40, :60]
SHALLOW = scene(40, 60)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("pixels", [SHALLOW, DEEP], ids=["8", "16"])
def test_tiff_of_colours_reads_planar_or_not(pixels: Array, planar: bool, order: str) -> None:
    picture = read_picture(tiff(pixels, 2, planar=planar, order=order))
    np.testing.assert_array_equal(picture.pixels, pixels)
    clear = np.dstack([pixels, pixels[..., 1]])
    picture = read_picture(tiff(clear, 2, planar=planar, extra=2, order=order))
    np.testing.assert_array_equal(picture.pixels, pixels)
    np.testing.assert_array_equal(picture.alpha, pixels[..., 1])


@pytest.mark.parametrize("pixels", [SHALLOW, DEEP], ids=["8", "16"])
def test_tiff_of_grey_reads_whatever_is_white(pixels: Array) -> None:
    grey = np.ascontiguousarray(pixels[..., :1])
    white = np.iinfo(pixels.dtype).max
    expected = np.repeat(grey, 3, axis=2)
    np.testing.assert_array_equal(read_picture(tiff(grey, 1)).pixels, expected)
    np.testing.assert_array_equal(read_picture(tiff(grey, 0)).pixels, white - expected)
    with_alpha = read_picture(tiff(np.dstack([grey, pixels[..., 1:2]]), 1, extra=2))
    np.testing.assert_array_equal(with_alpha.pixels, expected)
    np.testing.assert_array_equal(with_alpha.alpha, pixels[..., 1])
    negative = read_picture(tiff(np.dstack([white - grey, pixels[..., 1:2]]), 0, extra=2))
    np.testing.assert_array_equal(negative.pixels, expected)
    np.testing.assert_array_equal(negative.alpha, pixels[..., 1])


def test_the_mask_of_a_tiff_page_is_no_page() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(SHALLOW, photometric="rgb", metadata=None)
        writer.write(SHALLOW[..., 0] > 9, photometric="mask", subfiletype=4, metadata=None)
    picture = read_picture(stream.getvalue())
    np.testing.assert_array_equal(picture.pixels, SHALLOW)
    assert picture.frames == ()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_premultiplied_tiff_becomes_straight(dtype: type) -> None:
    white = np.iinfo(dtype).max
    cover = np.tile(np.linspace(0, 1, 60), (40, 1))
    colours = SHALLOW / 255
    stored = np.rint(np.dstack([colours * cover[..., None], cover]) * white).astype(dtype)
    picture = read_picture(tiff(stored, 2, extra=1))
    shown = cover > 0.1
    off = np.abs(picture.pixels / white - colours)[shown].max()
    assert off < 8 / 255 if dtype is np.uint8 else off < 1 / 2000
    np.testing.assert_array_equal(picture.alpha, stored[..., 3])


def test_float_tiff_reads_and_stays_float() -> None:
    unit = (DEEP / 65535).astype(np.float32)
    picture = read_picture(tiff(unit, 2))
    np.testing.assert_array_equal(picture.pixels, unit)
    again = read_picture(encode_picture(picture, "TIFF"))
    np.testing.assert_array_equal(again.pixels, unit)
    np.testing.assert_array_equal(read_picture(encode_picture(picture, "PNG")).pixels, DEEP)


@pytest.mark.parametrize(
    ("planes", "photometric", "reason"),
    [
        ((SHALLOW * 1.0).astype(np.float32), 2, "nothing says what is white"),
        (SHALLOW, 8, "CIELAB"),
        (SHALLOW.astype(np.uint32), 2, "32-bit"),
        (SHALLOW, 5, "not CMYK"),
        (np.dstack([SHALLOW, SHALLOW]), 6, "YCbCr"),
    ],
    ids=["floats", "lab", "32", "inks", "ycbcr"],
)
def test_a_layout_nobody_reads_right_is_refused_by_name(
    planes: Array, photometric: int, reason: str
) -> None:
    with pytest.raises(PictureError, match=reason):
        read_picture(tiff(planes, photometric))


def test_pages_of_a_tiff_are_all_kept() -> None:
    stream = io.BytesIO()
    pages = [Image.fromarray(scene(40, 60)), Image.fromarray(scene(30, 20)[::-1])]
    pages[0].save(stream, "TIFF", save_all=True, append_images=pages[1:])
    picture = read_picture(stream.getvalue()).map_pixels(lambda pixels: 255 - pixels)
    again = read_picture(encode_picture(picture, "TIFF"))
    assert again.are_pages
    np.testing.assert_array_equal(again.frames[0].pixels, 255 - scene(40, 60))
    np.testing.assert_array_equal(again.frames[1].pixels, 255 - scene(30, 20)[::-1])
    first = read_picture(encode_picture(picture, "PNG"))
    assert first.frames == ()
    np.testing.assert_array_equal(first.pixels, 255 - scene(40, 60))


@pytest.mark.parametrize("pixels", [SHALLOW, DEEP], ids=["8", "16"])
def test_jpeg_2000_keeps_all_bits(pixels: Array) -> None:
    data = encode_picture(Picture(pixels, pixels[..., 0].copy()), "JPEG2000")
    again = read_picture(data)
    np.testing.assert_array_equal(again.pixels, pixels)
    np.testing.assert_array_equal(again.alpha, pixels[..., 0])
    other = encode_picture(Picture(pixels), "JPEG2000")
    seen = cv2.imdecode(np.frombuffer(other, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(seen[..., ::-1], pixels)


@pytest.mark.parametrize("pixels", [SHALLOW, DEEP], ids=["8", "16"])
def test_jpeg_xl_keeps_colours_depth_and_alpha(pixels: Array) -> None:
    pytest.importorskip("pillow_jxl")
    again = read_picture(encode_picture(Picture(pixels, pixels[..., 0].copy()), "JPEGXL"))
    assert (again.source_format, again.pixels.dtype) == ("JPEGXL", pixels.dtype)
    assert again.alpha is not None
    white = np.iinfo(pixels.dtype).max
    # By the profile in the file, as any other program reads it.
    assert np.abs(again.srgb_pixels() / white - pixels / white).mean() < 0.02


def test_a_moving_jpeg_xl_is_said_to_lose_its_movement(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("pillow_jxl")
    frames = np.stack([SHALLOW, SHALLOW[::-1]])
    with caplog.at_level(logging.WARNING):
        read_picture(bytes(imagecodecs.jpegxl_encode(frames, 95)))
        assert "only the first frame of this animation" in caplog.text
        caplog.clear()
        read_picture(bytes(imagecodecs.jpegxl_encode(SHALLOW, 95)))
    assert caplog.text == ""


def test_a_jpeg_of_more_than_8_bits_is_refused_by_name() -> None:
    data = imagecodecs.jpeg_encode((SHALLOW.astype(np.uint16) * 16), 95, bitspersample=12)
    with pytest.raises(PictureError, match="a JPEG of 12 bits"):
        read_picture(bytes(data))


def dng(mosaic: Array, preview: Array) -> bytes:
    """A DNG 1.4 of a Bayer mosaic (H, W) uint16, with a small RGB picture in front."""
    parts = {"main": {}, "raw": {}}
    body, place = b"", {}
    for name, data in (("preview", preview.tobytes()), ("mosaic", mosaic.astype("<u2").tobytes())):
        place[name] = 8 + len(body), len(data)
        body += data + bytes(len(data) % 2)
    number = lambda *n: (4, n)  # noqa: E731
    short = lambda *n: (3, n)  # noqa: E731
    parts["main"] = {
        254: number(1), 256: number(preview.shape[1]), 257: number(preview.shape[0]),
        258: short(8, 8, 8), 259: short(1), 262: short(2), 271: (2, b"Maker\0"),
        272: (2, b"Model\0"), 273: number(place["preview"][0]), 277: short(3),
        278: number(preview.shape[0]), 279: number(place["preview"][1]), 284: short(1),
        330: number(0), 50706: (1, bytes((1, 4, 0, 0))), 50708: (2, b"Maker Model\0"),
        50721: (10, (1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1)),
        50728: (5, (1, 1, 1, 1, 1, 1)), 50778: short(21),
    }  # fmt: skip
    parts["raw"] = {
        254: number(0), 256: number(mosaic.shape[1]), 257: number(mosaic.shape[0]),
        258: short(16), 259: short(1), 262: short(32803), 273: number(place["mosaic"][0]),
        277: short(1), 278: number(mosaic.shape[0]), 279: number(place["mosaic"][1]),
        284: short(1), 33421: short(2, 2), 33422: (1, bytes((0, 1, 1, 2))), 50717: number(65535),
    }  # fmt: skip
    letters = {1: "B", 2: "s", 3: "H", 4: "I", 5: "I", 10: "i"}
    start = 8 + len(body)
    for name in ("raw", "main"):
        tags = parts[name]
        values_at, table, values = start + 2 + 12 * len(tags) + 4, struct.pack("<H", len(tags)), b""
        for tag, (kind, numbers) in sorted(tags.items()):
            if tag == 330:
                numbers = (place["raw"][0],)
            packed = bytes(numbers) if kind in (1, 2) else struct.pack(
                f"<{len(numbers)}{letters[kind]}", *numbers
            )  # fmt: skip
            count = len(numbers) // (2 if kind in (5, 10) else 1)
            table += struct.pack("<HHI", tag, kind, count)
            if len(packed) <= 4:
                table += packed.ljust(4, b"\0")
            else:
                table += struct.pack("<I", values_at + len(values))
                values += packed + bytes(len(packed) % 2)
        place[name] = (start, 0)
        body += table + bytes(4) + values
        start = 8 + len(body)
    return b"II*\0" + struct.pack("<I", place["main"][0]) + body


def test_raw_gives_the_full_picture_or_one_sentence_never_the_preview(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mosaic = np.full((120, 160), 8000, np.uint16)
    mosaic[:60] = 30000
    data = dng(mosaic, np.zeros((20, 30, 3), np.uint8))
    path = tmp_path / "photo.dng"
    path.write_bytes(data)
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(PictureError, match=r"photo\.dng is camera RAW.*\[raw\]"):
        read_picture(path)
    monkeypatch.undo()
    pytest.importorskip("rawpy")
    picture = read_picture(path)
    assert (picture.source_format, picture.pixels.dtype) == ("RAW", np.uint16)
    assert picture.size == (120, 160)
    assert picture.pixels[20].mean() > picture.pixels[100].mean() * 1.2


def png_chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def apng(width: int, height: int, frames: list[tuple[Array, int, int, int, int]]) -> bytes:
    """An animation of (RGBA pixels, x, y, dispose, blend)."""
    data = b"\x89PNG\r\n\x1a\n"
    data += png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    data += png_chunk(b"acTL", struct.pack(">II", len(frames), 0))
    number = 0
    for index, (pixels, x, y, dispose, blend) in enumerate(frames):
        control = struct.pack(">IIIIIHHBB", number, pixels.shape[1], pixels.shape[0], x, y, 7, 100,
                              dispose, blend)  # fmt: skip
        number += 1
        packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))
        data += png_chunk(b"fcTL", control)
        if index == 0:
            data += png_chunk(b"IDAT", packed)
        else:
            data += png_chunk(b"fdAT", struct.pack(">I", number) + packed)
            number += 1
    return data + png_chunk(b"IEND", b"")


def composed(
    width: int, height: int, frames: list[tuple[Array, int, int, int, int]]
) -> list[Array]:
    """The same as the PNG specification, 11.3.6, composes it."""
    canvas, shown = np.zeros((height, width, 4)), []
    for index, (pixels, x, y, dispose, blend) in enumerate(frames):
        before, part = canvas.copy(), np.s_[y : y + pixels.shape[0], x : x + pixels.shape[1]]
        new = pixels / 255
        if blend == 1:
            old, cover = canvas[part], new[..., 3:]
            alpha = cover + old[..., 3:] * (1 - cover)
            colour = new[..., :3] * cover + old[..., :3] * old[..., 3:] * (1 - cover)
            new = np.dstack([colour / np.maximum(alpha, 1e-9), alpha])
        canvas[part] = new
        shown.append(canvas.copy())
        if dispose == 1 or (dispose == 2 and index == 0):
            canvas[part] = 0
        elif dispose == 2:
            canvas = before
    return shown


def test_moving_png_is_composed_as_the_specification_says() -> None:
    rng = np.random.default_rng(5)

    def patch(height: int, width: int) -> Array:
        return rng.integers(0, 256, (height, width, 4), np.uint8)

    frames = [
        (patch(20, 30), 0, 0, 0, 0),
        (patch(8, 9), 3, 4, 2, 1),
        (patch(8, 9), 15, 10, 1, 1),
        (patch(5, 5), 0, 12, 0, 0),
        (patch(10, 10), 12, 5, 0, 1),
    ]
    picture = read_picture(apng(30, 20, frames))
    assert [frame.duration_ms for frame in picture.frames] == [70] * 5
    for frame, expected in zip(picture.frames, composed(30, 20, frames), strict=True):
        assert frame.alpha is not None
        assert np.abs(frame.alpha / 255 - expected[..., 3]).max() < 2 / 255
        shown = expected[..., 3] > 0.2
        assert np.abs(frame.pixels / 255 - expected[..., :3])[shown].max() < 8 / 255


def test_a_clip_is_told_where_to_go(tmp_path: Path) -> None:
    for name, head in (("a.mp4", b"\0\0\0\x18ftypisom"), ("a.mkv", b"\x1aE\xdf\xa3\x01\0\0\0")):
        (tmp_path / name).write_bytes(head + bytes(200))
        with pytest.raises(
            PictureError, match=rf"{name} is a clip, not a picture; use: influ video"
        ):
            read_picture(tmp_path / name)


def test_hidden_colours_change_nothing() -> None:
    alpha = np.where(np.add(*np.indices((48, 64))) % 50 < 20, 0, 255).astype(np.uint8)
    hidden = [scene().copy() for _ in range(2)]
    hidden[0][alpha == 0] = (255, 255, 255)
    hidden[1][alpha == 0] = (3, 250, 7)
    blurred = [
        Picture(pixels, alpha, frames=()).map_pixels(lambda p: cv2.blur(p, (7, 7)))
        for pixels in hidden
    ]
    np.testing.assert_array_equal(blurred[0].pixels, blurred[1].pixels)
    kept = read_picture(saved(np.dstack([hidden[0], alpha]), "PNG"))
    np.testing.assert_array_equal(kept.pixels, hidden[0])
    moving = Picture(hidden[1], alpha, frames=(Frame(hidden[1], alpha, 40),) * 2)
    np.testing.assert_array_equal(
        moving.map_pixels(lambda p: cv2.blur(p, (7, 7))).pixels, blurred[0].pixels
    )


def test_a_disposed_frame_of_a_gif_shows_the_background_of_the_file() -> None:
    def frame(x: int, width: int, dispose: int, colours: bytes, pixels: bytes) -> bytes:
        table = 0x80 if colours else 0
        control = b"!\xf9\x04" + bytes([dispose << 2, 5, 0, 0, 0])
        place = b"," + struct.pack("<4HB", x, 0, width, 1, table)
        return control + place + colours + b"\x02\x02" + pixels + b"\0"

    red, lime, blue = b"\xff\0\0", b"\0\xff\0", b"\0\0\xff"
    data = b"GIF89a" + struct.pack("<2H3B", 2, 1, 0x80, 0, 0) + red + bytes(3)
    data += frame(0, 2, 1, b"", b"\x04\x0a")
    data += frame(0, 1, 2, lime + bytes(3), b"\x44\x01")
    data += frame(1, 1, 1, blue + bytes(3), b"\x44\x01") + b";"
    shown = [frame.pixels[0].tolist() for frame in read_picture(data).frames]
    assert shown == [
        [[255, 0, 0], [255, 0, 0]],
        [[0, 255, 0], [255, 0, 0]],
        [[255, 0, 0], [0, 0, 255]],
    ]
