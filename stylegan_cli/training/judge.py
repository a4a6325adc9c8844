"""Which state of a creator is best, by pictures that nothing was trained on."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.losses import self_similarity_loss, sliced_wasserstein
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.randomness import torch_generator

STAGES = (1, 2, 3)  # of the frozen network: strides 4, 8 and 16
PATCH = 7  # px
PATCHES = 8192  # of each set, at each of two scales
DIRECTIONS = 128
FREE_CHANGE = 0.05  # of self-similarity, that any drawn look needs
CHANGE_PRICE = 4.0  # of the score, per unit of self-similarity beyond that


@dataclass(frozen=True, slots=True)
class Figures:
    """How close painted pictures come to a creator's, and what they keep of the photos.

    patches: sliced Wasserstein distance of pixel patches. features: the same of frozen features.
    change: self-similarity loss to the photos. All in their own units, lower is better.
    """

    patches: float
    features: float
    change: float

    def score(self, start: "Figures") -> float:
        """1 for `start`, the instant style; lower is better."""
        closeness = (self.patches / start.patches + self.features / start.features) / 2
        return closeness + self._price() - start._price()

    def _price(self) -> float:
        return CHANGE_PRICE * max(0.0, self.change - FREE_CHANGE)


class Judge:
    """Measures one creator's painted pictures against held-out ones.

    creator: held-out pictures of the creator; photos: held-out content; each (1, 3, H, W).
    """

    def __init__(
        self, creator: Sequence[Tensor], photos: Sequence[Tensor], features: FrozenFeatures
    ) -> None:
        self._features = features
        self._photos = [self._look(photo) for photo in photos]
        self._patches = _all_patches(creator)
        seen = [self._look(picture) for picture in creator]
        self._places = [_places([maps[i] for maps in seen]) for i in range(len(STAGES))]
        self._spread = [places.std(dim=0) + 1e-3 for places in self._places]

    @torch.no_grad()
    def measure(self, painted: Sequence[Tensor]) -> Figures:
        """painted: the photos repainted, in their order, each (1, 3, H, W)."""
        seen = [self._look(picture) for picture in painted]
        far = [
            sliced_wasserstein(theirs, mine, _directions(theirs.shape[1]))
            for theirs, mine in zip(self._patches, _all_patches(painted), strict=True)
        ]
        foreign = [
            sliced_wasserstein(theirs / spread, _places([maps[i] for maps in seen]) / spread,
                               _directions(theirs.shape[1]))
            for i, (theirs, spread) in enumerate(zip(self._places, self._spread, strict=True))
        ]  # fmt: skip
        changed = [
            self_similarity_loss(mine[i], photo[i])
            for mine, photo in zip(seen, self._photos, strict=True)
            for i in (1, 2)
        ]
        return Figures(_mean(far), _mean(foreign), _mean(changed))

    @torch.no_grad()
    def _look(self, image: Tensor) -> list[Tensor]:
        found = self._features(image)
        return [found[index].float() for index in STAGES]


def _all_patches(pictures: Sequence[Tensor]) -> list[Tensor]:
    """(PATCHES, 3 * PATCH²) at full and at half size, the same places every time."""
    return [
        _some_patches(list(pictures)),
        _some_patches([functional.avg_pool2d(picture, 2) for picture in pictures]),
    ]


def _some_patches(pictures: list[Tensor]) -> Tensor:
    share = -(-PATCHES // len(pictures))
    rows = []
    for index, picture in enumerate(pictures):
        patches = functional.unfold(picture.clamp(-1, 1).contiguous(), PATCH, stride=2)[0].T
        generator = torch_generator(0, index, "judge's patches")
        rows.append(patches[torch.randint(len(patches), (share,), generator=generator)])
    return torch.cat(rows)[:PATCHES]


def _places(maps: list[Tensor]) -> Tensor:
    """(N, C) feature vectors of all places of all pictures."""
    return torch.cat([part[0].flatten(1).T for part in maps])


def _directions(size: int) -> Tensor:
    generator = torch_generator(0, size, "judge's directions")
    return functional.normalize(torch.randn(size, DIRECTIONS, generator=generator), dim=0)


def _mean(values: list[Tensor]) -> float:
    return float(torch.stack(values).mean())
