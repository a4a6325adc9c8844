"""Packages that not every installation has."""

from importlib.util import find_spec

import pytest


def require(package: str) -> None:
    """Skip the test where `package` is not installed. It is not imported: that is up to influ."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is an extra")
