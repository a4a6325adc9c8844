"""The precision that networks compute in: float32 or float64, and bf16 inside some layers."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor


def full_precision(values: Tensor) -> Tensor:
    """Results of layers in bf16 as float32, before they are summed up; wider ones stay."""
    return values if values.dtype == torch.float64 else values.float()


def as_tensor(values: np.ndarray | Tensor) -> Tensor:
    """An array as a tensor; real numbers in the precision of `computing_in`."""
    tensor = torch.as_tensor(values)
    return tensor.to(torch.get_default_dtype()) if tensor.is_floating_point() else tensor


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """Here networks, and tensors that name no type, are float64 where `precision` is fp64."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64 if precision == "fp64" else before)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
