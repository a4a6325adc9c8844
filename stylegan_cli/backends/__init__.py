"""Who runs the networks: ONNX Runtime by default, torch for CUDA and where it is asked for."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from stylegan_cli.errors import UsageError
from stylegan_cli.style_file import Base

BACKENDS = ("auto", "onnx", "torch")


class Painter(Protocol):
    """A generator with one style folded in."""

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """image: (1, 3, H, W) float32 in [-1, 1], multiples of 8. Returns (toned, residue)."""
        ...


class Backend(Protocol):
    """Runs the networks of one base on arrays."""

    name: str

    def painter(self, folded: Mapping[str, np.ndarray]) -> Painter:
        """A painter for weights from networks.folding.fold_style."""
        ...

    def moments(self, pictures: np.ndarray) -> np.ndarray:
        """pictures: (N, 3, H, W) float32 in [-1, 1], H and W even. Returns (N, moments_dim)."""
        ...

    def code(self, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """moments: (B, moments_dim); statistics: (B, statistics_dim). Returns (B, code_dim)."""
        ...


def open_backend(
    base: Base, name: str = "auto", device: str = "cpu", threads: int | None = None
) -> Backend:
    """The backend called `name` for `base` on `device` (as devices.resolve_device returns it).

    Raises UsageError for an unknown backend, or for ONNX Runtime on a GPU.
    """
    if name not in BACKENDS:
        raise UsageError(f"no backend is called '{name}'; use one of {', '.join(BACKENDS)}")
    on_gpu = device.startswith("cuda")
    if name == "onnx" and on_gpu:
        raise UsageError("the onnx backend runs on the CPU; use --backend torch for CUDA")
    if name == "torch" or on_gpu:
        from stylegan_cli.backends.torch_backend import TorchBackend

        return TorchBackend(base, device)
    from stylegan_cli.backends.onnx_backend import OnnxBackend

    return OnnxBackend(base, threads)
