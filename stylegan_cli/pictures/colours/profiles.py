"""ICC profiles, by Little CMS: between a file's colours and sRGB, and light beyond sRGB."""

import functools
import struct
from typing import Final

import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures.pixels import Pixels

PROFILE_ERRORS: Final = (RuntimeError, ValueError, TypeError, struct.error)
"""What a damaged profile makes Little CMS and its binding raise."""

# ITU-T H.273, table 2, code point 1; white D65.
SRGB_PRIMARIES: Final[tuple[tuple[float, float], ...]] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65: Final = (0.3127, 0.3290)
_CELLS: Final = 32  # of a side of the table that says which colours lie beyond sRGB
_SLACK: Final = 1 / 1024  # linear light beyond sRGB that rounding may come to


@functools.cache
def srgb_profile() -> bytes:
    """The sRGB profile, with a fixed date, so that the same picture gives the same file."""
    import imagecodecs

    return _dated(imagecodecs.cms_profile("srgb"))


@functools.lru_cache(maxsize=16)
def make_profile(
    primaries: tuple[tuple[float, float], ...], white: tuple[float, float], gamma: float | None
) -> bytes:
    """A profile for these chromaticities; gamma: of its curves, None for those of sRGB."""
    import imagecodecs

    corners = [number for x, y in primaries for number in (x, y, 1.0)]
    curve = None
    if gamma is None:
        curve = linear_of_srgb(np.linspace(0, 1, 1024)).astype(np.float32)
    return _dated(
        imagecodecs.cms_profile(
            "rgb", whitepoint=[*white, 1.0], primaries=corners, transferfunction=curve, gamma=gamma
        )
    )


def _dated(profile: bytes) -> bytes:
    return profile[:24] + struct.pack(">6H", 2000, 1, 1, 0, 0, 0) + profile[36:]


def profile_space(icc: bytes | None) -> str | None:
    """What a profile's numbers stand for: "RGB", "GRAY", "CMYK"...; None for no profile."""
    if icc is None or len(icc) < 132 or icc[36:40] != b"acsp":
        return None
    return icc[16:20].decode("latin-1").strip()


@functools.lru_cache(maxsize=16)
def is_srgb(icc: bytes) -> bool:
    """Whether an RGB profile is sRGB: no 8-bit colour moves by more than one."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    try:
        moved = transform(grid, icc, srgb_profile())
    except PROFILE_ERRORS:
        return False
    return bool(np.abs(moved.astype(int) - grid).max() <= 1)


def transform(
    pixels: Pixels, source: bytes, target: bytes, dtype: npt.DTypeLike | None = None
) -> Pixels:
    """Pixels (H, W) or (H, W, C) of one profile in the colours of another, of type `dtype`.

    Relative colorimetric, with black point compensation. Float RGB is not clipped between profiles
    of curves and a matrix. Raises one of PROFILE_ERRORS.
    """
    import imagecodecs

    flags = int(imagecodecs.CMS.FLAGS.BLACKPOINTCOMPENSATION)
    if pixels.dtype != np.uint8:  # what makes it quick has the precision of 8 bits
        flags |= imagecodecs.CMS.FLAGS.NOOPTIMIZE
    spaces = {"GRAY": "gray", "RGB": "rgb", "CMYK": "cmyk"}
    result: Pixels = imagecodecs.cms_transform(
        np.ascontiguousarray(pixels),
        source,
        target,
        colorspace=spaces[profile_space(source) or "RGB"],
        outcolorspace=spaces[profile_space(target) or "RGB"],
        outdtype=pixels.dtype if dtype is None else dtype,
        intent=imagecodecs.CMS.INTENT.RELATIVE_COLORIMETRIC,
        flags=flags,
    )
    return result


def linear_srgb(colours: npt.NDArray[np.float32], icc: bytes) -> npt.NDArray[np.float32]:
    """(N, 3) unit colours of a profile as linear light in the primaries of sRGB, unbounded."""
    return _by_floats(colours, icc, make_profile(SRGB_PRIMARIES, D65, 1.0))


def from_linear_srgb(light: npt.NDArray[np.float32], icc: bytes) -> npt.NDArray[np.float32]:
    """(N, 3) linear light, as from `linear_srgb`, as unit colours of a profile."""
    return _by_floats(light, make_profile(SRGB_PRIMARIES, D65, 1.0), icc)


def _by_floats(colours: npt.NDArray[np.float32], source: bytes, target: bytes) -> Pixels:
    image = colours.astype(np.float32, copy=False)[None]
    return np.asarray(transform(image, source, target, np.float32)[0])


@functools.lru_cache(maxsize=4)
def cells_beyond_srgb(icc: bytes) -> npt.NDArray[np.bool_]:
    """(32, 32, 32): whether any colour in this part of the profile's cube lies beyond sRGB."""
    corners = np.linspace(0, 1, _CELLS + 1, dtype=np.float32)
    grid = np.stack(np.meshgrid(corners, corners, corners, indexing="ij"), axis=-1)
    light = linear_srgb(grid.reshape(-1, 3), icc)
    beyond = np.any((light < -_SLACK) | (light > 1 + _SLACK), axis=1).reshape(grid.shape[:3])
    cells = np.zeros((_CELLS,) * 3, bool)
    for corner in np.ndindex(2, 2, 2):
        cells |= beyond[tuple(slice(start, start + _CELLS) for start in corner)]
    return cells


def linear_of_srgb(encoded: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Linear light of sRGB values (IEC 61966-2-1); mirrored below 0, continued above 1."""
    size = np.abs(encoded)
    light = np.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.copysign(light, encoded))


def srgb_of_linear(light: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """sRGB values of linear light; the inverse of `linear_of_srgb`."""
    size = np.abs(light)
    encoded = np.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return np.asarray(np.copysign(encoded, light))
