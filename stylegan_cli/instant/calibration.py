"""A LUT of the base colour that removes what is left of a style's colour error."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import StyleGenerator
from stylegan_cli.colour import (
    apply_lut,
    colour_distance,
    linear_map,
    lut_corners,
    lut_grid,
    transfer_lut,
)
from stylegan_cli.instant.config import CalibrationConfig
from stylegan_cli.instant.encoding import SET_COLOURS, SetStatistics
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering import run_generator
from stylegan_cli.runtime.randomness import numpy_generator

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ColourSamples:
    """Content colours and the network's outputs for each, all (N, 3).

    photo: unit. base_colour, residual: see Generator.
    """

    photo: np.ndarray
    base_colour: np.ndarray
    residual: np.ndarray


def calibrate(
    colours: ColourSamples,
    creator: SetStatistics,
    config: CalibrationConfig,
    *,
    closed_form_only: bool = False,
) -> np.ndarray:
    """A (K, K, K, 3) LUT of the base colour that moves the results' colours to the creator's.

    Shrunk towards the identity where there is little to trust. The less a style draws, the more its
    colours are the closed form's, which is nearer the truth with many pictures. closed_form_only:
    they are the closed form's alone.
    """
    results = np.clip(colours.base_colour + colours.residual, 0, 1)
    moved_by = colour_transfer(results, creator, config.points)
    shift = apply_lut(results, moved_by) - results
    moved = float(np.sqrt(np.mean(shift**2)))
    enough = 1 / (1 + (config.half_trust_pictures / creator.count) ** config.trust_growth)
    energy = float(np.sqrt(np.mean(colours.residual**2)))
    drawn = 1 / (1 + (energy / config.half_trust_residual) ** config.residual_growth)
    trust = enough * drawn / (1 + (moved / config.half_trust_shift) ** 2)
    trust = 1.0 if closed_form_only else trust
    nodes = lut_grid(config.points)
    shrunk = nodes + trust * (apply_lut(nodes, moved_by) - nodes)
    calibration: np.ndarray = shrunk.reshape(*(config.points,) * 3, 3)
    log.info("calibration moves colours by %.3f and is trusted to %.0f %%", moved, 100 * trust)
    transfer = mean_transfer if closed_form_only else colour_transfer
    closed_form = apply_lut(colours.photo, transfer(colours.photo, creator, config.points))
    share = trust / (1 + (energy / config.half_closed_form_residual) ** 2)
    share = 1.0 if closed_form_only else share
    found = colours.base_colour + trust * shift
    wanted = found + share * (closed_form - colours.residual - found)
    for _ in range(config.boosting_steps):
        missing = wanted - apply_lut(colours.base_colour, calibration)
        calibration += _smooth_lut(colours.base_colour, missing, config)
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


def colour_transfer(source: np.ndarray, creator: SetStatistics, points: int) -> np.ndarray:
    """A LUT that moves unit colours (N, 3) to the distribution of the creator's.

    points: per channel.

    The linear map, or a LUT of the whole distribution where that is closer on held-out pictures: on
    the same pictures a LUT also gains by fitting what is special about these people.
    """
    source = numpy_generator(0, 0, "calibration").permutation(source)
    sources = source[::2], source[1::2]
    targets = creator.every_second()

    def whole_lut(source: np.ndarray, target: np.ndarray) -> np.ndarray:
        return transfer_lut(source, target, size=points)

    def held_out_error(fit: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        luts = [fit(*halves) for halves in zip(sources, targets, strict=True)]
        held_out = zip(luts, reversed(sources), reversed(targets), strict=True)
        return sum(colour_distance(apply_lut(some, lut), rest) for lut, some, rest in held_out)

    closest = min(_linear_lut, whole_lut, key=held_out_error)
    return closest(source, creator.colours)


def mean_transfer(source: np.ndarray, creator: SetStatistics, points: int) -> np.ndarray:
    """The mean of the two LUTs of `colour_transfer`, for styles that no LUT can follow.

    A LUT may match a distribution the wrong way round, where a linear map errs on the other side:
    the mean of two guesses is rarely worse than the better one.
    """
    whole = transfer_lut(source, creator.colours, size=points)
    linear = apply_lut(lut_grid(points), _linear_lut(source, creator.colours))
    mean: np.ndarray = (whole + np.clip(linear, 0, 1).reshape(whole.shape)) / 2
    return mean


def _linear_lut(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    matrix, offset = linear_map(source, target)
    lut: np.ndarray = (lut_grid(2) @ matrix + offset).reshape(2, 2, 2, 3)
    return lut


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
