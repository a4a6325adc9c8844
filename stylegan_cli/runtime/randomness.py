"""Every draw comes from (seed, step, purpose): a resumed run draws what an unbroken one would.

A purpose is part of the seed, so its words never change, even where the code has better ones by now
("critic reals", "critic fakes", "prompted looks", "prompter"): results stay what they are.
"""

import hashlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch


def derive_seed(seed: int, step: int, purpose: str) -> int:
    """A 63-bit seed that depends on nothing but its three arguments, on every machine."""
    digest = hashlib.sha256(f"{seed}/{step}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def numpy_generator(seed: int, step: int, purpose: str) -> np.random.Generator:
    """A numpy generator for one purpose at one step."""
    return np.random.default_rng(derive_seed(seed, step, purpose))


def torch_generator(seed: int, step: int, purpose: str) -> "torch.Generator":
    """A torch CPU generator for one purpose at one step."""
    import torch

    return torch.Generator().manual_seed(derive_seed(seed, step, purpose))
