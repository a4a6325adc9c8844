"""The losses of one step: a batch and the networks in, named terms out."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.learning.losses import (
    anchor_loss,
    cycle_loss,
    discriminator_gan_loss,
    drift_loss,
    generator_gan_loss,
    grid_loss,
    identity_loss,
    r1_penalty,
    self_similarity_loss,
)
from stylegan_cli.networks.discriminator import Discriminator
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.layers import luminance
from stylegan_cli.networks.lora import CreatorParameters
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.runtime.randomness import derive_seed, numpy_generator, torch_generator
from stylegan_cli.styles import Mode
from stylegan_cli.training.adapters import AdaptedGenerator, StyleTensors, is_invertible
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import PictureSet, augment, same_treatment
from stylegan_cli.training.texture_distance import TextureDistance

DISCRIMINATOR_STAGES = (1, 2, 3)  # of the frozen network: strides 4, 8 and 16
CONTENT_STAGES = (2, 3)
CYCLE_NOISE = 0.02  # deviation of the noise on a fake before its cycle, so that it can hide nothing
CALM_RESIDUAL = 0.07  # root mean square; a style with a stronger residual learns in smaller steps
FAR_TEXTURE = 0.2  # texture distance; an instant style that is nearer learns in smaller steps
FREE_DRIFT = 0.5  # root mean square, as a share of the instant style's texture distance
LOOSE_ANCHOR = 0.4  # share of the anchor loss for a drawn style
DARK_SKIN = 0.3  # unit luma; the lighter skin is, the less the anchor holds it in a drawn style
MIN_LINES = 0.02  # root mean square; a weaker residual has no lines
FRESH_BASES = ("linear", "none")  # values of TrainingConfig.init that train the generator, too


@dataclass(frozen=True, slots=True)
class Constraints:
    """How fast one creator learns, and what keeps it near its instant style.

    lr_share: share of the generator's learning rates. max_drift: root mean square distance from the
    instant style that costs nothing. anchor_share: share of the anchor loss, at its weakest.
    """

    lr_share: float = 1.0
    max_drift: float = math.inf
    anchor_share: float = 1.0


def constraints_for(strength: float, texture: float, mode: Mode, *, is_fresh: bool) -> Constraints:
    """Constraints that fit what an instant style draws, and how well.

    A step changes every weight by a like share, and so changes the residual by a share of itself:
    what suits a painting inverts a pencil drawing. An instant style whose texture is near the
    creator's has its lines in place: large steps lose them, and so does a long way.

    A drawn style gets a weak anchor, because lines are tones, too; dark skin keeps the full anchor,
    or a creator of dark pictures would sink it into the dark. Where the instant style leaves out
    the lines that the network would draw (mode `colour`), its tones were a guess: no anchor.

    strength: root mean square of the residual. texture: distance of the instant style's texture,
    see TextureDistance. is_fresh: the generator is untrained, and so has no lines to lose.
    """
    calm = min(1.0, CALM_RESIDUAL / max(strength, 1e-6))
    if is_fresh:
        return Constraints(lr_share=calm)
    if mode == "colour" and strength >= MIN_LINES:
        return Constraints(lr_share=calm, anchor_share=0.0)
    return Constraints(
        lr_share=calm * min(1.0, texture / FAR_TEXTURE),
        max_drift=FREE_DRIFT * texture,
        anchor_share=LOOSE_ANCHOR if mode == "drawn" else 1.0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """What one creator is trained with.

    working_size: px, short side of whole pictures. augmented: the discriminator sees augmented
    pictures. texture: distance to the creator's texture at the scale of the crops.
    """

    pictures: PictureSet
    working_size: int
    augmented: bool
    texture: TextureDistance
    constraints: Constraints = field(default_factory=Constraints)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step shows: photos and one creator's pictures at one scale."""

    step: int
    creator: int
    content: Tensor  # (B, 3, S, S) in [-1, 1]
    faces: Tensor  # (B, 1, S, S), 1 in faces
    reals: Tensor  # (B, 3, S, S)
    short_side: Tensor  # (1,) px of the whole picture


@dataclass(frozen=True, slots=True)
class Networks:
    """The networks of a run: generator with adapters, discriminators, frozen features."""

    generator: AdaptedGenerator
    discriminator: Discriminator
    features: FrozenFeatures

    def seen(self, images: Tensor) -> list[Tensor]:
        """Frozen features of images at the discriminator's stages."""
        stages = self.features(images)
        return [stages[index] for index in DISCRIMINATOR_STAGES]


def build_networks(
    generator: Generator,
    styles: Sequence[StyleTensors],
    content_code: Tensor,
    features: FrozenFeatures,
    config: TrainingConfig,
) -> Networks:
    """Adapters at zero and fresh discriminators, drawn by the run's seed.

    styles: one per creator. content_code: (code_dim,).
    """
    device = styles[0].matrix.device
    trains_base = config.init in FRESH_BASES  # a trained base stays frozen
    generator.requires_grad_(trains_base)
    weights = dict(generator.named_parameters())
    start_weights = {name: value.detach().clone() for name, value in weights.items()}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, 0, "networks"))
        adapted = {} if trains_base else weights
        creators = nn.ModuleList(CreatorParameters(x.code, adapted) for x in styles)
        creators.append(CreatorParameters(content_code, {}))
        channels = [features.channels[stage] for stage in DISCRIMINATOR_STAGES]
        discriminator = Discriminator(len(styles), channels, config.discriminator_channels)
    adapters = nn.ModuleDict({"creators": creators, "generator": generator}).to(device)
    discriminator.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    bf16 = uses_bf16(config.precision, device.type)
    return Networks(
        AdaptedGenerator(adapters, styles, start_weights, bf16), discriminator, features
    )


def draw_batch(
    content: PictureSet,
    creator: Creator,
    index: int,
    step: int,
    config: TrainingConfig,
    device: torch.device,
) -> Batch:
    """The batch of `step` for creator `index`; its draws depend on (seed, step) alone."""
    rng = numpy_generator(config.seed, step, "batch")
    short_side = max(config.size, creator.working_size * float(rng.uniform(*config.scales)))
    photos, faces = content.crops(rng, config.batch, config.size, short_side)
    reals, _ = creator.pictures.crops(rng, config.batch, config.size, short_side)
    tensors = (photos, faces, reals, torch.tensor([short_side]))
    return Batch(step, index, *(tensor.to(device) for tensor in tensors))


def generator_terms(
    batch: Batch, networks: Networks, creator: Creator, config: TrainingConfig
) -> tuple[Tensor, dict[str, Tensor]]:
    """The fakes (B, 3, S, S) and the weighted terms of the generator's loss."""
    generator = networks.generator
    with generator.autocast():
        fake = generator.stylize(batch.creator, batch.content, batch.short_side)
        anchor = generator.stylize_instant(batch.creator, batch.content, batch.short_side)
        scaled = scale_gradient(fake, batch.faces, config.face_weight)
        pictures = (fake, scaled, batch.content)
        treated, scaled_treated, content = same_treatment(pictures, config.seed, batch.step)
        features = networks.seen(treated)
        with torch.no_grad():
            content_features = networks.seen(content)
        view = _augmented(scaled_treated, batch, creator, config, "fakes")
        pixels, projected = networks.discriminator(view, features, batch.creator)
    constraints = creator.constraints
    anchor_weight = 0.0 if config.init == "none" else config.lambda_anchor
    terms = {
        "gan_pixels": config.lambda_pixels * generator_gan_loss(config.gan, pixels),
        "gan_features": config.lambda_features * generator_gan_loss(config.gan, projected),
        "content": config.lambda_content
        * content_loss(features, content_features, batch.faces, config.face_weight),
        "anchor": anchor_weight
        * anchor_loss(
            fake,
            anchor,
            anchor_weights(anchor, batch.faces, constraints.anchor_share, config.face_weight),
        ),
        "grid": config.lambda_grid * grid_loss(fake, batch.content).mean(),
        "drift": config.lambda_drift * drift_loss(fake, anchor, constraints.max_drift).mean(),
        **_reconstruction_terms(batch, fake, generator, config),
    }
    if config.lambda_texture:
        terms["texture"] = config.lambda_texture * creator.texture.distance([scaled], batch.step)
    return fake, terms


def discriminator_terms(
    batch: Batch, fakes: Tensor, networks: Networks, creator: Creator, config: TrainingConfig
) -> dict[str, Tensor]:
    """The terms of the discriminators' loss. fakes: (B, 3, S, S), of now and before."""
    discriminator = networks.discriminator
    reals, fakes = same_treatment((batch.reals, fakes), config.seed, batch.step)
    with networks.generator.autocast():
        with torch.no_grad():
            features = networks.seen(torch.cat([reals, fakes]))
        real_features, fake_features = zip(*(part.chunk(2) for part in features), strict=True)
        scores = [
            discriminator(_augmented(images, batch, creator, config, name), seen, batch.creator)
            for images, seen, name in (
                (reals, real_features, "critic reals"),
                (fakes, fake_features, "critic fakes"),
            )
        ]
    (real_pixels, real_projected), (fake_pixels, fake_projected) = scores
    terms = {
        "discriminator_pixels": discriminator_gan_loss(config.gan, real_pixels, fake_pixels),
        "discriminator_features": discriminator_gan_loss(
            config.gan, real_projected, fake_projected
        ),
    }
    if config.penalty == "r1" and batch.step % config.r1_every == 0:
        # Every few steps, so much stronger: lazy regularisation (Karras et al. 2020, section 4).
        watched = reals.detach().requires_grad_()
        penalty = r1_penalty([discriminator.pixels(watched, batch.creator)], watched)
        terms["r1"] = config.r1_weight * config.r1_every * penalty
    return terms


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


def anchor_weights(anchor: Tensor, faces: Tensor, share: float, face_weight: float) -> Tensor:
    """How much the anchor loss counts at each pixel, (B, 1, S, S).

    anchor: (B, 3, S, S), the instant style. faces: (B, 1, S, S). share: Constraints.anchor_share.
    """
    if not share:
        return torch.zeros_like(faces)
    luma = (luminance(anchor) / 2 + 0.5).clamp(min=1e-3)
    skin = (1 + face_weight) * (DARK_SKIN / luma).clamp(share, 1)
    return share + (skin - share) * faces


def scale_gradient(image: Tensor, faces: Tensor, face_weight: float) -> Tensor:
    """`image`, with the gradient inside faces scaled by 1 / (1 + face_weight)².

    A network that has to add texture to skin speckles it.
    """
    share = 1 / (1 + face_weight * faces) ** 2
    return share * image + (1 - share) * image.detach()


def _augmented(
    images: Tensor, batch: Batch, creator: Creator, config: TrainingConfig, purpose: str
) -> Tensor:
    """Differentiable augmentation where the creator's folder is small."""
    return augment(images, config.seed, batch.step, purpose) if creator.augmented else images


def _reconstruction_terms(
    batch: Batch, fake: Tensor, generator: AdaptedGenerator, config: TrainingConfig
) -> dict[str, Tensor]:
    """Cycle and identity, where they have a weight."""
    terms: dict[str, Tensor] = {}
    if config.lambda_cycle:
        draws = torch_generator(config.seed, batch.step, "cycle noise")
        noise = torch.randn(fake.shape, generator=draws).to(fake.device)
        with generator.autocast():
            cycled = generator.reconstruct_cycle(
                batch.creator, fake + CYCLE_NOISE * noise, batch.short_side
            )
        hue = is_invertible(generator.styles[batch.creator])
        terms["cycle"] = config.lambda_cycle * cycle_loss(cycled, batch.content, hue)
    if config.lambda_identity:
        with generator.autocast():
            same = generator.reconstruct_identity(batch.creator, batch.reals, batch.short_side)
        terms["identity"] = config.lambda_identity * identity_loss(same, batch.reals)
    return terms
