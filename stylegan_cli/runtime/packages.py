"""Packages that only learning needs, and what to say where one is missing."""

import importlib

from stylegan_cli.errors import MissingPackageError

LEARNING_PACKAGES = ("tensorboard", "timm", "torch", "torchvision")
"""Those of the extra `train`."""


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
    if name not in LEARNING_PACKAGES:
        return None
    return MissingPackageError(
        f"this needs the package {name}, which is not installed: "
        "run pip install 'stylegan-cli[train]'"
    )
