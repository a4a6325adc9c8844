"""A creator's own variation: how the codes of single pictures differ."""

import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.instant.config import DEFAULTS, VariationConfig
from stylegan_cli.instant.encoding import SetStatistics, code_of, read_set
from stylegan_cli.pictures import to_unit
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import Base


def code_factors_of(
    base: Base,
    backend: Backend,
    creator: SetStatistics,
    content_colours: np.ndarray,
    config: VariationConfig,
) -> np.ndarray:
    """Root of the covariance of the codes of single pictures, less the encoder's own noise.

    Returns (config.rank, code_dim). A creator of few pictures gets a share of the base's prior.
    """
    if creator.count < config.min_pictures:
        return config.shrinkage * base.prior_code_factors[: config.rank]
    codes = _single_codes(backend, creator, content_colours, config.max_pictures)
    noise = base.prior_code_factors.T @ base.prior_code_factors
    covariance = np.cov(codes.T) - noise
    values, vectors = np.linalg.eigh(covariance)
    kept = np.argsort(values)[::-1][: config.rank]
    root = vectors[:, kept] * np.sqrt(np.maximum(values[kept], 0))
    return np.asarray(config.shrinkage * root.T, np.float32)


def measure_prior_code_factors(
    base: Base, backend: Backend, config: VariationConfig = DEFAULTS.variation
) -> np.ndarray:
    """The encoder's own noise: the root of the covariance of codes of single, unstyled photos.

    Returns (rank, code_dim): directions scaled by their standard deviation.
    """
    photos = read_set(starter_photos()[: config.max_pictures], backend)
    codes = _single_codes(backend, photos, to_unit(base.content_colours), config.max_pictures)
    _, scale, directions = np.linalg.svd(codes - codes.mean(0), full_matrices=False)
    root = directions * (scale / np.sqrt(len(codes)))[:, None]
    return np.asarray(root[: 2 * config.rank], np.float32)


def _single_codes(
    backend: Backend, pictures: SetStatistics, content_colours: np.ndarray, max_pictures: int
) -> np.ndarray:
    """The code of each of so many pictures, at most, by itself, (N, code_dim)."""

    def code(index: int) -> np.ndarray:
        moments, colours = pictures.moments[index], pictures.colours_of(index)
        return code_of(backend, moments, colours, content_colours, pictures.count)

    return np.stack(backend.map(code, range(min(pictures.count, max_pictures))))
