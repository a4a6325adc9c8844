"""Which state of a creator is best, by pictures that nothing was trained on."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.evaluation.metrics import kid
from stylegan_cli.learning.losses import self_similarity_loss
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.training.texture_distance import TextureDistance

CONTENT_STAGES = (2, 3)  # of the frozen network: strides 8 and 16
KID_STAGE = 3
KID_GRID = 3  # each picture counts as this many squared: whole ones are too few for a distance
MIN_KID = 0.1  # what chance makes of like sets this small; a gain below it is not worth more
PATCHES = 8192  # of each side, in each map
DIRECTIONS = 128
FREE_CHANGE = 0.12  # of self-similarity: what half of 120 random looks that draw come to
CHANGE_PRICE = 4.0  # of the score, per unit of self-similarity beyond that


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """How close painted pictures come to a creator's, and what they keep of the photos.

    texture: as Texture.distance. kid: kernel distance of Lite0's
    features. change: self-similarity loss to the photos. kid_lite1: as kid, of a network that is
    never trained against; it only reports. All in their own units, lower is better.
    """

    texture: float
    kid: float
    change: float
    kid_lite1: float

    def score(self, start: "ValidationMetrics") -> float:
        """1 for `start`, the instant style; lower is better.

        Where one of the distances grows, the other can't make up for it: discriminators reward
        texture that is nowhere near the creator's, and that costs a result what it had.
        """
        growths = (
            (self.texture - start.texture) / start.texture,
            (self.kid - start.kid) / max(MIN_KID, start.kid),
        )
        growth = max(growths) if max(growths) > 0 else sum(growths) / 2
        return 1 + growth + self._price() - start._price()

    def _price(self) -> float:
        return CHANGE_PRICE * max(0.0, self.change - FREE_CHANGE)


class Validator:
    """Measures one creator's painted pictures against held-out ones.

    creator: held-out pictures of the creator; photos: held-out content; each (1, 3, H, W).
    features: Lite0; reporting: Lite1.
    """

    def __init__(
        self,
        creator: Sequence[Tensor],
        photos: Sequence[Tensor],
        features: FrozenFeatures,
        reporting: FrozenFeatures,
    ) -> None:
        self._features, self._reporting = features, reporting
        self._photos = [_look(features, photo) for photo in photos]
        self._texture = TextureDistance(creator, features, seed=0)
        self._places = [_places([_look(eyes, x) for x in creator]) for eyes in self._eyes()]

    @torch.no_grad()
    def measure(self, painted: Sequence[Tensor]) -> ValidationMetrics:
        """painted: the photos repainted, in their order, each (1, 3, H, W)."""
        seen = [[_look(eyes, picture) for picture in painted] for eyes in self._eyes()]
        shown = [picture.clamp(-1, 1) for picture in painted]
        far = self._texture.distance(shown, 0, PATCHES, DIRECTIONS)
        foreign, reported = (
            kid(_places(mine), theirs).value
            for mine, theirs in zip(seen, self._places, strict=True)
        )
        changed = [
            self_similarity_loss(mine[stage], photo[stage])
            for mine, photo in zip(seen[0], self._photos, strict=True)
            for stage in CONTENT_STAGES
        ]
        return ValidationMetrics(far.item(), foreign, torch.stack(changed).mean().item(), reported)

    def _eyes(self) -> tuple[FrozenFeatures, FrozenFeatures]:
        return self._features, self._reporting


@torch.no_grad()
def _look(features: FrozenFeatures, image: Tensor) -> list[Tensor]:
    return [part.float() for part in features(image)]


def _places(seen: Sequence[Sequence[Tensor]]) -> np.ndarray:
    """(N, C) features of the parts of all pictures, each of length sqrt(C) as in FrozenEmbedding.

    seen: the stages of each picture.
    """
    means = [functional.adaptive_avg_pool2d(stages[KID_STAGE], KID_GRID) for stages in seen]
    parts = torch.cat([part[0].flatten(1).T for part in means])
    found: np.ndarray = (functional.normalize(parts) * math.sqrt(parts.shape[1])).cpu().numpy()
    return found
