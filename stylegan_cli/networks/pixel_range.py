"""Levels of 8 bits and the range from -1 to 1 that networks work in."""

import torch
from torch import Tensor


def to_signed(levels: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """uint8 of any shape → the same shape in [-1, 1]."""
    return levels.to(dtype) / 127.5 - 1


def to_levels(image: Tensor) -> Tensor:
    """[-1, 1] of any shape → uint8 of the same shape, clipped and rounded."""
    return ((image.float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
