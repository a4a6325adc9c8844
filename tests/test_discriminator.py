"""Promises of networks/discriminator.py."""

import torch
from torch.optim import Adam

from stylegan_cli.networks.discriminator import Discriminator

CHANNELS = (4, 6)


def _inputs(count: int = 2) -> tuple[torch.Tensor, list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(count, 3, 64, 64, generator=generator) * 2 - 1
    features = [
        torch.randn(count, c, s, s, generator=generator)
        for c, s in zip(CHANNELS, (16, 8), strict=True)
    ]
    return image, features


def test_every_critic_gives_a_map_of_scores_per_image() -> None:
    pixels, projected = Discriminator(2, CHANNELS, channels=8)(*_inputs(), 1)
    assert [scores.shape[:2] for scores in pixels + projected] == [(2, 1)] * 3
    assert pixels[0].shape[2] > 6
    assert [scores.shape[2] for scores in projected] == [16, 8]


def test_a_domain_that_is_not_shown_keeps_its_head() -> None:
    discriminator = Discriminator(2, CHANNELS, channels=8)
    optimizer = Adam(discriminator.parameters(), lr=0.1)
    before = {name: value.clone() for name, value in discriminator.state_dict().items()}
    for domain in (0, 1, 0):  # domain 1 has a history in Adam by the last step
        if domain == 0:
            before = {name: value.clone() for name, value in discriminator.state_dict().items()}
        optimizer.zero_grad(set_to_none=True)
        pixels, projected = discriminator(*_inputs(), domain)
        sum(scores.sum() for scores in pixels + projected).backward()
        optimizer.step()
    after = discriminator.state_dict()
    weights = [name for name in after if name.endswith(("original", "bias"))]
    changed = {name for name in weights if not torch.equal(after[name], before[name])}
    assert any("heads.0" in name for name in changed)
    assert not any("heads.1" in name for name in changed)


def test_no_layer_stretches_its_input_by_much() -> None:
    discriminator = Discriminator(1, CHANNELS, channels=8)
    image, features = _inputs()
    with torch.no_grad():
        for _ in range(30):  # power iterations
            discriminator(image, features, 0)
        for module in discriminator.modules():
            if isinstance(module, torch.nn.Conv2d):
                assert torch.linalg.matrix_norm(module.weight.flatten(1), ord=2) < 1.05
