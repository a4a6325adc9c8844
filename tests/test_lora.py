"""Promises of networks/lora.py."""

import numpy as np
import torch

from stylegan_cli.networks.architecture import GeneratorConfig
from stylegan_cli.networks.folding import merge_deltas
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.lora import CreatorParameters

SMALL = GeneratorConfig(code_dim=8, base_channels=8, blocks=1)


def _creator(
    config: GeneratorConfig = SMALL, **options: int
) -> tuple[Generator, CreatorParameters]:
    torch.manual_seed(0)
    generator = Generator(config)
    weights = {name: value.detach() for name, value in generator.named_parameters()}
    return generator, CreatorParameters(torch.zeros(config.code_dim), weights, **options)


def _arrays(creator: CreatorParameters) -> dict[str, np.ndarray]:
    return {
        f"{name}.{part}": getattr(delta, part).detach().numpy()
        for name, delta in zip(creator.names, creator.deltas, strict=True)
        for part in ("down", "up")
    }


def _trained(creator: CreatorParameters) -> CreatorParameters:
    with torch.no_grad():
        for parameter in creator.deltas.parameters():
            parameter.normal_(std=0.1)
    return creator


def test_an_untrained_creator_changes_nothing() -> None:
    generator, creator = _creator()
    merged = creator.merge(dict(generator.named_parameters()))
    for name, value in generator.named_parameters():
        torch.testing.assert_close(merged[name], value, rtol=0, atol=0)


def test_the_style_file_merges_what_training_merged() -> None:
    generator, creator = _creator()
    creator = _trained(creator)
    arrays = {name: value.detach().numpy() for name, value in generator.named_parameters()}
    folded = merge_deltas(arrays, _arrays(creator))
    for name, value in creator.merge(dict(generator.named_parameters())).items():
        np.testing.assert_allclose(folded[name], value.detach().numpy(), atol=1e-5)


def test_a_refined_creator_stays_below_200_kilobytes() -> None:
    _, creator = _creator(GeneratorConfig())
    numbers = sum(parameter.numel() for parameter in creator.parameters())
    assert 140_000 < numbers * 2 < 175_000  # bytes as fp16


def test_thin_layers_get_more_rank_than_wide_ones() -> None:
    _, creator = _creator(GeneratorConfig())
    rank = {key: len(value) for key, value in _arrays(creator).items() if ".down" in key}
    assert (
        rank["residual.conv_in.conv.weight.down"] > rank["residual.blocks.0.first.conv.weight.down"]
    )
    assert min(rank.values()) >= 3


def test_gradients_reach_every_delta_and_never_the_base() -> None:
    generator, creator = _creator()
    weights = {name: value.detach() for name, value in generator.named_parameters()}
    creator = _trained(creator)
    sum(value.square().sum() for value in creator.merge(weights).values()).backward()
    assert all(parameter.grad is not None for parameter in creator.deltas.parameters())
    assert not any(value.requires_grad for value in weights.values())
