"""Building blocks of the generator: convolutions that a style modulates, and their folded twins.

A call has one style, so the style modulates the weights, which are few, and not the features of
every pixel: training runs the same plain convolutions as inference. Where each picture has a style
of its own, as suits a GPU, the features are modulated instead; the result is the same.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.colour import LUMA_WEIGHTS
from stylegan_cli.networks.architecture import GAIN, LARGEST_SHORT_SIDE, LEAK
from stylegan_cli.networks.precision import full_precision

HALF_POWER = 0.5**0.5  # two branches of variance 1 add up to variance 1


def activate(features: Tensor) -> Tensor:
    """Leaky ReLU, in place: nothing else needs the results of the convolutions."""
    return functional.leaky_relu(features, LEAK, inplace=True)


class ModulatedConv(nn.Module):
    """Convolution whose input channels a style scales, at constant output variance.

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
        """features: (B, C, H, W); condition: (1 or B, condition_dim). Returns (B, C', H', W')."""
        scale, shift = full_precision(self.style(condition)).split(self._split, dim=1)
        weight, stride, padding = self.conv.weight, self.conv.stride, self.conv.padding
        energy = (1 + scale).square() @ weight.square().sum(dim=(2, 3)).T
        gain = GAIN * torch.rsqrt(energy + 1e-8)
        if len(condition) == 1:
            styled = gain[0, :, None, None, None] * weight * (1 + scale[0])[:, None, None]
            return functional.conv2d(features, styled, shift[0], stride, padding)
        convolved = functional.conv2d(
            features * each_pixel(1 + scale), weight, None, stride, padding
        )
        return torch.addcmul(each_pixel(shift), each_pixel(gain), convolved)


class GatedConv(nn.Module):
    """Last convolution of a network: a style scales its inputs and outputs, and shifts the latter.

    Without demodulation, as StyleGAN2's last layers (Karras et al. 2020): a feature that a style
    does not have, a line or a dot, can be left out.
    """

    def __init__(self, channels_in: int, channels_out: int, size: int, condition_dim: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, padding=size // 2)
        self._split = (channels_in, channels_out, channels_out)
        self.gate = nn.Linear(condition_dim, sum(self._split))
        # Almost zero at first: a residual that begins as noise is unlearned, and never comes back.
        nn.init.normal_(self.conv.weight, std=4e-4)
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]
        nn.init.normal_(self.gate.weight, std=2e-3)
        nn.init.zeros_(self.gate.bias)

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C, H, W); condition: (1 or B, condition_dim). Returns (B, C', H, W)."""
        inner, outer, shift = full_precision(self.gate(condition)).split(self._split, dim=1)
        bias = torch.addcmul(shift, 1 + outer, self.conv.bias)  # type: ignore[arg-type]
        weight, padding = self.conv.weight, self.conv.padding
        if len(condition) == 1:
            weight = (1 + outer[0])[:, None, None, None] * (each_pixel(1 + inner) * weight)
            return functional.conv2d(features, weight, bias[0], padding=padding)
        convolved = functional.conv2d(each_pixel(1 + inner) * features, weight, padding=padding)
        return torch.addcmul(each_pixel(bias), each_pixel(1 + outer), convolved)


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

    image: (B, 3, H, W); matrix: (1 or B, 3, 3); offset: (1 or B, 3). Returns (B, 3, H, W), not
    clipped.
    """
    # With u = (x + 1) / 2 the map is x @ matrix + (1 @ matrix + 2 offset - 1).
    shift = matrix.sum(dim=1) + 2 * offset - 1
    if len(matrix) == 1:
        return functional.conv2d(image, matrix.mT[0, :, :, None, None], shift[0])
    return torch.einsum("bchw,bcd->bdhw", image, matrix) + each_pixel(shift)


def each_pixel(channels: Tensor) -> Tensor:
    """(B, C) → (B, C, 1, 1), to be broadcast over pixels."""
    return channels[..., None, None]


def enlarge(image: Tensor) -> Tensor:
    """(B, C, H, W) at twice the size, bilinear."""
    return functional.interpolate(image, scale_factor=2, mode="bilinear", align_corners=False)


def log_size(short_side: Tensor) -> Tensor:
    """The generator's input for a picture's scale: log(short side / 256), (B,) → (B, 1).

    A short side above LARGEST_SHORT_SIDE counts as that.
    """
    return torch.log(full_precision(short_side).clamp(max=LARGEST_SHORT_SIDE) / 256)[:, None]


def luminance(image: Tensor) -> Tensor:
    """(B, 1, H, W) luma of (B, 3, H, W)."""
    weights = torch.tensor(LUMA_WEIGHTS, dtype=image.dtype, device=image.device)
    return (image * weights[:, None, None]).sum(dim=1, keepdim=True)
