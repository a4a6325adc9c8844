"""The networks on torch: the reference, and the way to a GPU."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.backends import Painter
from stylegan_cli.networks.generator import FoldedGenerator
from stylegan_cli.networks.look_encoder import LookEncoder
from stylegan_cli.style_file import Base


class TorchBackend:
    """Runs a base on any torch device, in float32."""

    name = "torch"

    def __init__(self, base: Base, device: str = "cpu") -> None:
        self._base = base
        self._device = torch.device(device)
        self._encoder = LookEncoder(base.encoder)
        self._load(self._encoder, base.encoder_tensors)

    def painter(self, folded: Mapping[str, np.ndarray]) -> Painter:
        """See Backend."""
        generator = FoldedGenerator(self._base.generator)
        self._load(generator, folded)

        def paint(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            with torch.inference_mode():
                toned, residue = generator(self._tensor(image))
            return toned.cpu().numpy(), residue.cpu().numpy()

        return paint

    def moments(self, pictures: np.ndarray) -> np.ndarray:
        """See Backend."""
        with torch.inference_mode():
            return self._encoder.features(self._tensor(pictures)).cpu().numpy()  # type: ignore[no-any-return]

    def code(self, moments: np.ndarray, statistics: np.ndarray) -> np.ndarray:
        """See Backend."""
        with torch.inference_mode():
            return self._encoder(self._tensor(moments), self._tensor(statistics)).cpu().numpy()  # type: ignore[no-any-return]

    def _tensor(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values, np.float32)).to(self._device)

    def _load(self, network: nn.Module, weights: Mapping[str, np.ndarray]) -> None:
        state = {name: torch.from_numpy(np.ascontiguousarray(v)) for name, v in weights.items()}
        network.load_state_dict(state)
        network.to(self._device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.eval()
