"""The frozen ImageNet networks see what they were trained to see, on any device."""

from typing import get_args

import pytest
import skimage.data
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate

from stylegan_cli.errors import DataError
from stylegan_cli.networks import frozen_features
from stylegan_cli.networks.frozen_features import (
    FeatureNetwork,
    load_embedding,
    load_features,
)
from stylegan_cli.networks.vision import import_torchvision

NAMES = get_args(FeatureNetwork)


@pytest.fixture(scope="module")
def cat() -> Tensor:
    """scikit-image's cat, (1, 3, 224, 224) in [-1, 1]; it ships inside the package."""
    pixels = torch.from_numpy(skimage.data.chelsea()[:, 75:375].copy()).permute(2, 0, 1)[None]
    return interpolate(pixels / 127.5 - 1, (224, 224), mode="bilinear", antialias=True)


# Of the whole networks, which take this picture for a tabby: mean and deviation of each stage.
SEEN = {
    "lite0": [0.017401, 5.495613, 0.573662, 8.162907, 0.191022, 6.970294, 0.520451, 6.795654],
    "lite1": [-0.44438, 4.947505, 2.36523, 9.347447, -0.521066, 8.222793, 0.141416, 7.627304],
}


@pytest.mark.parametrize("name", NAMES)
def test_the_stages_see_what_the_whole_network_saw(name: FeatureNetwork, cat: Tensor) -> None:
    features = load_features(name)
    stages = features(cat)
    assert [stage.shape[1] for stage in stages] == list(features.channels) == [16, 24, 40, 112]
    assert [224 // stage.shape[-1] for stage in stages] == list(features.strides) == [2, 4, 8, 16]
    seen = [value.item() for stage in stages for value in (stage.mean(), stage.std())]
    assert seen == pytest.approx(SEEN[name], rel=1e-4, abs=1e-5)


def test_damaged_weights_are_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    file = "efficientnet-lite1-2.safetensors"
    monkeypatch.setitem(frozen_features._WEIGHT_FILES["lite1"], file, "0" * 64)
    with pytest.raises(DataError, match=r"lite1-2\.safetensors is missing or damaged"):
        load_features("lite1")


def test_the_embedding_tells_a_look_apart_at_any_size(cat: Tensor) -> None:
    embed = load_embedding("lite1")
    tinted = (cat + torch.tensor([0.3, 0.0, -0.3]).view(3, 1, 1)).clamp(-1, 1)
    plain, small, other = embed(cat), embed(cat[..., 16:-16, 16:-16]), embed(tinted)
    assert plain.shape == (1, 112)
    assert plain.norm().item() == pytest.approx(112**0.5, rel=1e-5)
    assert cosine_similarity(plain, other).item() < cosine_similarity(plain, small).item()


def test_training_a_parent_leaves_the_eyes_as_they_are(cat: Tensor) -> None:
    eyes = load_features("lite0")
    before = {name: value.clone() for name, value in eyes.state_dict().items()}
    parent = torch.nn.Sequential(eyes).train()
    image = cat.clone().requires_grad_()
    torch.stack([stage.square().mean() for stage in parent(image)]).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert all(not parameter.requires_grad for parameter in eyes.parameters())
    assert not any(module.training for module in eyes.modules())
    assert before
    assert all(torch.equal(value, before[name]) for name, value in eyes.state_dict().items())


def test_bf16_channels_last_sees_nearly_the_same(cat: Tensor) -> None:
    eyes = load_features("lite0")
    exact = eyes(cat)
    with torch.autocast("cpu", torch.bfloat16):
        rough = eyes(cat.to(memory_format=torch.channels_last))
    for one, other in zip(exact, rough, strict=True):
        assert cosine_similarity(one.flatten(), other.float().flatten(), 0) > 0.98


def test_nothing_is_pinned_to_the_cpu() -> None:
    stages = load_features("lite1").to("meta")(torch.empty(2, 3, 100, 68, device="meta"))
    sizes = [tuple(stage.shape[-2:]) for stage in stages]
    assert sizes == [
        (50, 34),
        (25, 17),
        (13, 9),
        (7, 5),
    ]
    assert all(stage.is_meta for stage in stages)


def test_torchvision_imports_next_to_any_torch() -> None:
    torchvision = import_torchvision()
    assert import_torchvision() is torchvision
    assert torchvision.ops.FrozenBatchNorm2d(3)(torch.ones(1, 3, 2, 2)).shape == (1, 3, 2, 2)
