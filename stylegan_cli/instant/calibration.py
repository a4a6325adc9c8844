"""A LUT of the base colour that gives a style's results the colours that are estimated."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import StyleGenerator
from stylegan_cli.colour import apply_lut, linear_map, lut_corners, lut_grid, transfer_lut
from stylegan_cli.instant.config import CalibrationConfig
from stylegan_cli.instant.encoding import SET_COLOURS, SetStatistics
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering import run_generator
from stylegan_cli.runtime.randomness import numpy_generator

log = logging.getLogger(__name__)

_UNSEEN_SHARE = 1 / 255  # of another colour: changes less than a step of 8 bits


@dataclass(frozen=True, slots=True)
class ColourSamples:
    """Colours and the network's outputs for each, all (N, 3) unit.

    photo: `content` colours of content; behind them, every colour of a grid once. base_colour,
    residual: see Generator.
    """

    photo: np.ndarray
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
    results = own = np.clip(colours.base_colour + colours.residual, 0, 1)
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
    wanted = colours.base_colour + results - own
    calibration: np.ndarray = lut_grid(config.points).reshape(*(config.points,) * 3, 3)
    for _ in range(config.boosting_steps):
        missing = wanted - apply_lut(colours.base_colour, calibration)
        calibration = calibration + _smooth_lut(colours.base_colour, missing, config)
    return calibration.astype(np.float32)


@dataclass(frozen=True, slots=True)
class GeneratorOutput:
    """A photo and the network's outputs for it, all (H, W, 3) unit."""

    photo: np.ndarray
    base_colour: np.ndarray
    residual: np.ndarray


def generate_photos(
    generator: StyleGenerator, photos: Sequence[np.ndarray]
) -> list[GeneratorOutput]:
    """The network's outputs for uint8 photos (H, W, 3)."""
    units = [to_unit(photo) for photo in photos]
    return [GeneratorOutput(unit, *run_generator(generator, unit)) for unit in units]


def residual_of(colours: np.ndarray, outputs: Sequence[GeneratorOutput]) -> np.ndarray:
    """What the residual adds to unit colours (N, 3): the residual of the most similar pixel.

    A few photos stand for all content in what the residual does to a colour, but not in how often a
    colour occurs: the style would take on what is special about 24 people.
    """
    from scipy.spatial import KDTree

    rng = numpy_generator(0, 0, "painted colours")
    share = -(-2 * SET_COLOURS // len(outputs))
    pixels, residuals = [], []
    for one in outputs:
        chosen = rng.integers(0, one.photo.shape[0] * one.photo.shape[1], share)
        pixels.append(one.photo.reshape(-1, 3)[chosen])
        residuals.append(one.residual.reshape(-1, 3)[chosen])
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


def _smooth_lut(colours: np.ndarray, values: np.ndarray, config: CalibrationConfig) -> np.ndarray:
    """(K, K, K, 3): the mean of `values` (N, 3) around each point; nothing far from all colours.

    Kernel regression of Nadaraya and Watson, with a Gaussian of one point's width.
    """
    from scipy.ndimage import gaussian_filter

    points = config.points
    sums = np.zeros((points**3, 4))
    weighted = np.column_stack([values, np.ones(len(values))])
    for index, share in lut_corners(colours, points):
        np.add.at(sums, index, share[:, None] * weighted)
    blurred = [gaussian_filter(channel.reshape((points,) * 3), 1) for channel in sums.T]
    means: np.ndarray = np.stack(blurred[:3], -1) / (blurred[3][..., None] + config.min_colours)
    return means
