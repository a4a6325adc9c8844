"""The paired ceiling: what our generator could do if it were shown the truth.

Everything of it is trained, from the base and the instant style, by L1 on photos and the very look
on them. No method without pairs can be expected above it, whatever its losses.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from timed import set_rate
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.learning.ema import Ema
from stylegan_cli.networks.architecture import GeneratorConfig
from stylegan_cli.networks.generator import Generator
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.styles import Base, Style
from stylegan_cli.training.data import to_tensor

RATE = 5e-4
BATCH, CROP = 8, 128  # px
SHORT_SIDE = 256.0  # px, of every photo
DECAY_FROM = 0.5
EMA = 0.995

StyleTensors = Callable[[np.ndarray], np.ndarray]


class Ceiling(nn.Module):
    """The base's generator at a style, with nothing frozen: a picture-to-picture network."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.generator = Generator(config)
        self.matrix = nn.Parameter(torch.eye(3)[None])
        self.offset = nn.Parameter(torch.zeros(1, 3))
        self.code = nn.Parameter(torch.zeros(1, config.code_dim))

    def start_at(self, base: Base, style: Style) -> "Ceiling":
        """Take the weights of the base, and the colour map and code of an instant style."""
        look = {"matrix": style.matrix, "offset": style.offset, "code": style.code}
        weights = {f"generator.{name}": value for name, value in base.generator_tensors.items()}
        state = weights | {name: value[None] for name, value in look.items()}
        self.load_state_dict({name: torch.tensor(value) for name, value in state.items()})
        return self

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) in [-1, 1], H and W multiples of 8. Returns the same, not clipped."""
        short_side = image.new_full((1,), SHORT_SIDE)
        return self.generator(image, self.matrix, self.offset, self.code, short_side)[0]


@dataclass(frozen=True)
class Pairs:
    """Photos and their truths, uint8 (H, W, 3); mirrored ones too, for a look may have a side."""

    photos: Sequence[np.ndarray]
    truths: Sequence[np.ndarray]

    @property
    def unmirrored_truths(self) -> Sequence[np.ndarray]:
        """Those of the photos as they are."""
        return self.truths[::2]

    def crops(self, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """BATCH crops of photos and the same of their truths, (BATCH, 3, CROP, CROP)."""
        photos, truths = [], []
        for index in rng.integers(len(self.photos), size=BATCH):
            height, width = self.photos[index].shape[:2]
            top, left = rng.integers(height - CROP + 1), rng.integers(width - CROP + 1)
            device = slice(top, top + CROP), slice(left, left + CROP)
            photos.append(self.photos[index][device])
            truths.append(self.truths[index][device])
        return to_tensor(np.stack(photos)), to_tensor(np.stack(truths))


def true_pairs(photos: Sequence[np.ndarray], look: StyleTensors) -> Pairs:
    """Each photo and its mirror image with the look on them."""
    both = [version for photo in photos for version in (photo, np.fliplr(photo).copy())]
    return Pairs(both, [look(photo) for photo in both])


def train_ceiling(
    network: Ceiling, pairs: Pairs, shares: Iterable[float], seed: int, device: str = "cpu"
) -> Ceiling:
    """`network` after a step per share of the time (timed.Limit), its weights averaged."""
    device = torch.device(device)
    network.to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, betas=(0.9, 0.99))
    ema = Ema(network, EMA)
    rng = np.random.default_rng(seed)
    fast = uses_bf16("auto", device.type)
    for step, share in enumerate(shares):
        set_rate(optimizer, RATE, share, DECAY_FROM)
        photos, truths = (side.to(device) for side in pairs.crops(rng))
        # Half the precision for half the time: what is fine is learned while the rate falls.
        with torch.autocast(device.type, torch.bfloat16, enabled=fast and share < DECAY_FROM):
            result = network(photos)
        loss = functional.l1_loss(result.float(), truths)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        ema.update(step)
    network.load_state_dict(network.state_dict() | ema.state_dict())
    return network.cpu().eval()
