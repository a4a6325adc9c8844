"""Where the shipped files are: weights and starter photos, in a clone and in an installed wheel."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from stylegan_cli.errors import DataError

_PACKAGE = Path(__file__).resolve().parents[1]


def weights_dir() -> Path:
    """The folder of the shipped models: inside the package when installed, beside it in a clone."""
    installed = _PACKAGE / "weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def starter_dir() -> Path:
    """The folder of the starter photos (CC0, 256 px short side)."""
    return _PACKAGE / "starter"


def starter_photos() -> list[Path]:
    """The starter photos, in their fixed order."""
    return sorted(starter_dir().glob("*.jpg"))


def frozen_weights(name: str, sha256: str) -> bytes:
    """A file of other people's weights that travels in the package; see frozen_weights/NOTICE.md.

    sha256: of its bytes. Raises DataError for a file that is missing or not the one meant.
    """
    path = _PACKAGE / "frozen_weights" / name
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DataError(f"{path} is missing or damaged: install stylegan-cli again")
    return data


def page_dir() -> Path:
    """The folder of the built page: inside the package when installed, beside it in a clone."""
    installed = _PACKAGE / "web" / "dist"
    return installed if installed.is_dir() else _PACKAGE.parent / "web" / "dist"


def in_a_home(find: Callable[[], Path]) -> Path:
    """What `find` finds for this user; without a home, a place that holds and takes nothing."""
    try:
        return find()
    except RuntimeError:  # of platformdirs: there is no home
        return Path(os.devnull) / "influ"
