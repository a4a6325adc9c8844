"""Novel styles: whether a closed form is nearer to one than what the network draws."""

import logging

import numpy as np

from stylegan_cli.backends import Backend, StyleGenerator
from stylegan_cli.colour import apply_lut, style_statistics
from stylegan_cli.instant.calibration import mean_transfer
from stylegan_cli.instant.encoding import SetStatistics
from stylegan_cli.networks.architecture import LIMIT
from stylegan_cli.styles import Base

log = logging.getLogger(__name__)

# Mean square of the inputs of the encoder's head, in deviations over pre-training: 0.2 to 1 for its
# synthetic looks, 0.3 to 1.1 for painters, up to 6 for kinds that it never met
# (docs/research/design.md).
MAX_FAMILIAR_NOVELTY = 1.3
# Root mean square of a residual, unit. A style that draws nothing gains nothing over a closed form;
# one that draws much was encoded well enough.
MIN_DRAWN, MAX_DRAWN = 0.01, 0.1
COMPARED_TILES = 32


def closed_form_is_nearer(
    base: Base,
    creator: SetStatistics,
    before: np.ndarray,
    backend: Backend,
    generator: StyleGenerator,
    tiles: np.ndarray,
) -> bool:
    """Whether a novel style is nearer to a transfer of colours than to the network's results.

    A network takes a kind of style that it has not learnt for another kind. Its results may be
    further from the creator's pictures than the closed form, by the encoder's own moments. before:
    (N, 3) unit content colours. tiles: of content, (N, 3, H, W) in [-1, 1].
    """
    statistics = style_statistics(creator.colours, before, creator.count)
    wanted = _head_inputs(base, creator.mean_moments, statistics)
    novelty = float(np.mean(wanted**2))
    if novelty < MAX_FAMILIAR_NOVELTY:
        return False
    some = tiles[:: max(1, len(tiles) // COMPARED_TILES)]
    outputs = [generator(tile[None]) for tile in some]
    energy = float(np.sqrt(np.mean([np.mean((residual / 2) ** 2) for _, residual in outputs])))
    network = np.concatenate(
        [np.clip(base_colour + residual, -1, 1) for base_colour, residual in outputs]
    )
    lut = mean_transfer(before, creator)
    colours = apply_lut(some.transpose(0, 2, 3, 1).reshape(-1, 3) / 2 + 0.5, lut)
    transferred = colours.reshape(len(some), *some.shape[2:], 3).transpose(0, 3, 1, 2) * 2 - 1
    gaps = [
        float(np.mean((_head_inputs(base, backend.moments(x).mean(0), statistics) - wanted) ** 2))
        for x in (network, np.ascontiguousarray(transferred, np.float32))
    ]
    log.info(
        "a novel style (%.1f): network %.3f away, residual of %.3f; closed form %.3f away",
        *(novelty, gaps[0], energy, gaps[1]),
    )
    return energy < MIN_DRAWN or (energy < MAX_DRAWN and gaps[1] < gaps[0])


def _head_inputs(base: Base, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """The encoder head's inputs for a set, in deviations; see networks.style_encoder.StyleHead."""
    first, second = np.split(moments, 2)
    deviation = np.sqrt(np.maximum(second - first**2, 1e-8))
    described = np.concatenate([first / deviation, np.log(deviation), statistics])
    head = base.encoder_part("head.")
    standard = (described - head["head.centre"]) * head["head.scale"]
    clipped: np.ndarray = np.clip(standard, -LIMIT, LIMIT)
    return clipped
