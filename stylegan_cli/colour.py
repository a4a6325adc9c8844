"""Closed forms on colours: the linear map and the table between two sets, and what describes a set.

All functions take unit colours, shape (N, 3), and are numpy only.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

LUMA_WEIGHTS = (0.299, 0.587, 0.114)  # ITU-R BT.601
LUMA = np.array(LUMA_WEIGHTS, np.float32)
# Orthonormal axes of colour, which leave the mean of the channels as it is.
COLOUR_AXES = np.array([[1, 0, -1], [-1, 2, -1]], np.float32) / np.sqrt(
    [[2], [6]], dtype=np.float32
)
MAX_GREY_RANGE = 0.02  # mean range of the channels of a black-and-white LUT, unit
QUANTILES = 17
LUMA_BANDS = 8

Colours = np.ndarray


def linear_map(source: Colours, target: Colours) -> tuple[np.ndarray, np.ndarray]:
    """Matrix (3, 3) and offset (3,) carrying the source's mean and covariance to the target's.

    The Monge-Kantorovich map between two Gaussians (Pitié & Kokaram 2007, eq. 12):
    `x @ matrix + offset`.
    """
    regular = 1e-5 * np.eye(3)  # a grey set has no spread of hue: keep the inverse finite
    source_cov = np.cov(source.T, dtype=np.float64) + regular
    target_cov = np.cov(target.T, dtype=np.float64) + regular
    root = _root(source_cov)
    inverse = np.linalg.inv(root)
    matrix = inverse @ _root(root @ target_cov @ root) @ inverse
    offset = target.mean(0, dtype=np.float64) - source.mean(0, dtype=np.float64) @ matrix
    return matrix.astype(np.float32), offset.astype(np.float32)


def lut_grid(size: int) -> Colours:
    """The `size`³ colours of a regular table, first channel slowest. Shape (size³, 3) float32."""
    grid = np.linspace(0, 1, size, dtype=np.float32)
    return np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), -1).reshape(-1, 3)


def transfer_lut(
    source: Colours, target: Colours, size: int = 17, rotations: int = 30, step: float = 0.7
) -> np.ndarray:
    """(size, size, size, 3) table carrying the source's distribution to the target's.

    Iterative distribution transfer (Pitié et al. 2007, algorithm 1) from the linear map on, with
    relaxed steps so that sparse corners of the table stay smooth.
    """
    matrix, offset = linear_map(source, target)
    moved, nodes = source @ matrix + offset, lut_grid(size) @ matrix + offset
    shares = np.linspace(0, 1, 200)
    for seed in range(rotations):
        rotation = _random_rotation(seed)
        s, t, n = moved @ rotation, target @ rotation, nodes @ rotation
        for axis in range(3):
            before, after = _quantiles(s[:, axis], shares), _quantiles(t[:, axis], shares)
            s[:, axis] += step * (_transport(s[:, axis], before, after) - s[:, axis])
            n[:, axis] += step * (_transport(n[:, axis], before, after) - n[:, axis])
        moved, nodes = s @ rotation.T, n @ rotation.T
    lut: np.ndarray = nodes.reshape(size, size, size, 3).astype(np.float32)
    return lut


def apply_lut(colours: Colours, lut: np.ndarray) -> Colours:
    """Trilinear look-up of unit colours (N, 3) in a (K, K, K, 3) table; clips to its range."""
    return weighted_points(lut, lut_corners(colours, len(lut)), len(colours))


def weighted_points(
    lut: np.ndarray, corners: Iterable[tuple[np.ndarray, np.ndarray]], count: int
) -> Colours:
    """What `apply_lut` makes of so many colours of which these are the corners."""
    points = lut.reshape(-1, 3)
    result: np.ndarray = np.zeros((count, 3), np.float32)
    for index, share in corners:
        result += share[:, None] * np.take(points, index, axis=0)
    return result


def lut_weights(colours: Colours, size: int) -> np.ndarray:
    """What `apply_lut` makes of each point: (N, size³) float32, rows adding up to 1."""
    weights = np.zeros((len(colours), size**3), np.float32)
    rows = np.arange(len(colours))
    for index, share in lut_corners(colours, size):
        weights[rows, index] += share
    return weights


def lut_corners(colours: Colours, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The eight points of a table around each unit colour, as index and share, (N,) each."""
    position = np.clip(colours, 0, 1).astype(np.float32) * (size - 1)
    low = np.minimum(position.astype(np.int32), size - 2)
    red, green, blue = low.T
    index = (red * size + green) * size + blue
    past = position - low
    shares = [(1 - weight, weight) for weight in past.T]
    for i, j, k in np.ndindex(2, 2, 2):
        share = shares[0][i] * shares[1][j] * shares[2][k]
        yield index + (i * size + j) * size + k, share


def is_grey(lut: np.ndarray) -> bool:
    """Whether a LUT (..., 3), unit, makes black-and-white pictures."""
    return bool(np.ptp(lut, axis=-1).mean() < MAX_GREY_RANGE)


def cosine_basis(places: np.ndarray, order: int, length: float, lowest: int = 0) -> np.ndarray:
    """Smooth functions at places (N, D), unit: (N, functions) float32.

    Products of cosines along the axes whose orders add up to `lowest` to `order`. With standard
    normal weights, their sum is a Gaussian process of variance one whose kernel is the squared
    exponential of `length`, cut to these orders (Solin & Särkkä 2020).
    """
    axes = np.meshgrid(*[np.arange(order + 1)] * places.shape[1])
    orders = np.stack(axes, -1).reshape(-1, places.shape[1])
    orders = orders[(orders.sum(1) >= lowest) & (orders.sum(1) <= order)]
    spectrum = np.exp(-((np.pi * length) ** 2) / 2 * np.square(orders).sum(1))
    scale = np.sqrt(2.0 ** np.count_nonzero(orders, axis=1) * spectrum / spectrum.sum())
    waves = np.cos(np.pi * places[..., None].astype(np.float32) * np.arange(order + 1))
    basis: np.ndarray = scale.astype(np.float32)[None]
    for axis, along in enumerate(orders.T):
        basis = basis * waves[:, axis, along]
    return basis.astype(np.float32)


def with_luma_of(styled: np.ndarray, photo: np.ndarray) -> np.ndarray:
    """`photo`'s colours with the luma of `styled`; (H, W, 3) unit each, float32.

    Luminance-only transfer (Gatys et al. 2016, "Preserving color in neural artistic style
    transfer", section 4) on ITU-R BT.601 luma. Where no such colour exists, what stands out of grey
    is reduced and the luma kept.
    """
    luma = np.clip(styled @ LUMA, 0, 1)[..., None]
    chroma = photo - (photo @ LUMA)[..., None]
    headroom = np.where(chroma > 0, 1 - luma, luma)
    share = np.min(headroom / np.maximum(np.abs(chroma), 1e-6), axis=-1, keepdims=True)
    result: np.ndarray = np.clip(luma + np.minimum(share, 1) * chroma, 0, 1)
    return result.astype(np.float32)


def style_statistics(creator: Colours, content: Colours, picture_count: int) -> np.ndarray:
    """What the style encoder is told about the colours of a creator's set beside the content's.

    creator: (N, 3), content: (M, 3) unit colours sampled from all pictures of each set.
    picture_count: how many pictures stand behind `creator`.
    Returns (STATISTICS_DIM,) float32: map, moments, quantiles of both sets after the linear map,
    mean colours at equal ranks of luma, and log(picture_count).
    """
    matrix, offset = linear_map(content, creator)
    mapped = content @ matrix + offset
    parts: list[npt.ArrayLike] = [
        matrix.ravel() - np.eye(3, dtype=np.float32).ravel(),
        offset,
        *(np.concatenate([c.mean(0), c.std(0)]) for c in (creator, content)),
        np.sqrt(np.abs(np.cov(creator.T)[np.triu_indices(3, 1)])),
        *(_marginals(c) for c in (creator, mapped)),
        *(_luma_bands(c, luma_of) for c, luma_of in ((creator, creator), (mapped, content))),
        [np.log(picture_count) / np.log(250)],
    ]
    return np.concatenate(parts).astype(np.float32)


STATISTICS_DIM = 9 + 3 + 12 + 3 + 2 * 5 * QUANTILES + 2 * 6 * LUMA_BANDS + 1


def sample_colours(pictures: list[np.ndarray], count: int, rng: np.random.Generator) -> Colours:
    """`count` unit colours, an equal share from each uint8 picture (H, W, 3). Shape (count, 3)."""
    share = -(-count // len(pictures))
    drawn = [
        picture.reshape(-1, 3)[rng.integers(0, picture.shape[0] * picture.shape[1], share)]
        for picture in pictures
    ]
    colours = np.concatenate(drawn).astype(np.float32) / 255
    return colours[rng.permutation(len(colours))[:count]]


def _marginals(colours: Colours) -> np.ndarray:
    """Quantiles of R, G, B, luma and saturation. Shape (5 * QUANTILES,)."""
    luma = colours @ LUMA
    saturation = colours.max(1) - colours.min(1)
    shares = np.linspace(0.005, 0.995, QUANTILES)
    return np.concatenate([_quantiles(values, shares) for values in (*colours.T, luma, saturation)])


def _quantiles(values: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What np.quantile says of values (N,) at sorted shares: sorting is quicker for so many."""
    places = shares * (len(values) - 1)
    return np.asarray(np.interp(places, np.arange(len(values)), np.sort(values)))


def _luma_bands(colours: Colours, luma_of: Colours) -> np.ndarray:
    """Mean and spread of colour in bands of equal rank of luma. Shape (6 * LUMA_BANDS,)."""
    order = np.argsort(luma_of @ LUMA, kind="stable")
    bands = np.array_split(colours[order], LUMA_BANDS)
    return np.concatenate([np.concatenate([band.mean(0), band.std(0)]) for band in bands])


def _root(matrix: np.ndarray) -> np.ndarray:
    """Square root of a symmetric positive definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    result: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    return result


def _random_rotation(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    q, r = np.linalg.qr(rng.standard_normal((3, 3)))
    q = q * np.sign(np.diag(r))
    q[:, 0] *= np.sign(np.linalg.det(q))
    result: np.ndarray = q
    return result


def _transport(values: np.ndarray, before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """1-D transport between quantiles; beyond the ends values keep their distance to the end."""
    moved = np.interp(values, before, after)
    moved = np.where(values < before[0], values - before[0] + after[0], moved)
    return np.asarray(np.where(values > before[-1], values - before[-1] + after[-1], moved))
