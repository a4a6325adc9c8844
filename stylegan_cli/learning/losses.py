"""Losses: tensors in, scalar out.

Images are (B, 3, H, W) in [-1, 1], scores of a discriminator lists of (B, 1, h, w).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.learning import GanKind
from stylegan_cli.networks.layers import luminance
from stylegan_cli.networks.precision import full_precision

STRIDES = (2, 4, 8)  # of the generator's layers, px


def generator_gan_loss(kind: GanKind, fake: Sequence[Tensor]) -> Tensor:
    """The generator's adversarial loss, averaged over the discriminators."""
    return torch.stack(
        [_GENERATOR_GAN_LOSSES[kind](full_precision(scores)) for scores in fake]
    ).mean()


def discriminator_gan_loss(kind: GanKind, real: Sequence[Tensor], fake: Sequence[Tensor]) -> Tensor:
    """The discriminators' adversarial loss, averaged over the discriminators."""
    losses = [
        _DISCRIMINATOR_LOSSES[kind](full_precision(r), full_precision(f))
        for r, f in zip(real, fake, strict=True)
    ]
    return torch.stack(losses).mean()


def hinge_d(real: Tensor, fake: Tensor) -> Tensor:
    """Hinge loss of the discriminator (Lim & Ye 2017, eq. 3)."""
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def hinge_g(fake: Tensor) -> Tensor:
    """Hinge loss of the generator (Lim & Ye 2017, eq. 4)."""
    return -fake.mean()


def least_squares_d(real: Tensor, fake: Tensor) -> Tensor:
    """Least-squares loss of the discriminator (Mao et al. 2017, eq. 9, a = 0, b = 1)."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2


def least_squares_g(fake: Tensor) -> Tensor:
    """Least-squares loss of the generator (Mao et al. 2017, eq. 9, c = 1)."""
    return (fake - 1).square().mean() / 2


def cross_entropy_d(real: Tensor, fake: Tensor) -> Tensor:
    """Cross entropy of the discriminator (Goodfellow et al. 2014, eq. 1)."""
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def cross_entropy_g(fake: Tensor) -> Tensor:
    """The generator's non-saturating cross entropy (Goodfellow et al. 2014, section 3)."""
    return functional.softplus(-fake).mean()


_DISCRIMINATOR_LOSSES = {"hinge": hinge_d, "lsgan": least_squares_d, "bce": cross_entropy_d}
_GENERATOR_GAN_LOSSES = {
    "hinge": hinge_g,
    "lsgan": least_squares_g,
    "bce": cross_entropy_g,
}


def r1_penalty(scores: Sequence[Tensor], reals: Tensor) -> Tensor:
    """Half the squared gradient of the scores at real images (Mescheder et al. 2018, eq. 9).

    scores: of `reals`, which require a gradient.
    """
    total = torch.stack([full_precision(s).sum() for s in scores]).sum()
    (gradient,) = torch.autograd.grad(total, reals, create_graph=True)
    return gradient.square().sum(dim=(1, 2, 3)).mean() / 2


def self_similarity_loss(result: Tensor, content: Tensor, weight: Tensor | None = None) -> Tensor:
    """Change of the self-similarity between positions (Kolkin et al. 2019, 2.3).

    The absolute difference of the cosine similarities between all positions. It ignores colour and
    texture, which change alike everywhere, and holds eyes and outlines.
    result, content: (B, C, h, w) frozen features. weight: (B, h, w), how much a position of a
    picture counts beside its others; all pictures count alike.
    """
    difference = (_similarities(result) - _similarities(content)).abs()
    if weight is None:
        return difference.mean()
    weights = weight.flatten(1)
    pairs = (weights[:, :, None] + weights[:, None, :]) / 2
    return ((difference * pairs).sum(dim=(1, 2)) / pairs.sum(dim=(1, 2))).mean()


def anchor_loss(
    result: Tensor, anchor: Tensor, weight: Tensor | None = None, cell: int = 8
) -> Tensor:
    """L1 after averaging over cells of `cell` px: it holds tone and colour and leaves lines free.

    weight: (B, 1, H, W), how much each pixel counts; 1 where None.
    """
    difference = functional.avg_pool2d(full_precision(result) - full_precision(anchor), cell).abs()
    if weight is not None:
        difference = difference * functional.avg_pool2d(weight, cell)
    return difference.mean()


def drift_loss(result: Tensor, anchor: Tensor, limit: float) -> Tensor:
    """Squared excess of a picture's distance from its anchor over `limit`, as a share of it, (B,).

    limit: root mean square in the unit of the images; a distance below it costs nothing.
    """
    difference = (full_precision(result) - full_precision(anchor)).square().flatten(1)
    moved = (difference.mean(dim=1) + 1e-12).sqrt()  # the square root has no slope at 0
    return (moved / limit - 1).clamp(min=0).square()


def grid_loss(result: Tensor, content: Tensor, tile: int = 32) -> Tensor:
    """Energy of the part of the change that repeats at the network's strides, summed, (B,).

    The strides of a network leave such a grid; no hand does. A generator without noise uses it as
    the cheapest texture there is. What repeats in a tile is multiplied with what repeats in its
    diagonal neighbours: a grid is alike in both, while strokes differ and cancel on average. Below
    zero it counts as zero, or lines of nearly a stride would be rewarded, whose phase turns over
    from tile to tile. H and W: multiples of 8 from 16 on; tile: px, side of a square.
    """
    added = full_precision(result) - full_precision(content)
    return torch.stack([_repeated_energy(added, stride, tile) for stride in STRIDES]).sum(dim=0)


def _repeated_energy(added: Tensor, period: int, tile: int) -> Tensor:
    """Mean square of what repeats every `period` px in neighbouring tiles alike, (B,).

    added: (B, C, H, W).
    """
    batch, channels, *size = added.shape
    cells = functional.pixel_unshuffle(added, period)
    cells = cells.reshape(batch * channels, period**2, size[0] // period, size[1] // period)
    across = [min(tile // period, side // period // 2) for side in size]
    pattern = functional.avg_pool2d(cells, across)
    pattern = pattern - pattern.mean(dim=1, keepdim=True)
    falling = pattern[..., :-1, :-1] * pattern[..., 1:, 1:]
    rising = pattern[..., 1:, :-1] * pattern[..., :-1, 1:]
    return (falling + rising).reshape(batch, -1).mean(dim=1).clamp(min=0) / 2


def dot_loss(result: Tensor, content: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean strength of isolated dots of the result where the content has none nearby.

    weight: (B, 1, H, W), how much each pixel counts; 1 where None.
    """
    before = functional.max_pool2d(dot_strength(content), 5, stride=1, padding=2)
    excess = (dot_strength(result) - before).clamp(min=0)
    return (excess if weight is None else excess * weight).mean()


def dot_strength(image: Tensor, sigma: float = 1.5) -> Tensor:
    """Positive determinant of the Hessian of luma at a small scale, (B, 1, H, W).

    Large where luma is curved in both directions, dots, and 0 along lines (Lindeberg 1998,
    section 4; normalised by scale). 0 at the border, where it can't be known. image: (B, 3, H, W);
    sigma: px, of the Gaussian.
    """
    luma = luminance(full_precision(image))
    reach = math.ceil(3 * sigma)
    position = torch.arange(-reach, reach + 1, device=luma.device) / sigma
    smooth = torch.exp(-position.square() / 2)
    smooth = smooth / smooth.sum()
    first, second = -position * smooth, (position.square() - 1) * smooth
    # A sampled kernel must not see an even tone.
    kernels = (smooth, first, second - second.mean())
    rows = [functional.conv2d(luma, kernel[None, None, None]) for kernel in kernels]
    flat, slope, bend = (
        functional.conv2d(row, kernel[None, None, :, None])
        for row, kernel in zip(rows, reversed(kernels), strict=True)
    )
    return functional.pad((flat * bend - slope.square()).clamp(min=0), [reach] * 4)


def cycle_loss(cycled: Tensor, content: Tensor, is_invertible: bool) -> Tensor:
    """L1 between a photo and its return (Zhu et al. 2017, eq. 2).

    is_invertible: False for a creator without hue, where only luminance can return:
    an exact cycle would make the generator hide the colours in noise (Chu et al. 2017).
    """
    if not is_invertible:
        return (luminance(cycled) - luminance(content)).abs().mean()
    return (cycled - content).abs().mean()


def identity_loss(same: Tensor, creator: Tensor) -> Tensor:
    """L1 between a creator's picture and itself in the creator's style (Zhu et al. 2017, 5.2)."""
    return (same - creator).abs().mean()


def sliced_wasserstein(first: Tensor, second: Tensor) -> Tensor:
    """Mean distance of two sets of vectors along directions (Rabin et al. 2011, eq. 5).

    first (N, K), second (M, K): their positions along each of K directions. Sets that differ in
    size are compared by 256 quantiles per direction.
    """
    if len(first) == len(second):
        return (first.sort(0).values - second.sort(0).values).abs().mean()
    shares = (torch.arange(256, device=first.device) + 0.5) / 256
    return (_quantiles(first, shares) - _quantiles(second, shares)).abs().mean()


def _quantiles(values: Tensor, shares: Tensor) -> Tensor:
    ordered = values.sort(dim=0).values
    position = shares * (len(ordered) - 1)
    low = position.floor().long()
    part = (position - low)[:, None]
    return ordered[low] * (1 - part) + ordered[(low + 1).clamp(max=len(ordered) - 1)] * part


def _similarities(features: Tensor) -> Tensor:
    """(B, N, N) cosines between all positions of (B, C, h, w)."""
    directions = functional.normalize(full_precision(features).flatten(2), dim=1)
    return directions.transpose(1, 2) @ directions
