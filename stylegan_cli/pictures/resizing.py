"""The one antialiased resizer: the same filter for 8 bits, 16 bits and float."""

import cv2
import numpy as np
from PIL import Image

from stylegan_cli.pictures.pixels import Pixels, from_unit

# The cheap box reduction leaves Lanczos this many pixels per result pixel, so that it doesn't show.
_GAP = 3


def resize(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pixels brought to `size` = (height, width) with Lanczos, antialiased on reduction.

    pixels: (H, W) or (H, W, C); uint8, uint16, or float32 in [0, 1]. The type is kept, ringing is
    clipped to its range.
    """
    height, width = size
    if height < 1 or width < 1:
        raise ValueError(f"a size must be at least 1x1, got {height}x{width}")
    if pixels.shape[:2] == (height, width):
        return pixels
    reduced = _box_reduced(pixels, height, width)
    planes = reduced[..., None] if pixels.ndim == 2 else reduced
    resized = np.empty((height, width, planes.shape[2]), np.float32)
    for channel in range(planes.shape[2]):
        plane = Image.fromarray(np.ascontiguousarray(planes[..., channel], dtype=np.float32))
        resized[..., channel] = np.asarray(plane.resize((width, height), Image.Resampling.LANCZOS))
    if pixels.dtype.kind == "u":
        resized /= np.iinfo(pixels.dtype).max
    return from_unit(resized[..., 0] if pixels.ndim == 2 else resized, pixels.dtype)


def resize_short_side(pixels: Pixels, short_side: int) -> Pixels:
    """Pixels with their short side brought to `short_side` px, shape kept to the nearest pixel."""
    height, width = pixels.shape[:2]
    return resize(pixels, size_for_short_side(height, width, short_side))


def resize_within(pixels: Pixels, longest_side: int) -> Pixels:
    """Pixels with their longest side brought to `longest_side` px, shape kept."""
    height, width = pixels.shape[:2]
    scale = longest_side / max(height, width)
    return resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))


def size_for_short_side(height: int, width: int, short_side: int) -> tuple[int, int]:
    """(height, width) in px after bringing the short side to `short_side`."""
    scale = short_side / min(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _box_reduced(pixels: Pixels, height: int, width: int) -> Pixels:
    """Pixels shrunk by about a whole factor per axis, still `_GAP` times the size asked for."""
    down, across = (
        max(1, pixels.shape[0] // (height * _GAP)),
        max(1, pixels.shape[1] // (width * _GAP)),
    )
    if (down, across) == (1, 1):
        return pixels
    size = (-(-pixels.shape[1] // across), -(-pixels.shape[0] // down))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))
