"""A LUT of the base colour that gives a style's results the colours that are estimated."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import Backend, StyleGenerator
from stylegan_cli.colour import (
    apply_lut,
    linear_map,
    lut_corners,
    lut_grid,
    transfer_lut,
    weighted_points,
)
from stylegan_cli.instant.config import CalibrationConfig
from stylegan_cli.instant.encoding import SET_COLOURS, SetStatistics
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering import run_generator
from stylegan_cli.runtime.randomness import numpy_generator

log = logging.getLogger(__name__)

BLUR_REACH = 4  # points, beyond which a Gaussian of one point's width has nothing
_UNSEEN_SHARE = 1 / 255  # of another colour: changes less than a step of 8 bits


@dataclass(frozen=True, slots=True)
class ColourSamples:
    """Colours and the network's outputs for each, all (N, 3) unit.

    photo: `content` colours of content; behind them, every colour of a grid once. own: the
    network's result without its residual. base_colour: what the calibration is given.
    """

    photo: np.ndarray
    own: np.ndarray
    base_colour: np.ndarray
    residual: np.ndarray
    content: int


def calibrate(
    colours: ColourSamples,
    lut: np.ndarray | None,
    creator: SetStatistics,
    config: CalibrationConfig,
    *,
    lut_only: bool = False,
) -> np.ndarray:
    """A (K, K, K, 3) LUT of the base colour that brings results to where they are expected.

    lut: (L, L, L, 3), the colour estimator's, of the photo; None where a base has none. What is
    expected lies between it and the network's own colours: their errors have little in common, and
    the more a style draws, the less a LUT of the photo can tell. With many pictures it lies between
    that and the distribution of the creator's colours. lut_only: it is `lut` alone.
    """
    residual = float(np.sqrt(np.mean(colours.residual[: colours.content] ** 2)))
    results = np.clip(colours.own + colours.residual, 0, 1)
    share = config.estimate_share / (1 + (residual / config.half_estimate_residual) ** 2)
    share = 1.0 if lut_only else share
    if lut is not None:
        results = results + share * (apply_lut(colours.photo, lut) - results)
    transfer_share = 1 / (1 + (config.half_transfer_pictures / creator.count) ** 2)
    transfer_share /= 1 + (residual / config.half_transfer_residual) ** config.residual_growth
    transfer_share = 0.0 if lut_only else transfer_share
    if transfer_share > _UNSEEN_SHARE:
        transfer = transfer_lut(results[: colours.content], creator.colours)
        results = results + transfer_share * (apply_lut(results, transfer) - results)
    log.info(
        "residual of %.3f: %.2f of the estimate, %.2f of the transfer",
        residual,
        share,
        transfer_share,
    )
    # What the residual adds, and what clipping takes away, comes after the calibration.
    wanted = colours.base_colour + results - np.clip(colours.base_colour + colours.residual, 0, 1)
    regression = _KernelRegression(colours.base_colour, config)
    calibration: np.ndarray = lut_grid(config.points).reshape(*(config.points,) * 3, 3)
    for _ in range(config.boosting_steps):
        missing = wanted - regression.looked_up(calibration)
        calibration = calibration + regression.means(missing)
    return calibration.astype(np.float32)


def residual_of(
    colours: np.ndarray,
    backend: Backend,
    generator: StyleGenerator,
    photos: Sequence[np.ndarray],
    every: int = 1,
) -> np.ndarray:
    """What the residual adds to unit colours (N, 3): the residual of the most similar pixel.

    photos: uint8 content (H, W, 3), of which every so many are stylized. A few photos stand for all
    content in what the residual does to a colour, but not in how often a colour occurs: the style
    would take on what is special about 24 people.
    """
    from scipy.spatial import KDTree

    rng = numpy_generator(0, 0, "painted colours")
    share = -(-2 * SET_COLOURS // len(photos))
    chosen = [rng.integers(0, photo.shape[0] * photo.shape[1], share) for photo in photos]

    def sampled(index: int) -> tuple[np.ndarray, np.ndarray]:
        unit = to_unit(photos[index])
        _, residual = run_generator(generator, unit)
        return unit.reshape(-1, 3)[chosen[index]], residual.reshape(-1, 3)[chosen[index]]

    pixels, residuals = zip(*backend.map(sampled, range(0, len(photos), every)), strict=True)
    _, nearest = KDTree(np.concatenate(pixels)).query(colours, workers=-1)
    found: np.ndarray = np.concatenate(residuals)[nearest]
    return found


def mean_transfer(source: np.ndarray, creator: SetStatistics, points: int) -> np.ndarray:
    """The mean of the linear map and of a LUT of the whole distribution, for styles of no kind.

    source: (N, 3) unit. points: per channel. A LUT may match a distribution the wrong way round,
    where a linear map errs on the other side: the mean of two guesses is rarely worse than the
    better one.
    """
    whole = transfer_lut(source, creator.colours, size=points)
    matrix, offset = linear_map(source, creator.colours)
    linear = np.clip(lut_grid(points) @ matrix + offset, 0, 1)
    mean: np.ndarray = (whole + linear.reshape(whole.shape)) / 2
    return mean


class _KernelRegression:
    """Means of values around each point of a LUT; nothing far from all colours.

    Of Nadaraya and Watson, with a Gaussian of one point's width.
    """

    def __init__(self, colours: np.ndarray, config: CalibrationConfig) -> None:
        """colours: (N, 3) unit, at which there are values."""
        corners = list(lut_corners(colours, config.points))
        self._index, self._share = (np.stack(part) for part in zip(*corners, strict=True))
        self._points = config.points
        self._blur = _blur_of(config.points)
        self._counts = self._blurred(np.ones(len(colours))) + config.min_colours

    def looked_up(self, lut: np.ndarray) -> np.ndarray:
        """What `apply_lut` makes of the colours."""
        corners = zip(self._index, self._share, strict=True)
        return weighted_points(lut, corners, self._index.shape[1])

    def means(self, values: np.ndarray) -> np.ndarray:
        """(K, K, K, 3), of values (N, 3)."""
        return np.stack([self._blurred(channel) / self._counts for channel in values.T], -1)

    def _blurred(self, values: np.ndarray) -> np.ndarray:
        weights = (self._share * values).ravel()
        sums = np.bincount(self._index.ravel(), weights, self._points**3)
        cube = sums.reshape((self._points,) * 3)
        for _ in range(3):  # along each axis, which comes last in turn
            cube = np.moveaxis(cube, 0, -1) @ self._blur
        return cube


def _blur_of(points: int) -> np.ndarray:
    """(K, K), symmetric but for its ends: a Gaussian of one point's width, mirrored there."""
    reach = np.arange(-BLUR_REACH, BLUR_REACH + 1)
    weights = np.exp(-(reach**2) / 2)
    period = 2 * points
    blur = np.zeros((points, points))
    for offset, weight in zip(reach, weights / weights.sum(), strict=True):
        source = (np.arange(points) + offset) % period
        source = np.where(source < points, source, period - 1 - source)
        np.add.at(blur, (source, np.arange(points)), weight)
    return blur
