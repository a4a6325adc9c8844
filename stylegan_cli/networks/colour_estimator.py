"""The head of the colour estimator for training: statistics of a set → weights of components."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from stylegan_cli.networks.architecture import CLIP_DEVIATIONS, ColourEstimatorConfig


class ColourHead(nn.Module):
    """A residual perceptron; see estimator_graphs.colour_head_graph, which runs it in use.

    Trained on simulated sets, its output is the mean of a look's posterior, given what is seen of
    it (neural posterior estimation, Papamakarios & Murray 2016, with a point for a density).
    """

    centre: Tensor
    scale: Tensor

    def __init__(self, config: ColourEstimatorConfig) -> None:
        super().__init__()
        wide = config.hidden
        self.first = nn.Linear(config.inputs, wide)
        self.second = nn.Linear(wide, wide)
        self.third = nn.Linear(wide, wide)
        self.last = nn.Linear(wide, config.components)
        self.register_buffer("centre", torch.zeros(config.inputs))
        self.register_buffer("scale", torch.ones(config.inputs))
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def standardise(self, described: Tensor) -> None:
        """Take the mean and deviation of `described` (N, inputs) for those of all inputs."""
        self.centre.copy_(described.mean(0))
        self.scale.copy_(1 / (described.std(0) + 1e-3))

    def forward(self, described: Tensor) -> Tensor:
        """described: (N, inputs), from instant.colour_estimation. Returns (N, components)."""
        scaled = ((described - self.centre) * self.scale).clamp(-CLIP_DEVIATIONS, CLIP_DEVIATIONS)
        features = functional.silu(self.first(scaled))
        features = features + functional.silu(self.second(features))
        features = features + functional.silu(self.third(features))
        weights: Tensor = self.last(features)
        return weights
