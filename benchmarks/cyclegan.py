"""CycleGAN with its paper's settings (Zhu et al. 2017), for any generator of pictures.

ResNet-9 generators, 70 x 70 PatchGANs, least squares, cycle 10 and identity 5, Adam at 2e-4 with
betas 0.5 and 0.999, batches of one, 286 px cropped to 256 px, a history of 50 fakes, the learning
rate falling to nothing over the second half. What differs: the time is given, not the epochs, and
convolutions are bf16 where `influ train` would use it, so that the same time buys as much.
"""

from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from timed import set_rate
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.learning.losses import (
    cycle_loss,
    discriminator_gan_loss,
    generator_gan_loss,
    identity_loss,
)
from stylegan_cli.networks.architecture import STRIDE, GeneratorConfig
from stylegan_cli.networks.generator import Generator
from stylegan_cli.pictures import resize_short_side
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.training.data import HistoryPool, to_pixels, to_tensor

RATE = 2e-4
BETAS = (0.5, 0.999)
CYCLE, IDENTITY = 10.0, 5.0
LOADED, CROPPED = 286, 256  # px
HISTORY = 50
DECAY_FROM = 0.5

StylizeFunction = Callable[[np.ndarray], np.ndarray]


class ResNet9(nn.Module):
    """CycleGAN's generator for 256 px (its appendix 7.2; after Johnson et al. 2016)."""

    def __init__(self, channels: int = 64, blocks: int = 9) -> None:
        super().__init__()
        two, four = 2 * channels, 4 * channels
        self.layers = nn.Sequential(
            *(nn.ReflectionPad2d(3), *_normed(nn.Conv2d(3, channels, 7))),
            *_normed(nn.Conv2d(channels, two, 3, 2, 1)),
            *_normed(nn.Conv2d(two, four, 3, 2, 1)),
            *(_Residual(four) for _ in range(blocks)),
            *_normed(nn.ConvTranspose2d(four, two, 3, 2, 1, output_padding=1)),
            *_normed(nn.ConvTranspose2d(two, channels, 3, 2, 1, output_padding=1)),
            *(nn.ReflectionPad2d(3), nn.Conv2d(channels, 3, 7), nn.Tanh()),
        )

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) in [-1, 1], H and W multiples of 4. Returns the same."""
        return self.layers(image)


class OurNetwork(nn.Module):
    """The product's generator as a picture-to-picture network: no colour map, one learned code."""

    def __init__(self) -> None:
        super().__init__()
        config = GeneratorConfig()
        self.generator = Generator(config)
        self.code = nn.Parameter(torch.zeros(1, config.code_dim))

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) in [-1, 1], H and W multiples of 8. Returns the same, not clipped."""
        matrix, offset = torch.eye(3, device=image.device)[None], image.new_zeros(1, 3)
        short_side = image.new_full((1,), float(CROPPED))
        return self.generator(image, matrix, offset, self.code, short_side)[0]


class PatchGan70(nn.Module):
    """The 70 x 70 PatchGAN (Isola et al. 2017) with instance norm, as CycleGAN has it."""

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(3, channels, 4, 2, 1), nn.LeakyReLU(0.2)]
        for factor, stride in ((2, 2), (4, 2), (8, 1)):
            conv = nn.Conv2d(channels * factor // 2, channels * factor, 4, stride, 1)
            layers += [conv, nn.InstanceNorm2d(channels * factor), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(8 * channels, 1, 4, 1, 1))

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) in [-1, 1]. Returns scores (B, 1, about H / 8, about W / 8)."""
        return self.layers(image)


class CycleGan:
    """Both directions and both discriminators, and one step of their training."""

    def __init__(self, build: Callable[[], nn.Module], seed: int, device: str = "cpu") -> None:
        self.place = torch.device(device)
        torch.manual_seed(seed)
        self.forth, self.back = build(), build()
        self.creator_discriminator, self.content_discriminator = PatchGan70(), PatchGan70()
        for network in (
            self.forth,
            self.back,
            self.creator_discriminator,
            self.content_discriminator,
        ):
            if isinstance(network, (ResNet9, PatchGan70)):
                network.apply(_draw_weights)
            network.to(self.place, memory_format=torch.channels_last)
        self.pools = [HistoryPool(HISTORY, seed), HistoryPool(HISTORY, seed + 1)]
        self.generators = _adam(self.forth, self.back)
        self.discriminators = _adam(self.creator_discriminator, self.content_discriminator)
        self._bf16 = uses_bf16("auto", self.place.type)

    def learn(self, content: Tensor, creator: Tensor, step: int) -> None:
        """One update of the generators, then one of the discriminators; each (1, 3, 256, 256)."""
        with self._autocast():
            fakes = self.forth(content), self.back(creator)
            cycles = cycle_loss(self.back(fakes[0]), content, is_invertible=True)
            cycles = cycles + cycle_loss(self.forth(fakes[1]), creator, is_invertible=True)
            kept = identity_loss(self.forth(creator), creator)
            kept = kept + identity_loss(self.back(content), content)
            _freeze(True, self.creator_discriminator, self.content_discriminator)
            fooled = generator_gan_loss("lsgan", [self.creator_discriminator(fakes[0])])
            fooled = fooled + generator_gan_loss("lsgan", [self.content_discriminator(fakes[1])])
        _update(self.generators, fooled + CYCLE * cycles + IDENTITY * kept)

        _freeze(False, self.creator_discriminator, self.content_discriminator)
        shown = [pool.swap(fake, step) for pool, fake in zip(self.pools, fakes, strict=True)]
        with self._autocast():
            told = _told(self.creator_discriminator, creator, shown[0])
            told = told + _told(self.content_discriminator, content, shown[1])
        _update(self.discriminators, told)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.place.type, torch.bfloat16, enabled=self._bf16)


def train_cyclegan(
    build: Callable[[], nn.Module],
    content: Sequence[np.ndarray],
    creator: Sequence[np.ndarray],
    shares: Iterable[float],
    seed: int,
    device: str = "cpu",
) -> nn.Module:
    """The generator from content to creator, after a step per share of the time (timed.Limit).

    content, creator: uint8 (H, W, 3), short side 256.
    """
    run = CycleGan(build, seed, device)
    sides = [
        [resize_short_side(picture, LOADED) for picture in side] for side in (content, creator)
    ]
    rng = np.random.default_rng(seed)
    for step, share in enumerate(shares):
        for optimizer in (run.generators, run.discriminators):
            set_rate(optimizer, RATE, share, DECAY_FROM)
        run.learn(*(_crop(side, rng).to(run.place) for side in sides), step)
    return run.forth.cpu().eval()


def generator_of(network: nn.Module) -> StylizeFunction:
    """A stylize function, uint8 in and out; sides are brought to multiples of 8 by mirroring."""

    @torch.inference_mode()
    def stylize(photo: np.ndarray) -> np.ndarray:
        height, width = photo.shape[:2]
        image = functional.pad(
            to_tensor(photo[None]), (0, -width % STRIDE, 0, -height % STRIDE), mode="reflect"
        )
        return to_pixels(network(image))[0, :height, :width]

    return stylize


def save_network(network: nn.Module, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)


def load_network(network: nn.Module, path: Path) -> nn.Module:
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.to(memory_format=torch.channels_last).eval()


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.ReflectionPad2d(1), *_normed(nn.Conv2d(channels, channels, 3))),
            *(nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3)),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, features: Tensor) -> Tensor:
        return features + self.layers(features)


def _normed(conv: nn.Module) -> tuple[nn.Module, ...]:
    return conv, nn.InstanceNorm2d(conv.out_channels), nn.ReLU()


def _draw_weights(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)


def _adam(*networks: nn.Module) -> torch.optim.Optimizer:
    parameters = chain.from_iterable(network.parameters() for network in networks)
    return torch.optim.Adam(parameters, lr=RATE, betas=BETAS)


def _freeze(frozen: bool, *networks: nn.Module) -> None:
    for network in networks:
        network.requires_grad_(not frozen)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()


def _told(discriminator: nn.Module, real: Tensor, fake: Tensor) -> Tensor:
    return discriminator_gan_loss("lsgan", [discriminator(real)], [discriminator(fake)])


def _crop(pictures: Sequence[np.ndarray], rng: np.random.Generator) -> Tensor:
    picture = pictures[rng.integers(len(pictures))]
    top, left = (rng.integers(side - CROPPED + 1) for side in picture.shape[:2])
    crop = picture[top : top + CROPPED, left : left + CROPPED]
    return to_tensor((crop[:, ::-1] if rng.random() < 0.5 else crop)[None])
