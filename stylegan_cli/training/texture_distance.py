"""How far the texture of pictures is from a creator's: a distance of patch distributions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.learning.losses import sliced_wasserstein
from stylegan_cli.learning.shares import Share, whole
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.networks.precision import full_precision
from stylegan_cli.runtime.randomness import torch_generator
from stylegan_cli.training.config import TextureConfig

# Patches are taken from the picture, from it at half size, and from the first two stages of the
# frozen network, one position of which sees a patch of the picture.
PATCHES = (9, 9, 1, 1)  # positions across, in each of the maps
NOISE_FLOOR = (0.1, 0.1, 0.02, 0.02)  # of the mean variance: what varies less is grain


class TextureDistance:
    """Sliced Wasserstein distance of whitened patches to a creator's (Heitz et al. 2021).

    Plain patches differ mostly in tone. Whitening makes fine detail count as much, together with
    the tone at which it appears: lines in the half-tones, none on white paper. Features separate
    what pixels can't: grain from lines, and coloured ink from black.
    """

    def __init__(
        self,
        pictures: Sequence[Tensor],
        features: FrozenFeatures,
        config: TextureConfig,
        *,
        seed: int,
    ) -> None:
        """pictures: of the creator, each (B, 3, H, W) in [-1, 1]."""
        self._seed, self._features, self._config = seed, features, config
        generator = torch_generator(seed, 0, "kept patches")
        with torch.no_grad():
            kept = self._patches(pictures, config.kept, generator)
        self._kept = [patches.flatten(0, 1) for patches in kept]
        self._whitening = [
            _whitening(patches, floor)
            for patches, floor in zip(self._kept, NOISE_FLOOR, strict=True)
        ]

    def distance(
        self,
        pictures: Sequence[Tensor],
        draw: int,
        compared: int | None = None,
        directions: int | None = None,
    ) -> Tensor:
        """The mean over the maps, (); the patches to compare are drawn by (seed, draw).

        pictures: each (B, 3, H, W) in [-1, 1]. compared, directions: as many as the config has
        where None.
        """
        projected = self.project(pictures, draw, compared, directions)
        return distance_of([(found.flatten(0, 1), wanted) for found, wanted in projected])

    def project(
        self,
        pictures: Sequence[Tensor],
        draw: int,
        compared: int | None = None,
        directions: int | None = None,
        share: Share | None = None,
    ) -> list[tuple[Tensor, Tensor]]:
        """For each map, where patches of the pictures and of the creator lie along K directions.

        share: which of a batch of pictures these are; the creator's are as many as the batch's.
        Returns (pictures, patches of each, K) and (N, K); other arguments as in `distance`.
        """
        compared = compared or self._config.compared
        directions = directions or self._config.directions
        generator = torch_generator(self._seed, draw, "compared patches")
        patches = self._patches(pictures, compared, generator, share)
        projected = []
        for found, kept, whitening in zip(patches, self._kept, self._whitening, strict=True):
            drawn = torch.randn(whitening.shape[1], directions, generator=generator)
            axes = whitening @ functional.normalize(drawn, dim=0).to(whitening.device)
            count = found.shape[1] * (share.count if share else len(found))
            wanted = kept[_positions(len(kept), count, generator, kept.device)]
            projected.append((found @ axes, wanted @ axes))
        return projected

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets; it has frozen features of its own, see `unpacked`."""
        return {name: value for name, value in vars(self).items() if name != "_features"}

    def unpacked(self, features: FrozenFeatures, device: torch.device) -> "TextureDistance":
        """This distance from another process, on the device of `features`."""
        self._features = features
        self._kept = [patches.to(device) for patches in self._kept]
        self._whitening = [matrix.to(device) for matrix in self._whitening]
        return self

    def _patches(
        self,
        pictures: Sequence[Tensor],
        count: int,
        generator: torch.Generator,
        share: Share | None = None,
    ) -> list[Tensor]:
        """About `count` patches from each of the maps, as many of each picture, (B, N, D)."""
        each = -(-count // (share.count if share else sum(map(len, pictures))))
        found: list[list[Tensor]] = [[] for _ in PATCHES]
        for batch in pictures:
            maps = (batch, functional.avg_pool2d(batch, 2), *self._features(batch)[:2])
            for index, (size, stack) in enumerate(zip(PATCHES, maps, strict=True)):
                own = share or whole(len(stack))
                # Drawn for all pictures of a batch, whichever of them are here.
                corners = [_corners(stack, size, each, generator) for _ in range(own.count)]
                found[index] += [
                    _patches_at(one, size, corners[row])
                    for row, one in zip(own.rows, stack, strict=True)
                ]
        return [full_precision(torch.stack(rows)) for rows in found]


def distance_of(projected: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """The mean distance over the maps, (), of patches along directions, two (N, K) for each map."""
    return torch.stack([sliced_wasserstein(found, wanted) for found, wanted in projected]).mean()


def _corners(
    stack: Tensor, size: int, count: int, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Top and left of `count` patches at random in a map (..., H, W)."""
    height, width = stack.shape[-2:]
    top = _positions(height - size + 1, count, generator, stack.device)
    return top, _positions(width - size + 1, count, generator, stack.device)


def _patches_at(stack: Tensor, size: int, corners: tuple[Tensor, Tensor]) -> Tensor:
    """The patches at given corners of one map (C, H, W), (count, C * size²)."""
    channels, _, width = stack.shape
    top, left = corners
    inside = torch.arange(size, device=stack.device)
    down, across = top[:, None, None] + inside[:, None], left[:, None, None] + inside
    positions = (down * width + across).reshape(1, -1).expand(channels, -1)
    # Not by indexing: threads add up its gradient in any order, and runs would differ.
    values = stack.reshape(channels, -1).gather(1, positions)
    return values.reshape(channels, len(top), -1).transpose(0, 1).flatten(1)


def _positions(among: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randint(among, (count,), generator=generator).to(device)


def _whitening(patches: Tensor, noise_floor: float) -> Tensor:
    """(D, D), so that patches @ it have like variances in all directions but grain's.

    patches: (N, D).
    """
    centred = patches - patches.mean(0)
    variances, axes = torch.linalg.eigh((centred.T @ centred / len(patches)).double())
    whitening: Tensor = axes / (variances.clamp(min=0) + noise_floor * variances.mean()).sqrt()
    return whitening.to(patches.dtype)
