"""The look encoder: any number of pictures, in any order, of any size → one style code."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.networks.architecture import LookEncoderConfig
from stylegan_cli.networks.layers import LEAK


class LookFeatures(nn.Module):
    """Moments of convolutional features at four scales, one row per picture."""

    def __init__(self, config: LookEncoderConfig) -> None:
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

    def forward(self, pictures: Tensor) -> Tensor:
        """pictures: (N, 3, H, W) in [-1, 1], H and W even. Returns (N, moments_dim)."""
        features = functional.pixel_unshuffle(pictures, 2)
        first, second = [], []
        for stage in self.stages:
            features = stage(features)
            wide = features.float()
            first.append(wide.mean(dim=(2, 3)))
            second.append(wide.square().mean(dim=(2, 3)))
        return torch.cat([*first, *second], dim=1)


class LookEncoder(nn.Module):
    """Moments pooled over the set, beside its colour statistics, through a small MLP."""

    def __init__(self, config: LookEncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.features = LookFeatures(config)
        self.head = nn.Sequential(
            nn.Linear(config.moments_dim + config.statistics_dim, config.hidden),
            nn.LayerNorm(config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.hidden),
            nn.SiLU(),
            nn.Linear(config.hidden, config.code_dim),
        )

    def forward(self, moments: Tensor, statistics: Tensor) -> Tensor:
        """Style code of a set.

        moments: (B, moments_dim), rows of LookFeatures averaged over the set.
        statistics: (B, statistics_dim), from colour.look_statistics. Returns (B, code_dim).
        """
        return self.head(torch.cat([spread_moments(moments), statistics], dim=1))  # type: ignore[no-any-return]


def spread_moments(moments: Tensor) -> Tensor:
    """First and second moments (B, moments_dim) → means and standard deviations, same shape."""
    first, second = moments.chunk(2, dim=1)
    spread = (second - first.square()).clamp(min=1e-6).sqrt()
    return torch.cat([first, spread], dim=1)
