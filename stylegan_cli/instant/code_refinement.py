"""A code corrected by the code of its own results, as far as that brings them nearer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import Backend, StyleGenerator
from stylegan_cli.instant.config import RefinementConfig
from stylegan_cli.instant.encoding import SET_COLOURS, SetStatistics, code_of, step_for


@dataclass(frozen=True, slots=True)
class CodeRefiner:
    """Encodes a style's own results as it encodes a creator's pictures.

    content_colours: (N, 3) unit. tiles: of content, (N, 3, H, W) in [-1, 1], few of each
    photo: otherwise the style would take on what is special about their content.
    """

    creator: SetStatistics
    content_colours: np.ndarray
    backend: Backend
    tiles: np.ndarray

    def code(self, moments: np.ndarray, colours: np.ndarray) -> np.ndarray:
        """The code (code_dim,) of moments (moments_dim,) and unit colours (N, 3)."""
        return code_of(self.backend, moments, colours, self.content_colours, self.creator.count)

    def stylize_tiles(self, generator: StyleGenerator, every: int = 1) -> np.ndarray:
        """The results of every so many tiles, (N, 3, H, W) in [-1, 1]."""
        tiles = self.tiles[::every]
        results = self.backend.map(lambda tile: np.clip(sum(generator(tile[None])), -1, 1), tiles)
        return np.concatenate(results)

    def encode_results(self, results: np.ndarray) -> np.ndarray:
        """The code (code_dim,) of stylized tiles."""
        colours = results.transpose(0, 2, 3, 1).reshape(-1, 3) / 2 + 0.5
        some = colours[:: max(1, len(colours) // SET_COLOURS)]
        return self.code(self.backend.moments(results).mean(0), some)


def refine_code(
    refiner: CodeRefiner,
    generator_of: Callable[[np.ndarray], StyleGenerator],
    config: RefinementConfig,
) -> np.ndarray:
    """The code of the creator's set, moved by a share of the error of its results' code.

    Every estimate shrinks towards the average; without a correction, results would, too. A step
    that makes the error larger is not taken: more drawing in one place may invert the whole style.
    """
    creator = refiner.creator
    code = wanted = refiner.code(creator.mean_moments, creator.colours)

    def error_of(results: np.ndarray) -> np.ndarray:
        error: np.ndarray = wanted - refiner.encode_results(results)
        return error

    limits = config.min_tiles, config.tiles_per_picture
    every = step_for(creator.count, len(refiner.tiles), *limits)
    for _ in range(2 if creator.count >= config.min_for_second_step else 1):
        results = refiner.stylize_tiles(generator_of(code), every)
        error = error_of(results)
        corrected = code + config.share * error
        # Few tiles show particular people: only how the error changes on them is meaningful.
        gain = error_of(results[:: config.check_every]) - error_of(
            refiner.stylize_tiles(generator_of(corrected), every * config.check_every)
        )
        if np.linalg.norm(error - gain) >= np.linalg.norm(error):
            break
        code = corrected
    return code
