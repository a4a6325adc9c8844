"""What one creator trains: a code and low-rank deltas of the residual's convolutions.

The base stays frozen, so every other creator's output stays as it was, bit for bit.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]

NUMBERS_PER_CREATOR = 84_000  # 168 kB as fp16, so that a refined style stays below 200 kB


class LoraDelta(nn.Module):
    """`up @ down`, shaped like one convolution's weight (Hu et al. 2021, eq. 3); zero at the start.

    weight: the one it is added to. Its rank is as high as `numbers` allow, at least 1.
    """

    def __init__(self, weight: Tensor, numbers: int) -> None:
        super().__init__()
        shape = weight.shape
        rows, columns = shape[0], shape[1:].numel()
        rank = max(1, min(rows, numbers // (rows + columns)))
        self.shape = shape
        # As large as the weight's entries, so that a step moves every layer by a like share.
        size = 1.0 if weight.is_meta else float(weight.detach().square().mean().sqrt())
        self.down = nn.Parameter(torch.randn(rank, columns) * size)
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self) -> Tensor:
        """The delta, of the weight's shape."""
        return (self.up @ self.down).view(self.shape)


class CreatorParameters(nn.Module):
    """The trainable part of one creator: its code, and deltas of `residual.*` convolutions.

    code: (code_dim,) to start from. weights: the frozen generator's, by name. Every convolution
    gets the same count of numbers: thin layers, which draw lines, so get more rank than wide ones.
    """

    def __init__(self, code: Tensor, weights: Weights, numbers: int = NUMBERS_PER_CREATOR) -> None:
        super().__init__()
        self.code = nn.Parameter(code.clone())
        self.names = [
            name
            for name, weight in weights.items()
            if name.startswith("residual.") and weight.ndim == 4
        ]
        share = numbers // max(1, len(self.names))
        self.deltas = nn.ModuleList(LoraDelta(weights[name], share) for name in self.names)

    def merge(self, weights: Weights) -> dict[str, Tensor]:
        """The generator's weights with this creator's deltas added, differentiably."""
        added = {n: weights[n] + delta() for n, delta in zip(self.names, self.deltas, strict=True)}
        return {**weights, **added}
