"""The few distributions that parameters of looks are drawn from."""

import math

import numpy as np
import numpy.typing as npt

Rgb = tuple[float, float, float]


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in [low, high)."""
    return float(rng.uniform(low, high))


def log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """Uniform in the logarithm: for widths, gains and gammas."""
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def normal(rng: np.random.Generator, mean: float, deviation: float) -> float:
    """Normal, cut at three deviations: a tail, but no garbage."""
    return mean + deviation * float(np.clip(rng.normal(), -3, 3))


def chance(rng: np.random.Generator, probability: float) -> bool:
    """True with the given probability."""
    return bool(rng.random() < probability)


def shift(rng: np.random.Generator, deviation: float) -> Rgb:
    """A small colour offset whose mean is nearly zero: a tint more than a change of brightness."""
    offset = np.clip(rng.normal(size=3), -2.5, 2.5) * deviation
    offset -= 0.7 * offset.mean()
    return rgb(offset)


def weights(rng: np.random.Generator, spread: float = 0.3) -> Rgb:
    """Positive luma weights that sum to one, around ITU-R BT.601 or the plain mean."""
    centre = np.array([0.299, 0.587, 0.114]) if chance(rng, 0.6) else np.full(3, 1 / 3)
    drawn = np.maximum(centre + spread * 0.5 * rng.normal(size=3), 0.02)
    return rgb(drawn / drawn.sum())


def rgb(values: npt.NDArray[np.floating]) -> Rgb:
    """Three floats of an array, hashable."""
    return float(values[0]), float(values[1]), float(values[2])


def array(colour: Rgb) -> npt.NDArray[np.float32]:
    """A colour that broadcasts over pixels."""
    return np.array(colour, np.float32)
