"""The pictures of a pre-training run in memory, and sets of them as a creator might have."""

import cv2
import numpy as np

from stylegan_cli.colour import LUMA
from stylegan_cli.errors import DataError
from stylegan_cli.networks.architecture import LARGEST_SHORT_SIDE, READ_SHORT_SIDE
from stylegan_cli.pictures import read_rgb_or_warn
from stylegan_cli.pretraining.domains import Domains
from stylegan_cli.runtime.randomness import numpy_generator

COLOURS_PER_PICTURE = 256
NEIGHBOURHOOD = 7  # px around a pixel that tell an edge from a surface


class PicturePool:
    """Pictures of several domains in memory, with a few pixels of each at hand.

    domains: paths by kind of picture. Every picture is uint8 (H, W, 3) with a short side of at most
    LARGEST_SHORT_SIDE. neighbourhoods (N, COLOURS_PER_PICTURE, 6) uint8: some of each picture, see
    `neighbourhoods_of`; bank: their colours alone. Raises DataError where none can be read.
    """

    def __init__(self, domains: Domains) -> None:
        self.pictures: list[np.ndarray] = []
        members: dict[str, list[int]] = {}
        for name, paths in domains.items():
            for path in paths:
                pixels = read_rgb_or_warn(path)
                if pixels is not None:
                    members.setdefault(name, []).append(len(self.pictures))
                    self.pictures.append(_at_most(pixels, LARGEST_SHORT_SIDE))
        if not self.pictures:
            raise DataError("none of the pictures can be read; see the warnings above")
        self.domains = {name: np.array(indices) for name, indices in members.items()}
        rng = numpy_generator(0, 0, "pixel bank")
        self.neighbourhoods = np.stack(
            [_some_neighbourhoods(picture, rng) for picture in self.pictures]
        )
        self.bank = self.neighbourhoods[..., :3]
        self._luma = (self.bank / np.float32(255) @ LUMA).mean(axis=1)

    def draw_set(self, rng: np.random.Generator) -> np.ndarray:
        """Indices of pictures as in one person's folder: often of one domain, often biased."""
        names = list(self.domains)
        if rng.random() < 0.5:
            chosen = np.concatenate(list(self.domains.values()))
        else:
            chosen = self.domains[names[rng.integers(len(names))]]
        if rng.random() < 0.25 and len(chosen) >= 8:  # only the dark ones, or only the bright ones
            order = chosen[np.argsort(self._luma[chosen])]
            half = len(order) // 2
            chosen = order[:half] if rng.random() < 0.5 else order[half:]
        return rng.permutation(chosen)


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """Levels of 8 bits as unit float32."""
    return pixels.astype(np.float32) / 255


def some_of(colours: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """`count` rows of `colours`, drawn with replacement."""
    some: np.ndarray = colours[rng.integers(0, len(colours), count)]
    return some


def _some_neighbourhoods(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """COLOURS_PER_PICTURE rows of `neighbourhoods_of`, at READ_SHORT_SIDE."""
    return some_of(
        neighbourhoods_of(_at_most(picture, READ_SHORT_SIDE)).reshape(-1, 6),
        COLOURS_PER_PICTURE,
        rng,
    )


def neighbourhoods_of(picture: np.ndarray) -> np.ndarray:
    """What looks depend on: each pixel and the mean of its neighbourhood, (H, W, 6) uint8."""
    return np.dstack([picture, cv2.blur(picture, (NEIGHBOURHOOD, NEIGHBOURHOOD))])


def _at_most(picture: np.ndarray, short_side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    if min(height, width) <= short_side:
        return picture
    scale = short_side / min(height, width)
    return cv2.resize(
        picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
    )
