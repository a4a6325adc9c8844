"""One step of each player: a batch and the networks in, named loss terms out."""

import torch
from torch import Tensor

from stylegan_cli.learning.whole_batch import WholeBatch
from stylegan_cli.training.batch import Batch, Creator
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import augment, same_treatment
from stylegan_cli.training.losses import (
    DISCRIMINATOR_LOSSES,
    GENERATOR_LOSSES,
    DiscriminatorPass,
    GeneratorPass,
    projected_texture,
    terms_of,
)
from stylegan_cli.training.networks import Networks


def generator_terms(
    batch: Batch, networks: Networks, creator: Creator, config: TrainingConfig, whole: WholeBatch
) -> tuple[Tensor, dict[str, Tensor]]:
    """The fakes (B, 3, S, S) and the weighted terms of the generator's loss.

    whole: the step's other shares, with `whole_batch_rows` of each.
    """
    generator = networks.generator
    with generator.autocast():
        fake = generator.stylize(batch.creator, batch.content, batch.short_side)
        anchor = generator.stylize_instant(batch.creator, batch.content, batch.short_side)
        scaled = scale_gradient(fake, batch.faces, config.face_weight)
        pictures = (fake, scaled, batch.content)
        treated, scaled_treated, content = same_treatment(pictures, config.seed, batch.step)
        features = networks.stages(treated)
        with torch.no_grad():
            content_features = networks.stages(content)
        view = _augmented(scaled_treated, batch, creator, config, "fakes")
        pixels, projected = networks.discriminator(view, features, batch.creator)
    step = GeneratorPass(
        batch=batch,
        networks=networks,
        creator=creator,
        config=config,
        whole=whole,
        fake=fake,
        scaled=scaled,
        anchor=anchor,
        features=features,
        content_features=content_features,
        pixels=pixels,
        projected=projected,
    )
    return fake, terms_of(GENERATOR_LOSSES, step)


@torch.no_grad()
def whole_batch_rows(
    batch: Batch, networks: Networks, creator: Creator, config: TrainingConfig
) -> dict[str, Tensor]:
    """What the losses of the whole batch see of one share, by name."""
    if not config.lambda_texture:
        return {}
    with networks.generator.autocast():
        fake = networks.generator.stylize(batch.creator, batch.content, batch.short_side)
    return {name: found for name, (found, _) in projected_texture(creator, fake, batch).items()}


def discriminator_terms(
    batch: Batch, fakes: Tensor, networks: Networks, creator: Creator, config: TrainingConfig
) -> dict[str, Tensor]:
    """The terms of the discriminators' loss. fakes: (B, 3, S, S), current and replayed."""
    discriminator = networks.discriminator
    reals, fakes = same_treatment((batch.reals, fakes), config.seed, batch.step)
    with networks.generator.autocast():
        with torch.no_grad():
            features = networks.stages(torch.cat([reals, fakes]))
        real_features, fake_features = zip(*(part.chunk(2) for part in features), strict=True)
        scores = [
            discriminator(_augmented(images, batch, creator, config, name), stages, batch.creator)
            for images, stages, name in (
                (reals, real_features, "critic reals"),
                (fakes, fake_features, "critic fakes"),
            )
        ]
    step = DiscriminatorPass(
        batch=batch,
        networks=networks,
        config=config,
        reals=reals,
        real=scores[0],
        fake=scores[1],
    )
    return terms_of(DISCRIMINATOR_LOSSES, step)


def scale_gradient(image: Tensor, faces: Tensor, face_weight: float) -> Tensor:
    """`image`, with the gradient inside faces scaled by 1 / (1 + face_weight)².

    Adversarial gradients on faces cause speckle.
    """
    share = 1 / (1 + face_weight * faces) ** 2
    return share * image + (1 - share) * image.detach()


def _augmented(
    images: Tensor, batch: Batch, creator: Creator, config: TrainingConfig, purpose: str
) -> Tensor:
    """Differentiable augmentation where the creator's folder is small."""
    if not creator.augmented:
        return images
    return augment(images, config.seed, batch.step, purpose, batch.share)
