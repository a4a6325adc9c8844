"""Training for tests: all of it, measured on fewer patches than a real run has time for."""

import pytest

from stylegan_cli.training import run
from stylegan_cli.training import texture_distance as texture
from stylegan_cli.training import validation as validate


def measure_less(patch: pytest.MonkeyPatch) -> None:
    """Until `patch` is undone."""
    patch.setattr(texture, "KEPT", 2048)
    patch.setattr(validate, "PATCHES", 1024)
    patch.setattr(run, "TEXTURE_CROPS", 16)
