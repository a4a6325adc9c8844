"""Exemplars for strokes, read from a creator's pictures at their own scale."""

import zlib
from collections.abc import Sequence

import cv2
import numpy as np

from stylegan_cli.instant.config import DEFAULTS, ExemplarsConfig
from stylegan_cli.rendering.config import DEFAULTS as RENDERING
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles.exemplars import SIDE


class StrokeReader:
    """Keeps the pictures that it is called with, in any order and thread, at the strokes' size."""

    def __init__(self) -> None:
        self._kept: list[np.ndarray] = []

    def __call__(self, pixels: np.ndarray) -> None:
        """pixels: (H, W, 3) uint8, at the picture's own size."""
        self._kept.append(at_stroke_size(pixels))

    @property
    def pictures(self) -> list[np.ndarray]:
        """(H, W, 3) uint8 each, in an order that only the pictures decide."""
        return sorted(self._kept, key=lambda picture: zlib.crc32(picture.tobytes()))


def at_stroke_size(pixels: np.ndarray) -> np.ndarray:
    """A picture (H, W, 3) uint8 brought down to the size at which strokes are painted.

    Small pictures are not enlarged, as that would blur their strokes, unless no exemplar fits in.
    """
    short_side = min(pixels.shape[:2])
    scale = max(min(1.0, RENDERING.strokes.short_side / short_side), SIDE / short_side)
    height, width = (max(SIDE, round(side * scale)) for side in pixels.shape[:2])
    if (height, width) == pixels.shape[:2]:
        return pixels
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    resized = cv2.resize(pixels, (width, height), interpolation=method)
    return resized.astype(np.uint8, copy=False)


def cut_exemplars(
    pictures: Sequence[np.ndarray], config: ExemplarsConfig = DEFAULTS.exemplars
) -> np.ndarray:
    """Random squares of pictures at strokes' size that don't overlap, (N, SIDE, SIDE, 3) uint8.

    One of each picture in turn, until there are enough.
    """
    rng = numpy_generator(0, 0, "exemplars")
    squares = [rng.permutation(_squares(picture)) for picture in pictures]
    turns = range(max(map(len, squares)))
    chosen = [own[turn] for turn in turns for own in squares if turn < len(own)]
    return np.stack(chosen[: config.count])


def _squares(picture: np.ndarray) -> np.ndarray:
    """All that fit in, around the middle."""
    height, width = picture.shape[:2]
    top, left = height % SIDE // 2, width % SIDE // 2
    corners = np.ndindex(height // SIDE, width // SIDE)
    return np.stack(
        [
            picture[top + SIDE * row :, left + SIDE * column :][:SIDE, :SIDE]
            for row, column in corners
        ]
    )
