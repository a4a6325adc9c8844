"""Training for tests: small pictures, measured on fewer patches than a real run has time for."""

from typing import Any

import numpy as np

FEW_PATCHES: dict[str, Any] = {
    "texture": {"crops": 16, "kept": 2048},
    "validation": {"patches": 1024},
}
"""Settings of a TrainingConfig, as a config file has them."""


def picture(rng: np.random.Generator, hatched: bool) -> np.ndarray:
    """A slope of colours, or its greys under hatching, (80, 96, 3) uint8."""
    rows, columns = np.mgrid[0:80, 0:96] / 96
    pixels = np.stack([rows, columns, 1 - rows], -1) * rng.uniform(0.5, 1, 3)
    if hatched:
        pixels = np.repeat(
            np.where((np.arange(96) % 4 < 2)[None, :, None], 0.2, pixels.mean(-1, keepdims=True)),
            3,
            2,
        )
    noisy = pixels + rng.normal(0, 0.02, pixels.shape)
    return (noisy.clip(0, 1) * 255).astype(np.uint8)
