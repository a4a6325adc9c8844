"""The networks on ONNX Runtime: graphs from the base, weights handed over as initialisers."""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import onnxruntime as ort

from stylegan_cli.backends import Painter
from stylegan_cli.devices import resolve_threads
from stylegan_cli.errors import StyleFileError
from stylegan_cli.style_file import Base

Tensors = Mapping[str, np.ndarray]


class OnnxBackend:
    """Runs a base on the CPU without torch."""

    name = "onnx"

    def __init__(self, base: Base, threads: int | None = None) -> None:
        self._base = base
        self._threads = resolve_threads(threads)

    def painter(self, folded: Tensors) -> Painter:
        """A session of its own: a folded style is a network of its own."""
        session = self._session("generator", folded)

        def paint(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            toned, residue = session.run(None, {"image": image})
            return toned, residue

        return paint

    def moments(self, pictures: np.ndarray) -> np.ndarray:
        """See Backend."""
        rows: np.ndarray = self._features.run(None, {"pictures": pictures})[0]
        return rows

    def code(self, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """See Backend."""
        inputs = {"moments": moments.astype(np.float32), "statistics": statistics}
        codes: np.ndarray = self._head.run(None, inputs)[0]
        return codes

    @cached_property
    def _features(self) -> ort.InferenceSession:
        return self._session("features", self._encoder_part("features."))

    @cached_property
    def _head(self) -> ort.InferenceSession:
        return self._session("head", self._encoder_part("head."))

    def _encoder_part(self, prefix: str) -> dict[str, np.ndarray]:
        tensors = self._base.encoder_tensors.items()
        return {name: value for name, value in tensors if name.startswith(prefix)}

    def _session(self, graph: str, weights: Tensors) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.log_severity_level = 3
        names = list(weights)
        # ONNX Runtime keeps a pointer to these arrays: they must be contiguous and stay alive.
        arrays = [np.ascontiguousarray(weights[name], np.float32) for name in names]
        values = [ort.OrtValue.ortvalue_from_numpy(array) for array in arrays]
        options.add_external_initializers(names, values)
        try:
            return ort.InferenceSession(
                self._base.graphs[graph], options, providers=["CPUExecutionProvider"]
            )
        # ONNX Runtime's own exceptions derive from nothing narrower.
        except Exception as error:
            raise StyleFileError(
                f"the model's '{graph}' graph can't be run ({error}); use --backend torch"
            ) from error
