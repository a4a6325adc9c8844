"""EfficientNet-Lite0 and -Lite1, trained on ImageNet and frozen, for losses and metrics.

Lite0 is the backbone of the projected discriminator (Sauer et al. 2021); no loss uses Lite1, so it
serves for validation. The weights are those of TensorFlow's release (Apache-2.0), up to the
last stage in use; nothing is downloaded.
"""

import math
from itertools import pairwise
from typing import Any, Literal

import torch
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stylegan_cli.networks.vision import import_torchvision
from stylegan_cli.runtime.resources import frozen_weights

FeatureNetwork = Literal["lite0", "lite1"]

_STAGES, _BLOCKS = 4, 5  # up to stride 16: coarser stages are not used
# Each file and its SHA-256.
_WEIGHT_FILES: dict[FeatureNetwork, dict[str, str]] = {
    "lite0": {
        "efficientnet-lite0.safetensors": (
            "21d6eca8d6084d04f3c355c3f79fe9ea2a948f37be6ab26fbe3d4fa36052e039"
        ),
    },
    "lite1": {
        "efficientnet-lite1-1.safetensors": (
            "2dabdaf681f18aadb0bd6937176dbc8fe8beb7474d6ce95a42f62f1ed14807bb"
        ),
        "efficientnet-lite1-2.safetensors": (
            "ff03aa4e581a87b1813f1ed3159a3459306443bb38a4e75fdd4f2b88af88d5e8"
        ),
    },
}


class FrozenFeatures(nn.Module):
    """The stages of a frozen ImageNet network; gradients pass through to the image, never into it.

    channels: of each stage, (16, 24, 40, 112) for both networks.
    strides: pixels of the image per position of each stage, (2, 4, 8, 16).
    """

    def __init__(self, stages: nn.Module, channels: tuple[int, ...], strides: tuple[int, ...]):
        super().__init__()
        self.stages = stages.requires_grad_(False)
        self.channels = channels
        self.strides = strides
        self.eval()

    def train(self, mode: bool = True) -> "FrozenFeatures":
        """Stay in evaluation mode, whatever the parent is set to: statistics are frozen too."""
        return super().train(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """Features of `image` at each stage, finest first.

        image: (B, 3, H, W) float in [-1, 1], the very range these weights were trained on
            (TensorFlow's EfficientNet-Lite: mean and deviation 0.5): nothing left to normalise.
        Returns: (B, channels[i], ceil(H / strides[i]), ceil(W / strides[i])) per stage i.
        """
        features: list[Tensor] = self.stages(image)
        return features


class FrozenEmbedding(nn.Module):
    """One vector per image that separates styles better than subjects, for kernel distances.

    The channel means of the stage at stride 16, brought to length sqrt(112), so that the cubic
    kernel of KID stays between 0 and 8 and no single picture decides. The features in front of the
    classifier, which FID and KID take by custom, are nearly blind to colour, as a classifier should
    be: between photos and photos with a film look they see nothing, and between two kinds of
    portrait as much as between a photo and a pencil drawing. Here it is a sixth of that.
    """

    stage = 3

    def __init__(self, features: FrozenFeatures):
        super().__init__()
        self.features = features
        self.eval()

    def train(self, mode: bool = True) -> "FrozenEmbedding":
        """Stay in evaluation mode."""
        return super().train(False)

    def forward(self, image: Tensor) -> Tensor:
        """image: (B, 3, H, W) float in [-1, 1]. Returns: (B, 112) float32."""
        means = self.features(image)[self.stage].float().mean((2, 3))
        directions: Tensor = functional.normalize(means)
        return directions * math.sqrt(means.shape[1])


def load_features(name: FeatureNetwork) -> FrozenFeatures:
    """The first four stages of `name`, frozen, in evaluation mode, channels last.

    Raises DataError where its weights are missing or damaged.
    """
    stages, weights = _build(name), _weights_for(name)
    # A count of batches that nothing here reads is the one thing that is not stored.
    counts = {n: v for n, v in stages.state_dict().items() if n.endswith("num_batches_tracked")}
    stages.load_state_dict(weights | counts)
    _fold_batch_norms(stages)
    info = stages.feature_info
    return FrozenFeatures(stages, tuple(info.channels()), tuple(info.reduction()))


def load_embedding(name: FeatureNetwork) -> FrozenEmbedding:
    """The embedding by `name`, frozen, in evaluation mode, channels last."""
    return FrozenEmbedding(load_features(name))


def _build(name: FeatureNetwork) -> Any:
    import_torchvision()
    import timm

    network: Any = timm.create_model(
        f"tf_efficientnet_{name}", pretrained=False, features_only=True, out_indices=range(_STAGES)
    )
    network.blocks = network.blocks[:_BLOCKS]
    # Channels last: depthwise convolutions run several times faster on CPU.
    return network.to(memory_format=torch.channels_last)


def _weights_for(name: FeatureNetwork) -> dict[str, Tensor]:
    """The packaged weights by timm's names."""
    tensors: dict[str, Tensor] = {}
    for file, sha256 in _WEIGHT_FILES[name].items():
        tensors |= load(frozen_weights(file, sha256))
    return tensors


def _fold_batch_norms(module: nn.Module) -> None:
    """Make each frozen normalisation part of the convolution before it: a quarter less work."""
    from timm.layers.norm_act import BatchNormAct2d

    children = list(module.named_children())
    for (before, convolution), (name, norm) in pairwise(children):
        if isinstance(convolution, nn.Conv2d) and isinstance(norm, BatchNormAct2d):
            setattr(module, before, fuse_conv_bn_eval(convolution.eval(), norm.eval()))
            setattr(module, name, norm.act)
    for _, child in children:
        _fold_batch_norms(child)
