"""Pictures as the style encoder sees them: tiles, moments, colours, and their code."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.colour import sample_colours, style_statistics
from stylegan_cli.errors import DataError, messages
from stylegan_cli.networks.architecture import READ_SHORT_SIDE, READ_TILE
from stylegan_cli.pictures import find_own_pictures, read_rgb, read_rgb_or_warn, to_unit
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.file_kind import media_of_file
from stylegan_cli.runtime.randomness import numpy_generator

Item = TypeVar("Item")

READ_LONG_SIDE = 384  # px; longer pictures are cut to their middle
SET_COLOURS = 24_000


@dataclass(frozen=True, slots=True)
class SetStatistics:
    """A creator's pictures as the style encoder sees them.

    moments: (N, moments_dim), one row per picture. colours: (M, 3) unit, an equal share of each.
    """

    moments: np.ndarray
    colours: np.ndarray

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.moments)

    @property
    def mean_moments(self) -> np.ndarray:
        """Moments of the whole set, (moments_dim,), whatever the order of the pictures."""
        mean: np.ndarray = self.moments.mean(0, dtype=np.float64).astype(np.float32)
        return mean

    def colours_of(self, index: int) -> np.ndarray:
        """The share of one picture, (M / N, 3)."""
        return np.array_split(self.colours, self.count)[index]


def pictures_in(source: Path, endings: Collection[str] = ()) -> list[Path]:
    """The pictures of a folder and the folders in it; or the one picture that `source` is.

    Results of `influ` among them are left out: see `find_own_pictures`, also for `endings`.
    Raises DataError where there are none.
    """
    if source.is_file():
        if media_of_file(source) == "clip":
            words = ("influ", "prep", str(source), "--out", "data")
            raise DataError(messages.wrong_kind(source, "a clip", "a picture", *words))
        return [source]
    found = find_own_pictures(source, recursive=True, endings=endings)
    if not found:
        raise DataError(f"{source} contains no pictures; name a folder of photos or paintings")
    return found


def read_set(
    pictures: Sequence[Path],
    backend: Backend,
    on_progress: Callable[[int, int], None] | None = None,
    *,
    need_all: bool = False,
) -> SetStatistics:
    """Read a creator's pictures; unreadable ones are named in the log and left out.

    Raises DataError where none is left, PictureError for the first one where all are needed.
    """
    return set_statistics(read_all(pictures, on_progress, need_all), backend)


def set_statistics(arrays: Sequence[np.ndarray], backend: Backend) -> SetStatistics:
    """uint8 pictures (H, W, 3) as the style encoder sees them."""
    moments = np.stack([backend.moments(_as_read(_tiles(array))).mean(0) for array in arrays])
    rng = numpy_generator(0, 0, "creator colours")
    share = -(-SET_COLOURS // len(arrays))
    colours = np.concatenate([sample_colours([array], share, rng) for array in arrays])
    return SetStatistics(moments, colours)


def read_all(
    paths: Sequence[Path],
    on_progress: Callable[[int, int], None] | None = None,
    need_all: bool = False,
    examine: Callable[[np.ndarray], None] | None = None,
    examined: int = 0,
) -> list[np.ndarray]:
    """uint8 pictures (H, W, 3) of READ_SHORT_SIDE px; unreadable ones are named and left out.

    examine: gets so many of them, evenly chosen, at their own size, in several threads.
    Raises as read_set.
    """
    read = read_rgb if need_all else read_rgb_or_warn
    chosen = set(evenly_from(range(len(paths)), examined))
    visitors = [examine if index in chosen else None for index in range(len(paths))]
    arrays = []
    with ThreadPoolExecutor(resolve_threads()) as pool:
        found = pool.map(read, paths, repeat(READ_SHORT_SIDE), visitors)
        for done, array in enumerate(found, start=1):
            if array is not None:
                arrays.append(array)
            if on_progress:
                on_progress(done, len(paths))
    if not arrays:
        raise DataError("none of the pictures can be read; name a folder of photos or paintings")
    return arrays


def code_of(
    backend: Backend,
    moments: np.ndarray,
    creator_colours: np.ndarray,
    content_colours: np.ndarray,
    count: int,
) -> np.ndarray:
    """The code (code_dim,) of a style.

    moments: (moments_dim,), the mean over its pictures. creator_colours, content_colours: (N, 3)
    unit colours. count: number of pictures, an input of the encoder.
    """
    statistics = style_statistics(creator_colours, content_colours, count)
    code: np.ndarray = backend.code(moments[None], statistics[None])[0]
    return code


def evenly_from(pictures: Sequence[Item], count: int) -> list[Item]:
    """At most `count` of them, evenly apart: a folder's first ones are often alike."""
    count = min(count, len(pictures))
    return [pictures[index * len(pictures) // count] for index in range(count)]


def step_for(pictures: int, available: int, least: int, per_picture: int) -> int:
    """Every which of `available` photos or tiles is worked on: few pictures tell little."""
    return max(1, available // max(least, per_picture * pictures))


def some_tiles(pictures: Sequence[np.ndarray], count: int) -> np.ndarray:
    """At most `count` tiles for the encoder, from as many uint8 pictures as possible."""
    rng = numpy_generator(0, 0, "some tiles")
    shown = evenly_from(pictures, count)
    share = count // len(shown)
    tiles = [rng.permutation(_tiles(picture))[:share] for picture in shown]
    return _as_read(np.concatenate(tiles))


def _tiles(picture: np.ndarray) -> np.ndarray:
    """uint8 (H, W, 3) → (N, READ_TILE, READ_TILE, 3): tiles that cover it."""
    height, width = (max(READ_TILE, min(side, READ_LONG_SIDE)) for side in picture.shape[:2])
    top, left = (max(0, side - READ_LONG_SIDE) // 2 for side in picture.shape[:2])
    middle = picture[top : top + height, left : left + width]
    if middle.shape[:2] != (height, width):
        middle = cv2.resize(middle, (width, height), interpolation=cv2.INTER_CUBIC)
    tiles = [
        middle[y : y + READ_TILE, x : x + READ_TILE]
        for y in _tile_starts(height)
        for x in _tile_starts(width)
    ]
    return np.stack(tiles)


def _as_read(tiles: np.ndarray) -> np.ndarray:
    """uint8 (N, H, W, 3) → (N, 3, H, W) float32 in [-1, 1]."""
    return np.ascontiguousarray(to_unit(tiles).transpose(0, 3, 1, 2) * 2 - 1)


def _tile_starts(side: int) -> list[int]:
    """Where tiles begin that cover `side` px: evenly apart, overlapping a little."""
    starts = np.linspace(0, side - READ_TILE, -(-side // READ_TILE))
    return [round(start) for start in starts]
