"""The painter and its discriminators: what they are, and one step function for each."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from stylegan_cli.learning.ema import Ema
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
from stylegan_cli.learning.schedules import learning_rate
from stylegan_cli.networks.discriminator import Discriminator
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.layers import luminance
from stylegan_cli.networks.lora import CreatorParameters
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.runtime.randomness import derive_seed, numpy_generator, torch_generator
from stylegan_cli.styles import Mode
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import HistoryPool, PictureSet, augment, same_treatment
from stylegan_cli.training.texture_distance import TextureDistance

DISCRIMINATOR_STAGES = (1, 2, 3)  # of the frozen network: strides 4, 8 and 16
CONTENT_STAGES = (2, 3)
SMALL_FOLDER = 100  # pictures; below it the discriminator sees augmented ones
NOISE = 0.02  # on a fake before its way back, so that nothing can be hidden in it
CALM_RESIDUAL = 0.07  # root mean square; a look that draws more is moved by smaller steps
FAR_TEXTURE = 0.2  # from a creator's; an instant style that is nearer is moved by smaller steps
FREE_DRIFT = 0.5  # root mean square, of the instant style's texture distance
LOOSE_HOLD = 0.4  # of the anchor, on a look that draws
DARK_SKIN = 0.3  # unit luma; the lighter skin is, the more loosely a look that draws holds it
MIN_LINES = 0.02  # root mean square; a residual below it is no guess at lines
GREY = 0.15  # a colour map with singular values further apart has lost a hue


@dataclass(frozen=True, slots=True)
class StyleTensors:
    """A creator's instant style on the device: colour map before, calibration after, the code.

    matrix (1, 3, 3), offset (1, 3): u @ matrix + offset on unit colours, likewise calibration.
    table: (1, 3, K, K, K) calibration as a table, in [-1, 1]; None where it is linear. mode: how
    the instant style is rendered; where it is colour, what the network draws is left out.
    """

    matrix: Tensor
    offset: Tensor
    code: Tensor  # (code_dim,) of the instant style
    lut: Tensor | None = None
    mode: Mode = "photographic"

    def calibrate(self, base_colour: Tensor) -> Tensor:
        """What is left of the colour error after the network's per-pixel part, removed.

        base_colour: (B, 3, H, W), clipped to [-1, 1] by this.
        """
        if self.lut is None:
            return base_colour.clamp(-1, 1)
        # grid_sample wants the last axis of the table first: x picks the innermost index.
        places = base_colour.permute(0, 2, 3, 1).flip(-1)[:, None].float()
        lut = self.lut.expand(len(base_colour), -1, -1, -1, -1)
        return functional.grid_sample(lut, places, align_corners=True, padding_mode="border")[
            :, :, 0
        ]


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step shows: one creator, photos and that creator's pictures at one scale."""

    step: int
    creator: int
    content: Tensor  # (B, 3, S, S) in [-1, 1]
    faces: Tensor  # (B, 1, S, S), 1 in faces
    reals: Tensor  # (B, 3, S, S)
    short_side: Tensor  # (1,) px of the whole picture


class Refinement:
    """One run: the frozen base, each creator's adapters, the discriminators, the optimisers."""

    def __init__(
        self,
        generator: Generator,
        styles: Sequence[StyleTensors],
        content_code: Tensor,
        features: FrozenFeatures,
        small_folders: Sequence[bool],
        textures: Sequence[TextureDistance],
        config: TrainingConfig,
    ) -> None:
        """styles, textures: one per creator. content_code: (code_dim,).

        small_folders: which to augment.
        """
        self.config = config
        self.device = styles[0].matrix.device
        # A base that was trained stays as it is; a fresh one has everything to learn.
        self.trains_base = config.init in ("linear", "none")
        self.generator = generator.requires_grad_(self.trains_base)
        self.weights = dict(generator.named_parameters())
        self.start_weights = {name: value.detach().clone() for name, value in self.weights.items()}
        self.anchor_weight = 0.0 if config.init == "none" else config.lambda_anchor
        self.styles = styles
        self.features = features
        self.textures = textures
        self._augmented = [
            config.augment == "on" or (config.augment == "auto" and small)
            for small in small_folders
        ]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derive_seed(config.seed, 0, "networks"))
            drawn = {} if self.trains_base else self.weights
            self.creators = nn.ModuleList(CreatorParameters(x.code, drawn) for x in styles)
            self.creators.append(CreatorParameters(content_code, {}))  # the way back: a code alone
            seen = [features.channels[stage] for stage in DISCRIMINATOR_STAGES]
            self.discriminator = Discriminator(len(styles), seen, config.discriminator_channels)
        self.adapters = nn.ModuleDict({"creators": self.creators, "generator": self.generator})
        self.adapters.to(self.device)
        self.discriminator.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        codes = [creator.code for creator in self.creators]
        rest = [
            p
            for n, p in self.adapters.named_parameters()
            if p.requires_grad and not n.endswith(".code")
        ]
        self.generator_optimizer = torch.optim.Adam(
            [
                {"params": rest, "base_lr": config.lr_g, "share_power": 1},
                {"params": codes, "base_lr": config.lr_code, "share_power": 2},
            ],
            betas=(0.5, 0.99),
        )
        self.discriminator_optimizer = torch.optim.Adam(
            [
                {
                    "params": list(self.discriminator.parameters()),
                    "base_lr": config.lr_d,
                    "share_power": 0,
                }
            ],
            betas=(0.5, 0.99),
        )
        self.ema = Ema(self.adapters, config.ema)
        self.pools = [HistoryPool(config.pool, config.seed + index) for index in range(len(styles))]
        self.step = 0
        self.total_steps = config.steps
        self.lr_scale = 1.0  # share of the learning rates: less after a loss was no number
        self.shares = [1.0] * len(styles)  # each creator's of the painter's rates, besides
        self.limits = [math.inf] * len(styles)  # of each creator's way from the instant style
        self.holds = [1.0] * len(styles)  # of the anchor on each creator's tones, at its loosest
        self._bf16 = uses_bf16(config.precision, self.device.type)

    @torch.no_grad()
    def generate_photo(
        self, creator: int, photo: Tensor, short_side: float, shift: Tensor | float = 0.0
    ) -> Tensor:
        """The creator's averaged look on one photo (1, 3, H, W), sides multiples of 8.

        shift: (code_dim,) added to the code, a step along the creator's variety.
        """
        with self.ema.averaged(), self.autocast():
            return self.paint(self._lone_batch(creator, photo, short_side), shift)

    @torch.no_grad()
    def generate_initial(self, creator: int, photo: Tensor, short_side: float) -> Tensor:
        """The instant style on one photo (1, 3, H, W), sides multiples of 8."""
        with self.autocast():
            return self.generate_instant(self._lone_batch(creator, photo, short_side))

    @torch.no_grad()
    def fit_to_start(
        self, photos: Sequence[Sequence[Tensor]], sizes: Sequence[int], textures: Sequence[float]
    ) -> None:
        """Fit what moves creators, and what holds them, to what instant styles draw, and how well.

        A step moves every weight by a like share, and so what is drawn by a share of itself: what
        suits a painting turns a pencil drawing inside out. And who is near the creator's texture
        already has its lines in their places: large steps lose them, and so does a long way. A code
        moves all of a look at once: its steps go by the square of that share.

        A look that draws holds its tones loosely, for lines are tones, too, and dark skin as ever:
        a painter of dark pictures would sink it into the dark. Where the instant style leaves out
        the lines that the network would draw, they are of a kind that it has never met, and the
        tones were a guess: nothing holds them.

        photos, sizes: of each creator, as for generate_initial. textures: Texture.distance of each
        instant style.
        """
        for creator, (own, size, texture) in enumerate(zip(photos, sizes, textures, strict=True)):
            look = self.styles[creator]
            strength = self._strength(look, own, size)
            calm = min(1.0, CALM_RESIDUAL / max(strength, 1e-6))
            if self.trains_base:  # a fresh network has no lines yet that it could lose
                self.shares[creator] = calm
            elif look.mode == "colour" and strength >= MIN_LINES:
                self.shares[creator], self.holds[creator] = calm, 0.0
            else:
                self.shares[creator] = calm * min(1.0, texture / FAR_TEXTURE)
                self.limits[creator] = FREE_DRIFT * texture
                self.holds[creator] = LOOSE_HOLD if look.mode == "drawn" else 1.0

    def paint(self, batch: Batch, shift: Tensor | float = 0.0) -> Tensor:
        """The creator's present look on the content, (B, 3, S, S), not clipped."""
        creator: CreatorParameters = self.creators[batch.creator]  # type: ignore[assignment]
        weights, code = creator.merge(self.weights), creator.code + shift
        return self._paint(weights, self.styles[batch.creator], code, batch.content, batch)

    @torch.no_grad()
    def generate_instant(self, batch: Batch) -> Tensor:
        """The instant style on the content, as it is stylised: what a creator is held to."""
        look = self.styles[batch.creator]
        if look.mode == "colour":
            _, base_colour = self._run(self.start_weights, look, look.code, batch.content, batch)
            return look.calibrate(base_colour).float()
        return self._paint(self.start_weights, look, look.code, batch.content, batch)

    def reconstruct_cycle(self, fake: Tensor, batch: Batch) -> Tensor:
        """The content's own look on a fake, by the exchanged colour map."""
        content: CreatorParameters = self.creators[-1]  # type: ignore[assignment]
        back = inverse_style(self.styles[batch.creator])
        return self._paint(self.weights, back, content.code, fake, batch)

    def reconstruct_identity(self, batch: Batch) -> Tensor:
        """The creator's look on the creator's own pictures, whose colours are right already."""
        creator: CreatorParameters = self.creators[batch.creator]  # type: ignore[assignment]
        unchanged = StyleTensors(
            torch.eye(3, device=self.device)[None],
            torch.zeros(1, 3, device=self.device),
            creator.code,
        )
        return self._paint(creator.merge(self.weights), unchanged, creator.code, batch.reals, batch)

    def held(self, batch: Batch, anchor: Tensor) -> Tensor:
        """How much the tones of the instant style, `anchor`, hold each place, (B, 1, S, S)."""
        loosest = self.holds[batch.creator]
        if not loosest:
            return torch.zeros_like(batch.faces)
        luma = (luminance(anchor) / 2 + 0.5).clamp(min=1e-3)
        skin = (1 + self.config.face_weight) * (DARK_SKIN / luma).clamp(loosest, 1)
        return loosest + (skin - loosest) * batch.faces

    def look_at(self, images: Tensor, stages: Sequence[int] = DISCRIMINATOR_STAGES) -> list[Tensor]:
        """Frozen features of images at the discriminator's stages."""
        found = self.features(images)
        return [found[index] for index in stages]

    def augment(self, images: Tensor, batch: Batch, purpose: str) -> Tensor:
        """Differentiable augmentation where the creator's folder is small."""
        if not self._augmented[batch.creator]:
            return images
        return augment(images, self.config.seed, batch.step, purpose)

    def autocast(self) -> torch.autocast:
        """bf16 for the networks, where the run uses it."""
        kind = "cuda" if self.device.type == "cuda" else "cpu"
        return torch.autocast(kind, torch.bfloat16, enabled=self._bf16)

    def improve(self, optimizer: torch.optim.Optimizer, loss: Tensor, share: float = 1.0) -> None:
        """One update at a share of the learning rate of the present step."""
        config = self.config
        for group in optimizer.param_groups:
            rate = share ** group["share_power"] * self.lr_scale * group["base_lr"]
            group["lr"] = learning_rate(
                self.step, self.total_steps, rate, config.warmup, config.decay_from
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def is_finite(self) -> bool:
        """Whether every parameter that learns is still a number."""
        learning = [*_trained(self.adapters).values(), *_trained(self.discriminator).values()]
        return bool(nn.utils.get_total_norm(learning).isfinite())

    def delta_arrays(self, creator: int, tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """The deltas among `tensors` (by the painter's names), named as in the style file."""
        names = self.creators[creator].names
        return {
            f"{name}.{part}": tensors[f"creators.{creator}.deltas.{index}.{part}"].cpu().numpy()
            for index, name in enumerate(names)  # type: ignore[arg-type]
            for part in ("down", "up")
        }

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs beside its config and the styles it started from."""
        return {
            "adapters": _trained(self.adapters),
            "discriminator": self.discriminator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "pools": [pool.state_dict() for pool in self.pools],
            "total_steps": self.total_steps,
            "lr_scale": self.lr_scale,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was saved."""
        self.adapters.load_state_dict(state["adapters"], strict=False)
        self.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.ema.load_state_dict(state["ema"])
        for pool, kept in zip(self.pools, state["pools"], strict=True):
            pool.load_state_dict(kept)
        self.step, self.total_steps = state["step"], state["total_steps"]
        self.lr_scale = state["lr_scale"]

    def _lone_batch(self, creator: int, photo: Tensor, short_side: float) -> Batch:
        size = torch.tensor([float(short_side)]).to(self.device)
        return Batch(0, creator, photo, photo[:, :1], photo, size)

    def _strength(self, look: StyleTensors, photos: Sequence[Tensor], size: int) -> float:
        """Root mean square of what the network draws at the start, -1 to 1."""
        powers = []
        for photo in photos:
            batch = self._lone_batch(0, photo, size)
            with self.autocast():
                result, base_colour = self._run(self.start_weights, look, look.code, photo, batch)
            powers.append((result - base_colour).float().square().mean())
        return torch.stack(powers).mean().sqrt().item()

    def _paint(
        self,
        weights: Mapping[str, Tensor],
        look: StyleTensors,
        code: Tensor,
        image: Tensor,
        batch: Batch,
    ) -> Tensor:
        result, base_colour = self._run(weights, look, code, image, batch)
        # Calibration acts on the base colour, which ends at black and white; the residual and what
        # the base colour has beyond them are added afterwards.
        painted: Tensor = look.calibrate(base_colour) + result - base_colour.clamp(-1, 1)
        return painted.float()

    def _run(
        self,
        weights: Mapping[str, Tensor],
        look: StyleTensors,
        code: Tensor,
        image: Tensor,
        batch: Batch,
    ) -> tuple[Tensor, Tensor]:
        """What the generator returns: the result before calibration, and its per-pixel part."""
        arguments = (image, look.matrix, look.offset, code[None], batch.short_side)
        found: tuple[Tensor, Tensor] = functional_call(self.generator, dict(weights), arguments)
        return found


def draw_batch(
    content: PictureSet, pictures: PictureSet, creator: int, working_size: int, run: Refinement
) -> Batch:
    """The batch of the present step for one creator; its draws depend on (seed, step) alone."""
    config, step = run.config, run.step
    rng = numpy_generator(config.seed, step, "batch")
    short_side = max(config.size, working_size * float(rng.uniform(*config.scales)))
    photos, faces = content.crops(rng, config.batch, config.size, short_side)
    reals, _ = pictures.crops(rng, config.batch, config.size, short_side)
    tensors = (photos, faces, reals, torch.tensor([short_side]))
    return Batch(step, creator, *(tensor.to(run.device) for tensor in tensors))


def generator_step(batch: Batch, run: Refinement) -> tuple[Tensor, dict[str, Tensor]]:
    """Move one creator's code and deltas; returns the fakes and the terms of the loss."""
    config = run.config
    run.discriminator.requires_grad_(False)  # the painter must not train its judge
    with run.autocast():
        fake, anchor = run.paint(batch), run.generate_instant(batch)
        led = scale_gradient(fake, batch.faces, config.face_weight)
        pictures = (fake, led, batch.content)
        shown, led_shown, before = same_treatment(pictures, config.seed, batch.step)
        features = run.look_at(shown)
        with torch.no_grad():
            content_features = run.look_at(before)
        discriminator_view = run.augment(led_shown, batch, "fakes")
        pixels, projected = run.discriminator(discriminator_view, features, batch.creator)
    terms = {
        "gan_pixels": config.lambda_pixels * generator_gan_loss(config.gan, pixels),
        "gan_features": config.lambda_features * generator_gan_loss(config.gan, projected),
        "content": config.lambda_content
        * content_loss(features, content_features, batch.faces, config.face_weight),
        "anchor": run.anchor_weight * anchor_loss(fake, anchor, run.held(batch, anchor)),
        "grid": config.lambda_grid * grid_loss(fake, batch.content).mean(),
        "drift": config.lambda_drift * drift_loss(fake, anchor, run.limits[batch.creator]).mean(),
        **_round_trip_terms(batch, fake, run),
    }
    if config.lambda_texture:
        distance = run.textures[batch.creator].distance([led], batch.step)
        terms["texture"] = config.lambda_texture * distance
    loss = torch.stack(list(terms.values())).sum()
    run.improve(run.generator_optimizer, loss, run.shares[batch.creator])
    return fake.detach(), {name: term.detach() for name, term in terms.items()}


def discriminator_step(batch: Batch, fakes: Tensor, run: Refinement) -> dict[str, Tensor]:
    """Teach the discriminators to tell the creator's pictures from fakes of now and before."""
    config = run.config
    run.discriminator.requires_grad_(True)
    reals, fakes = same_treatment((batch.reals, fakes), config.seed, batch.step)
    with run.autocast():
        with torch.no_grad():
            features = run.look_at(torch.cat([reals, fakes]))
        real_features, fake_features = zip(*(part.chunk(2) for part in features), strict=True)
        scores = [
            run.discriminator(run.augment(images, batch, name), seen, batch.creator)
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
        slope = r1_penalty([run.discriminator.pixels(watched, batch.creator)], watched)
        terms["r1"] = config.r1_weight * config.r1_every * slope
    run.improve(run.discriminator_optimizer, torch.stack(list(terms.values())).sum())
    return {name: term.detach() for name, term in terms.items()}


def content_loss(
    result: Sequence[Tensor], content: Sequence[Tensor], faces: Tensor, face_weight: float
) -> Tensor:
    """Self-similarity at the content stages, faces counting `1 + face_weight` times.

    result, content: features at DISCRIMINATOR_STAGES. faces: (B, 1, S, S).
    """
    losses = []
    for stage in CONTENT_STAGES:
        index = DISCRIMINATOR_STAGES.index(stage)
        places = functional.interpolate(faces, result[index].shape[2:], mode="area")[:, 0]
        losses.append(self_similarity_loss(result[index], content[index], 1 + face_weight * places))
    return torch.stack(losses).mean()


def scale_gradient(image: Tensor, faces: Tensor, face_weight: float) -> Tensor:
    """`image`, of which what is in faces passes on less of the slope of a loss.

    Skin is what a network paints alike everywhere: asked for strokes there, it speckles.
    """
    share = 1 / (1 + face_weight * faces) ** 2
    return share * image + (1 - share) * image.detach()


def inverse_style(look: StyleTensors) -> StyleTensors:
    """The look whose colour map leads back to the content; hues that are lost stay lost."""
    matrix = look.matrix[0].cpu().double().numpy() if not look.matrix.is_meta else np.eye(3)
    offset = look.offset[0].cpu().double().numpy() if not look.offset.is_meta else np.zeros(3)
    inverse = np.linalg.pinv(matrix, rcond=GREY)
    back = [
        torch.tensor(part, dtype=torch.float32, device=look.matrix.device)[None]
        for part in (inverse, -offset @ inverse)
    ]
    return StyleTensors(back[0], back[1], look.code)


def is_invertible(look: StyleTensors) -> bool:
    """Whether the colour map is of full rank, so that hues can be asked back."""
    if look.matrix.is_meta:
        return True
    values = np.linalg.svd(look.matrix[0].cpu().numpy(), compute_uv=False)
    return bool(values[-1] > GREY * values[0])


def _trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that learn; the others come from the file that the run started from."""
    return {
        name: value.detach() for name, value in module.named_parameters() if value.requires_grad
    }


def _round_trip_terms(batch: Batch, fake: Tensor, run: Refinement) -> dict[str, Tensor]:
    """Cycle and identity, where they have a weight."""
    config = run.config
    terms: dict[str, Tensor] = {}
    if config.lambda_cycle:
        generator = torch_generator(config.seed, batch.step, "cycle noise")
        noise = torch.randn(fake.shape, generator=generator).to(fake.device)
        with run.autocast():
            cycled = run.reconstruct_cycle(fake + NOISE * noise, batch)
        hue = is_invertible(run.styles[batch.creator])
        terms["cycle"] = config.lambda_cycle * cycle_loss(cycled, batch.content, hue)
    if config.lambda_identity:
        with run.autocast():
            repainted = run.reconstruct_identity(batch)
        terms["identity"] = config.lambda_identity * identity_loss(repainted, batch.reals)
    return terms
