"""Building blocks of the generator: convolutions that a style modulates, and their folded twins.

A call paints in one style, so a style is applied to the weights, which are few, and not to the
features of every pixel: training runs the plain convolutions that painting does.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.networks.architecture import GAIN, LEAK

HALF_POWER = 0.5**0.5  # two branches of variance 1 add up to variance 1


def activate(features: Tensor) -> Tensor:
    """Leaky ReLU, in place: it changes results of convolutions, which nobody else needs."""
    return functional.leaky_relu(features, LEAK, inplace=True)


class ModulatedConv(nn.Module):
    """Convolution whose input channels a style weighs, at constant output variance.

    Weight modulation and demodulation (Karras et al. 2020, eq. 1 and 3), and a styled bias. The
    variance stays put however the style weighs, which a chain of plain scales does not.
    """

    def __init__(
        self, channels_in: int, channels_out: int, size: int, condition_dim: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, stride, size // 2, bias=False)
        self.style = nn.Linear(condition_dim, channels_in + channels_out)
        self._split = (channels_in, channels_out)
        nn.init.normal_(self.conv.weight, std=1 / (channels_in * size**2) ** 0.5)
        nn.init.normal_(self.style.weight, std=0.3 / condition_dim**0.5)
        nn.init.zeros_(self.style.bias)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C_in, H, W); condition: (1, condition_dim). Returns (B, C_out, H', W')."""
        scale, shift = self.style(condition)[0].float().split(self._split)
        scaled = self.conv.weight * (1 + scale)[:, None, None]
        energy = scaled.square().sum(dim=(1, 2, 3), keepdim=True)
        weight = GAIN * torch.rsqrt(energy + 1e-8) * scaled
        stride, padding = self.conv.stride, self.conv.padding
        return functional.conv2d(features, weight, shift, stride, padding)


class GatedConv(nn.Module):
    """Last convolution of a network: a style weighs what goes in and what comes out, and shifts it.

    Without demodulation, as StyleGAN2's last layers (Karras et al. 2020): a feature that a look
    does not have, a line or a dot, can be left out.
    """

    def __init__(self, channels_in: int, channels_out: int, size: int, condition_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, padding=size // 2)
        self._split = (self.gated_inputs(channels_in), channels_out, channels_out)
        self.gate = nn.Linear(condition_dim, sum(self._split))
        # Next to nothing at first: a residue that begins as noise is learned away, and stays away.
        nn.init.normal_(self.conv.weight, std=4e-4)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.gate.weight, std=2e-3)
        nn.init.zeros_(self.gate.bias)

    def gated_inputs(self, channels_in: int) -> int:
        """How many input channels a style weighs."""
        return channels_in

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C_in, H, W); condition: (1, condition_dim). Returns (B, C_out, H, W)."""
        inner, outer, shift = self.gate(condition)[0].float().split(self._split)
        weight = (1 + outer)[:, None, None, None] * self.weigh(self.conv.weight, inner)
        bias = torch.addcmul(shift, 1 + outer, self.conv.bias)  # type: ignore[arg-type]
        return functional.conv2d(features, weight, bias, padding=self.conv.padding)

    def weigh(self, weight: Tensor, inner: Tensor) -> Tensor:
        """The weight with its input channels weighed."""
        return (1 + inner)[:, None, None] * weight


class OutputGatedConv(GatedConv):
    """The last convolution of generators of before, where a style weighs what comes out alone."""

    def gated_inputs(self, channels_in: int) -> int:
        """None."""
        return 0

    def weigh(self, weight: Tensor, inner: Tensor) -> Tensor:
        """As it is."""
        return weight


class FoldedConv(nn.Module):
    """The twin of ModulatedConv and GatedConv after a style has been folded into the weights."""

    def __init__(
        self, channels_in: int, channels_out: int, size: int, condition_dim: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C_in, H, W); condition: ignored. Returns (B, C_out, H', W')."""
        return self.conv(features)  # type: ignore[no-any-return]


class ResidualBlock(nn.Module):
    """Two styled convolutions beside a straight way through."""

    def __init__(self, layer: type[nn.Module], channels: int, condition_dim: int) -> None:
        super().__init__()
        self.first = layer(channels, channels, 3, condition_dim)
        self.second = layer(channels, channels, 3, condition_dim)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C, H, W); condition: (1, condition_dim). Returns (B, C, H, W)."""
        inner = activate(self.first(features, condition))
        return (features + self.second(inner, condition)) * HALF_POWER  # type: ignore[no-any-return]


def map_colours(image: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """`u @ matrix + offset` on unit colours, applied to an image in [-1, 1].

    image: (B, 3, H, W); matrix: (1, 3, 3); offset: (1, 3). Returns (B, 3, H, W), not clipped.
    """
    # With u = (x + 1) / 2 the map is x @ matrix + (1 @ matrix + 2 offset - 1).
    shift = matrix.sum(dim=1) + 2 * offset - 1
    return functional.conv2d(image, matrix.mT[0, :, :, None, None], shift[0])


def enlarge(image: Tensor) -> Tensor:
    """(B, C, H, W) at twice the size, bilinear."""
    return functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


def log_size(short_side: Tensor) -> Tensor:
    """What the generator is told of a picture's scale: log(short side / 256), shape (1, 1)."""
    return torch.log(short_side.float() / 256)[:, None]
