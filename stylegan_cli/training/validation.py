"""How good a creator's present state is, on pictures that training never sees."""

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
from stylegan_cli.networks.precision import full_precision
from stylegan_cli.training.config import TrainingConfig, ValidationConfig
from stylegan_cli.training.diagnostics import OutputStatistics, output_statistics
from stylegan_cli.training.networks import CONTENT_STAGES
from stylegan_cli.training.texture_distance import TextureDistance
from stylegan_cli.training.trainer import Trainer

KID_STAGE = 3
KID_GRID = 3  # each picture counts as this many squared: whole pictures are too few


@dataclass(frozen=True, slots=True)
class ValidationMetrics:
    """How close stylized photos come to a creator's pictures, and how much they keep.

    texture: as TextureDistance.distance. kid: kernel distance of Lite0 features. content_change:
    self-similarity loss to the photos. kid_lite1: as kid, of a network that no loss uses; it only
    reports. Each has its own unit; lower is better.
    """

    texture: float
    kid: float
    content_change: float
    kid_lite1: float

    def score(self, start: "ValidationMetrics", config: ValidationConfig) -> float:
        """1 for `start`, the instant style; lower is better.

        Where one distance grows, the other can't make up for it: discriminators also reward texture
        that is nowhere near the creator's, and that spoils a result.
        """
        growths = (
            (self.texture - start.texture) / start.texture,
            (self.kid - start.kid) / max(config.min_kid, start.kid),
        )
        growth = max(growths) if max(growths) > 0 else sum(growths) / 2
        penalty, allowed = (
            config.content_weight * max(0.0, metrics.content_change - config.content_margin)
            for metrics in (self, start)
        )
        return 1 + growth + penalty - allowed


class CreatorMetrics:
    """Compares stylized photos with one creator's held-out pictures.

    creator: held-out pictures; photos: held-out content; each (1, 3, H, W).
    features: Lite0; reporting: Lite1.
    """

    def __init__(
        self,
        creator: Sequence[Tensor],
        photos: Sequence[Tensor],
        features: FrozenFeatures,
        reporting: FrozenFeatures,
        config: TrainingConfig,
    ) -> None:
        self._config = config.validation
        self._features, self._reporting = features, reporting
        self._photos = [_stages(features, photo) for photo in photos]
        self._texture = TextureDistance(creator, features, config.texture, seed=0)
        self._reals = _kid_samples([_stages(features, picture) for picture in creator])
        self._reals_lite1 = _kid_samples([_stages(reporting, picture) for picture in creator])

    @torch.no_grad()
    def measure(self, stylized: Sequence[Tensor]) -> ValidationMetrics:
        """stylized: the photos in their order, each (1, 3, H, W)."""
        config = self._config
        stages = [_stages(self._features, picture) for picture in stylized]
        stages_lite1 = [_stages(self._reporting, picture) for picture in stylized]
        shown = [picture.clamp(-1, 1) for picture in stylized]
        texture = self._texture.distance(shown, 0, config.patches, config.directions)
        changes = [
            self_similarity_loss(result[stage], photo[stage])
            for result, photo in zip(stages, self._photos, strict=True)
            for stage in CONTENT_STAGES
        ]
        return ValidationMetrics(
            texture=texture.item(),
            kid=kid(_kid_samples(stages), self._reals).value,
            content_change=torch.stack(changes).mean().item(),
            kid_lite1=kid(_kid_samples(stages_lite1), self._reals_lite1).value,
        )


@dataclass(frozen=True, slots=True)
class HeldOut:
    """What a creator is validated with.

    reals: the creator's held-out pictures; photos: held-out content; instant: these photos in the
    instant style; each (1, 3, H, W). shifts: two opposite steps of the code (code_dim,) along all
    of the creator's variation. metrics: compares with `reals`. start: the instant style's metrics.
    """

    reals: Sequence[Tensor]
    photos: Sequence[Tensor]
    instant: Sequence[Tensor]
    shifts: Sequence[Tensor]
    metrics: CreatorMetrics
    start: ValidationMetrics


@dataclass(frozen=True, slots=True)
class Validation:
    """One creator at one step: the stylized photos, their metrics, score and statistics."""

    stylized: Sequence[Tensor]
    metrics: ValidationMetrics
    score: float
    statistics: OutputStatistics


class Validator:
    """Validates creators, each on its own held-out pictures."""

    def __init__(self, held_out: Sequence[HeldOut], config: ValidationConfig) -> None:
        self.held_out, self._config = held_out, config

    def validate(self, trainer: Trainer, creator: int) -> Validation:
        """The creator's averaged adapter on all held-out photos."""
        held_out = self.held_out[creator]
        stylized = [trainer.stylize(creator, photo) for photo in held_out.photos]
        metrics = held_out.metrics.measure(stylized)
        score = metrics.score(held_out.start, self._config)
        statistics = self.statistics(trainer, creator, stylized)
        return Validation(stylized, metrics, score, statistics)

    def statistics(
        self, trainer: Trainer, creator: int, stylized: Sequence[Tensor]
    ) -> OutputStatistics:
        """Statistics of stylized photos, and of the first photo at two opposite shifts."""
        held_out = self.held_out[creator]
        photo = held_out.photos[0]
        varied = [trainer.stylize(creator, photo, shift) for shift in held_out.shifts]
        return output_statistics(stylized, varied)


@torch.no_grad()
def _stages(features: FrozenFeatures, image: Tensor) -> list[Tensor]:
    return [full_precision(part) for part in features(image)]


def _kid_samples(pictures: Sequence[Sequence[Tensor]]) -> np.ndarray:
    """(N, C) features of KID_GRID squared parts of each picture, of length sqrt(C) each.

    pictures: the stages of each.
    """
    means = [functional.adaptive_avg_pool2d(stages[KID_STAGE], KID_GRID) for stages in pictures]
    parts = torch.cat([part[0].flatten(1).T for part in means])
    rows: np.ndarray = (functional.normalize(parts) * math.sqrt(parts.shape[1])).cpu().numpy()
    return rows
