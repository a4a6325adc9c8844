"""A creator's own variety: how the codes of single pictures spread."""

import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.instant.reading import LookSet, code_of, read_set, starter_photos
from stylegan_cli.pictures import to_unit
from stylegan_cli.style_file import Base

VARIETY_RANK = 4
VARIETY_SHRINK = 0.7
FEWEST_FOR_VARIETY = 5
MOST_FOR_VARIETY = 32


def variety_of(
    base: Base, backend: Backend, creator: LookSet, before: np.ndarray, rank: int
) -> np.ndarray:
    """Root of the spread of the creator's single pictures, less the encoder's own noise.

    Returns (rank, code_dim). A creator of few pictures gets a share of the base's prior.
    """
    if creator.count < FEWEST_FOR_VARIETY:
        return VARIETY_SHRINK * base.prior_spread[:rank]
    codes = _single_codes(backend, creator, before)
    noise = base.prior_spread.T @ base.prior_spread
    spread = np.cov(codes.T) - noise
    values, vectors = np.linalg.eigh(spread)
    kept = np.argsort(values)[::-1][:rank]
    root = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))
    return np.asarray(VARIETY_SHRINK * root.T, np.float32)


def measure_prior_spread(base: Base, backend: Backend) -> np.ndarray:
    """The encoder's own noise: how codes of single photos without any look spread, as a root.

    Returns (rank, code_dim): directions scaled by their standard deviation.
    """
    photos = read_set(starter_photos()[:MOST_FOR_VARIETY], backend)
    codes = _single_codes(backend, photos, to_unit(base.content_colours))
    _, scale, directions = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    root = directions * (scale / np.sqrt(len(codes)))[:, None]
    return np.asarray(root[: 2 * VARIETY_RANK], np.float32)


def _single_codes(backend: Backend, pictures: LookSet, before: np.ndarray) -> np.ndarray:
    """The code of each picture by itself, (N, code_dim), for MOST_FOR_VARIETY at most."""
    return np.stack(
        [
            code_of(backend, pictures.moments[i], pictures.colours_of(i), before, pictures.count)
            for i in range(min(pictures.count, MOST_FOR_VARIETY))
        ]
    )
