"""The one value a picture is, and the one owner of pixel ranges."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[Any]
"""(H, W, 3) RGB or (H, W), encoded; uint8, uint16, or float32 in [0, 1]."""

_PIXEL_TYPES: Final = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """One frame of an animation: pixels and alpha as in `Picture`, shown for `duration_ms`."""

    pixels: Pixels
    alpha: Pixels | None
    duration_ms: float


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture and everything of its file that the result must keep.

    pixels: (H, W, 3) RGB, upright; uint8, uint16, or float32 in [0, 1].
    alpha: (H, W) of the same type, straight (not premultiplied), or None when opaque.
    icc: the profile of the file; `in_srgb` says whether the pixels have left it for sRGB.
    exif, xmp: without orientation, thumbnail and MakerNote; the place is still in them, and
        `write_picture` drops it unless told.
    source_format: "JPEG", "PNG", "HEIF", ...: what the file was.
    frames: all frames of an animation, the first one equal to pixels and alpha; empty for a still.
    loop: how often an animation plays, 0 for ever, None once.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    source_format: str = "PNG"
    frames: tuple[Frame, ...] = ()
    loop: int | None = 0
    in_srgb: bool = True

    def __post_init__(self) -> None:
        if (
            self.pixels.ndim != 3
            or self.pixels.shape[2] != 3
            or self.pixels.dtype not in _PIXEL_TYPES
        ):
            raise ValueError(
                f"pixels must be (H, W, 3) of 8 or 16 bits or float32, got {_describe(self.pixels)}"
            )
        if self.alpha is not None and (
            self.alpha.shape != self.pixels.shape[:2] or self.alpha.dtype != self.pixels.dtype
        ):
            raise ValueError(
                f"alpha {_describe(self.alpha)} does not fit pixels {_describe(self.pixels)}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    def map_pixels(self, paint: Callable[[Pixels], Pixels]) -> "Picture":
        """The same picture with `paint` applied to the pixels, or to those of every frame.

        paint: pixels of any of the three types -> the same type; alpha and metadata stay.
        """
        if not self.frames:
            return replace(self, pixels=paint(self.pixels))
        frames = tuple(replace(frame, pixels=paint(frame.pixels)) for frame in self.frames)
        return replace(self, pixels=frames[0].pixels, frames=frames)


def to_unit(pixels: Pixels) -> npt.NDArray[np.float32]:
    """Pixels of any type as float32 in [0, 1]; float pixels come back as they are."""
    unit: npt.NDArray[np.float32] = pixels.astype(np.float32, copy=False)
    if pixels.dtype.kind == "u":
        unit /= np.iinfo(pixels.dtype).max
    return unit


def from_unit(unit: npt.NDArray[Any], dtype: npt.DTypeLike) -> Pixels:
    """Float pixels, clipped to [0, 1], rounded to `dtype`: uint8, uint16 or float32."""
    target = np.dtype(dtype)
    clipped: Pixels = np.clip(unit, 0, 1)
    if target.kind == "u":
        clipped *= np.iinfo(target).max
        np.rint(clipped, out=clipped)
    result: Pixels = clipped.astype(target, copy=False)
    return result


def change_depth(pixels: Pixels, dtype: npt.DTypeLike) -> Pixels:
    """The same picture in another pixel type; 8 -> 16 -> 8 bits is exact."""
    if pixels.dtype == np.dtype(dtype):
        return pixels
    return from_unit(to_unit(pixels), dtype)


def over_white(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """The picture as it looks on white paper: (H, W, 3), same type."""
    if alpha is None:
        return pixels
    cover = to_unit(alpha)[..., None]
    return from_unit(to_unit(pixels) * cover + (1 - cover), pixels.dtype)


def _describe(array: npt.NDArray[Any]) -> str:
    return f"{array.shape} {array.dtype}"
