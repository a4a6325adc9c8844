"""Building blocks of the generator: convolutions that a style modulates, and their folded twins."""

import torch
from torch import Tensor, nn
from torch.nn import functional

# Without normalisation plain ReLUs die within the first thousand steps, and stay dead.
LEAK = 0.2


def activate(features: Tensor) -> Tensor:
    """Leaky ReLU."""
    return functional.leaky_relu(features, LEAK)


class ModulatedConv(nn.Module):
    """Convolution followed by feature-wise scale and shift (FiLM, Perez et al. 2018)."""

    def __init__(
        self, channels_in: int, channels_out: int, size: int, condition_dim: int, stride: int = 1
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels_out, size, stride, padding=size // 2)
        self.film = nn.Linear(condition_dim, 2 * channels_out)
        # A code has entries of about 1: a look must matter from the first step on.
        nn.init.normal_(self.film.weight, std=1 / condition_dim**0.5)
        nn.init.zeros_(self.film.bias)
        nn.init.kaiming_normal_(self.conv.weight, a=LEAK, nonlinearity="leaky_relu")
        nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C_in, H, W); condition: (B, condition_dim). Returns (B, C_out, H', W')."""
        scale, shift = self.film(condition)[..., None, None].chunk(2, dim=1)
        return torch.addcmul(shift, self.conv(features), 1 + scale)


class FoldedConv(nn.Module):
    """The twin of ModulatedConv after its style has been folded into the weights."""

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
        with torch.no_grad():  # no normalisation: keep the sum of many blocks tame at the start
            self.second.conv.weight.mul_(0.2)  # type: ignore[operator,union-attr]

    def forward(self, features: Tensor, condition: Tensor) -> Tensor:
        """features: (B, C, H, W); condition: (B, condition_dim). Returns (B, C, H, W)."""
        inner = activate(self.first(features, condition))
        return features + self.second(inner, condition)  # type: ignore[no-any-return]


def map_colours(image: Tensor, matrix: Tensor, offset: Tensor) -> Tensor:
    """`u @ matrix + offset` on unit colours, applied to an image in [-1, 1].

    image: (B, 3, H, W); matrix: (B, 3, 3); offset: (B, 3). Returns (B, 3, H, W), not clipped.
    """
    # With u = (x + 1) / 2 the map is x @ matrix + (1 @ matrix + 2 offset - 1).
    shift = matrix.sum(dim=1) + 2 * offset - 1
    return torch.einsum("bchw,bcd->bdhw", image, matrix) + shift[..., None, None]


def log_size(short_side: Tensor) -> Tensor:
    """What the generator is told of a picture's scale: log(short side / 256), shape (B, 1)."""
    return torch.log(short_side.float() / 256)[:, None]
