"""The exponential moving average of a module's parameters, which is what models are made of."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Ema:
    """Averages a module's trainable parameters.

    decay: share of the old average that a step keeps. At first it is min(decay, (1 + step) /
    (10 + step)), so that the untrained start weighs little (as in TensorFlow's moving averages).
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self._followed = [(n, p) for n, p in module.named_parameters() if p.requires_grad]
        self._average = [p.detach().clone() for _, p in self._followed]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average toward the module's present parameters, after the update of `step`."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        for average, (_, parameter) in zip(self._average, self._followed, strict=True):
            average.lerp_(parameter.detach(), weight)

    def state_dict(self) -> dict[str, Tensor]:
        """The averages by parameter name."""
        return {n: a for a, (n, _) in zip(self._average, self._followed, strict=True)}

    @torch.no_grad()
    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from `state`; raises KeyError where a parameter is missing."""
        for average, (name, _) in zip(self._average, self._followed, strict=True):
            average.copy_(state[name])

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Swap the averaged parameters in for the duration of the context."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    @torch.no_grad()
    def _swap(self) -> None:
        for average, (_, parameter) in zip(self._average, self._followed, strict=True):
            own = parameter.detach().clone()
            parameter.copy_(average)
            average.copy_(own)
