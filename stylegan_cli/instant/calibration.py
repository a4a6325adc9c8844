"""A LUT of the base colour that removes what is left of a style's colour error."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.colour import (
    apply_lut,
    colour_distance,
    linear_map,
    lut_corners,
    lut_grid,
    transfer_lut,
)
from stylegan_cli.instant.encoding import SET_COLOURS, SetStatistics
from stylegan_cli.instant.generation import GeneratorOutput
from stylegan_cli.runtime.randomness import numpy_generator

log = logging.getLogger(__name__)

# Calibration is trusted with many pictures, and less the further it would move colours: a base errs
# by a few percent, two unlike sets of people differ by a tenth and more. With 30 pictures the
# network is nearer the truth than their colours, with 200 it is not (docs/research/design.md).
TRUSTED_PICTURES = 80  # by half
TRUST_GROWTH = 3  # power of their number by which distrust falls
MIN_FOR_CALIBRATION = 18  # pictures; the trust in fewer is below a hundredth
CALIBRATION_POINTS = 15  # per channel, of a table; 20 kB in a style file
TRUSTED_SHIFT = 0.12  # root mean square, unit colours
TRUSTED_RESIDUAL = 0.1  # root mean square, unit; lines depend on the people, too
DRAWN_GROWTH = 4  # power of it by which distrust grows
DRAWN_RESIDUAL = 0.03  # root mean square, unit; colours are half the closed form's from here on
TWICINGS = 5  # a kernel regression of what is left (Tukey 1977), so that it smooths less
FEW_COLOURS = 0.1  # of SET_COLOURS at a point of a table that are too few to go by


@dataclass(frozen=True, slots=True)
class ColourSamples:
    """Content colours and the network's outputs for each, all (N, 3).

    photo: unit. base_colour, residual: see Generator.
    """

    photo: np.ndarray
    base_colour: np.ndarray
    residual: np.ndarray


def calibrate(
    colours: ColourSamples, creator: SetStatistics, *, wholly: bool = False
) -> np.ndarray:
    """A (K, K, K, 3) LUT of the base colour that moves the results' colours to the creator's.

    Shrunk towards the identity where there is little to trust. The less a style draws, the more its
    colours are the closed form's, which is nearer the truth with many pictures. wholly: they are
    the closed form's alone.
    """
    results = np.clip(colours.base_colour + colours.residual, 0, 1)
    moved_by = colour_transfer(results, creator)
    shift = apply_lut(results, moved_by) - results
    moved = float(np.sqrt(np.mean(shift**2)))
    enough = 1 / (1 + (TRUSTED_PICTURES / creator.count) ** TRUST_GROWTH)
    energy = float(np.sqrt(np.mean(colours.residual**2)))
    drawn = 1 / (1 + (energy / TRUSTED_RESIDUAL) ** DRAWN_GROWTH)
    trust = 1.0 if wholly else enough * drawn / (1 + (moved / TRUSTED_SHIFT) ** 2)
    nodes = lut_grid(CALIBRATION_POINTS)
    shrunk = nodes + trust * (apply_lut(nodes, moved_by) - nodes)
    calibration: np.ndarray = shrunk.reshape(*(CALIBRATION_POINTS,) * 3, 3)
    log.info("calibration moves colours by %.3f and is trusted to %.0f %%", moved, 100 * trust)
    carry = mean_transfer if wholly else colour_transfer
    closed_form = apply_lut(colours.photo, carry(colours.photo, creator))
    share = 1.0 if wholly else trust / (1 + (energy / DRAWN_RESIDUAL) ** 2)
    found = colours.base_colour + trust * shift
    wanted = found + share * (closed_form - colours.residual - found)
    for _ in range(TWICINGS):
        missing = wanted - apply_lut(colours.base_colour, calibration)
        calibration += _smooth_lut(colours.base_colour, missing)
    return calibration.astype(np.float32)


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


def colour_transfer(source: np.ndarray, creator: SetStatistics) -> np.ndarray:
    """A LUT that carries unit colours (N, 3) to the distribution of the creator's.

    The linear map, or a LUT of the whole distribution where that is closer on held-out pictures: on
    the same pictures a LUT also gains by fitting what is special about these people.
    """
    source = numpy_generator(0, 0, "calibration").permutation(source)
    sources = source[::2], source[1::2]
    targets = creator.every_second()

    def missed(fit: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> float:
        luts = [fit(*halves) for halves in zip(sources, targets, strict=True)]
        aside = zip(luts, reversed(sources), reversed(targets), strict=True)
        return sum(colour_distance(apply_lut(some, lut), rest) for lut, some, rest in aside)

    closest = min(_linear_lut, _whole_lut, key=missed)
    return closest(source, creator.colours)


def mean_transfer(source: np.ndarray, creator: SetStatistics) -> np.ndarray:
    """The mean of the two LUTs of `colour_transfer`, for styles that no LUT can follow.

    A LUT may match a distribution the wrong way round, where a linear map errs on the other side:
    the mean of two guesses is rarely worse than the better one.
    """
    whole = _whole_lut(source, creator.colours)
    linear = apply_lut(lut_grid(CALIBRATION_POINTS), _linear_lut(source, creator.colours))
    mean: np.ndarray = (whole + np.clip(linear, 0, 1).reshape(whole.shape)) / 2
    return mean


def _linear_lut(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    matrix, offset = linear_map(source, target)
    lut: np.ndarray = (lut_grid(2) @ matrix + offset).reshape(2, 2, 2, 3)
    return lut


def _whole_lut(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return transfer_lut(source, target, size=CALIBRATION_POINTS)


def _smooth_lut(colours: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(K, K, K, 3): the mean of `values` (N, 3) around each point; nothing far from all colours.

    Kernel regression of Nadaraya and Watson, with a Gaussian of one point's width.
    """
    from scipy.ndimage import gaussian_filter

    points = CALIBRATION_POINTS
    sums = np.zeros((points**3, 4))
    weighted = np.column_stack([values, np.ones(len(values))])
    for index, share in lut_corners(colours, points):
        np.add.at(sums, index, share[:, None] * weighted)
    blurred = [gaussian_filter(channel.reshape((points,) * 3), 1) for channel in sums.T]
    means: np.ndarray = np.stack(blurred[:3], -1) / (blurred[3][..., None] + FEW_COLOURS)
    return means
