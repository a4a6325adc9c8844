"""The networks on torch: the reference, and the way to a GPU."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.backends import Item, Precision, Result, StyleGenerator, refuse_int8
from stylegan_cli.networks.generator import FoldedGenerator
from stylegan_cli.networks.style_encoder import StyleEncoder
from stylegan_cli.styles import Base


@dataclass(frozen=True, slots=True, eq=False)
class TorchGenerator:
    """A folded generator on a device."""

    generator: FoldedGenerator
    device: torch.device
    reach: int

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See StyleGenerator."""
        try:
            with torch.inference_mode():
                base_colour, residual = self.generator(_tensor(image, self.device))
            return base_colour.cpu().numpy(), residual.cpu().numpy()
        except RuntimeError as error:
            # torch's CPU allocator raises nothing narrower; its CUDA error is one of these too.
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise

    def release_memory(self) -> None:
        """See StyleGenerator. Nothing is held between calls."""


class TorchBackend:
    """Runs a base on any torch device, in float32."""

    name = "torch"

    def __init__(self, base: Base, device: str = "cpu") -> None:
        self._base = base
        self._device = torch.device(device)
        self._encoder = StyleEncoder(base.encoder)
        self._load(self._encoder, base.encoder_tensors)

    def generator(
        self,
        folded: Mapping[str, np.ndarray],
        precision: Precision = "f32",
        min_db: float | None = None,
    ) -> StyleGenerator:
        """See Backend."""
        refuse_int8(precision, self.name)
        generator = FoldedGenerator(self._base.generator)
        self._load(generator, folded)
        return TorchGenerator(generator, self._device, self._base.generator.reach)

    def for_many(self) -> Self:
        """See Backend."""
        return self

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
        """See Backend."""
        return [function(item) for item in items]

    def moments(self, pictures: np.ndarray) -> np.ndarray:
        """See Backend."""
        with torch.inference_mode():
            moments = self._encoder.features(_tensor(pictures, self._device))
            return moments.cpu().numpy()  # type: ignore[no-any-return]

    def code(self, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """See Backend."""
        inputs = (_tensor(values, self._device) for values in (moments, statistics))
        with torch.inference_mode():
            return self._encoder(*inputs).cpu().numpy()  # type: ignore[no-any-return]

    def _load(self, network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
        state = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in weights.items()}
        network.load_state_dict(state)
        network.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.eval()


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(device)
