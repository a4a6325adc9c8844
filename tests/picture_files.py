"""Small real picture files for the tests, made on the spot."""

import io
import struct
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image

Array = npt.NDArray[Any]


def scene(height: int = 48, width: int = 64) -> Array:
    """A picture in which every corner, and each of the eight orientations, looks different."""
    down, across = np.mgrid[0:height, 0:width]
    pixels = np.stack([across * 255 / width, down * 255 / height, 80 + 0 * down], axis=-1)
    pixels[: height // 4, : width // 4] = (250, 20, 30)
    pixels[: height // 4, -width // 4 :] = (20, 250, 30)
    pixels[-height // 4 :, : width // 4] = (20, 30, 250)
    return pixels.astype(np.uint8)


def every_deep_value() -> Array:
    """A 256x256 picture that holds each of the 65,536 values in every channel."""
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    return np.stack([values, values[::-1], values.T], axis=-1)


def saved(pixels: Array, format: str, mode: str | None = None, **options: Any) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, format=format, **options)
    return stream.getvalue()


def deep_file(pixels: Array, suffix: str) -> bytes:
    """A 16-bit file by OpenCV; pixels: RGB(A) or grey."""
    if pixels.ndim == 3:
        pixels = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    done, data = cv2.imencode(suffix, pixels)
    assert done
    return bytes(data)


def put(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# Colorants (XYZ at D50) as in the profiles that phones and cameras write.
DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249),
        b"cprt": b"text\0\0\0\0none\0",
    } | tags
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    size = 128 + len(table) + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"test", 0x02400000, kind, space, pcs)
    header += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    header += _fixed(0.9642, 1.0, 0.8249)
    return header + bytes(128 - len(header)) + table + body


def rgb_profile(colorants: tuple[tuple[float, ...], ...], curve: tuple[float, ...]) -> bytes:
    """A matrix profile; curve: (gamma,) or the five numbers of a parametric curve of type 3."""
    if len(curve) == 1:
        tone = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(curve[0] * 256))
    else:
        tone = b"para\0\0\0\0" + struct.pack(">HH", 3, 0) + _fixed(*curve)
    tags = {
        name + b"XYZ": b"XYZ \0\0\0\0" + _fixed(*xyz)
        for name, xyz in zip((b"r", b"g", b"b"), colorants, strict=True)
    }
    tags |= {name + b"TRC": tone for name in (b"r", b"g", b"b")}
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_profile(gamma: float) -> bytes:
    tone = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": tone})


def cmyk_profile() -> bytes:
    """A printer whose inks are exact complements and a little warm, as tables both ways."""
    ends = (0, 65535)
    to_lab = [
        _lab16(*(np.array([(1 - c), (1 - m), (1 - y)]) * (1 - k) * (1.0, 0.97, 0.9)))
        for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)
    ]  # fmt: skip
    from_lab = []
    for lightness in np.linspace(0, 1, 9):
        for a in np.linspace(-1, 1, 9):
            for b in np.linspace(-1, 1, 9):
                red, green, blue = np.clip([lightness + a, lightness - a / 2, lightness - b], 0, 1)
                from_lab += [round(65535 * (1 - value)) for value in (red, green, blue)] + [0]
    a2b = _lut16(4, 3, 2, ends, [value for lab in to_lab for value in lab])
    b2a = _lut16(3, 4, 9, ends, from_lab)
    tags = {b"A2B0": a2b, b"A2B1": a2b, b"B2A0": b2a, b"B2A1": b2a}
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)


def _lab16(red: float, green: float, blue: float) -> tuple[int, int, int]:
    lightness = (red + green + blue) / 3
    a, b = (red - green) / 2, (green - blue) / 2
    return round(lightness * 65280), round(32768 + a * 25000), round(32768 + b * 25000)


def _lut16(inputs: int, outputs: int, grid: int, ends: tuple[int, int], values: list[int]) -> bytes:
    head = b"mft2\0\0\0\0" + struct.pack(">4B", inputs, outputs, grid, 0)
    head += _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1) + struct.pack(">HH", 2, 2)
    line = struct.pack(">HH", *ends)
    return head + line * inputs + struct.pack(f">{len(values)}H", *values) + line * outputs
