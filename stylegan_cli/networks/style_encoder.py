"""The style encoder: any number of pictures, in any order, of any size → one style code."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.networks.architecture import CLIP_DEVIATIONS, LEAK, StyleEncoderConfig
from stylegan_cli.networks.precision import full_precision

MOMENTUM = 0.01  # share of a training step in the running averages


class StyleFeatures(nn.Module):
    """Moments of convolutional features at four scales, one row per picture."""

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        widths = (12, *config.channels)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(widths[index], wide, 3, stride=1 if index == 0 else 2, padding=1),
                nn.LeakyReLU(LEAK),
                nn.Conv2d(wide, wide, 3, padding=1),
                nn.LeakyReLU(LEAK),
            )
            for index, wide in enumerate(config.channels)
        )
        for stage in self.stages:
            for conv in (stage[0], stage[2]):  # type: ignore[index]
                nn.init.kaiming_normal_(conv.weight, a=LEAK, nonlinearity="leaky_relu")
                nn.init.zeros_(conv.bias)
        # Moments show how strong each channel is, not which channels go together: mixtures do.
        self.probes = nn.ModuleList(
            nn.Sequential(nn.Conv2d(wide, count, 1), nn.LeakyReLU(LEAK))
            for wide, count in zip(config.channels, config.probes, strict=True)
        )

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: (N, 3, H, W) in [-1, 1], H and W even. Returns (N, moments_dim)."""
        features = functional.pixel_unshuffle(pictures, 2)
        maps = []
        for stage in self.stages:
            features = stage(features)
            maps.append(features)
        maps += [probe(features) for probe, features in zip(self.probes, maps, strict=True)]
        first = [full_precision(features).mean(dim=(2, 3)) for features in maps]
        second = [full_precision(features).square().mean(dim=(2, 3)) for features in maps]
        return torch.cat([*first, *second], dim=1)


class StyleHead(nn.Module):
    """Pooled moments and colour statistics → style code."""

    centre: Tensor
    scale: Tensor

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        dim = config.moments_dim + config.statistics_dim
        # Features of different kinds count alike, however far training moves them.
        self.register_buffer("centre", torch.zeros(dim))
        self.register_buffer("scale", torch.ones(dim))
        self.layers = nn.Sequential(
            nn.Linear(dim, config.hidden),
            nn.LayerNorm(config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.code_dim),
        )
        last: nn.Linear = self.layers[5]  # type: ignore[assignment]
        nn.init.normal_(last.weight, std=2.9 / config.hidden**0.5)  # codes of about 1

    def forward(self, moments: Tensor, statistics: Tensor) -> Tensor:
        """Code of each row.

        moments: (B, moments_dim); statistics: (B, statistics_dim). Returns (B, code_dim).
        """
        return self.encode(self.describe(moments, statistics))

    def encode(self, described: Tensor) -> Tensor:
        """Code of each row of `describe`, (B, code_dim)."""
        standard = ((described - self.centre) * self.scale).clamp(-CLIP_DEVIATIONS, CLIP_DEVIATIONS)
        return self.layers(standard)  # type: ignore[no-any-return]

    def describe(self, moments: Tensor, statistics: Tensor) -> Tensor:
        """Means over deviations, logarithms of deviations, and the statistics.

        Independent of the features' own scale, which nothing fixes during training.
        """
        first, second = moments.chunk(2, dim=1)
        deviation = (second - first.square()).clamp(min=1e-8).sqrt()
        return torch.cat([first / deviation, deviation.log(), statistics], dim=1)

    @torch.no_grad()
    def standardise(self, described: Tensor) -> None:
        """Give every feature mean 0 and deviation 1 over `described` (N, dim)."""
        self.centre.copy_(described.mean(0))
        self.scale.copy_(1 / described.std(0).clamp(min=1e-3))

    def deviations(self, described: Tensor) -> Tensor:
        """How far rows (B, dim) of `describe` are from the centre: mean and mean square, (2, dim).

        Those of a batch are the mean of those of its parts.
        """
        off = described.detach() - self.centre
        return torch.stack([off.mean(0), off.square().mean(0)])

    @torch.no_grad()
    def follow(self, deviations: Tensor) -> None:
        """Move centre and scale toward a step's rows, from the `deviations` of all of them.

        Fixed after the first step, a quarter of the features would end beyond the limit, where they
        carry no information. As batch normalisation does, but after the step: within it, a row's
        code depends on that row alone, so a batch can be computed in parts.
        """
        mean, square = deviations
        variance = (1 - MOMENTUM) / self.scale.square() + MOMENTUM * square
        self.centre += MOMENTUM * mean
        self.scale.copy_(variance.rsqrt().clamp(max=1e3))


class StyleEncoder(nn.Module):
    """Features of each picture, pooled over the set by the caller, then the head."""

    def __init__(self, config: StyleEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.features = StyleFeatures(config)
        self.head = StyleHead(config)

    def forward(self, moments: Tensor, statistics: Tensor) -> Tensor:
        """Style code of a set.

        moments: (B, moments_dim), rows of StyleFeatures averaged over the set.
        statistics: (B, statistics_dim), from colour.style_statistics. Returns (B, code_dim).
        """
        return self.head(moments, statistics)  # type: ignore[no-any-return]
