"""The base's generator with an adapter per creator: a style code and low-rank deltas."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.lora import CreatorParameters
from stylegan_cli.networks.precision import as_tensor, full_precision
from stylegan_cli.styles import Mode

MIN_SINGULAR_RATIO = 0.15  # of singular values; a colour map with a smaller one has lost a hue


@dataclass(frozen=True, slots=True)
class StyleTensors:
    """A creator's instant style on the device.

    matrix (1, 3, 3), offset (1, 3): the linear colour map, u @ matrix + offset on unit colours.
    code: (code_dim,). lut: (1, 3, K, K, K) in [-1, 1], the calibration; None where there is none.
    mode: how the instant style is rendered; `colour` leaves out the network's residual.
    """

    matrix: Tensor
    offset: Tensor
    code: Tensor
    lut: Tensor | None = None
    mode: Mode = "photographic"

    def calibrate(self, base_colour: Tensor) -> Tensor:
        """Apply the calibration LUT. base_colour: (B, 3, H, W), clipped to [-1, 1] here."""
        if self.lut is None:
            return base_colour.clamp(-1, 1)
        # grid_sample wants the LUT's last axis first: x picks the innermost index.
        positions = full_precision(base_colour.permute(0, 2, 3, 1).flip(-1)[:, None])
        lut = self.lut.expand(len(base_colour), -1, -1, -1, -1)
        return functional.grid_sample(lut, positions, align_corners=True, padding_mode="border")[
            :, :, 0
        ]


class AdaptedGenerator:
    """A generator and the adapters that turn it into each creator's.

    adapters: a module with `creators`, a CreatorParameters for each creator and a last one for the
    content (a code alone, for the cycle), and `generator`, the base's. styles: one per creator.
    start_weights: the generator's weights at the start, by name, which draw the instant styles.
    """

    def __init__(
        self,
        adapters: nn.ModuleDict,
        styles: Sequence[StyleTensors],
        start_weights: Mapping[str, Tensor],
        bf16: bool,
    ) -> None:
        self.adapters = adapters
        self.creators: nn.ModuleList = adapters["creators"]  # type: ignore[assignment]
        self.generator: Generator = adapters["generator"]  # type: ignore[assignment]
        self.styles = styles
        self.weights = dict(self.generator.named_parameters())
        self.start_weights = start_weights
        self.device = styles[0].matrix.device
        self._bf16 = bf16

    @property
    def delta_names(self) -> Sequence[str]:
        """The weights that creators have deltas of, in the order of the deltas."""
        names: Sequence[str] = self.creators[0].names  # type: ignore[assignment]
        return names

    def autocast(self) -> torch.autocast:
        """Run the networks in bf16 where the run uses it."""
        kind = "cuda" if self.device.type == "cuda" else "cpu"
        return torch.autocast(kind, torch.bfloat16, enabled=self._bf16)

    def stylize(
        self, creator: int, content: Tensor, short_side: Tensor, shift: Tensor | float = 0.0
    ) -> Tensor:
        """`content` in the creator's present style, not clipped.

        content, result: (B, 3, H, W), sides multiples of 8. short_side: (1,) px of the whole
        picture. shift: (code_dim,) added to the code.
        """
        parameters: CreatorParameters = self.creators[creator]  # type: ignore[assignment]
        weights, code = parameters.merge(self.weights), parameters.code + shift
        return self._render(weights, self.styles[creator], code, content, short_side)

    @torch.no_grad()
    def stylize_instant(self, creator: int, content: Tensor, short_side: Tensor) -> Tensor:
        """`content` in the creator's instant style, rendered in its mode; shapes as in stylize."""
        style = self.styles[creator]
        if style.mode == "colour":
            _, base_colour = self._run(self.start_weights, style, style.code, content, short_side)
            return full_precision(style.calibrate(base_colour))
        return self._render(self.start_weights, style, style.code, content, short_side)

    def reconstruct_cycle(self, creator: int, fake: Tensor, short_side: Tensor) -> Tensor:
        """The photo behind a fake: the content's code and the inverse of the colour map."""
        content: CreatorParameters = self.creators[-1]  # type: ignore[assignment]
        inverse = inverse_style(self.styles[creator])
        return self._render(self.weights, inverse, content.code, fake, short_side)

    def reconstruct_identity(self, creator: int, reals: Tensor, short_side: Tensor) -> Tensor:
        """The creator's style on the creator's own pictures, with no colour map."""
        parameters: CreatorParameters = self.creators[creator]  # type: ignore[assignment]
        unchanged = StyleTensors(
            torch.eye(3, device=self.device)[None],
            torch.zeros(1, 3, device=self.device),
            parameters.code,
        )
        weights = parameters.merge(self.weights)
        return self._render(weights, unchanged, parameters.code, reals, short_side)

    @torch.no_grad()
    def residual_strength(
        self, creator: int, photos: Sequence[Tensor], short_side: Tensor
    ) -> float:
        """Root mean square of the residual at the start, for values in [-1, 1].

        photos: (1, 3, H, W) each.
        """
        style, powers = self.styles[creator], []
        for photo in photos:
            with self.autocast():
                result, base_colour = self._run(
                    self.start_weights, style, style.code, photo, short_side
                )
            powers.append(full_precision(result - base_colour).square().mean())
        return torch.stack(powers).mean().sqrt().item()

    def _render(
        self,
        weights: Mapping[str, Tensor],
        style: StyleTensors,
        code: Tensor,
        image: Tensor,
        short_side: Tensor,
    ) -> Tensor:
        result, base_colour = self._run(weights, style, code, image, short_side)
        # Calibration acts on the base colour, which ends at black and white; the residual and what
        # the base colour has beyond them are added afterwards.
        calibrated: Tensor = style.calibrate(base_colour) + result - base_colour.clamp(-1, 1)
        return full_precision(calibrated)

    def _run(
        self,
        weights: Mapping[str, Tensor],
        style: StyleTensors,
        code: Tensor,
        image: Tensor,
        short_side: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """What the generator returns: the result before calibration, and its base colour."""
        arguments = (image, style.matrix, style.offset, code[None], short_side)
        outputs: tuple[Tensor, Tensor] = functional_call(self.generator, dict(weights), arguments)
        return outputs


def inverse_style(style: StyleTensors) -> StyleTensors:
    """The style whose colour map undoes that of `style`; hues that it lost stay lost."""
    matrix = style.matrix[0].cpu().double().numpy() if not style.matrix.is_meta else np.eye(3)
    offset = style.offset[0].cpu().double().numpy() if not style.offset.is_meta else np.zeros(3)
    inverse = np.linalg.pinv(matrix, rcond=MIN_SINGULAR_RATIO)
    parts = [as_tensor(part).to(style.matrix.device)[None] for part in (inverse, -offset @ inverse)]
    return StyleTensors(parts[0], parts[1], style.code)


def is_invertible(style: StyleTensors) -> bool:
    """Whether the colour map has full rank, so that a cycle can ask for hues."""
    if style.matrix.is_meta:
        return True
    values = np.linalg.svd(style.matrix[0].cpu().numpy(), compute_uv=False)
    return bool(values[-1] > MIN_SINGULAR_RATIO * values[0])
