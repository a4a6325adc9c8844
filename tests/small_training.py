"""Training for tests: all of it, measured on fewer patches than a real run has time for."""

import pytest

from stylegan_cli.training import initialisation, texture_distance, validation


def measure_less(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone."""
    patch.setattr(texture_distance, "KEPT", 2048)
    patch.setattr(validation, "PATCHES", 1024)
    patch.setattr(initialisation, "TEXTURE_CROPS", 16)
