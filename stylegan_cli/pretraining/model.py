"""The networks of pre-training: the base, led at first by a privileged teacher."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.networks.architecture import GeneratorConfig, StyleEncoderConfig
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.pixel_range import to_signed
from stylegan_cli.networks.precision import as_tensor, full_precision
from stylegan_cli.networks.style_encoder import StyleEncoder
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.looks import PARAMETERS_DIM
from stylegan_cli.pretraining.losses import Stylized, pair_losses
from stylegan_cli.runtime.randomness import numpy_generator

TEACHER_GAIN = 1.5  # deviation of the teacher's codes; a weak code leads nothing


class BaseNetworks(nn.Module):
    """Generator and style encoder, trained as one."""

    def __init__(self, generator: GeneratorConfig, encoder: StyleEncoderConfig) -> None:
        super().__init__()
        self.generator = Generator(generator)
        self.encoder = StyleEncoder(encoder)

    def encode(self, batch: Mapping[str, Tensor]) -> Tensor:
        """A code for each side of each look, (L, 2, code_dim), from its styled pictures."""
        return self.codes(self.describe(batch))

    def codes(self, described: Tensor) -> Tensor:
        """A code for each row of `describe`, two rows for a look: (L, 2, code_dim)."""
        codes: Tensor = full_precision(self.encoder.head.encode(described))
        return codes.view(-1, 2, codes.shape[1])

    def describe(self, batch: Mapping[str, Tensor]) -> Tensor:
        """What the encoder's head gets of each side of each look, (L * 2, dim)."""
        moments = self.moments(batch).flatten(0, 1)
        return self.encoder.head.describe(moments, batch["statistics"].flatten(0, 1))

    def moments(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The encoder's features of each side, averaged over its pictures: (L, 2, moments_dim)."""
        rows = self.encoder.features(signed(batch["references"]))
        counts = batch["shown"].flatten()
        sides = torch.arange(len(counts), device=rows.device)
        owner = sides.repeat_interleave(counts, output_size=len(rows))
        sums = rows.new_zeros(len(counts), rows.shape[1]).index_add(0, owner, rows)
        return (sums / counts[:, None]).view(*batch["shown"].shape, -1)  # type: ignore[no-any-return]

    def stylize(self, batch: Mapping[str, Tensor], codes: Tensor) -> Stylized:
        """Each side's style on the photos of the other side; N = L * 2 * B pictures.

        codes: (L, 2, code_dim).
        """
        photos, truths = (batch[name].flip(1) for name in ("photos", "truths"))
        sides = photos.shape[0] * 2
        short_side = batch["short_side"][:, None].expand(-1, 2)
        styles = (batch["matrix"], batch["offset"], codes, short_side)
        pictures = signed(photos)
        if pictures.is_cuda:  # all at once: a GPU would wait for thousands of small calls
            each = [row.flatten(0, 1).repeat_interleave(photos.shape[2], 0) for row in styles]
            result, base_colour = self.generator(pictures, *each)
        else:
            rows = zip(*(row.flatten(0, 1).split(1) for row in styles), strict=True)
            outputs = [
                self.generator(some, *style)
                for some, style in zip(pictures.chunk(sides), rows, strict=True)
            ]
            result, base_colour = map(torch.cat, zip(*outputs, strict=True))
        return Stylized(full_precision(result), full_precision(base_colour), signed(truths))


class PrivilegedTeacher(nn.Module):
    """A look's true parameters as a code: a fixed rotation, so that no number is favoured.

    What all looks have in common is no part of it, and it can't fade, as something learned may.
    """

    rotation: Tensor

    def __init__(self, code_dim: int) -> None:
        super().__init__()
        rng = numpy_generator(0, 0, "prompter")
        drawn = rng.standard_normal((max(PARAMETERS_DIM, code_dim),) * 2)
        orthogonal = np.linalg.qr(drawn)[0][:PARAMETERS_DIM, :code_dim]
        self.register_buffer("rotation", as_tensor(TEACHER_GAIN * orthogonal), persistent=False)

    def forward(self, parameters: Tensor) -> Tensor:
        """parameters: (L, PARAMETERS_DIM), see looks. Returns (L, code_dim)."""
        return full_precision(parameters @ self.rotation)


class Learner(nn.Module):
    """A base, a privileged teacher, and a head that predicts a look's parameters from a code.

    Led by the teacher, the generator learns to draw before the encoder can encode, and the encoder
    learns what the generator needs: learning with privileged information (Vapnik & Vashist 2009).
    The parameters have to follow from the code to the end: a picture says little about how far off
    a line's width is once the line is elsewhere.
    """

    def __init__(self, base: BaseNetworks, config: PretrainConfig) -> None:
        super().__init__()
        self.base = base
        self.config = config
        self.teacher = PrivilegedTeacher(base.generator.config.code_dim)
        self.parameter_head = nn.Linear(base.generator.config.code_dim, PARAMETERS_DIM)

    def forward(
        self, batch: Mapping[str, Tensor], guided: Tensor, guidance: float
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The terms of the loss: errors of each picture, (N,), and one number for each other term.

        All are means over the looks, so those of a batch are the mean of those of its parts.
        guided: (L, 2) 1 where the teacher leads, else 0. guidance: weight of the distillation.
        Returns the head's deviations as well, see StyleHead.
        """
        described = self.base.describe(batch)
        encoded = self.base.codes(described)
        ideal = self.teacher(batch["parameters"])[:, None].expand_as(encoded)
        codes = torch.lerp(encoded, ideal, guided[..., None])
        distillation = functional.mse_loss(encoded, ideal)
        true = batch["parameters"][:, None].expand(-1, 2, -1)
        parameters = functional.mse_loss(full_precision(self.parameter_head(encoded)), true)
        stylized = self.base.stylize(batch, codes)
        terms = pair_losses(stylized, batch["pointwise"], self.config) | {
            "distillation": self.config.distillation_weight * guidance * distillation,
            "parameters": self.config.parameter_weight * parameters,
        }
        return terms, self.base.encoder.head.deviations(described)


def signed(pixels: Tensor) -> Tensor:
    """(..., H, W, 3) uint8 → (N, 3, H, W) float in [-1, 1], channels last."""
    return to_signed(pixels.flatten(0, -4).permute(0, 3, 1, 2))
