"""Random looks as LUTs, for the colour estimator: film tables by others and random grades.

Film tables are mixed, exaggerated, given exchanged channels and composed with random grades; the
rest are the random grades of pre-training. Smooth random changes make these looks endless, so that
no network can learn them by heart.
"""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from stylegan_cli.colour import apply_lut, cosine_basis, is_grey, lut_corners, lut_grid
from stylegan_cli.errors import DataError, PictureError
from stylegan_cli.pictures import find_own_pictures, read_rgb, to_unit
from stylegan_cli.pretraining.looks import draw_grade
from stylegan_cli.runtime.randomness import numpy_generator

log = logging.getLogger(__name__)

LUT_SIZE = 17  # points per channel
MAX_FILM_SIZE = 256  # points per channel of a film table
EVERYWHERE = 0.05  # of the weight that colours no photo has get
NEARBY = 0.25  # of the weight that colours near those of photos get
VARIED = 0.8  # share of looks that are changed at random
AMPLITUDES = 0.006, 0.07  # of these changes: deviation, unit, log-uniform
FIELD_ORDER, FIELD_LENGTH = 5, 0.25  # of changes of colours; see colour.cosine_basis
CURVE_ORDER, CURVE_LENGTH = 10, 0.15  # of changes of a channel's curve
# Directions of a change of colours: all channels alike, and two of half the weight.
FIELD_AXES = np.array([[1, 1, 1], [0.5, -0.5, 0], [0.25, 0.25, -0.5]], np.float32)


def read_films(folder: Path) -> list[np.ndarray]:
    """All HaldCLUTs of a folder; others are left out with a word. Raises DataError for none."""
    films = []
    for path in find_own_pictures(folder):
        try:
            films.append(read_haldclut(path))
        except (PictureError, DataError) as error:
            log.warning("left out: %s", error)
    if not films:
        raise DataError(f"{folder} contains no film LUTs; name a folder of HaldCLUT pictures")
    return films


def read_haldclut(path: Path) -> np.ndarray:
    """A HaldCLUT picture as a LUT (LUT_SIZE³, 3), unit.

    Raises DataError for another picture, PictureError for one that can't be read.
    """
    pixels = read_rgb(path)
    size = round((pixels.size / 3) ** (1 / 3))
    if 3 * size**3 != pixels.size or not 2 <= size <= MAX_FILM_SIZE:
        raise DataError(
            f"{path} is not a HaldCLUT: its pixels are not a cube of 2 to {MAX_FILM_SIZE} points"
        )
    colours = to_unit(pixels).reshape(-1, 3)
    lut = colours.reshape(size, size, size, 3).transpose(2, 1, 0, 3)
    return apply_lut(lut_grid(LUT_SIZE), lut)


def draw_lut(rng: np.random.Generator, films: Sequence[np.ndarray]) -> np.ndarray:
    """A random look as a LUT (LUT_SIZE³, 3), unit. films: LUTs as `read_haldclut` has them."""
    kind = rng.random()
    if kind < 0.4:
        lut = _draw_film(rng, films)
        if rng.random() < 0.6:
            lut = _in_either_order(rng, lut, _light_grade(rng))
    elif kind < 0.75:
        lut = _grade(rng)
    else:
        lut = _in_either_order(rng, _grade(rng), _draw_film(rng, films))
    return _compose(_light_grade(rng), lut) if rng.random() < 0.3 else lut


def draw_prior(films: Sequence[np.ndarray], count: int, seed: int) -> np.ndarray:
    """`count` random looks, (count, LUT_SIZE³, 3) float16."""
    rng = numpy_generator(seed, 0, "looks of the colour prior")
    return np.stack([draw_lut(rng, films).astype(np.float16) for _ in range(count)])


class SmoothVariation:
    """Random smooth changes of LUTs: Gaussian processes over colours and over tone curves."""

    def __init__(self) -> None:
        grid = lut_grid(LUT_SIZE)
        self._field = cosine_basis(grid, FIELD_ORDER, FIELD_LENGTH, lowest=1)
        curves = [
            cosine_basis(channel[:, None], CURVE_ORDER, CURVE_LENGTH, lowest=1)
            for channel in grid.T
        ]
        self._curves = np.stack(curves, -1)

    def vary(self, rng: np.random.Generator, lut: np.ndarray) -> np.ndarray:
        """`lut` (LUT_SIZE³, 3) or a change of it; a black-and-white look remains one."""
        if rng.random() >= VARIED:
            return lut
        lowest, highest = np.log(AMPLITUDES)
        field, curves = np.exp(rng.uniform(lowest, highest, 2))
        weights = rng.normal(0, field, (self._field.shape[1], 3)).astype(np.float32)
        change = self._field @ (weights @ FIELD_AXES)
        by_channel = rng.random() < 0.5
        drawn = rng.normal(0, curves, (self._curves.shape[1], 3 if by_channel else 1))
        change += (self._curves * drawn.astype(np.float32)).sum(1)
        if is_grey(lut):
            change = change.mean(1, keepdims=True)
        varied: np.ndarray = np.clip(lut + change, 0, 1)
        return varied


def principal_components(
    looks: np.ndarray, colours: np.ndarray, count: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (P, 3), components (count, P, 3) and density (P,) of looks (N, P, 3).

    colours: (N, 3) unit, of photos. A point of a LUT counts as often as photos have its colour:
    with `sqrt(density)` the components are orthonormal.
    """
    from scipy.linalg import eigh

    density = colour_density(colours)
    weights = np.sqrt(density)[:, None]
    mean = looks.mean(0, dtype=np.float32)
    rows = ((looks - mean) * weights.astype(np.float32)).reshape(len(looks), -1)
    # Of rows.T @ rows by way of the smaller rows @ rows.T.
    last = len(looks) - 1
    values, vectors = eigh(
        (rows @ rows.T).astype(np.float64), subset_by_index=(last - count + 1, last)
    )
    basis = (rows.T @ vectors / np.sqrt(values)).T[::-1]
    components = basis.reshape(count, -1, 3) / weights
    return mean.astype(np.float32), components.astype(np.float32), density.astype(np.float32)


def _draw_film(rng: np.random.Generator, films: Sequence[np.ndarray]) -> np.ndarray:
    """One film LUT or a mix of two at a random strength, with channels swapped."""
    grid = lut_grid(LUT_SIZE)
    grey = [is_grey(film) for film in films]
    wants_grey = rng.random() < 0.22 or all(grey)
    pool = [film for film, own in zip(films, grey, strict=True) if own == wants_grey] or list(films)
    lut = pool[int(rng.integers(len(pool)))]
    if rng.random() < 0.6:
        share = rng.uniform(-0.3, 1.3)
        lut = (1 - share) * lut + share * pool[int(rng.integers(len(pool)))]
    if not wants_grey and rng.random() < 0.5:
        lut = grid + rng.uniform(0.5, 1.6) * (lut - grid)
    lut = np.clip(lut, 0, 1)
    if rng.random() < 0.25:
        order = rng.permutation(3)
        lut = apply_lut(grid[:, order], _as_cube(lut))[:, np.argsort(order)]
    return lut


def _grade(rng: np.random.Generator) -> np.ndarray:
    look = draw_grade(rng)
    while "steps" in look.families:  # no smooth LUT can represent them
        look = draw_grade(rng)
    return look(lut_grid(LUT_SIZE)[:, None], 1)[:, 0]


def _light_grade(rng: np.random.Generator) -> np.ndarray:
    grid = lut_grid(LUT_SIZE)
    lut: np.ndarray = grid + np.float32(rng.uniform(0.3, 1)) * (_grade(rng) - grid)
    return lut


def _in_either_order(rng: np.random.Generator, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return _compose(one, other) if rng.random() < 0.5 else _compose(other, one)


def _compose(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    lut: np.ndarray = np.clip(apply_lut(np.clip(first, 0, 1), _as_cube(second)), 0, 1)
    return lut


def _as_cube(values: np.ndarray) -> np.ndarray:
    return values.reshape(*(LUT_SIZE,) * 3, *values.shape[1:])


def colour_density(colours: np.ndarray) -> np.ndarray:
    """How often photos have the colours around each point of a LUT, (LUT_SIZE³,)."""
    from scipy.ndimage import gaussian_filter

    counts = np.zeros(LUT_SIZE**3)
    for index, share in lut_corners(colours, LUT_SIZE):
        np.add.at(counts, index, share)
    near = gaussian_filter(_as_cube(counts), 1).ravel()
    own = 1 - NEARBY - EVERYWHERE
    density: np.ndarray = (
        own * counts / counts.sum() + NEARBY * near / near.sum() + EVERYWHERE / counts.size
    )
    return density
