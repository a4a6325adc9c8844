"""Endless true pairs for pre-training: a random look, the pictures it is read from, its photos.

Numpy and OpenCV in worker processes; every item depends on (seed, step) alone.
"""

import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from torch.utils.data import Dataset

from stylegan_cli.colour import LUMA, linear_map, look_statistics
from stylegan_cli.looks import Look, describe, draw_look
from stylegan_cli.pictures import read_rgb
from stylegan_cli.randomness import numpy_generator

ENCODER_SHORT_SIDE = 256  # px; the scale at which the look encoder reads every picture
LARGEST_SHORT_SIDE = 512  # px; pictures are kept no larger than this
MOST_PICTURES = 250  # in one set
COLOURS_PER_SET = 2048
COLOURS_PER_PICTURE = 256
TILE = 64  # px; a mosaic of such crops stands for a whole set
MOST_TILES = 36
TILE_MARGIN = 8  # px of each tile that its neighbours may have coloured
LOOK_MARGIN = 16  # px around a crop, so that glows and lines reach into it

Batch = dict[str, np.ndarray]
Domains = Mapping[str, Sequence[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawConfig:
    """How much one training step draws."""

    looks: int = 12  # per step, to read and paint
    readings: int = 0  # more looks per step, only to read
    pictures: int = 3  # that the encoder reads, per look
    targets: int = 1  # that the generator paints, per look
    size: int = 128  # px, of every crop
    seed: int = 0


class PicturePool:
    """Pictures of several domains in memory, with a few pixels of each at hand.

    domains: paths by kind of picture. Every picture is uint8 (H, W, 3) with a short side of at most
    LARGEST_SHORT_SIDE.
    """

    def __init__(self, domains: Domains) -> None:
        self.pictures: list[np.ndarray] = []
        members: dict[str, list[int]] = {}
        for name, paths in domains.items():
            for path in paths:
                members.setdefault(name, []).append(len(self.pictures))
                self.pictures.append(_at_most(read_rgb(path), LARGEST_SHORT_SIDE))
        self.domains = {name: np.array(indices) for name, indices in members.items()}
        rng = numpy_generator(0, 0, "pixel bank")
        self.bank = np.stack([_some_colours(picture, rng) for picture in self.pictures])
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


class PairedLooks(Dataset[Batch]):
    """Item `step` is the whole batch of that step; see `__getitem__` for its arrays."""

    def __init__(
        self, domains: Domains, config: DrawConfig, steps: int, purpose: str = "looks"
    ) -> None:
        self._domains, self._config, self._steps, self._purpose = domains, config, steps, purpose

    def __len__(self) -> int:
        return self._steps

    @cached_property
    def _pool(self) -> PicturePool:
        # Read where it is used, in the worker process: the pictures need not travel there.
        return PicturePool(self._domains)

    def __getitem__(self, step: int) -> Batch:
        """The batch of `step`: L looks to read and paint, R more to read; S px crops.

        references (L + R, K, S, S, 3) uint8: K pictures of each for the encoder to read;
        statistics (L + R, STATISTICS_DIM); description (L + R, DESCRIPTION_DIM), see looks;
        matrix (L, 3, 3), offset (L, 3): linear colour map; photos, truths (L, B, S, S, 3) uint8;
        short_side (L, B) px.
        """
        config = self._config
        rng = numpy_generator(config.seed, step, self._purpose)
        painted = [self._draw(draw_look(rng), config.targets, rng) for _ in range(config.looks)]
        read = [self._draw(draw_look(rng), 0, rng) for _ in range(config.readings)]
        return {
            name: np.stack([item[name] for item in (*painted, *read) if name in item])
            for name in painted[0]
        }

    def _draw(self, look: Look, target_count: int, rng: np.random.Generator) -> Batch:
        config, pool = self._config, self._pool
        content = pool.draw_set(rng)
        creator = content if rng.random() < 0.5 else pool.draw_set(rng)
        targets = np.resize(content, target_count)  # repeats where there are too few
        creator = np.setdiff1d(creator, targets)
        if len(creator) == 0:
            creator = targets
        creator = rng.permutation(creator)[: _log_uniform(rng, MOST_PICTURES)]
        others = content[target_count:]
        content = others[: 4 * _log_uniform(rng, MOST_PICTURES)] if len(others) else targets
        before = _unit(pool.bank[content].reshape(-1, 3))
        before = before[rng.integers(0, len(before), COLOURS_PER_SET)]
        after = self._set_colours(look, creator, rng)
        matrix, offset = linear_map(before, after)
        shown = [
            self._styled_crop(look, creator[k % len(creator)], ENCODER_SHORT_SIDE, rng)
            for k in range(config.pictures)
        ]
        read = {
            "references": np.stack([_recompress(styled, rng) for _, styled, _ in shown]),
            "statistics": look_statistics(after, before, len(creator)),
            "description": describe(look),
        }
        if not target_count:
            return read
        pairs = [self._styled_crop(look, index, _draw_short_side(rng), rng) for index in targets]
        return read | {
            "matrix": matrix,
            "offset": offset,
            "photos": np.stack([photo for photo, _, _ in pairs]),
            "truths": np.stack([styled for _, styled, _ in pairs]),
            "short_side": np.array([side for _, _, side in pairs], np.float32),
        }

    def _set_colours(self, look: Look, creator: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Unit colours of the creator's set after the look, COLOURS_PER_SET of them."""
        if look.pointwise:
            colours = _unit(self._pool.bank[creator].reshape(-1, 3))
            colours = colours[rng.integers(0, len(colours), COLOURS_PER_SET)]
            return look(colours[:, None], ENCODER_SHORT_SIDE)[:, 0]
        shown = creator[:MOST_TILES]
        # A set of few pictures is shown by several crops of each, or its mosaic would be too small.
        tiles = [shown[k % len(shown)] for k in range(max(16, len(shown)))]
        columns = int(np.ceil(np.sqrt(len(tiles))))
        crops = [
            _crop(self._pool.pictures[index], ENCODER_SHORT_SIDE, TILE, rng)[0] for index in tiles
        ]
        crops += [crops[k] for k in range(columns * -(-len(tiles) // columns) - len(crops))]
        mosaic = np.vstack(
            [np.hstack(crops[k : k + columns]) for k in range(0, len(crops), columns)]
        )
        styled = look(_unit(mosaic), ENCODER_SHORT_SIDE)
        place = rng.integers(0, (TILE - 2 * TILE_MARGIN) ** 2, COLOURS_PER_SET)
        tile = rng.integers(0, len(tiles), COLOURS_PER_SET)
        inner = TILE - 2 * TILE_MARGIN
        y = tile // columns * TILE + TILE_MARGIN + place // inner
        x = tile % columns * TILE + TILE_MARGIN + place % inner
        return np.asarray(styled[y, x])

    def _styled_crop(
        self, look: Look, index: int, short_side: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, float]:
        """One crop before and after the look, uint8, and the short side it really has."""
        size = self._config.size
        photo, side = _crop(self._pool.pictures[index], short_side, size + 2 * LOOK_MARGIN, rng)
        styled = look(_unit(photo), side)
        if rng.random() < 0.5:
            photo, styled = photo[:, ::-1], styled[:, ::-1]
        inner = slice(LOOK_MARGIN, LOOK_MARGIN + size)
        styled = np.clip(styled[inner, inner] * 255 + 0.5, 0, 255).astype(np.uint8)
        return np.ascontiguousarray(photo[inner, inner]), styled, side


def seed_worker(worker: int) -> None:
    """One OpenCV thread per worker process: the cores belong to the training."""
    cv2.setNumThreads(1)
    # Ctrl-C and a stop of the whole process group reach every process: the training alone decides.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)


def _crop(
    picture: np.ndarray, short_side: int, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, float]:
    """A random `size` px square of the picture brought to `short_side`, and the side it got.

    A picture that is too small for the square is enlarged until it fits.
    """
    have = min(picture.shape[:2])
    side = max(size, min(short_side, have))
    window = min(have, round(size * have / side))
    y = rng.integers(0, picture.shape[0] - window + 1)
    x = rng.integers(0, picture.shape[1] - window + 1)
    square = picture[y : y + window, x : x + window]
    if window == size:
        return square, float(have)
    interpolation = cv2.INTER_AREA if window > size else cv2.INTER_CUBIC
    return cv2.resize(square, (size, size), interpolation=interpolation), float(side)


def _draw_short_side(rng: np.random.Generator) -> int:
    if rng.random() < 0.4:
        return ENCODER_SHORT_SIDE
    return round(float(np.exp(rng.uniform(np.log(192), np.log(LARGEST_SHORT_SIDE)))))


def _recompress(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Creators' pictures are often JPEG: compress some, so that blocks are not read as style."""
    if rng.random() < 0.7:
        return picture
    quality = int(rng.integers(60, 96))
    # OpenCV takes BGR for granted, and chroma is what JPEG halves.
    encoded = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB))


def _log_uniform(rng: np.random.Generator, most: int) -> int:
    return round(float(np.exp(rng.uniform(0, np.log(most)))))


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels.astype(np.float32) / 255


def _some_colours(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    pixels = picture.reshape(-1, 3)
    chosen: np.ndarray = pixels[rng.integers(0, len(pixels), COLOURS_PER_PICTURE)]
    return chosen


def _at_most(picture: np.ndarray, short_side: int) -> np.ndarray:
    height, width = picture.shape[:2]
    if min(height, width) <= short_side:
        return picture
    scale = short_side / min(height, width)
    return cv2.resize(
        picture, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_AREA
    )
