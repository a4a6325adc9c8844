"""The weighted losses of the generator and the discriminators, by their columns in metrics.csv."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.learning.losses import (
    anchor_loss,
    cycle_loss,
    discriminator_gan_loss,
    dot_loss,
    drift_loss,
    generator_gan_loss,
    grid_loss,
    identity_loss,
    r1_penalty,
    self_similarity_loss,
)
from stylegan_cli.learning.whole_batch import WholeBatch
from stylegan_cli.runtime.randomness import torch_generator
from stylegan_cli.training.adapters import is_invertible
from stylegan_cli.training.batch import Batch, Creator
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.constraints import anchor_weights
from stylegan_cli.training.networks import CONTENT_STAGES, DISCRIMINATOR_STAGES, Networks
from stylegan_cli.training.texture_distance import distance_of

Pass = TypeVar("Pass")


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratorPass:
    """What the losses of the generator see of one step.

    fake, anchor: results of the present and of the instant style, (B, 3, S, S). scaled: the fake
    with a smaller gradient in faces. features, content_features: of the fake and of the photos, at
    DISCRIMINATOR_STAGES. pixels, projected: scores of the two discriminators. whole: for a loss
    that is no mean over the samples.
    """

    batch: Batch
    networks: Networks
    creator: Creator
    config: TrainingConfig
    whole: WholeBatch
    fake: Tensor
    scaled: Tensor
    anchor: Tensor
    features: Sequence[Tensor]
    content_features: Sequence[Tensor]
    pixels: Sequence[Tensor]
    projected: Sequence[Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscriminatorPass:
    """What the losses of the discriminators see of one step.

    reals: (B, 3, S, S). real, fake: scores of the discriminator of pixels and of that of features.
    """

    batch: Batch
    networks: Networks
    config: TrainingConfig
    reals: Tensor
    real: tuple[Sequence[Tensor], Sequence[Tensor]]
    fake: tuple[Sequence[Tensor], Sequence[Tensor]]


def content_loss(
    result: Sequence[Tensor], content: Sequence[Tensor], faces: Tensor, face_weight: float
) -> Tensor:
    """Self-similarity at the content stages; faces count `1 + face_weight` times.

    result, content: features at DISCRIMINATOR_STAGES. faces: (B, 1, S, S).
    """
    losses = []
    for stage in CONTENT_STAGES:
        index = DISCRIMINATOR_STAGES.index(stage)
        inside = functional.interpolate(faces, result[index].shape[2:], mode="area")[:, 0]
        losses.append(self_similarity_loss(result[index], content[index], 1 + face_weight * inside))
    return torch.stack(losses).mean()


def _gan_pixels(step: GeneratorPass) -> Tensor:
    return step.config.lambda_pixels * generator_gan_loss(step.config.gan, step.pixels)


def _gan_features(step: GeneratorPass) -> Tensor:
    return step.config.lambda_features * generator_gan_loss(step.config.gan, step.projected)


def _content(step: GeneratorPass) -> Tensor:
    faces, face_weight = step.batch.faces, step.config.face_weight
    loss = content_loss(step.features, step.content_features, faces, face_weight)
    return step.config.lambda_content * loss


def _anchor(step: GeneratorPass) -> Tensor:
    config, share = step.config, step.creator.constraints.anchor_share
    skin = config.constraints.dark_skin_luma
    weights = anchor_weights(step.anchor, step.batch.faces, share, config.face_weight, skin)
    weight = 0.0 if config.init == "none" else config.lambda_anchor
    return weight * anchor_loss(step.fake, step.anchor, weights)


def _grid(step: GeneratorPass) -> Tensor:
    return step.config.lambda_grid * grid_loss(step.fake, step.batch.content).mean()


def _dots(step: GeneratorPass) -> Tensor:
    weight = 1 + step.config.face_dot_weight * step.batch.faces
    return step.config.lambda_dots * dot_loss(step.fake, step.batch.content, weight)


def _drift(step: GeneratorPass) -> Tensor:
    max_drift = step.creator.constraints.max_drift
    return step.config.lambda_drift * drift_loss(step.fake, step.anchor, max_drift).mean()


def _cycle(step: GeneratorPass) -> Tensor | None:
    batch, config, generator = step.batch, step.config, step.networks.generator
    if not config.lambda_cycle:
        return None
    draws = torch_generator(config.seed, batch.step, "cycle noise")
    noise = torch.randn(batch.share.count, *step.fake.shape[1:], generator=draws)
    noisy = step.fake + config.cycle_noise * noise[batch.share.slice].to(step.fake.device)
    with generator.autocast():
        cycled = generator.reconstruct_cycle(batch.creator, noisy, batch.short_side)
    hue = is_invertible(generator.styles[batch.creator])
    return config.lambda_cycle * cycle_loss(cycled, batch.content, hue)


def _identity(step: GeneratorPass) -> Tensor | None:
    batch, generator = step.batch, step.networks.generator
    if not step.config.lambda_identity:
        return None
    with generator.autocast():
        same = generator.reconstruct_identity(batch.creator, batch.reals, batch.short_side)
    return step.config.lambda_identity * identity_loss(same, batch.reals)


def _texture(step: GeneratorPass) -> Tensor | None:
    if not step.config.lambda_texture:
        return None
    share = step.batch.share
    projected = [
        (step.whole.collect(name, share, found).flatten(0, 1), wanted)
        for name, (found, wanted) in projected_texture(
            step.creator, step.scaled, step.batch
        ).items()
    ]
    return step.config.lambda_texture * distance_of(projected)


def projected_texture(
    creator: Creator, fake: Tensor, batch: Batch
) -> dict[str, tuple[Tensor, Tensor]]:
    """Patches of a share's fakes and of the creator along the step's directions, by map."""
    projected = creator.texture.project([fake], batch.step, share=batch.share)
    return {f"texture {index}": pair for index, pair in enumerate(projected)}


def _discriminator_pixels(step: DiscriminatorPass) -> Tensor:
    return discriminator_gan_loss(step.config.gan, step.real[0], step.fake[0])


def _discriminator_features(step: DiscriminatorPass) -> Tensor:
    return discriminator_gan_loss(step.config.gan, step.real[1], step.fake[1])


def _r1(step: DiscriminatorPass) -> Tensor | None:
    config, discriminator = step.config, step.networks.discriminator
    if config.penalty != "r1" or step.batch.step % config.r1_every:
        return None
    # Every few steps, so much stronger: lazy regularisation (Karras et al. 2020, section 4).
    watched = step.reals.detach().requires_grad_()
    penalty = r1_penalty([discriminator.pixels(watched, step.batch.creator)], watched)
    return config.r1_weight * config.r1_every * penalty


GENERATOR_LOSSES: Mapping[str, Callable[[GeneratorPass], Tensor | None]] = {
    "gan_pixels": _gan_pixels,
    "gan_features": _gan_features,
    "content": _content,
    "anchor": _anchor,
    "grid": _grid,
    "dots": _dots,
    "drift": _drift,
    "cycle": _cycle,
    "identity": _identity,
    "texture": _texture,
}
"""Each weighted term of the generator's loss, by its column in metrics.csv; None: disabled.

A new loss is one entry here, with a weight in TrainingConfig.
"""

DISCRIMINATOR_LOSSES: Mapping[str, Callable[[DiscriminatorPass], Tensor | None]] = {
    "discriminator_pixels": _discriminator_pixels,
    "discriminator_features": _discriminator_features,
    "r1": _r1,
}
"""The same of the discriminators' loss; None: not due in this step."""

LOSSES = (*GENERATOR_LOSSES, *DISCRIMINATOR_LOSSES)


def terms_of(
    losses: Mapping[str, Callable[[Pass], Tensor | None]], step: Pass
) -> dict[str, Tensor]:
    """Each loss that has a weight and is due, by its name."""
    terms = {name: loss(step) for name, loss in losses.items()}
    return {name: term for name, term in terms.items() if term is not None}
