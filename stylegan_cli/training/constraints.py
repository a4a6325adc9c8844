"""How fast a creator learns, and what keeps it near its instant style."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from stylegan_cli.networks.layers import luminance
from stylegan_cli.styles import Mode
from stylegan_cli.training.config import ConstraintConfig


@dataclass(frozen=True, slots=True)
class Constraints:
    """How fast one creator learns, and what keeps it near its instant style.

    lr_share: share of the generator's learning rates. max_drift: root mean square distance from the
    instant style that costs nothing. anchor_share: share of the anchor loss, at its weakest.
    """

    lr_share: float = 1.0
    max_drift: float = math.inf
    anchor_share: float = 1.0


def constraints_for(
    strength: float, texture: float, mode: Mode, config: ConstraintConfig, *, is_fresh: bool
) -> Constraints:
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
    lr_share = min(1.0, config.full_rate_residual / max(strength, 1e-6))
    if is_fresh:
        return Constraints(lr_share=lr_share)
    if mode == "colour" and strength >= config.min_line_residual:
        return Constraints(lr_share=lr_share, anchor_share=0.0)
    return Constraints(
        lr_share=lr_share * min(1.0, texture / config.full_rate_texture),
        max_drift=config.drift_margin * texture,
        anchor_share=config.drawn_anchor if mode == "drawn" else 1.0,
    )


def anchor_weights(
    anchor: Tensor, faces: Tensor, share: float, face_weight: float, dark_skin_luma: float
) -> Tensor:
    """How much the anchor loss counts at each pixel, (B, 1, S, S).

    anchor: (B, 3, S, S), the instant style. faces: (B, 1, S, S). share: Constraints.anchor_share.
    face_weight, dark_skin_luma: see TrainingConfig.
    """
    if not share:
        return torch.zeros_like(faces)
    luma = (luminance(anchor) / 2 + 0.5).clamp(min=1e-3)
    skin = (1 + face_weight) * (dark_skin_luma / luma).clamp(share, 1)
    return share + (skin - share) * faces
