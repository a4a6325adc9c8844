"""Pictures stored on their side: the eight orientations of EXIF, for pixels and for points."""

from typing import TypeVar

import numpy as np

from stylegan_cli.pictures.pixels import Pixels

_P = TypeVar("_P", Pixels, Pixels | None)


def turned(pixels: _P, orientation: int) -> _P:
    """Pixels (H, W, ...) stored with this orientation (1 to 8), upright."""
    if pixels is None or orientation not in range(2, 9):
        return pixels
    across = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    down_flip = orientation in (3, 4, 7, 8)
    across_flip = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(across[:: -1 if down_flip else 1, :: -1 if across_flip else 1])


def turned_point(
    x: float, y: float, right: float, bottom: float, orientation: int
) -> tuple[float, float]:
    """Where the point (x, y) of the stored picture lies in the upright one.

    right, bottom: the last column and row of the stored picture; 1 and 1 for shares of its sides.
    """
    if orientation >= 5:
        x, y, right, bottom = y, x, bottom, right
    if orientation in (2, 3, 6, 7):
        x = right - x
    if orientation in (3, 4, 7, 8):
        y = bottom - y
    return x, y
