"""Measures that only benchmarks report; see stylegan_cli.evaluation.metrics for the others."""

import numpy as np

from stylegan_cli.errors import DataError
from stylegan_cli.evaluation.metrics import LUMA, edges, share_far_from
from stylegan_cli.pictures import to_unit


def invented_edges(result: np.ndarray, source: np.ndarray, tolerance_px: float = 3) -> float:
    """Share of the result's edge pixels with no edge of the source within `tolerance_px` at 256."""
    drawn = edges(result)
    return share_far_from(drawn, edges(source), tolerance_px) if drawn.any() else 0.0


def gradient_energy(pixels: np.ndarray) -> float:
    """Mean square of the luma's steps between neighbours, times 1000: blur lowers it."""
    luma = to_unit(pixels) @ LUMA
    steps = np.square(np.diff(luma, axis=0)).mean() + np.square(np.diff(luma, axis=1)).mean()
    return float(1000 * steps)


def closed_gap(ours: float, baseline: float, ceiling: float) -> float:
    """Share of the way from the baseline to the ceiling: 0 is the baseline, 1 the ceiling.

    The three are of one kind, for example dB; a ceiling below the baseline is fine for a distance.
    """
    if ceiling == baseline:
        raise DataError("there is no gap to close: the baseline is already at the ceiling")
    return (ours - baseline) / (ceiling - baseline)
