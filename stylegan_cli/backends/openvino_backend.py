"""The networks on OpenVINO, an extra: quicker than ONNX Runtime on some processors."""

import sys
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

# OpenVINO loads its telemetry where it finds it, and does without where it doesn't.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
import openvino  # noqa: E402

from stylegan_cli.backends import StyleGenerator, build_graph  # noqa: E402
from stylegan_cli.backends.cpu import CpuBackend, Tensors  # noqa: E402
from stylegan_cli.backends.quantised import filled_graph  # noqa: E402


@cache
def _core() -> openvino.Core:
    """One for the whole process, and never gone.

    A Core gives the process another stack for its signal handlers and takes it away again when it
    goes; of two that don't go in reverse order one leaves a stack behind that is no more, and the
    next Ctrl-C ends in a segmentation fault.
    """
    return openvino.Core()


@dataclass(frozen=True, slots=True, eq=False)
class OpenvinoGenerator:
    """A compiled graph; each call has a request of its own, so that threads may share it."""

    compiled: Any
    reach: int

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See StyleGenerator."""
        try:
            found = self.compiled.create_infer_request().infer({"image": image})
        except RuntimeError as error:
            if "bad_alloc" in str(error) or "allocate" in str(error):
                raise MemoryError(str(error)) from error
            raise
        return found["base_colour"], found["residual"]

    def release_memory(self) -> None:
        """See StyleGenerator. Nothing is held between calls."""


class OpenvinoBackend(CpuBackend):
    """Runs a base by OpenVINO, without its telemetry."""

    name = "openvino"

    def _exact_generator(self, folded: Tensors) -> StyleGenerator:
        compiled = self._compiled("generator", folded)
        return OpenvinoGenerator(compiled, self._base.generator.reach)

    def _open_generator(self, graph: bytes) -> StyleGenerator:
        return OpenvinoGenerator(self._compile(graph), self._base.generator.reach)

    def moments(self, pictures: np.ndarray) -> np.ndarray:
        """See Backend."""
        rows: np.ndarray = self._features({"pictures": pictures})["moments"]
        return rows

    def code(self, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """See Backend."""
        inputs = {"moments": moments.astype(np.float32), "statistics": statistics}
        codes: np.ndarray = self._head(inputs)["code"]
        return codes

    @cached_property
    def _features(self) -> Any:
        return self._compiled("features", self._base.encoder_part("features."))

    @cached_property
    def _head(self) -> Any:
        return self._compiled("head", self._base.encoder_part("head."))

    def _compiled(self, graph: str, weights: Tensors) -> Any:
        return self._compile(filled_graph(build_graph(self._base, graph), weights))

    def _compile(self, graph: bytes) -> Any:
        settings = {
            # Left to itself OpenVINO computes in bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self._threads,
        }
        return _core().compile_model(_core().read_model(graph), "CPU", settings)
