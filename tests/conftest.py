"""Fixtures that several test modules share: small real files, made on the spot."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

Influ = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def _own_user_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Every test has its own user folders: the styles of whoever runs the suite stay out of it."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
            patch.setenv(variable, str(home / variable.lower()))
        # What is prepared once, in seconds, is named by its content: tests may share it.
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command sends the package's log to its own stderr: only for as long as it runs."""
    logger = logging.getLogger("stylegan_cli")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


@pytest.fixture
def influ(tmp_path: Path) -> Influ:
    """Run `influ` as a user does: a process of its own, in an empty folder."""

    def run(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "stylegan_cli", *map(str, arguments)]
        settings = {"cwd": tmp_path, "capture_output": True, "text": True, "timeout": 600}
        return subprocess.run(command, check=False, **(settings | options))  # type: ignore[call-overload]

    return run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A small JPEG with smooth colour, an edge and some grain."""
    rows, columns = np.mgrid[0:96, 0:128] / 96
    pixels = np.stack([rows, columns * 0.7, 1 - rows * 0.8], axis=-1)
    pixels[20:60, 40:90] *= 0.4
    pixels += np.random.default_rng(0).normal(0, 0.02, pixels.shape)
    path = tmp_path / "photo.jpg"
    Image.fromarray((pixels.clip(0, 1) * 255).astype(np.uint8)).save(path, quality=95)
    return path
