"""A look of colour alone as a style, and whether it is nearer to a creator's than a network's."""

import dataclasses
import logging

import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.colour import apply_lut, lut_grid, style_statistics
from stylegan_cli.instant.encoding import SetStatistics
from stylegan_cli.instant.novelty import MAX_DRAWN, MIN_DRAWN, head_inputs
from stylegan_cli.networks.architecture import READ_SHORT_SIDE
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.rendering import bake_lut
from stylegan_cli.styles import Base, Style

log = logging.getLogger(__name__)

COMPARED_TILES = 48
CALIBRATION_POINTS = 17  # per channel, of the style's table
INVERSION_STEPS = 20


def folded_network(style: Style, base: Base) -> dict[str, np.ndarray]:
    """The base's weights with an instant style folded in, as at the size that pictures are read."""
    closed_form = style.matrix, style.offset
    return fold_style(
        base.generator_tensors, base.generator, *closed_form, style.code, READ_SHORT_SIDE
    )


def network_lut(style: Style, base: Base, points: int) -> np.ndarray:
    """What a style does to each pixel alone, (points, points, points, 3) unit."""
    return bake_lut(folded_network(style, base), style.calibration, points)


def style_of_lut(style: Style, base: Base, lut: np.ndarray) -> Style:
    """`style` with another look: the table `lut` alone, (K, K, K, 3) unit.

    With no colour map and no code, the network's per-pixel part is nearly the identity: inverted
    in front of the table, it leaves nothing else.
    """
    bare = dataclasses.replace(
        style,
        matrix=np.eye(3, dtype=np.float32),
        offset=np.zeros(3, np.float32),
        code=np.zeros_like(style.code),
        calibration=None,
    )
    folded, nodes = folded_network(bare, base), lut_grid(CALIBRATION_POINTS)
    sources = nodes.copy()
    for _ in range(INVERSION_STEPS):  # a fixed point, as the network moves colours by little
        sources = np.clip(sources + nodes - apply_colour(folded, sources), 0, 1)
    calibration = apply_lut(sources, lut).reshape(*(CALIBRATION_POINTS,) * 3, 3)
    return dataclasses.replace(bare, calibration=calibration).with_info(mode="colour")


def lut_is_nearer(
    style: Style,
    lut: np.ndarray,
    base: Base,
    backend: Backend,
    creator: SetStatistics,
    before: np.ndarray,
    tiles: np.ndarray,
) -> bool:
    """Whether photos in `lut` are nearer to the creator's pictures than photos in `style`.

    By the style encoder's own moments, which see lines and glow. Where a network draws next to
    nothing, the table is; where it draws much, no table is. before: (N, 3) unit content colours.
    tiles: of content, (N, 3, H, W) in [-1, 1].
    """
    some = tiles[:: max(1, len(tiles) // COMPARED_TILES)]
    generator = backend.generator(folded_network(style, base))
    residual = np.concatenate([generator(tile[None])[1] for tile in some]) / 2
    energy = float(np.sqrt(np.mean(residual**2))) if style.info.mode != "colour" else 0.0
    if not MIN_DRAWN < energy < MAX_DRAWN:
        log.info("the network draws %.3f", energy)
        return energy <= MIN_DRAWN
    statistics = style_statistics(creator.colours, before, creator.count)
    wanted = head_inputs(base, creator.moments.mean(0), statistics)
    own = _coloured(some, network_lut(style, base, 2 * CALIBRATION_POINTS - 1)) + 2 * residual
    gaps = [
        float(np.mean((head_inputs(base, backend.moments(x).mean(0), statistics) - wanted) ** 2))
        for x in (np.clip(own, -1, 1), _coloured(some, lut))
    ]
    log.info("the network draws %.3f and is %.3f away, a table %.3f", energy, *gaps)
    return gaps[1] < gaps[0]


def _coloured(tiles: np.ndarray, lut: np.ndarray) -> np.ndarray:
    """Tiles (N, 3, H, W) in [-1, 1] after a table."""
    colours = apply_lut(tiles.transpose(0, 2, 3, 1).reshape(-1, 3) / 2 + 0.5, lut)
    shaped = colours.reshape(len(tiles), *tiles.shape[2:], 3).transpose(0, 3, 1, 2)
    return np.ascontiguousarray(shaped * 2 - 1, np.float32)
