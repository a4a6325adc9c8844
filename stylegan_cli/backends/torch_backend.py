"""The networks on torch: the reference, and the way to a GPU."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.backends import Painter, Precision, refuse_int8
from stylegan_cli.networks.generator import FoldedGenerator
from stylegan_cli.networks.look_encoder import LookEncoder
from stylegan_cli.style_file import Base


@dataclass(frozen=True, slots=True, eq=False)
class TorchPainter:
    """A folded generator on a device."""

    generator: FoldedGenerator
    device: torch.device
    reach: int

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See Painter."""
        try:
            with torch.inference_mode():
                toned, residue = self.generator(_tensor(image, self.device))
            return toned.cpu().numpy(), residue.cpu().numpy()
        except RuntimeError as error:
            # torch's CPU allocator raises nothing narrower; its CUDA error is one of these too.
            if isinstance(error, torch.OutOfMemoryError) or "allocate memory" in str(error):
                raise MemoryError(str(error)) from error
            raise


class TorchBackend:
    """Runs a base on any torch device, in float32."""

    name = "torch"

    def __init__(self, base: Base, device: str = "cpu") -> None:
        self._base = base
        self._device = torch.device(device)
        self._encoder = LookEncoder(base.encoder)
        self._load(self._encoder, base.encoder_tensors)

    def painter(self, folded: Mapping[str, np.ndarray], precision: Precision = "f32") -> Painter:
        """See Backend."""
        refuse_int8(precision, self.name)
        generator = FoldedGenerator(self._base.generator)
        self._load(generator, folded)
        return TorchPainter(generator, self._device, self._base.generator.reach)

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
