"""Working copies: pictures brought down to the size at which the network runs."""

import cv2
import numpy as np

from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig

HALVED_ROWS = 32

Pixels = np.ndarray
Size = tuple[int, int]


def working_size(size: Size, short_side: int, config: RenderingConfig = DEFAULTS) -> Size:
    """(height, width) of the working copy of a picture: never larger, and capped in pixels."""
    height, width = size
    scale = min(1.0, short_side / min(size), (config.max_working_pixels / (height * width)) ** 0.5)
    return max(1, round(height * scale)), max(1, round(width * scale))


def make_working_copy(pixels: Pixels, short_side: int) -> np.ndarray:
    """`pixels` brought to `short_side`, or less (working_size); unit float32."""
    height, width = pixels.shape[:2]
    return bring_down(pixels, working_size((height, width), short_side))


def bring_down(pixels: Pixels, size: Size) -> np.ndarray:
    """`pixels` brought down to `size` = (height, width), unit float32.

    By area, as the crops were that the networks learned from.
    """
    if pixels.shape[:2] == size:
        return to_unit(pixels)
    reduced = cv2.resize(halved(pixels, size), size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(reduced / np.float32(white_level(pixels.dtype)))


def resized(pixels: Pixels, size: Size) -> np.ndarray:
    """`pixels` brought down or enlarged to `size` = (height, width), unit float32."""
    if min(size) <= min(pixels.shape[:2]):
        return bring_down(pixels, size)
    enlarged = cv2.resize(to_unit(pixels), size[::-1], interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(enlarged, 0, 1))


def halved(array: np.ndarray, size: Size) -> np.ndarray:
    """By halves down to three times `size` at most, which is the quickest way; float32.

    Not in 8 bits: they would round away what the local maps go by.
    """
    while min(own / wanted for own, wanted in zip(array.shape, size, strict=False)) >= 3:
        array = _half(array)
    return np.asarray(array, np.float32)


def _half(array: np.ndarray) -> np.ndarray:
    """(2 H, 2 W) or an odd pixel less of each to (H, W), float32."""
    height, width = array.shape[:2]
    half = np.empty((-(-height // 2), -(-width // 2), *array.shape[2:]), np.float32)
    # Made float a strip at a time, which stays in the cache; odd pictures can't be cut in strips.
    in_one = array.dtype == np.float32 or height % 2
    step = height if in_one else HALVED_ROWS
    for rows in (slice(k, min(height, k + step)) for k in range(0, height, step)):
        strip = np.asarray(array[rows], np.float32)
        out = half[rows.start // 2 : -(-rows.stop // 2)]
        cv2.resize(strip, out.shape[1::-1], out, interpolation=cv2.INTER_AREA)
    return half


def white_level(dtype: np.dtype) -> int:
    """White in pixels of this type: 255, 65535, or 1 for floats."""
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1
