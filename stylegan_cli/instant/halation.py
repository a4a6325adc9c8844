"""Halation of a creator's film, read from the dark places around highlights.

What halation of each radius would add is computed from the highlights of a picture. In dark places,
the excess of red over green and of green over blue, less that of the wider surroundings, is
regressed on it, cell by cell: the median over cells passes over things that happen to be red. The
radius is the one whose halation is most like the excess. It passes for halation where most of the
pictures have it. Light that all channels share is taken for glare of the lens, and coloured
highlights tell nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylegan_cli.instant.config import DEFAULTS, HalationConfig
from stylegan_cli.pictures.colours import linear_of_srgb
from stylegan_cli.styles.film import MAX_HALATION, FilmHalation, highlights

RADII = (0.003, 0.0045, 0.0065, 0.009, 0.013, 0.018, 0.026, 0.036)  # shares of the short side
READ_SIDE = 400  # px, the least short side of the copy that is read
OF_JPEG = 3  # px of that copy: JPEGs halve colour, and mix that of neighbours
MAX_SIGMA = 2.6  # px; wider kernels are measured on smaller copies
SURROUNDINGS = 6  # times the radius, width
DARK = 0.08  # linear green and blue; halation of red leaves them dark
MIN_HIGHLIGHTS = 50  # px
MIN_EVIDENCE = 0.5  # sum of squares of what halation would add; less tells nothing
MIN_OF_CELL = 0.02  # share of it
CELLS = 8  # along each side
MIN_SHARE = 1 / 3  # of the pictures that tell of any radius, for a radius to count

LIGHT = linear_of_srgb(np.arange(256) / 255).astype(np.float32)
_HIGHLIGHTS = highlights(LIGHT)
_DARK = (LIGHT < DARK).astype(np.float32)
_IS_BRIGHT = int(np.searchsorted(LIGHT, 0.6))


@dataclass(frozen=True, slots=True)
class HalationSample:
    """What is around the highlights of one picture, by radius.

    red: (RADII,), excess of red over green as a share of what halation of strength 1 would add;
    NaN where too little is dark near highlights. green: the same of green over blue.
    correlation: of the excess of red with what halation would add, in the typical cell.
    """

    red: np.ndarray
    green: np.ndarray
    correlation: np.ndarray


@dataclass(frozen=True, slots=True)
class _Copy:
    """A picture at one size, (h, w) float32 each.

    white, any: highlights of all channels and of any. red, green: light of red less green and of
    green less blue. dark: 1 in dark places, else 0.
    """

    white: np.ndarray
    any: np.ndarray
    red: np.ndarray
    green: np.ndarray
    dark: np.ndarray

    def reduced(self, factor: int) -> "_Copy":
        height, width = (max(1, side // factor) for side in self.dark.shape)
        white, any_, red, green, dark = (
            cv2.resize(plane, (width, height), interpolation=cv2.INTER_AREA)
            for plane in (self.white, self.any, self.red, self.green, self.dark)
        )
        return _Copy(white, any_, red, green, (dark > 0.999).astype(np.float32))


def sample_halation(pixels: np.ndarray) -> HalationSample | None:
    """pixels: (H, W, 3) uint8, at the picture's own size. None where little of it is bright."""
    factor = max(1, min(pixels.shape[:2]) // READ_SIDE)
    if factor > 1:
        size = pixels.shape[1] // factor, pixels.shape[0] // factor
        whole = pixels[: size[1] * factor, : size[0] * factor]
        pixels = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
    if min(pixels.shape[:2]) < CELLS:
        return None
    red, green, blue = cv2.split(pixels)
    least = cv2.min(cv2.min(red, green), blue)
    if np.count_nonzero(least >= _IS_BRIGHT) < MIN_HIGHLIGHTS:
        return None
    light = [cv2.LUT(plane, LIGHT) for plane in (red, green, blue)]
    copy = _Copy(
        white=cv2.LUT(least, _HIGHLIGHTS),
        any=cv2.LUT(cv2.max(cv2.max(red, green), blue), _HIGHLIGHTS),
        red=light[0] - light[1],
        green=light[1] - light[2],
        dark=cv2.LUT(cv2.max(green, blue), _DARK),
    ).reduced(OF_JPEG)
    found = np.full((len(RADII), 3), np.nan)
    short_side, scale = min(pixels.shape[:2]) / OF_JPEG, OF_JPEG
    for k, radius in enumerate(RADII):
        while (sigma := radius * short_side) > MAX_SIGMA:
            copy, short_side, scale = copy.reduced(2), short_side / 2, 2 * scale
        found[k] = _measure(copy, sigma, scale)
    return HalationSample(*found.T)


def _measure(copy: _Copy, sigma: float, scale: int) -> tuple[float, ...]:
    """A row of HalationSample, for a Gaussian of so many px of a copy; scale: px of one of them."""
    glow = cv2.GaussianBlur(copy.white, (0, 0), sigma) - copy.white
    of_colour = cv2.GaussianBlur(copy.any - copy.white, (0, 0), sigma)
    counts = copy.dark * (copy.any == 0) * (of_colour < 0.25 * glow + 0.01)
    width = round(SURROUNDINGS * sigma) | 1

    def means(plane: np.ndarray) -> np.ndarray:
        return np.asarray(cv2.blur(plane, (width, width)))

    share = 1 / np.maximum(means(counts), 1e-6)

    def beside_surroundings(plane: np.ndarray) -> np.ndarray:
        return np.asarray((plane - means(counts * plane) * share) * counts)

    glow, red, green = map(beside_surroundings, (glow, copy.red, copy.green))
    products = (glow * glow, glow * red, glow * green, red * red)
    evidence, of_red, of_green, power = map(_by_cell, products)
    if evidence.sum() * scale**2 < MIN_EVIDENCE:
        return np.nan, np.nan, np.nan
    telling = evidence >= MIN_OF_CELL * evidence.sum()
    weights = evidence[telling]
    in_cells = (
        of_red[telling] / weights,
        of_green[telling] / weights,
        of_red[telling] / np.sqrt(weights * np.maximum(power[telling], 1e-9)),
    )
    return tuple(_weighted_median(values, weights) for values in in_cells)


def _by_cell(plane: np.ndarray) -> np.ndarray:
    """(CELLS²,): the sums of a plane over cells."""
    means = cv2.resize(plane, (CELLS, CELLS), interpolation=cv2.INTER_AREA)
    sums: np.ndarray = means.ravel() * (plane.size / CELLS**2)
    return sums


def _weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


class HalationReader:
    """Samples the halation of the pictures that it is called with, in any order and thread."""

    def __init__(self) -> None:
        self.samples: list[HalationSample] = []

    def __call__(self, pixels: np.ndarray) -> None:
        """pixels: as for `sample_halation`."""
        sample = sample_halation(pixels)
        if sample is not None:
            self.samples.append(sample)


def halation_of(
    samples: Sequence[HalationSample], config: HalationConfig = DEFAULTS.halation
) -> FilmHalation | None:
    """The halation that a creator's pictures have in common; None where there is none for sure."""
    if len(samples) < config.min_pictures:
        return None
    parts = np.array([[s.red, s.green, s.correlation] for s in samples])
    counts = np.isfinite(parts[:, 0]).sum(0)
    known = np.flatnonzero(counts >= max(config.min_pictures, MIN_SHARE * counts.max()))
    if not len(known):
        return None
    red, green, correlation = parts[..., known].swapaxes(0, 1)
    likeness = np.nanmean(correlation, axis=0)
    best = int(np.argmax(likeness))
    usual, least = np.nanquantile(red[:, best], [0.5, config.quantile])
    if not (
        likeness[best] >= config.min_correlation
        and likeness[best] * counts[known[best]] ** 0.5 >= config.min_significance
        and usual >= config.min_excess
        and least >= config.min_excess_of_most
    ):
        return None
    place = best + _peak_between(likeness, best)

    def at_radius(values: np.ndarray) -> float:
        return float(np.interp(place, np.arange(len(known)), values))

    of_red, of_green = (max(0.0, at_radius(np.nanmedian(part, axis=0))) for part in (red, green))
    if of_green < config.min_excess_of_green * of_red:
        of_green = 0.0
    strength = (of_red + of_green, of_green, 0.0)
    return FilmHalation(
        radius=round(float(np.exp(at_radius(np.log(RADII)[known]))), 5),
        strength=tuple(round(min(value, MAX_HALATION), 4) for value in strength),
    )


def _peak_between(values: np.ndarray, best: int) -> float:
    """How far from the largest value the peak of the parabola through its neighbours lies."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, peak, behind = values[best - 1 : best + 2]
    return float((before - behind) / (2 * (before - 2 * peak + behind)))
