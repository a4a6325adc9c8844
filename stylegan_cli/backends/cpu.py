"""What the backends that run on the CPU share: threads, and generators in 32 or 8 bits."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Self

import numpy as np

from stylegan_cli.backends import Item, Precision, Result, StyleGenerator
from stylegan_cli.backends.quantised import DEFAULTS, QuantisationConfig, generator_in_8_bits
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.styles import Base

Tensors = Mapping[str, np.ndarray]


class CpuBackend(ABC):
    """Runs a base on the CPU, without torch."""

    name: str

    def __init__(
        self,
        base: Base,
        threads: int | None = None,
        quantisation: QuantisationConfig = DEFAULTS,
    ) -> None:
        self._base, self._quantisation = base, quantisation
        self._threads = resolve_threads(threads)

    def generator(
        self, folded: Tensors, precision: Precision = "f32", min_db: float | None = None
    ) -> StyleGenerator:
        """See Backend."""
        exact = self._exact_generator(folded)
        if precision == "f32":
            return exact
        config = self._quantisation
        return generator_in_8_bits(
            self._base,
            folded,
            self.name,
            exact,
            self._open_generator,
            precision,
            config if min_db is None else replace(config, min_db=min_db),
        )

    def for_many(self) -> Self:
        """See Backend."""
        return self

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """See Backend."""
        return [function(item) for item in items]

    @abstractmethod
    def _exact_generator(self, folded: Tensors) -> StyleGenerator:
        """In 32 bits."""

    @abstractmethod
    def _open_generator(self, graph: bytes) -> StyleGenerator:
        """Of a graph with weights inside it."""
