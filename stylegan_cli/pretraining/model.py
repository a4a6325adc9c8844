"""What learns in pre-training: the base, led at first by a privileged teacher."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.learning.losses import grid_loss
from stylegan_cli.networks.architecture import GeneratorConfig, StyleEncoderConfig
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.layers import luminance
from stylegan_cli.networks.style_encoder import StyleEncoder
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.looks import PARAMETERS_DIM
from stylegan_cli.runtime.randomness import numpy_generator

HARDLY_AN_ERROR = 0.03  # on top of each picture's, so that none counts without end
# The terms that each picture has of its own.
ERRORS = ("residual", "base_colour", "gradient", "texture", "grid", "quiet")
TEXTURE_CELL = 8  # px
TEXTURE_SCALES = 2  # each half the size of the one before
FAINT = 1e-4  # of a cell's mean square, below which contrast is none
TEACHER_GAIN = 1.5  # deviation of a prompted code: what is told in a whisper leads nobody


class Painting(NamedTuple):
    """Results, per-pixel parts and truths, (N, 3, S, S) in [-1, 1] each."""

    result: Tensor
    base_colour: Tensor
    truth: Tensor


class BaseNetworks(nn.Module):
    """Generator and style encoder, trained as one."""

    def __init__(self, generator: GeneratorConfig, encoder: StyleEncoderConfig) -> None:
        super().__init__()
        self.generator = Generator(generator)
        self.encoder = StyleEncoder(encoder)

    def read(self, batch: Mapping[str, Tensor]) -> Tensor:
        """A code for each side of each look, (L, 2, code_dim), from its styled pictures."""
        pooled = self.moments(batch)
        codes = self.encoder(pooled.flatten(0, 1), batch["statistics"].flatten(0, 1))
        return codes.float().view(*pooled.shape[:2], -1)  # type: ignore[no-any-return]

    def moments(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the encoder sees of each side, pooled over its pictures: (L, 2, moments_dim)."""
        rows = self.encoder.features(signed(batch["references"]))
        counts = batch["shown"].flatten()
        sides = torch.arange(len(counts), device=rows.device)
        owner = sides.repeat_interleave(counts, output_size=len(rows))
        sums = rows.new_zeros(len(counts), rows.shape[1]).index_add(0, owner, rows)
        return (sums / counts[:, None]).view(*batch["shown"].shape, -1)  # type: ignore[no-any-return]

    def paint(self, batch: Mapping[str, Tensor], codes: Tensor) -> Painting:
        """Each side's code painted on the photos of the other side; N = L * 2 * B pictures."""
        photos, truths = (batch[name].flip(1) for name in ("photos", "truths"))
        sides = photos.shape[0] * 2
        short_side = batch["short_side"][:, None].expand(-1, 2)
        styles = (batch["matrix"], batch["offset"], codes, short_side)
        pictures = signed(photos)
        if pictures.is_cuda:  # all at once: thousands of small calls would keep a GPU waiting
            each = [row.flatten(0, 1).repeat_interleave(photos.shape[2], 0) for row in styles]
            result, base_colour = self.generator(pictures, *each)
        else:
            rows = zip(*(row.flatten(0, 1).split(1) for row in styles), strict=True)
            painted = [
                self.generator(some, *style)
                for some, style in zip(pictures.chunk(sides), rows, strict=True)
            ]
            result, base_colour = map(torch.cat, zip(*painted, strict=True))
        return Painting(result.float(), base_colour.float(), signed(truths))


class PrivilegedTeacher(nn.Module):
    """A look's true description as a code: a fixed rotation, so that all numbers are told alike.

    What all looks have in common is no part of it, and it can't fade, as what is learned may.
    """

    rotation: Tensor

    def __init__(self, code_dim: int) -> None:
        super().__init__()
        rng = numpy_generator(0, 0, "prompter")
        drawn = rng.standard_normal((max(PARAMETERS_DIM, code_dim),) * 2)
        turned = np.linalg.qr(drawn)[0][:PARAMETERS_DIM, :code_dim]
        rotation = torch.tensor(TEACHER_GAIN * turned, dtype=torch.float32)
        self.register_buffer("rotation", rotation, persistent=False)

    def forward(self, parameters: Tensor) -> Tensor:
        """parameters: (L, PARAMETERS_DIM), see looks. Returns (L, code_dim)."""
        return (parameters @ self.rotation).float()


class Learner(nn.Module):
    """A base, and a privileged teacher that turns a look's true parameters into a code.

    A generator that is led learns to draw before anybody can read, and the encoder learns what a
    generator wants to know: learning with privileged information (Vapnik & Vashist 2009). For good,
    the description has to follow from the code that is read: a painting says little of how far off
    a line's width is, once the line is elsewhere.
    """

    def __init__(self, base: BaseNetworks, config: PretrainConfig) -> None:
        super().__init__()
        self.base = base
        self.config = config
        self.teacher = PrivilegedTeacher(base.generator.config.code_dim)
        self.parameter_head = nn.Linear(base.generator.config.code_dim, PARAMETERS_DIM)

    def forward(
        self, batch: Mapping[str, Tensor], taught: Tensor, guidance: float
    ) -> dict[str, Tensor]:
        """The terms of the loss: errors of each picture, (N,), a number for each of the others.

        taught: (L, 2) 1 where the teacher leads, else 0. guidance: weight of the imitation.
        """
        read = self.base.read(batch)
        told = self.teacher(batch["parameters"])[:, None].expand_as(read)
        codes = torch.lerp(read, told, taught[..., None])
        imitation = functional.mse_loss(read, told)
        described = batch["parameters"][:, None].expand(-1, 2, -1)
        parameters = functional.mse_loss(self.parameter_head(read).float(), described)
        painting = self.base.paint(batch, codes)
        return pair_losses(painting, batch["pointwise"], self.config) | {
            "imitation": self.config.imitation_weight * guidance * imitation,
            "parameters": self.config.parameter_weight * parameters,
        }


def default_base() -> BaseNetworks:
    """The base at its default size, untrained."""
    return BaseNetworks(GeneratorConfig(), StyleEncoderConfig(statistics_dim=STATISTICS_DIM))


def pair_losses(painting: Painting, pointwise: Tensor, config: PretrainConfig) -> dict[str, Tensor]:
    """L1 at two scales, of gradients and of local contrasts, and of the per-pixel part.

    A look of colour alone is to be painted without a residual, which calibration could not follow.
    pointwise: (L,) 1 for such looks, else 0. Of each picture, (N,), N a multiple of L.
    """
    result, base_colour, truth = painting
    alone = pointwise.repeat_interleave(len(result) // len(pointwise))
    coarse = _l1(functional.avg_pool2d(result, 4), functional.avg_pool2d(truth, 4))
    across = _l1(result.diff(dim=3), truth.diff(dim=3))
    down = _l1(result.diff(dim=2), truth.diff(dim=2))
    return {
        "residual": _l1(result, truth) + config.coarse_weight * coarse,
        "base_colour": config.base_colour_weight * _l1(base_colour, truth),
        "gradient": config.gradient_weight * (across + down),
        "texture": config.texture_weight * texture_error(result, truth),
        "grid": config.grid_weight * grid_loss(result, truth),
        "quiet": config.quiet_weight * alone * _l1(result, base_colour),
    }


def texture_error(result: Tensor, truth: Tensor) -> Tensor:
    """How much stronger or weaker detail is than the truth's, by cell and direction.

    Where exactly a hand draws its lines nobody can know, and the mean of all guesses is nothing;
    but how strong they are, and along what direction, is known. Like the local energies of a
    steerable pyramid (Portilla & Simoncelli 2000). Images (N, 3, S, S) in [-1, 1]; returns (N,).
    """
    errors = []
    mine, theirs = luminance(result), luminance(truth)
    for _ in range(TEXTURE_SCALES):
        pairs = zip(_contrasts(mine), _contrasts(theirs), strict=True)
        errors += [_l1(contrast, wanted) for contrast, wanted in pairs]
        mine, theirs = functional.avg_pool2d(mine, 2), functional.avg_pool2d(theirs, 2)
    return torch.stack(errors).mean(0)


def _contrasts(grey: Tensor) -> list[Tensor]:
    """Root mean square of differences within overlapping cells, along four directions.

    Over 2 px, so that a chequerboard, which a network finds first, is no detail.
    grey: (N, 1, S, S).
    """
    differences = (
        grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2],
        grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1],
        grey[:, :, 2:, 2:] - grey[:, :, :-2, :-2],
        grey[:, :, 2:, :-2] - grey[:, :, :-2, 2:],
    )
    return [
        (functional.avg_pool2d(d.square(), TEXTURE_CELL, TEXTURE_CELL // 2) + FAINT).sqrt()
        for d in differences
    ]


def total_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """What is minimised: the logarithm of each picture's error, as PSNR counts it, and the rest.

    Plain errors would be those of drawings and of unlike sets: ten times as large as what a
    photographic look could still gain.
    """
    errors = torch.stack([terms[name] for name in ERRORS]).sum(0)
    return (errors + HARDLY_AN_ERROR).log().mean() + terms["imitation"] + terms["parameters"]


def _l1(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).abs().mean(dim=(1, 2, 3))


def signed(pixels: Tensor) -> Tensor:
    """(..., H, W, 3) uint8 → (N, 3, H, W) float in [-1, 1], channels last."""
    return pixels.flatten(0, -4).permute(0, 3, 1, 2).float() / 127.5 - 1
