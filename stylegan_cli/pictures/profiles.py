"""Colour profiles: from the file's colours to sRGB and back."""

import functools
import io
import logging
import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from stylegan_cli.pictures.picture import Pixels, change_depth, from_unit

logger = logging.getLogger(__name__)

# What a damaged profile makes Pillow and struct raise.
PROFILE_ERRORS = (
    ImageCms.PyCMSError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    struct.error,
)
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile, with a fixed date, so that the same picture gives the same file."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)


def profile_space(icc: bytes) -> str | None:
    """What a profile's numbers stand for: "RGB", "GRAY", "CMYK"...; None for no profile."""
    if len(icc) < 132 or icc[36:40] != b"acsp":
        return None
    return icc[16:20].decode("latin-1").strip()


@functools.lru_cache(maxsize=16)
def is_srgb(icc: bytes) -> bool:
    """Whether an RGB profile is sRGB: no 8-bit colour moves by more than one."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    try:
        converted = np.asarray(image_to_srgb(Image.fromarray(grid), icc))
    except PROFILE_ERRORS:
        return False
    return bool(np.abs(converted.astype(int) - grid).max() <= 1)


def image_to_srgb(image: Image.Image, icc: bytes) -> Image.Image:
    """An 8-bit image of mode L, RGB or CMYK in the colours of `icc`, as sRGB.

    Raises one of PROFILE_ERRORS.
    """
    converted = ImageCms.applyTransform(image, _transform(icc, srgb_profile(), image.mode, "RGB"))
    assert converted is not None  # only an in-place transform returns nothing
    return converted


def image_from_srgb(image: Image.Image, icc: bytes, mode: str) -> Image.Image:
    """An 8-bit sRGB image in the colours of `icc`; mode: RGB or CMYK.

    Raises one of PROFILE_ERRORS.
    """
    converted = ImageCms.applyTransform(image, _transform(srgb_profile(), icc, "RGB", mode))
    assert converted is not None
    return converted


@functools.lru_cache(maxsize=16)
def _transform(
    source: bytes, target: bytes, source_mode: str, target_mode: str
) -> ImageCms.ImageCmsTransform:
    opened = [ImageCms.ImageCmsProfile(io.BytesIO(icc)) for icc in (source, target)]
    return ImageCms.buildTransform(opened[0], opened[1], source_mode, target_mode, _INTENT, _FLAGS)


@dataclass(frozen=True, slots=True, eq=False)
class MatrixProfile:
    """A profile of three curves and a matrix (ICC.1:2010, F.3), as of cameras, phones and screens.

    curves: (3, 4096) float64, linear light at evenly spaced encoded values in [0, 1].
    matrix: (3, 3) linear RGB, as a column, to the XYZ of the profile connection space (D50).
    Grey profiles have three equal curves and a matrix that puts grey on the D50 axis.
    """

    curves: npt.NDArray[np.float64]
    matrix: npt.NDArray[np.float64]

    def to(self, target: "MatrixProfile", pixels: Pixels) -> Pixels:
        """Pixels (H, W, 3) of any type in the colours of `target`, clipped to what it can show."""
        turn = np.linalg.solve(target.matrix, self.matrix).T.astype(np.float32)
        linear_of, encoded_of = self._linear_of(), target._encoded_of()
        result = np.empty_like(pixels)
        # By strips: a float copy of a whole large picture would not fit into memory.
        for start in range(0, pixels.shape[0], 256):
            strip = change_depth(pixels[start : start + 256], np.uint16)
            turned = np.stack([linear_of[i][strip[..., i]] for i in range(3)], axis=-1) @ turn
            roots = np.sqrt(np.clip(turned, 0, 1, out=turned), out=turned)
            steps = from_unit(roots, np.uint16)
            encoded = np.stack([encoded_of[i][steps[..., i]] for i in range(3)], axis=-1)
            result[start : start + 256] = change_depth(encoded, pixels.dtype)
        return result

    def _linear_of(self) -> npt.NDArray[np.float32]:
        """(3, 65536) linear light of every 16-bit value."""
        grid, values = np.linspace(0, 1, self.curves.shape[1]), np.linspace(0, 1, 65536)
        return np.stack([np.interp(values, grid, curve) for curve in self.curves]).astype(
            np.float32
        )

    def _encoded_of(self) -> npt.NDArray[np.uint16]:
        """(3, 65536) 16-bit value of linear light, by its root: there the steps are about even."""
        grid, values = np.linspace(0, 1, self.curves.shape[1]), np.linspace(0, 1, 65536) ** 2
        encoded = np.stack([np.interp(values, curve, grid) for curve in self.curves])
        return from_unit(encoded, np.uint16)


def read_matrix_profile(icc: bytes) -> MatrixProfile | None:
    """The curves and matrix of a profile; None for one that works through tables, as printers'."""
    tags = _tags(icc)
    space = profile_space(icc)
    if "A2B0" in tags:
        return None
    if space == "RGB" and {"rXYZ", "gXYZ", "bXYZ", "rTRC", "gTRC", "bTRC"} <= tags.keys():
        columns = [np.array(struct.unpack(">3i", tags[f"{i}XYZ"][8:20])) / 65536 for i in "rgb"]
        return MatrixProfile(
            np.stack([_curve(tags[f"{i}TRC"]) for i in "rgb"]), np.stack(columns, axis=1)
        )
    if space == "GRAY" and "kTRC" in tags:
        return MatrixProfile(np.stack([_curve(tags["kTRC"])] * 3), srgb_matrix_profile().matrix)
    return None


@functools.cache
def srgb_matrix_profile() -> MatrixProfile:
    """sRGB as curves and matrix."""
    profile = read_matrix_profile(srgb_profile())
    assert profile is not None
    return profile


def _tags(icc: bytes) -> dict[str, bytes]:
    (count,) = struct.unpack(">I", icc[128:132])
    tags = {}
    for entry in range(min(count, 100)):
        name, offset, size = struct.unpack(">4sII", icc[132 + 12 * entry : 144 + 12 * entry])
        tags[name.decode("latin-1")] = icc[offset : offset + size]
    return tags


def _curve(tag: bytes) -> npt.NDArray[np.float64]:
    """A tone curve on 4096 even steps (ICC.1:2010, 10.5 and 10.15)."""
    x = np.linspace(0, 1, 4096)
    (count,) = struct.unpack(">I", tag[8:12])
    if tag[:4] == b"curv":
        if count == 0:
            return x
        values = np.frombuffer(tag, ">u2", count, 12)
        if count == 1:
            return np.asarray(x ** (values[0] / 256))
        return np.interp(x, np.linspace(0, 1, count), values / 65535)
    if tag[:4] != b"para":
        raise ValueError("unknown kind of tone curve")
    kind = count >> 16
    length = (1, 3, 4, 5, 7)[kind]
    numbers = [number / 65536 for number in struct.unpack_from(f">{length}i", tag, 12)]
    g, a, b, c, d, e, f = numbers + [0.0] * (7 - length)
    if kind == 0:
        a, d = 1.0, 0.0
    elif kind in (1, 2):  # below -b/a the curve rests at 0, or at c
        e = f = c if kind == 2 else 0.0
        c, d = 0.0, -b / a
    power = np.clip(a * x + b, 0, None) ** g + e
    return np.asarray(np.where(x >= d, power, c * x + f)).clip(0, 1)
