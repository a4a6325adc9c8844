"""A creator's strokes on a picture, taken from the creator's own pictures.

An image analogy (Hertzmann et al. 2001): each cell of a grid gets a place in the creator's pictures
that looks alike when blurred so much that strokes can't be seen. Neighbouring cells that go on from
each other's places are cheaper (coherence, Ashikhmin 2001), as in the Potts model; iterated
conditional modes (Besag 1986) find the places. What is copied from there overlaps and is blended.
Then tones, and colours that the pictures have, are corrected at the scale of the blur, so that
faces stay as they are.
"""

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from stylegan_cli.colour import LUMA
from stylegan_cli.pictures import from_unit, to_unit
from stylegan_cli.rendering.compose import Finish
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig, StrokesConfig
from stylegan_cli.rendering.tiles import pieces
from stylegan_cli.rendering.working_copy import Pixels, Size, resized

NOWHERE = -(1 << 40)  # the place of a cell outside the picture
FAR = 1e3  # cost of a place outside the exemplars
LOOK_AHEAD = 6  # px around a place that belong to the same exemplar


class StrokePainter:
    """Paints pictures with pieces of exemplars, (N, S, S, 3) uint8."""

    def __init__(self, exemplars: np.ndarray, config: StrokesConfig = DEFAULTS.strokes) -> None:
        self._exemplars, self._config = exemplars, config
        self._width = exemplars.shape[2]

    def paint(self, pixels: np.ndarray, *, threads: int = 1) -> np.ndarray:
        """pixels: (H, W, 3) unit float32 in the style's colours. Returns the same in strokes."""
        picture = _luma_and_colour(pixels)
        smooth = _blurred(picture, self._config.sigma)
        guide = _guide(smooth, self._config)
        cell = self._config.cell
        wanted = guide[cell // 2 :: cell, cell // 2 :: cell]
        painted = self._copied(self._places(wanted, threads), picture.shape[:2])
        smooth[..., 1:] = np.clip(smooth[..., 1:], *self._colour_range)
        missing = smooth - _blurred(painted, self._config.sigma)
        tone, hue = self._config.tone, self._config.hue
        painted += np.array([tone, hue, hue], np.float32) * missing
        return _rgb(painted)

    @cached_property
    def _pieces(self) -> np.ndarray:
        """Luma and colour of all exemplars, one below the other, a row for each pixel."""
        return _luma_and_colour(to_unit(self._exemplars)).reshape(-1, 3)

    @cached_property
    def _colour_range(self) -> np.ndarray:
        """What the exemplars have of blue and red less luma, but for the most extreme; (2, 2)."""
        some = self._pieces[:: self._width + 1, 1:]
        found: np.ndarray = np.percentile(some, (1, 99), axis=0).astype(np.float32)
        return found

    @cached_property
    def _guides(self) -> np.ndarray:
        """The guide at each pixel of the exemplars."""
        planes = self._pieces.reshape(*self._exemplars.shape)
        found = [_guide(_blurred(p, self._config.sigma), self._config) for p in planes]
        return np.concatenate(found).reshape(-1, found[0].shape[-1])

    @cached_property
    def _is_inside(self) -> np.ndarray:
        """Whether there is enough of an exemplar around each of its pixels."""
        inside = np.zeros(self._exemplars.shape[:3], bool)
        inside[:, LOOK_AHEAD:-LOOK_AHEAD, LOOK_AHEAD:-LOOK_AHEAD] = True
        return inside.ravel()

    @cached_property
    def _index(self) -> tuple[np.ndarray, Any]:
        """Random places, and a tree of their guides."""
        from scipy.spatial import cKDTree

        inside = np.flatnonzero(self._is_inside)
        count = min(self._config.places, len(inside))
        places = np.random.default_rng(0).choice(inside, count, replace=False)
        return places, cKDTree(self._guides[places])

    def _places(self, wanted: np.ndarray, threads: int) -> np.ndarray:
        """The place of each cell, (rows, columns), for guides (rows, columns, D)."""
        rows, columns, size = wanted.shape
        places, tree = self._index
        count = min(self._config.candidates, len(places))
        _, nearest = tree.query(
            wanted.reshape(-1, size), range(1, count + 1), eps=self._config.slack, workers=threads
        )
        candidates = places[nearest].reshape(rows, columns, count)
        chosen = np.full((rows + 2, columns + 2), NOWHERE)
        chosen[1:-1, 1:-1] = candidates[..., 0]
        odd = np.add.outer(np.arange(rows), np.arange(columns)) % 2
        boards = [np.nonzero(odd == colour) for colour in (0, 1)]
        rng = np.random.default_rng(0)
        for _ in range(self._config.sweeps):
            for board in boards:  # no two cells of which touch
                self._choose_again(chosen, board, wanted[board], candidates, rng)
        return chosen[1:-1, 1:-1]

    def _choose_again(
        self,
        chosen: np.ndarray,
        cells: tuple[np.ndarray, ...],
        wanted: np.ndarray,
        candidates: np.ndarray,
        rng: np.random.Generator,
    ) -> None:
        """Give each of the cells the cheapest of a few places, given those of its neighbours."""
        rows, columns = cells
        own = chosen[rows + 1, columns + 1]
        step = self._config.cell
        neighbours = [
            chosen[rows + 1 + down, columns + 1 + right] - step * (down * self._width + right)
            for down, right in ((0, -1), (0, 1), (-1, 0), (1, 0))
        ]
        another = candidates[rows, columns, rng.integers(candidates.shape[2], size=len(rows))]
        least = np.full(len(rows), np.inf, np.float32)
        best = own.copy()
        for places in (own, *neighbours, another):
            cost = self._distances(places, wanted)
            for expected in neighbours:
                cost += np.float32(self._config.coherence) * (places != expected)
            better = cost < least
            least[better], best[better] = cost[better], places[better]
        chosen[rows + 1, columns + 1] = best

    def _distances(self, places: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """Squared distance of the guide at each place from the one that is wanted."""
        there = np.clip(places, 0, len(self._is_inside) - 1)
        apart = self._guides[there] - wanted
        distances: np.ndarray = np.einsum("nd,nd->n", apart, apart)
        distances[(there != places) | ~self._is_inside[there]] = FAR
        return distances

    def _copied(self, places: np.ndarray, size: Size) -> np.ndarray:
        """What is around the places, twice as wide as a cell and blended, (height, width, 3)."""
        cell, (rows, columns) = self._config.cell, places.shape
        reach = range(-cell, cell)
        weights = {at: np.exp(-(((at + 0.5) / self._config.blend) ** 2) / 2) for at in reach}
        total = np.zeros(((rows + 2) * cell, (columns + 2) * cell, 3), np.float32)
        weight = np.zeros((*total.shape[:2], 1), np.float32)
        middle = cell + cell // 2
        for down, right in itertools.product(reach, reach):
            window = tuple(
                slice(middle + at, middle + at + count * cell, cell)
                for at, count in ((down, rows), (right, columns))
            )
            share = np.float32(weights[down] * weights[right])
            total[window] += share * self._pieces[places + (down * self._width + right)]
            weight[window] += share
        inside = tuple(slice(cell, cell + side) for side in size)
        copied: np.ndarray = total[inside] / weight[inside]
        return copied


def paint_strokes(
    pixels: Pixels,
    stylize: Callable[[Pixels], Pixels],
    painter: StrokePainter,
    size: Size,
    *,
    share: float = 1.0,
    finish: Finish | None = None,
    threads: int = 1,
    config: RenderingConfig = DEFAULTS,
) -> Pixels:
    """The picture in a style and its strokes, in its own size and depth.

    pixels: (H, W, 3) of any depth. stylize: the style without strokes, on pixels of any size and
    depth. size: (height, width) at which strokes are painted. share: of the strokes, 0 to 1.
    """
    painted = painter.paint(stylize(resized(pixels, size)), threads=threads)
    whole = _at_size(from_unit(painted, pixels.dtype), pixels.shape[:2])
    if finish is None and share == 1:
        return whole
    plain = stylize(pixels) if share < 1 else whole
    rows_at_once = max(1, config.strip_pixels // pixels.shape[1])

    def complete(rows: slice) -> None:
        styled = to_unit(plain[rows])
        styled = styled + np.float32(share) * (to_unit(whole[rows]) - styled)
        if finish is not None:
            styled = finish(styled, to_unit(pixels[rows]))
        whole[rows] = from_unit(styled, pixels.dtype)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(complete, pieces(pixels.shape[0], rows_at_once)))
    return whole


def stroke_size(size: Size, short_side: int, config: RenderingConfig = DEFAULTS) -> Size:
    """(height, width) at which strokes are painted: small pictures are enlarged for it."""
    height, width = size
    scale = min(short_side / min(size), (config.max_working_pixels / (height * width)) ** 0.5)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _at_size(pixels: Pixels, size: Size) -> Pixels:
    """Pixels at (height, width) in their own depth, which takes less memory than unit floats."""
    if pixels.shape[:2] == size:
        return pixels
    method = cv2.INTER_AREA if min(size) < min(pixels.shape[:2]) else cv2.INTER_CUBIC
    sized = cv2.resize(pixels, size[::-1], interpolation=method)
    return np.asarray(np.clip(sized, 0, 1) if sized.dtype.kind == "f" else sized)


def _luma_and_colour(pixels: np.ndarray) -> np.ndarray:
    """Unit (..., 3) → luma, blue less luma, red less luma."""
    luma = pixels @ LUMA
    return np.stack([luma, pixels[..., 2] - luma, pixels[..., 0] - luma], -1)


def _rgb(parts: np.ndarray) -> np.ndarray:
    """Back from `_luma_and_colour`, cut to 0..1."""
    luma, blue, red = np.moveaxis(parts, -1, 0)
    blue, red = blue + luma, red + luma
    green = (luma - LUMA[0] * red - LUMA[2] * blue) / LUMA[1]
    pixels: np.ndarray = np.clip(np.stack([red, green, blue], -1), 0, 1)
    return pixels


def _blurred(planes: np.ndarray, sigma: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(planes, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))


def _guide(smooth: np.ndarray, config: StrokesConfig) -> np.ndarray:
    """What places are compared by, (H, W, D): low frequencies of luma (DCT-II), and colour.

    smooth: (H, W, 3) of `_luma_and_colour`, blurred.
    """
    kernels = _cosine_kernels(config)
    luma = np.ascontiguousarray(smooth[..., 0])
    planes = [
        cv2.sepFilter2D(luma, cv2.CV_32F, across, down, borderType=cv2.BORDER_REFLECT)
        for order, across in enumerate(kernels)
        for down in kernels[: len(kernels) - order]
    ]
    colour = np.float32(config.colour) * smooth[..., 1:]
    return np.concatenate([np.stack(planes, -1), colour], -1)


def _cosine_kernels(config: StrokesConfig) -> list[np.ndarray]:
    """The first functions of the DCT-II on taps that are apart, scaled to means of squares."""
    places = np.arange(config.taps)
    kernels = []
    for order in range(config.orders):
        wave = np.cos(np.pi * (places + 0.5) * order / config.taps)
        kernel = np.zeros(config.gap * (config.taps - 1) + 1, np.float32)
        kernel[:: config.gap] = wave / np.linalg.norm(wave) / np.sqrt(config.taps)
        kernels.append(kernel)
    return kernels
