"""The networks on ONNX Runtime: graphs from the configs, weights handed over as initialisers."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import onnxruntime as ort

from stylegan_cli.backends import Item, Result, StyleGenerator, build_graph
from stylegan_cli.backends.cpu import CpuBackend, Tensors
from stylegan_cli.networks.architecture import STRIDE
from stylegan_cli.networks.estimator_graphs import (
    colour_head_graph,
    colour_statistics_graph,
    vision_moments_graph,
)
from stylegan_cli.styles import Base, ColourEstimator

ort.set_default_logger_severity(4)  # its warnings are for developers; what fails raises


@dataclass(frozen=True, slots=True, eq=False)
class OnnxGenerator:
    """A session of its own: a folded style is a network of its own."""

    session: ort.InferenceSession
    reach: int

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See StyleGenerator."""
        try:
            base_colour, residual = self.session.run(None, {"image": image})
        # ONNX Runtime's own exceptions derive from nothing narrower.
        except Exception as error:
            if "allocate memory" in str(error) or "bad allocation" in str(error):
                raise MemoryError(str(error)) from error
            raise
        return base_colour, residual

    def release_memory(self) -> None:
        """See StyleGenerator. ONNX Runtime gives memory back only at the end of a run."""
        options = ort.RunOptions()
        options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
        self.session.run(None, {"image": np.zeros((1, 3, STRIDE, STRIDE), np.float32)}, options)


class OnnxBackend(CpuBackend):
    """Runs a base by ONNX Runtime."""

    name = "onnx"
    _at_once = 1  # calls, by several threads

    def for_many(self) -> Self:
        """See Backend."""
        many = type(self)(self._base, 1, self._quantisation)
        many._at_once = self._threads
        return many

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """See Backend."""
        with ThreadPoolExecutor(self._at_once) as pool:
            return list(pool.map(function, items))

    def _exact_generator(self, folded: Tensors) -> StyleGenerator:
        return OnnxGenerator(self._session("generator", folded), self._base.generator.reach)

    def _open_generator(self, graph: bytes) -> StyleGenerator:
        return OnnxGenerator(_open_session(graph, self._threads), self._base.generator.reach)

    def moments(self, pictures: np.ndarray) -> np.ndarray:
        """See Backend."""
        features = self._features
        parts = np.array_split(pictures, min(self._at_once, len(pictures)))
        return np.concatenate(
            self.map(lambda part: features.run(None, {"pictures": part})[0], parts)
        )

    def code(self, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """See Backend."""
        inputs = {"moments": moments.astype(np.float32), "statistics": statistics}
        codes: np.ndarray = self._head.run(None, inputs)[0]
        return codes

    @cached_property
    def _features(self) -> ort.InferenceSession:
        return self._session("features", self._base.encoder_part("features."))

    @cached_property
    def _head(self) -> ort.InferenceSession:
        return self._session("head", self._base.encoder_part("head."))

    def _session(self, graph: str, weights: Tensors) -> ort.InferenceSession:
        return _open_session(build_graph(self._base, graph), self._threads, weights)


class GivenGraphBackend(OnnxBackend):
    """Runs the generator of a base on a graph that came with a file, instead of its own."""

    def __init__(self, base: Base, graph: bytes, threads: int | None = None) -> None:
        super().__init__(base, threads)
        self._graph = graph

    def _session(self, graph: str, weights: Tensors) -> ort.InferenceSession:
        return _open_session(self._graph, self._threads, weights)


class EstimatorNetworks:
    """The networks of a colour estimator (networks.estimator_graphs), on the CPU."""

    def __init__(self, estimator: ColourEstimator, threads: int) -> None:
        self._estimator, self._threads = estimator, threads

    def statistics(self, picture: np.ndarray, rank: np.ndarray) -> np.ndarray:
        """picture: (H, W, 3) unit; rank: (H, W), of its luma. Sides are multiples of 16.

        Returns (clusters + 1, COLOUR_MOMENTS + 1).
        """
        inputs = {
            "picture": np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32),
            "luma": _luma_input(rank),
        }
        statistics: np.ndarray = self._statistics.run(None, inputs)[0][0]
        return statistics

    def lut(self, described: np.ndarray) -> np.ndarray:
        """described: (inputs,). Returns (lut_size³, 3) unit, not clipped."""
        lut: np.ndarray = self._head.run(None, {"described": described[None]})[0]
        return lut

    def vision_moments(self, rank: np.ndarray) -> np.ndarray:
        """rank: (H, W), of luma. Sides are multiples of 16. Returns (VISION_MOMENTS,)."""
        moments: np.ndarray = self._moments.run(None, {"luma": _luma_input(rank)})[0][0]
        return moments

    @cached_property
    def _statistics(self) -> ort.InferenceSession:
        weights = self._estimator.part("vision.")
        graph = colour_statistics_graph(self._estimator.config)
        return _open_session(graph, self._threads, weights)

    @cached_property
    def _head(self) -> ort.InferenceSession:
        weights = self._estimator.part("head.") | self._estimator.part("lut.")
        return _open_session(colour_head_graph(self._estimator.config), self._threads, weights)

    @cached_property
    def _moments(self) -> ort.InferenceSession:
        weights = self._estimator.part("vision.stem.") | self._estimator.part("vision.blocks.")
        graph = vision_moments_graph({name: value.shape for name, value in weights.items()})
        return _open_session(graph, self._threads, weights)


def _luma_input(rank: np.ndarray) -> np.ndarray:
    """A rank of luma (H, W) as the frozen network takes it."""
    given: np.ndarray = rank[None, None] * np.float32(2) - 1
    return given


def _open_session(
    graph: bytes, threads: int, weights: Tensors | None = None
) -> ort.InferenceSession:
    """A session on the CPU; `weights` take the place of the graph's own by name."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # A plan for all of a size's memory doubles what is held, and makes nothing quicker here.
    options.enable_mem_pattern = False
    # Threads that go on waiting in a loop after a run take a core from whatever comes next.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if weights:
        # ONNX Runtime keeps a pointer to these arrays: they must be contiguous and stay alive.
        arrays = [np.ascontiguousarray(value, np.float32) for value in weights.values()]
        values = [ort.OrtValue.ortvalue_from_numpy(array) for array in arrays]
        options.add_external_initializers(list(weights), values)
    return ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
