"""Packages that only some commands need, and what to say where one is missing."""

import importlib
from typing import Final

from stylegan_cli.errors import MissingPackageError

EXTRAS: Final = {
    "train": ("tensorboard", "timm", "torch", "torchvision"),
    "s3": ("fsspec", "s3fs"),
    "ray": ("ray", "pyarrow"),
}
"""The packages of each extra of stylegan-cli whose absence is explained."""


def require_torch() -> None:
    """Load PyTorch. Raises MissingPackageError where it is not installed."""
    try:
        importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if (missing := missing_package(error)) is None:
            raise
        raise missing from error


def missing_package(error: BaseException) -> MissingPackageError | None:
    """What to say of an import that failed for want of one of these packages; None for others."""
    if not isinstance(error, ModuleNotFoundError):
        return None
    name = (error.name or "").partition(".")[0]
    extra = next((extra for extra, names in EXTRAS.items() if name in names), None)
    if extra is None:
        return None
    return MissingPackageError(
        f"this needs the package {name}, which is not installed: "
        f"run pip install 'stylegan-cli[{extra}]'"
    )
