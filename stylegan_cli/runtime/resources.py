"""Where the shipped files are: weights and starter photos, in a clone and in an installed wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def weights_dir() -> Path:
    """The folder of the shipped models: inside the package when installed, beside it in a clone."""
    installed = _PACKAGE / "weights"
    return installed if installed.is_dir() else _PACKAGE.parent / "weights"


def starter_dir() -> Path:
    """The folder of the starter photos (CC0, 256 px short side)."""
    return _PACKAGE / "starter"
