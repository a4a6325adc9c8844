"""How far the texture of pictures is from a creator's: a distance of patch distributions."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.learning.losses import sliced_wasserstein
from stylegan_cli.networks.frozen_features import FrozenFeatures
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
            self._kept = self._patches(pictures, config.kept, generator)
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
        compared = compared or self._config.compared
        directions = directions or self._config.directions
        generator = torch_generator(self._seed, draw, "compared patches")
        patches = self._patches(pictures, compared, generator)
        distances = []
        for found, kept, whitening in zip(patches, self._kept, self._whitening, strict=True):
            drawn = torch.randn(whitening.shape[1], directions, generator=generator)
            axes = whitening @ functional.normalize(drawn, dim=0).to(whitening.device)
            wanted = kept[_positions(len(kept), len(found), generator, kept.device)]
            distances.append(sliced_wasserstein(found, wanted, axes))
        return torch.stack(distances).mean()

    def _patches(
        self, pictures: Sequence[Tensor], count: int, generator: torch.Generator
    ) -> list[Tensor]:
        """About `count` patches from each of the maps, an equal share of each picture, (N, D)."""
        share = -(-count // sum(map(len, pictures)))
        found: list[list[Tensor]] = [[] for _ in PATCHES]
        for batch in pictures:
            maps = (batch, functional.avg_pool2d(batch, 2), *self._features(batch)[:2])
            for index, (size, stack) in enumerate(zip(PATCHES, maps, strict=True)):
                found[index] += [_some_patches(one, size, share, generator) for one in stack]
        return [torch.cat(rows).float() for rows in found]


def _some_patches(stack: Tensor, size: int, count: int, generator: torch.Generator) -> Tensor:
    """(count, C * size²) from random positions of one map (C, H, W)."""
    channels, height, width = stack.shape
    top = _positions(height - size + 1, count, generator, stack.device)
    left = _positions(width - size + 1, count, generator, stack.device)
    inside = torch.arange(size, device=stack.device)
    down, across = top[:, None, None] + inside[:, None], left[:, None, None] + inside
    positions = (down * width + across).reshape(1, -1).expand(channels, -1)
    # Not by indexing: threads add up its gradient in any order, and runs would differ.
    values = stack.reshape(channels, -1).gather(1, positions)
    return values.reshape(channels, count, -1).transpose(0, 1).flatten(1)


def _positions(among: int, count: int, generator: torch.Generator, device: torch.device) -> Tensor:
    return torch.randint(among, (count,), generator=generator).to(device)


def _whitening(patches: Tensor, noise_floor: float) -> Tensor:
    """(D, D), so that patches @ it have like variances in all directions but grain's.

    patches: (N, D).
    """
    centred = patches - patches.mean(0)
    variances, axes = torch.linalg.eigh((centred.T @ centred / len(patches)).double())
    whitening: Tensor = axes / (variances.clamp(min=0) + noise_floor * variances.mean()).sqrt()
    return whitening.float()
