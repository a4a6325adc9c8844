"""Who runs the networks: ONNX Runtime by default, torch for CUDA, OpenVINO where asked for."""

from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from typing import Literal, Protocol, TypeVar, get_args

import numpy as np

from stylegan_cli.errors import UsageError, messages
from stylegan_cli.styles import Base

Name = Literal["auto", "onnx", "torch", "openvino"]
Precision = Literal["auto", "f32", "int8"]
Item = TypeVar("Item")
Result = TypeVar("Result")
BACKENDS: tuple[Name, ...] = get_args(Name)


class StyleGenerator(Protocol):
    """A generator with one style folded in."""

    @property
    def reach(self) -> int:
        """How far a result pixel looks, in px (GeneratorConfig.reach)."""
        ...

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """image: (1, 3, H, W) float32 in [-1, 1], multiples of 8. Returns (base_colour, residual).

        Raises MemoryError where the picture is too large for the memory there is.
        """
        ...

    def release_memory(self) -> None:
        """Give back what runs have taken and the next one would take again."""
        ...


class Backend(Protocol):
    """Runs the networks of one base on arrays."""

    name: str

    def generator(
        self,
        folded: Mapping[str, np.ndarray],
        precision: Precision = "f32",
        min_db: float | None = None,
    ) -> StyleGenerator:
        """A generator for weights from networks.folding.fold_style.

        precision: `auto` is int8 where that is quicker and its PSNR against f32 is at least
        `min_db`, 50 if nothing is said.
        """
        ...

    def for_many(self) -> "Backend":
        """The same for many small pictures: a thread for each, instead of all threads for one."""
        ...

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """`function`, which runs these networks, on each item; several at once if `for_many`."""
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

    Raises UsageError for an unknown backend, one that is not installed, or a GPU for one that
    runs on the CPU.
    """
    if name not in BACKENDS:
        raise UsageError(messages.unknown_name("backend", name, BACKENDS))
    on_gpu = device.startswith("cuda")
    if name in ("onnx", "openvino") and on_gpu:
        raise UsageError(f"the {name} backend runs on the CPU; use --backend torch for CUDA")
    if name == "torch" or on_gpu:
        from stylegan_cli.backends.torch_backend import TorchBackend

        return TorchBackend(base, device)
    if name == "openvino":
        if find_spec("openvino") is None:
            raise UsageError("OpenVINO is not installed; run: pip install 'stylegan-cli[openvino]'")
        from stylegan_cli.backends.openvino_backend import OpenvinoBackend

        return OpenvinoBackend(base, threads)
    from stylegan_cli.backends.onnx_backend import OnnxBackend

    return OnnxBackend(base, threads)


def build_graph(base: Base, part: str) -> bytes:
    """The ONNX graph of a part of `base`, without weights: generator, features or head."""
    from stylegan_cli.networks.onnx_graphs import features_graph, generator_graph, head_graph

    if part == "generator":
        return generator_graph(base.generator)
    return {"features": features_graph, "head": head_graph}[part](base.encoder)


def installed_backends() -> list[Name]:
    """Those that can be opened here and load no torch."""
    return ["onnx"] if find_spec("openvino") is None else ["onnx", "openvino"]


def refuse_int8(precision: Precision, name: str) -> None:
    """Raises UsageError where a backend without int8 is asked for it."""
    if precision == "int8":
        raise UsageError(f"the {name} backend has no int8; use --backend onnx or --precision f32")
