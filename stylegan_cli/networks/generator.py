"""The generator: a base colour per pixel and a spatial residual, both conditioned on a code."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.networks.architecture import BAND_GAIN, BANDS, GeneratorConfig
from stylegan_cli.networks.layers import (
    FoldedConv,
    GatedConv,
    ModulatedConv,
    ResidualBlock,
    activate,
    enlarge,
    log_size,
    luminance,
    map_colours,
)


class ColourNetwork(nn.Module):
    """The base colour: the per-pixel part of a style, on top of the linear colour map.

    layer, last: the modulated layers for training, FoldedConv once a style is folded in.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        layer: type[nn.Module],
        last: type[nn.Module],
    ) -> None:
        super().__init__()
        wide = config.colour_channels
        self.conv_in = layer(6, wide, 1, config.code_dim)
        self.middle = layer(wide, wide, 1, config.code_dim)
        self.conv_out = last(wide, 3, 1, config.code_dim)

    def forward(self, image: Tensor, mapped: Tensor, code: Tensor) -> Tensor:
        """image, mapped: (B, 3, H, W) in about [-1, 1]; code: (1, code_dim).

        Returns the base colour, (B, 3, H, W).
        """
        features = activate(self.conv_in(torch.cat([image, mapped], 1), code))
        features = activate(self.middle(features, code))
        return mapped + self.conv_out(features, code)  # type: ignore[no-any-return]


class LumaBands(nn.Module):
    """A Laplacian pyramid of the photo's luma (Burt & Adelson 1983) as more channels.

    Lines are a function of fine detail, which is small beside colours. With the bands as inputs the
    network draws contours at once; without them it finds nothing for an hour.
    """

    def forward(self, packed: Tensor, image: Tensor) -> Tensor:
        """Append the bands, at half the size, to `packed`.

        packed: (B, C, H / 2, W / 2); image: (B, 3, H, W). Returns (B, C + 3 + BANDS, H / 2, W / 2).
        """
        levels = [luminance(image)]
        for _ in range(BANDS):
            levels.append(functional.avg_pool2d(levels[-1], 2))
        finest, *coarser = [fine - enlarge(coarse) for fine, coarse in pairwise(levels)]
        half = [functional.pixel_unshuffle(finest, 2)]
        for halvings, band in enumerate(coarser):
            for _ in range(halvings):
                band = enlarge(band)
            half.append(band)
        return torch.cat([packed, BAND_GAIN * torch.cat(half, 1)], 1)


class ResidualNetwork(nn.Module):
    """The residual: the spatial part of a style, like glow, lines, strokes. A U-Net without norms.

    layer, last: as in ColourNetwork.
    """

    def __init__(
        self,
        config: GeneratorConfig,
        layer: type[nn.Module],
        last: type[nn.Module],
    ) -> None:
        super().__init__()
        one, two, four = (config.base_channels * factor for factor in (1, 2, 4))
        dim = config.code_dim + 1
        self.luma_bands = LumaBands()
        self.conv_in = layer(config.residual_channels_in, one, 3, dim)
        self.down_two = layer(one, two, 3, dim, 2)
        self.down_four = layer(two, four, 3, dim, 2)
        self.blocks = nn.ModuleList(ResidualBlock(layer, four, dim) for _ in range(config.blocks))
        self.up_two = layer(four, two, 3, dim)
        self.up_one = layer(two, one, 3, dim)
        self.finish = layer(one, one, 3, dim)
        self.conv_out = last(one, 12, 3, dim)

    def forward(self, base_colour: Tensor, image: Tensor, condition: Tensor) -> Tensor:
        """The residual to add to `base_colour`.

        base_colour, image: (B, 3, H, W) in about [-1, 1], H and W multiples of 8.
        condition: (1, code_dim + 1), code and log size. Returns (B, 3, H, W).
        """
        packed = functional.pixel_unshuffle(torch.cat([base_colour, image], 1), 2)
        half = activate(self.conv_in(self.luma_bands(packed, image), condition))
        quarter = activate(self.down_two(half, condition))
        features = activate(self.down_four(quarter, condition))
        for block in self.blocks:
            features = block(features, condition)
        features = activate(self.up_two(enlarge(features), condition) + quarter)
        features = activate(self.up_one(enlarge(features), condition) + half)
        features = activate(self.finish(features, condition))
        return functional.pixel_shuffle(self.conv_out(features, condition), 2)


class Generator(nn.Module):
    """Render pictures in a style: linear colour map, base colour, residual."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.config = config
        self.colour = ColourNetwork(config, ModulatedConv, GatedConv)
        self.residual = ResidualNetwork(config, ModulatedConv, GatedConv)

    def forward(
        self, image: Tensor, matrix: Tensor, offset: Tensor, code: Tensor, short_side: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Render pictures, in one style or each in its own; returns result and base colour.

        image: (B, 3, H, W) float in [-1, 1]; H and W are multiples of 8. What follows has one row,
        or one for each picture. matrix (1, 3, 3), offset (1, 3): the linear colour map on unit
        colours. code: (1, code_dim), from StyleEncoder. short_side: (1,) px of the whole pictures.
        """
        base_colour = self.colour(image, map_colours(image, matrix, offset), code)
        condition = torch.cat([code, log_size(short_side)], dim=1)
        return base_colour + self.residual(base_colour, image, condition), base_colour


class FoldedGenerator(nn.Module):
    """A generator with a style folded into its weights (networks.folding): plain convolutions."""

    def __init__(self, config: GeneratorConfig) -> None:
        super().__init__()
        self.map = nn.Conv2d(3, 3, 1)
        self.colour = ColourNetwork(config, FoldedConv, FoldedConv)
        self.residual = ResidualNetwork(config, FoldedConv, FoldedConv)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """image: (B, 3, H, W) in [-1, 1], sides multiples of 8. Returns (base_colour, residual)."""
        # A folded layer ignores its condition; the image stands in for one.
        base_colour = self.colour(image, self.map(image), image)
        return base_colour, self.residual(base_colour, image, image)
