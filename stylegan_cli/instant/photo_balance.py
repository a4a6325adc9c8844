"""Exposure and white balance of single photos, corrected to the average photo.

A linear model predicts how far a photo is off, in stops, from its colour statistics
(colour_estimation): skin that is too dark, a wall that is too blue. The correction is a gain of
linear light for each channel, the same for all pixels.
"""

from collections.abc import Mapping

import numpy as np

from stylegan_cli.instant.colour_estimation import ColourEstimation, head_inputs
from stylegan_cli.networks.architecture import CLIP_DEVIATIONS
from stylegan_cli.styles import ColourEstimator

GAMMA = 2.2  # of sRGB, nearly
CURVE_POINTS = 1025
WHITE_POWER = 8  # of a level, that brings the brightest back to white
MAX_STOPS = 2.0  # that a photo is moved at most


class PhotoBalance:
    """Reads and corrects exposure and white balance with a base's colour estimator."""

    def __init__(self, estimator: ColourEstimator, threads: int) -> None:
        self._estimation = ColourEstimation(estimator, threads)
        self._tensors = estimator.tensors

    def stops(self, pixels: np.ndarray) -> np.ndarray:
        """How far a photo is above the average of photos, (3,) in stops of R, G and B.

        pixels: (H, W, 3) uint8, uint16 or unit float32.
        """
        described = head_inputs(self._estimation.statistics(_in_8_bits(pixels)), 1)
        inputs = standard_inputs(described, self._tensors)
        off = self._tensors["balance.weight"] @ inputs + self._tensors["balance.bias"]
        stops: np.ndarray = np.clip(off, -MAX_STOPS, MAX_STOPS)
        return stops

    def balanced(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: (H, W, 3) uint8, uint16 or unit float32. Returns the same size and depth."""
        return without_stops(pixels, self.stops(pixels))


def without_stops(colours: np.ndarray, stops: np.ndarray) -> np.ndarray:
    """Colours (..., 3) uint8, uint16 or unit float32, as a photo `stops` below has them."""
    gains = np.exp2(-stops / GAMMA)
    if colours.dtype.kind == "f":
        levels = np.linspace(0, 1, CURVE_POINTS)
        channels = [
            np.interp(colours[..., channel], levels, scaled(levels, float(gain)))
            for channel, gain in enumerate(gains)
        ]
        return np.stack(channels, -1).astype(colours.dtype)
    white = np.iinfo(colours.dtype).max
    levels = np.linspace(0, 1, white + 1)
    tables = [np.rint(white * scaled(levels, float(gain))).astype(colours.dtype) for gain in gains]
    return np.stack([table[colours[..., c]] for c, table in enumerate(tables)], -1)


def _in_8_bits(pixels: np.ndarray) -> np.ndarray:
    if pixels.dtype == np.uint8:
        return pixels
    white = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    levels: np.ndarray = (255 * np.clip(pixels / white, 0, 1) + 0.5).astype(np.uint8)
    return levels


def standard_inputs(described: np.ndarray, tensors: Mapping[str, np.ndarray]) -> np.ndarray:
    """The head's inputs (..., inputs) in deviations over its training."""
    scaled = (described - tensors["head.centre"]) * tensors["head.scale"]
    inputs: np.ndarray = np.clip(scaled, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
    return inputs


def scaled(levels: np.ndarray, gain: float, shoulder: float = 0.8) -> np.ndarray:
    """Levels from 0 to 1 times a gain, bent so that white stays white and no level is lost."""
    if gain <= 1 + 1e-6:
        bent: np.ndarray = gain * levels + (1 - gain) * levels**WHITE_POWER
        return bent
    raised = gain * levels
    above = np.maximum(raised - shoulder, 0)
    # A hyperbola with a slope of one at the shoulder (Reinhard et al. 2002) that ends at 1.
    room, rise = 1 - shoulder, gain - shoulder
    bend = room / (rise - room)
    bent = np.minimum(raised, shoulder) + room * (1 + bend) * above / (above + bend * rise)
    whole: np.ndarray = np.minimum(bent, 1)
    return whole
