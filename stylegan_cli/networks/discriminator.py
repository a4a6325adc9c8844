"""The discriminators of refinement, on pixels and on frozen features; both score patches."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm


class PatchDiscriminator(nn.Module):
    """PatchGAN on pixels (Isola et al. 2017) with spectral norm and an output head per domain."""

    def __init__(self, domains: int, channels: int, layers: int = 3) -> None:
        """channels: of the first layer. layers: how many halve the picture; 3 see 70 px."""
        super().__init__()
        widths = [3, *(channels * 2**index for index in range(layers)), channels * 2**layers]
        strides = [2] * layers + [1]
        self.stages = nn.ModuleList(
            _conv(wide_in, wide_out, 4, stride)
            for wide_in, wide_out, stride in zip(widths, widths[1:], strides, strict=False)
        )
        # A head per domain, not a shared one with many channels: Adam then leaves the heads of
        # domains that are not shown alone.
        self.heads = nn.ModuleList(_conv(widths[-1], 1, 4, 1) for _ in range(domains))

    def forward(self, image: Tensor, domain: int) -> Tensor:
        """image: (B, 3, H, W) in [-1, 1]. Returns (B, 1, about H / 8, about W / 8)."""
        features = image
        for stage in self.stages:
            features = functional.leaky_relu(stage(features), 0.2)
        return self.heads[domain](features)  # type: ignore[no-any-return]


class FeatureDiscriminator(nn.Module):
    """Light patch heads on stages of a frozen network (projected GAN, Sauer et al. 2021).

    channels: of the stages it looks at.
    """

    def __init__(self, domains: int, channels: Sequence[int], hidden: int = 64) -> None:
        super().__init__()
        self.stages = nn.ModuleList(_conv(wide, hidden, 3, 1) for wide in channels)
        self.heads = nn.ModuleList(
            nn.ModuleList(_conv(hidden, 1, 1, 1) for _ in channels) for _ in range(domains)
        )

    def forward(self, features: Sequence[Tensor], domain: int) -> list[Tensor]:
        """features: (B, C_i, h_i, w_i) per stage. Returns scores (B, 1, h_i, w_i) per stage."""
        parts = zip(self.heads[domain], self.stages, features, strict=True)  # type: ignore[call-overload]
        return [head(functional.leaky_relu(stage(part), 0.2)) for head, stage, part in parts]


class Discriminator(nn.Module):
    """Both discriminators. `scores` of the pixels come first, those of the features after them."""

    def __init__(self, domains: int, feature_channels: Sequence[int], channels: int) -> None:
        """channels: of the pixel discriminator's first layer."""
        super().__init__()
        self.pixels = PatchDiscriminator(domains, channels)
        self.projected = FeatureDiscriminator(domains, feature_channels)

    def forward(
        self, image: Tensor, features: Sequence[Tensor], domain: int
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Scores of the pixel and of the feature discriminator, each a list; high means real."""
        return [self.pixels(image, domain)], self.projected(features, domain)


def _conv(channels_in: int, channels_out: int, size: int, stride: int) -> nn.Module:
    conv = nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2)
    nn.init.kaiming_normal_(conv.weight, a=0.2)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return spectral_norm(conv)
