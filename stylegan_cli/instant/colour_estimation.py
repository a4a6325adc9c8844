"""The per-pixel part of a style, estimated from pictures alone as a LUT.

Colours are compared by content: skin with skin, sky with sky, so that the clothes in a creator's
pictures do not count as style. A frozen network finds the content from the rank of luma, which no
tone curve changes, in the directions that looks change least. The head is trained on simulated
creators (pretraining.colour_tasks): it has learned how far to trust 1, 5, 30, or 200 pictures, and
which colours are usual. What the estimate leaves unexplained corrects it (colour_correction).
"""

import logging
from collections.abc import Sequence

import cv2
import numpy as np

from stylegan_cli.backends.onnx_backend import EstimatorNetworks
from stylegan_cli.instant.colour_correction import ContentSample, correct
from stylegan_cli.networks.architecture import COLOUR_MOMENTS
from stylegan_cli.pictures import to_unit
from stylegan_cli.styles import ColourEstimator

log = logging.getLogger(__name__)

SHORT_SIDE = 128  # px of the pictures that are read
LONG_SIDE = 192  # px; longer pictures are cut to their middle
ALIGNMENT = 16  # px; sides are multiples of it
TRANSFER_MISFIT = 0.5  # of the estimate's, below which a colour transfer is taken
SHRINKAGE = 2e-3  # share of a picture from the whole's moments that each cluster's begin with


class ColourEstimation:
    """Runs the colour estimator of a base on the CPU."""

    def __init__(self, estimator: ColourEstimator, threads: int) -> None:
        self._config = estimator.config
        self._networks = EstimatorNetworks(estimator, threads)
        self.content: ContentSample | None = None
        if estimator.config.photos:
            sample = estimator.tensors["content.colours"], estimator.tensors["content.clusters"]
            self.content = ContentSample(*sample, estimator.config.clusters)

    def statistics(self, picture: np.ndarray) -> np.ndarray:
        """Of one uint8 picture (H, W, 3): see estimator_graphs.colour_statistics_graph."""
        small = at_estimator_size(picture)
        return self._networks.statistics(to_unit(small), rank_of_luma(small))

    def lut(
        self,
        statistics: Sequence[np.ndarray],
        transfer: np.ndarray | None = None,
        *,
        is_out_of_distribution: bool = False,
    ) -> np.ndarray:
        """The LUT (K, K, K, 3), unit, of the style of pictures with these statistics.

        transfer: another estimate, alike, from distributions of colours. It is taken where it
        explains the pictures clearly better, and for a style out of distribution where it explains
        them better at all.
        """
        estimate = self.head_lut(statistics)
        if self.content is None:
            return estimate
        seen = np.stack(statistics)
        found = correct(estimate, seen, self.content)
        if transfer is not None:
            other = correct(transfer, seen, self.content)
            log.info("misfit %.3f, of the colour transfer %.3f", found.misfit, other.misfit)
            share = 1 if is_out_of_distribution else TRANSFER_MISFIT
            if other.misfit < share * found.misfit:
                found = other
        return found.lut

    def head_lut(self, statistics: Sequence[np.ndarray]) -> np.ndarray:
        """The same, without the correction."""
        mean = np.stack(statistics).mean(0, dtype=np.float64)
        lut = self._networks.lut(head_inputs(mean, len(statistics)))
        estimate: np.ndarray = np.clip(lut, 0, 1).reshape(*(self._config.lut_size,) * 3, 3)
        return estimate


def head_inputs(statistics: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """The head's inputs for sets: (..., clusters + 1, COLOUR_MOMENTS + 1) → (..., inputs).

    count: pictures that stand behind each set.
    """
    sums, masses = np.split(statistics, [COLOUR_MOMENTS], axis=-1)
    means = (sums + SHRINKAGE * sums[..., -1:, :]) / (masses + SHRINKAGE)
    flat = means.reshape(*means.shape[:-2], -1)
    counts = np.broadcast_to(
        np.log(np.asarray(count, np.float32))[..., None], (*flat.shape[:-1], 1)
    )
    described: np.ndarray = np.concatenate(
        [flat, np.log(masses[..., :-1, 0] + SHRINKAGE), counts], axis=-1
    )
    return described.astype(np.float32)


def at_estimator_size(picture: np.ndarray) -> np.ndarray:
    """The middle of a uint8 picture at the size that is read."""
    scale = SHORT_SIDE / min(picture.shape[:2])
    full = [max(ALIGNMENT, round(side * scale)) for side in picture.shape[:2]]
    size = [min(LONG_SIDE, max(1, round(side / ALIGNMENT)) * ALIGNMENT) for side in full]
    height, width = (max(pair) for pair in zip(full, size, strict=True))
    resized = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    top, left = (height - size[0]) // 2, (width - size[1]) // 2
    return np.ascontiguousarray(resized[top : top + size[0], left : left + size[1]])


def rank_of_luma(picture: np.ndarray) -> np.ndarray:
    """Luma of a uint8 picture as its rank among the pixels, (H, W) float32 from 0 to 1."""
    luma = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    counts = np.bincount(luma.ravel(), minlength=256)
    ranks = (np.cumsum(counts) - counts / 2) / luma.size
    rank: np.ndarray = ranks.astype(np.float32)[luma]
    return rank
