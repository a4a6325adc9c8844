"""A code moved by what is heard of its own results, as far as they come nearer."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import Backend, StyleGenerator
from stylegan_cli.instant.encoding import SET_COLOURS, SetStatistics, code_of

REFINEMENT_SHARE = 0.5  # of the difference between a look and what is heard of its results
MIN_FOR_SECOND_STEP = 20  # pictures from which a second hearing gains more than it costs
CHECKED = 4  # of so many tiles one says whether a step was one


@dataclass(frozen=True, slots=True)
class CodeRefiner:
    """Reads a look's own results as a creator's pictures are read.

    before: (N, 3) unit content colours. tiles: of content, (N, 3, H, W) in [-1, 1], few of each
    photo: what tells their content from others' would be taken for the look.
    """

    creator: SetStatistics
    before: np.ndarray
    backend: Backend
    tiles: np.ndarray

    def code(self, moments: np.ndarray, colours: np.ndarray) -> np.ndarray:
        """The code (code_dim,) of moments (moments_dim,) and unit colours (N, 3)."""
        return code_of(self.backend, moments, colours, self.before, self.creator.count)

    def paint(self, generator: StyleGenerator, every: int = 1) -> np.ndarray:
        """Every so-manieth tile as `generator` paints it, (N, 3, H, W) in [-1, 1]."""
        tiles = self.tiles[::every]
        return np.concatenate([np.clip(sum(generator(tile[None])), -1, 1) for tile in tiles])

    def encode_results(self, results: np.ndarray) -> np.ndarray:
        """The code (code_dim,) of painted tiles."""
        colours = results.transpose(0, 2, 3, 1).reshape(-1, 3) / 2 + 0.5
        some = colours[:: max(1, len(colours) // SET_COLOURS)]
        return self.code(self.backend.moments(results).mean(0), some)


def refine_code(
    refiner: CodeRefiner, generator_of: Callable[[np.ndarray], StyleGenerator]
) -> np.ndarray:
    """The code of the listener's set, moved by half of what its results lack.

    What is read is shrunk towards the average look, as every estimate is, and so would be what is
    painted. A step that leaves them lacking more is not taken: what draws more in one place may
    turn the whole look inside out.
    """
    creator = refiner.creator
    code = wanted = refiner.code(creator.moments.mean(0), creator.colours)

    def lack(results: np.ndarray) -> np.ndarray:
        missing: np.ndarray = wanted - refiner.encode_results(results)
        return missing

    for _ in range(2 if creator.count >= MIN_FOR_SECOND_STEP else 1):
        results = refiner.paint(generator_of(code))
        lacking = lack(results)
        nearer = code + REFINEMENT_SHARE * lacking
        # Few tiles have people of their own, which say nothing of how a step changes the results.
        gained = lack(results[::CHECKED]) - lack(refiner.paint(generator_of(nearer), CHECKED))
        if np.linalg.norm(lacking - gained) >= np.linalg.norm(lacking):
            break
        code = nearer
    return code
