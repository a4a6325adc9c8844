"""Out-of-distribution styles: whether a closed form is nearer to one than the network."""

import logging

import numpy as np

from stylegan_cli.backends import Backend, StyleGenerator
from stylegan_cli.colour import apply_lut, style_statistics
from stylegan_cli.instant.config import InstantConfig
from stylegan_cli.instant.encoding import SetStatistics
from stylegan_cli.networks.architecture import CLIP_DEVIATIONS
from stylegan_cli.styles import Base

log = logging.getLogger(__name__)


def closed_form_is_nearer(
    base: Base,
    creator: SetStatistics,
    content_colours: np.ndarray,
    backend: Backend,
    generator: StyleGenerator,
    tiles: np.ndarray,
    transfer: np.ndarray,
    config: InstantConfig,
) -> bool:
    """Whether a style is out of distribution, and nearer to a colour transfer than to the network.

    A network takes a kind of style that it has not learned for another kind. Its results may be
    further from the creator's pictures than the closed form, by the encoder's own moments.

    content_colours: (N, 3) unit. tiles: of content, (N, 3, H, W) in [-1, 1]. transfer: the LUT of
    the closed form.
    """
    if creator.count < config.out_of_distribution.min_pictures:
        return False
    statistics = style_statistics(creator.colours, content_colours, creator.count)
    wanted = _head_inputs(base, creator.mean_moments, statistics)
    limits = config.out_of_distribution
    deviation = float(np.mean(wanted**2))
    if deviation < limits.max_deviation:
        return False
    some = tiles[:: max(1, len(tiles) // limits.tiles)]
    outputs = backend.map(lambda tile: generator(tile[None]), some)
    strength = float(np.sqrt(np.mean([np.mean((residual / 2) ** 2) for _, residual in outputs])))
    network = np.concatenate(
        [np.clip(base_colour + residual, -1, 1) for base_colour, residual in outputs]
    )
    colours = apply_lut(some.transpose(0, 2, 3, 1).reshape(-1, 3) / 2 + 0.5, transfer)
    transferred = colours.reshape(len(some), *some.shape[2:], 3).transpose(0, 3, 1, 2) * 2 - 1
    gaps = [
        float(np.mean((_head_inputs(base, backend.moments(x).mean(0), statistics) - wanted) ** 2))
        for x in (network, np.ascontiguousarray(transferred, np.float32))
    ]
    log.info(
        "out of distribution by %.1f: network %.3f away, residual of %.3f; closed form %.3f away",
        *(deviation, gaps[0], strength, gaps[1]),
    )
    return strength < limits.min_drawn or (strength < limits.max_drawn and gaps[1] < gaps[0])


def _head_inputs(base: Base, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
    """The encoder head's inputs for a set, in deviations; see networks.style_encoder.StyleHead."""
    first, second = np.split(moments, 2)
    deviation = np.sqrt(np.maximum(second - first**2, 1e-8))
    described = np.concatenate([first / deviation, np.log(deviation), statistics])
    head = base.encoder_part("head.")
    standard = (described - head["head.centre"]) * head["head.scale"]
    clipped: np.ndarray = np.clip(standard, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
    return clipped
