"""Endless true pairs for pre-training: random looks, styled references, photos and their truths.

Numpy and OpenCV in worker processes; every item depends on (seed, step) alone.
"""

from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
from scipy.spatial import KDTree
from torch.utils.data import Dataset

from stylegan_cli.colour import linear_map, style_statistics
from stylegan_cli.networks.architecture import LARGEST_SHORT_SIDE, READ_SHORT_SIDE, READ_TILE
from stylegan_cli.pretraining.config import DrawConfig
from stylegan_cli.pretraining.domains import Domains
from stylegan_cli.pretraining.looks import Look, describe, draw_look
from stylegan_cli.pretraining.picture_pool import (
    COLOURS_PER_PICTURE,
    PicturePool,
    neighbourhoods_of,
    some_of,
    to_unit,
)
from stylegan_cli.runtime.randomness import numpy_generator

MAX_PICTURES = 250  # in one set
COLOURS_PER_SET = 4096
SHOWN_LOCATIONS = 6000  # of the crops that are read, to search for pixels like those of the set
ALIKE = 8  # of them that stand for one pixel
LOOK_MARGIN = 16  # px around a crop, so that glows and lines reach into it
OTHER_SCALES = 0.4  # share of looks whose targets have another scale than their references
LARGE_SETS = 0.25  # share of sets of as many pictures as there are; else few are likelier than many

Batch = dict[str, np.ndarray]


class PairedLooks(Dataset[Batch]):
    """Item `step` is the batch of that step; see `__getitem__` for its arrays.

    Each look has two sides, disjoint sets of pictures: what is read from one side's styled pictures
    is applied to the other side's photos, and vice versa, so that pictures teach twice.
    share: (k, n), every n-th look of a step from the k-th on.
    """

    def __init__(
        self,
        domains: Domains,
        config: DrawConfig,
        purpose: str = "looks",
        share: tuple[int, int] = (0, 1),
    ) -> None:
        self._domains, self._config, self._purpose = domains, config, purpose
        self._drawn = range(share[0], config.looks, share[1])

    @cached_property
    def _pool(self) -> PicturePool:
        # Read where it is used, in the worker process: the pictures need not travel there.
        return PicturePool(self._domains)

    def __getitem__(self, step: int) -> Batch:
        """The batch of `step`: L looks with two sides, with B target pictures of S px each.

        references (N, R, R, 3) uint8: styled pictures for the encoder to read, READ_TILE px at
        READ_SHORT_SIDE, side after side of look after look; shown (L, 2): how many of each side.
        photos, truths (L, 2, B, S, S, 3) uint8: pictures of each side before and after the look, at
        short_side (L,) px; statistics (L, 2, STATISTICS_DIM), matrix (L, 2, 3, 3), offset
        (L, 2, 3): of each side's styled colours, the other side's photos being the content;
        parameters (L, PARAMETERS_DIM), see looks; pointwise (L,): 1 for a look of colour alone.
        """
        seed, purpose = self._config.seed, self._purpose
        items = [self._draw(numpy_generator(seed, step, f"{purpose} {k}")) for k in self._drawn]
        references = np.concatenate([item.pop("references") for item in items])
        return {name: np.stack([item[name] for item in items]) for name in items[0]} | {
            "references": references
        }

    def _draw(self, rng: np.random.Generator) -> Batch:
        look, pool = draw_look(rng), self._pool
        sides = _two_sides(pool, rng)
        creators = [side[: _draw_count(rng)] for side in sides]
        contents = [side[: 4 * _log_uniform(rng, MAX_PICTURES)] for side in reversed(sides)]
        before = [
            some_of(to_unit(pool.bank[c].reshape(-1, 3)), COLOURS_PER_SET, rng) for c in contents
        ]
        shown = [self._draw_shown(creator) for creator in creators]
        read = [self._styled_crops(look, s, READ_SHORT_SIDE, READ_TILE, rng) for s in shown]
        after = self._set_colours(look, creators, read, rng)
        maps = [linear_map(*colours) for colours in zip(before, after, strict=True)]
        targets, short_side = self._draw_targets(look, shown, read, rng)
        references = [_recompress(crop, rng) for side in read for crop in side.truths]
        return {
            "references": np.stack(references),
            "shown": np.array([len(side) for side in shown]),
            "photos": np.stack([side.photos for side in targets]),
            "truths": np.stack([side.truths for side in targets]),
            "short_side": np.asarray(short_side, np.float32),
            "statistics": np.stack(
                [
                    style_statistics(styled, plain, len(creator))
                    for styled, plain, creator in zip(after, before, creators, strict=True)
                ]
            ),
            "matrix": np.stack([matrix for matrix, _ in maps]),
            "offset": np.stack([offset for _, offset in maps]),
            "parameters": describe(look),
            "pointwise": np.asarray(look.pointwise, np.float32),
        }

    def _draw_shown(self, creator: np.ndarray) -> np.ndarray:
        """Which pictures are read, one crop of each; several of each where the set is small."""
        config = self._config
        count = min(max(config.pictures, len(creator)), config.max_pictures)
        return np.resize(creator, count)

    def _draw_targets(
        self, look: Look, shown: list[np.ndarray], read: list["_Crops"], rng: np.random.Generator
    ) -> tuple[list["_Crops"], float]:
        """Target crops of each side, and their short side: often the crops that are read."""
        count, size = self._config.targets, self._config.size
        short_side: float = READ_SHORT_SIDE
        chosen = [side[:count] for side in shown]
        if rng.random() < OTHER_SCALES:
            pictures = (self._pool.pictures[i] for side in chosen for i in side)
            largest = min(min(picture.shape[:2]) for picture in pictures)
            short_side = min(largest, _draw_short_side(rng))
        elif size == READ_TILE:
            return [_Crops(side.photos[:count], side.truths[:count]) for side in read], short_side
        short_side = max(short_side, size + 2 * LOOK_MARGIN)
        crops = [self._styled_crops(look, side, short_side, size, rng) for side in chosen]
        return crops, short_side

    def _set_colours(
        self, look: Look, creators: list[np.ndarray], read: list["_Crops"], rng: np.random.Generator
    ) -> list[np.ndarray]:
        """Unit colours of each creator's set after the look, COLOURS_PER_SET of each."""
        if look.pointwise:
            banks = [to_unit(self._pool.bank[creator].reshape(-1, 3)) for creator in creators]
            colours = [some_of(bank, COLOURS_PER_SET, rng) for bank in banks]
            return [look(some[:, None], READ_SHORT_SIDE)[:, 0] for some in colours]
        plain = np.concatenate([side.neighbourhoods() for side in read])
        styled = np.concatenate([side.truths.reshape(-1, 3) for side in read])
        colours = []
        for creator, side in zip(creators, read, strict=True):
            if len(creator) <= len(side.truths):
                colours.append(to_unit(some_of(side.truths.reshape(-1, 3), COLOURS_PER_SET, rng)))
                continue
            # Crops show what becomes of a pixel, but not how many pixels of a set are like it.
            position = rng.integers(0, len(creator) * COLOURS_PER_PICTURE, COLOURS_PER_SET // ALIKE)
            picture, pixel = np.divmod(position, COLOURS_PER_PICTURE)
            wanted = to_unit(self._pool.neighbourhoods[creator[picture], pixel])
            among = rng.integers(0, len(plain), SHOWN_LOCATIONS)
            _, alike = KDTree(to_unit(plain[among])).query(wanted, ALIKE)
            colours.append(to_unit(styled[among[alike.ravel()]]))
        return colours

    def _styled_crops(
        self,
        look: Look,
        indices: np.ndarray,
        short_side: float,
        size: int,
        rng: np.random.Generator,
    ) -> "_Crops":
        """A crop of each picture before and after the look, `size` px."""
        inner = slice(LOOK_MARGIN, LOOK_MARGIN + size)
        photos = np.empty((len(indices), size, size, 3), np.uint8)
        truths = np.empty_like(photos)
        for row, index in enumerate(indices):
            photo = _crop(self._pool.pictures[index], short_side, size + 2 * LOOK_MARGIN, rng)
            styled = look(to_unit(photo), short_side)[inner, inner]
            mirrored = slice(None, None, -1 if rng.random() < 0.5 else 1)
            photos[row] = photo[inner, inner][:, mirrored]
            truths[row] = np.clip(styled * 255 + 0.5, 0, 255)[:, mirrored]
        return _Crops(photos, truths)


@dataclass(frozen=True, slots=True)
class _Crops:
    """Crops of one side before and after a look, (K, S, S, 3) uint8 each."""

    photos: np.ndarray
    truths: np.ndarray

    def neighbourhoods(self) -> np.ndarray:
        """Of every pixel before the look, (K * S * S, 6) uint8: see `neighbourhoods_of`."""
        return np.stack([neighbourhoods_of(photo) for photo in self.photos]).reshape(-1, 6)


def _two_sides(pool: PicturePool, rng: np.random.Generator) -> list[np.ndarray]:
    """Two disjoint sets of indices: halves of one set, or of two unlike ones."""
    first = pool.draw_set(rng)
    second = first if rng.random() < 0.5 else pool.draw_set(rng)
    first = first[: max(1, len(first) // 2)]
    second = second[~np.isin(second, first)]
    return [first, second if len(second) else first]


def _crop(
    picture: np.ndarray, short_side: float, size: int, rng: np.random.Generator
) -> np.ndarray:
    """A random `size` px square of the picture brought to `short_side`."""
    have = min(picture.shape[:2])
    window = max(1, min(have, round(size * have / short_side)))
    y = rng.integers(0, picture.shape[0] - window + 1)
    x = rng.integers(0, picture.shape[1] - window + 1)
    square = picture[y : y + window, x : x + window]
    if window == size:
        return square
    interpolation = cv2.INTER_AREA if window > size else cv2.INTER_CUBIC
    return cv2.resize(square, (size, size), interpolation=interpolation)


def _draw_short_side(rng: np.random.Generator) -> int:
    return round(float(np.exp(rng.uniform(np.log(192), np.log(LARGEST_SHORT_SIDE)))))


def _recompress(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Creators' pictures are often JPEG: compress some, so that blocks are not read as style."""
    if rng.random() < 0.7:
        return picture
    quality = int(rng.integers(60, 96))
    # OpenCV takes BGR for granted, and chroma is what JPEG halves.
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))


def _draw_count(rng: np.random.Generator) -> int:
    return MAX_PICTURES if rng.random() < LARGE_SETS else _log_uniform(rng, MAX_PICTURES)


def _log_uniform(rng: np.random.Generator, maximum: int) -> int:
    return round(float(np.exp(rng.uniform(0, np.log(maximum)))))
