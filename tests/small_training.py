"""Training for tests: small pictures, measured on fewer patches than a real run has time for."""

import numpy as np
import pytest

from stylegan_cli.training import initialisation, texture_distance, validation


def measure_less(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone."""
    patch.setattr(texture_distance, "KEPT", 2048)
    patch.setattr(validation, "PATCHES", 1024)
    patch.setattr(initialisation, "TEXTURE_CROPS", 16)


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
