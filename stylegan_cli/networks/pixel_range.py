"""Levels of 8 bits and the range from -1 to 1 that networks work in."""

import torch
from torch import Tensor

from stylegan_cli.networks.precision import full_precision


def to_signed(levels: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """uint8 of any shape → the same shape in [-1, 1]. dtype: the default one where None."""
    return levels.to(dtype or torch.get_default_dtype()) / 127.5 - 1


def to_levels(image: Tensor) -> Tensor:
    """[-1, 1] of any shape → uint8 of the same shape, clipped and rounded."""
    return ((full_precision(image).clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
