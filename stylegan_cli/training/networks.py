"""The networks of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from stylegan_cli.networks.discriminator import Discriminator
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.lora import CreatorParameters
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.runtime.randomness import derive_seed
from stylegan_cli.training.adapters import AdaptedGenerator, StyleTensors
from stylegan_cli.training.config import TrainingConfig

DISCRIMINATOR_STAGES = (1, 2, 3)  # of the frozen network: strides 4, 8 and 16
CONTENT_STAGES = (2, 3)  # strides 8 and 16


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a run: generator with adapters, discriminators, frozen features."""

    generator: AdaptedGenerator
    discriminator: Discriminator
    features: FrozenFeatures

    def stages(self, images: Tensor) -> list[Tensor]:
        """Frozen features of images at the discriminator's stages."""
        stages = self.features(images)
        return [stages[index] for index in DISCRIMINATOR_STAGES]


def build_networks(
    generator: Generator,
    styles: Sequence[StyleTensors],
    content_code: Tensor,
    features: FrozenFeatures,
    config: TrainingConfig,
) -> Networks:
    """Adapters at zero and fresh discriminators, drawn by the run's seed.

    styles: one per creator. content_code: (code_dim,).
    """
    device = styles[0].matrix.device
    generator.requires_grad_(config.trains_base)
    weights = dict(generator.named_parameters())
    start_weights = {name: value.detach().clone() for name, value in weights.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, 0, "networks"))
        adapted = {} if config.trains_base else weights
        creators = nn.ModuleList(CreatorParameters(x.code, adapted) for x in styles)
        creators.append(CreatorParameters(content_code, {}))
        channels = [features.channels[stage] for stage in DISCRIMINATOR_STAGES]
        discriminator = Discriminator(len(styles), channels, config.discriminator_channels)
    adapters = nn.ModuleDict({"creators": creators, "generator": generator}).to(device)
    discriminator.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    bf16 = uses_bf16(config.precision, device.type)
    return Networks(
        AdaptedGenerator(adapters, styles, start_weights, bf16), discriminator, features
    )
