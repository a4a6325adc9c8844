"""Arrays of pixels, and the one owner of their ranges."""

from typing import Any, Final, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Pixels: TypeAlias = npt.NDArray[Any]
"""(H, W, 3) RGB or (H, W), encoded; uint8, uint16, or float32 in [0, 1]."""

_ROWS: Final = 128  # worked on at a time: floats of a large picture would not fit into memory
PIXEL_TYPES: Final = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.float32))


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


def blend(before: Pixels, after: Pixels, share: float) -> Pixels:
    """From `before` (0) to `after` (1), same shape and type; a strip at a time."""
    result = np.empty_like(after)
    for row in range(0, before.shape[0], _ROWS):
        rows = slice(row, row + _ROWS)
        start = to_unit(before[rows])
        result[rows] = from_unit(start + share * (to_unit(after[rows]) - start), after.dtype)
    return result


def without_hidden(pixels: Pixels, alpha: Pixels | None) -> Pixels:
    """The picture with the colours that alpha hides replaced by those around them.

    What nobody sees can so have no part in how the rest is stylized.
    """
    if alpha is None or alpha.min() > 0:
        return pixels
    weight = (alpha > 0).astype(np.float32)
    filled = _filled(to_unit(pixels) * weight[..., None], weight)
    return np.where((alpha > 0)[..., None], pixels, from_unit(filled, pixels.dtype))


def _filled(colour: npt.NDArray[Any], weight: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Colour (H, W, 3) times weight (H, W), divided by it; where there is none, from coarser on."""
    known: npt.NDArray[Any] = colour / np.maximum(weight, 1e-6)[..., None]
    height, width = weight.shape
    if weight.min() > 0 or max(height, width) == 1:
        return known
    half = (max(1, width // 2), max(1, height // 2))
    small = [cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in (colour, weight)]
    coarse = _filled(small[0].reshape(half[1], half[0], 3), small[1].reshape(half[1], half[0]))
    coarse = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.where((weight > 0)[..., None], known, coarse.reshape(height, width, 3))


def describe(array: npt.NDArray[Any]) -> str:
    """Shape and type, for messages."""
    return f"{array.shape} {array.dtype}"
