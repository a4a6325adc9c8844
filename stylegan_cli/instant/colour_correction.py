"""A correction of an estimated LUT by what it leaves unexplained.

The LUT is applied to photos whose content is known. Where the creator's pictures still have other
moments in a cluster of content, a smooth change of the LUT explains the difference, as far as the
difference between one photo and another does not: generalised least squares, with a Gaussian
process for a prior (Rasmussen & Williams 2006, chapter 2).
"""

from typing import NamedTuple

import numpy as np

from stylegan_cli.colour import (
    COLOUR_AXES,
    LUMA,
    apply_lut,
    cosine_basis,
    is_grey,
    lut_grid,
)
from stylegan_cli.networks.architecture import COLOUR_MOMENTS, LUMA_KNOTS
from stylegan_cli.pictures import to_unit

ORDER, LENGTH = 4, 0.35  # of a change; see colour.cosine_basis
LUMA_DEVIATION = 0.03  # of a change along grey, all channels alike, unit
CHROMA_DEVIATION = 0.035  # of a change along each other axis
MOMENT_DEVIATION = 0.012  # of a moment that neither the LUT nor the photos explain
SMALL_SHARE = 0.02  # of pictures: a cluster of this share has a variance twice as large
SLOPE_SAMPLES = 200  # colours of each cluster that slopes are averaged over, at most
SLOPE_STEP = 0.02  # of colours, for slopes of their moments
HALF_GAIN_PICTURES = 10  # the estimate has used these pictures: of so many, half is applied
_TINY = 1e-6  # share of a picture


class ContentSample:
    """A sample of the colours of content photos, and the clusters of content they belong to."""

    def __init__(self, colours: np.ndarray, clusters: np.ndarray, cluster_count: int) -> None:
        """colours: (P, S, 3) uint8. clusters: (P, S), below `cluster_count`."""
        self.colours = to_unit(colours).reshape(-1, 3)
        self._photos, self._samples = clusters.shape
        self._clusters = cluster_count
        places = (np.arange(self._photos)[:, None] * cluster_count + clusters).ravel()
        self._order = np.argsort(places, kind="stable")
        self._places, self._starts = np.unique(places[self._order], return_index=True)
        self.shares = self.sums(np.ones((len(places), 1), np.float32))[..., 0]
        members = [np.flatnonzero(clusters == index) for index in range(cluster_count)]
        some = [own[:: max(1, len(own) // SLOPE_SAMPLES)][:SLOPE_SAMPLES] for own in members]
        self.chosen = np.concatenate(some)
        self._bounds = np.cumsum([0, *(len(own) for own in some)])

    def sums(self, values: np.ndarray) -> np.ndarray:
        """Values of all colours (P * S, V) by photo and cluster: (P, clusters, V).

        Each is a mean over the photo to which other clusters add nothing.
        """
        found = np.zeros((self._photos * self._clusters, values.shape[1]), np.float32)
        found[self._places] = np.add.reduceat(values[self._order], self._starts, axis=0)
        by_cluster: np.ndarray = found.reshape(self._photos, self._clusters, -1) / self._samples
        return by_cluster

    def slopes(self, moments: np.ndarray, basis: np.ndarray) -> np.ndarray:
        """Mean products in each cluster, (clusters, M, F * A).

        moments: (N, M, A), slopes of the moments of `chosen` along axes; basis: (N, F).
        """
        count, axes = moments.shape[1:]
        found = np.zeros((self._clusters, count, basis.shape[1] * axes), np.float32)
        for index in range(self._clusters):
            own = slice(*self._bounds[index : index + 2])
            flat = moments[own].reshape(-1, count * axes)
            product = (flat.T @ basis[own]).reshape(count, axes, -1).transpose(0, 2, 1)
            found[index] = product.reshape(count, -1) / max(1, len(flat))
        return found


class Correction(NamedTuple):
    """A corrected LUT (K, K, K, 3), and how far the pictures' moments are from the LUT before.

    misfit: the mean square of what is missing, in deviations of all that may explain it.
    """

    lut: np.ndarray
    misfit: float


def correct(lut: np.ndarray, statistics: np.ndarray, content: ContentSample) -> Correction:
    """`lut` (K, K, K, 3), unit, after one step; a black-and-white look remains one.

    statistics: (pictures, clusters + 1, COLOUR_MOMENTS + 1), of the creator.
    """
    axes = _axes(is_grey(lut))
    colours = apply_lut(content.colours, lut)
    mean, deviations = _moments_of_photos(colour_moments(colours), content)
    missing, spread, noise = _compared(statistics[:, :-1], mean)
    chosen = cosine_basis(content.colours[content.chosen], ORDER, LENGTH)
    slopes = content.slopes(_moment_slopes(colours[content.chosen], axes), chosen)
    rows = slopes.shape[0] * slopes.shape[1]
    # One column for each weight of the change and for each photo; all weights are standard normal.
    explained = [slopes.reshape(rows, -1), (spread[..., None] * deviations).reshape(rows, -1)]
    precision = (1 / np.sqrt(noise)).reshape(rows, 1).astype(np.float32)
    whitened = np.concatenate(explained, 1) * precision
    wanted = missing.reshape(rows) * precision[:, 0]
    normal = whitened.T @ whitened + np.eye(whitened.shape[1], dtype=np.float32)
    weights = np.linalg.solve(normal, whitened.T @ wanted)
    own = weights[: slopes.shape[-1]].reshape(-1, len(axes))
    change = cosine_basis(lut_grid(len(lut)), ORDER, LENGTH) @ own @ axes
    gain = len(statistics) / (len(statistics) + HALF_GAIN_PICTURES)
    corrected = np.clip(lut + gain * change.reshape(lut.shape), 0, 1).astype(np.float32)
    return Correction(corrected, float(wanted @ (wanted - whitened @ weights)) / rows)


def colour_moments(colours: np.ndarray) -> np.ndarray:
    """Moments of unit colours, (N, 3) → (N, COLOUR_MOMENTS).

    The same as estimator_graphs.colour_statistics_graph counts.
    """
    red, green, blue = colours.T
    products = [red * green, green * blue, red * blue]
    luma = (colours @ LUMA)[:, None]
    knots = np.linspace(0, 1, LUMA_KNOTS, dtype=np.float32)
    bells = np.exp(-(((luma - knots) * (LUMA_KNOTS - 1)) ** 2))
    chroma = [bells * (channel[:, None] - luma) for channel in (blue, red)]
    return np.concatenate([colours, colours**2, np.stack(products, 1), bells, *chroma], 1)


def _axes(grey: bool) -> np.ndarray:
    """Directions of a change (A, 3), each as long as the change deviates along it."""
    luma = np.full((1, 3), LUMA_DEVIATION, np.float32)
    return luma if grey else np.concatenate([luma, CHROMA_DEVIATION * COLOUR_AXES * 3**0.5])


def _moments_of_photos(
    moments: np.ndarray, content: ContentSample
) -> tuple[np.ndarray, np.ndarray]:
    """Mean moments of each cluster, (clusters, M), and how photos deviate, (clusters, M, P).

    The squares of the deviations add up to the variance over the photos, weighted by how much of
    the cluster they have.
    """
    sums, shares = content.sums(moments), content.shares[..., None]
    total = np.maximum(shares.sum(0), _TINY)
    mean = sums.sum(0) / total
    deviations = (sums - mean * shares) / np.sqrt(np.maximum(shares, _TINY) * total)
    return mean, deviations.transpose(1, 2, 0)


def _compared(
    statistics: np.ndarray, mean: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What a creator's pictures have beyond `mean`, (clusters, M); its spread and noise.

    statistics: (pictures, clusters, M + 1). spread: (clusters, 1), of the mean of these pictures
    over that of one. noise: (clusters, M), a variance.
    """
    shares = statistics[..., COLOUR_MOMENTS:].astype(np.float64)
    total = np.maximum(shares.sum(0), _TINY)
    missing = statistics[..., :COLOUR_MOMENTS].sum(0, dtype=np.float64) / total - mean
    spread = np.sqrt(np.square(shares / total).sum(0))
    noise = MOMENT_DEVIATION**2 * (1 + SMALL_SHARE * len(statistics) / total)
    return missing, spread, np.broadcast_to(noise, missing.shape)


def _moment_slopes(colours: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """Of the moments of colours (N, 3) along axes (A, 3): (N, M, A)."""
    step = np.float32(SLOPE_STEP)
    found = [
        (colour_moments(colours + step * axis) - colour_moments(colours - step * axis)) / (2 * step)
        for axis in axes
    ]
    return np.stack(found, -1)
