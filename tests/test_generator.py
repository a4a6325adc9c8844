"""Promises of networks/{architecture,layers,generator,style_encoder,folding}.py."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.errors import ConfigError
from stylegan_cli.networks.architecture import (
    LARGEST_SHORT_SIDE,
    GeneratorConfig,
    StyleEncoderConfig,
    encoder_shapes,
    folded_shapes,
    generator_shapes,
)
from stylegan_cli.networks.folding import apply_colour, fold_style, merge_deltas
from stylegan_cli.networks.generator import FoldedGenerator, Generator
from stylegan_cli.networks.layers import map_colours
from stylegan_cli.networks.style_encoder import StyleEncoder

SMALL = GeneratorConfig(code_dim=5, base_channels=4, blocks=2, colour_channels=6)
ENCODER = StyleEncoderConfig(code_dim=5, statistics_dim=7, channels=(4, 6, 8), hidden=8)


def shapes_of(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


@pytest.fixture
def generator() -> Generator:
    """Small, and led by its style in every layer."""
    torch.manual_seed(1)
    network = Generator(SMALL).eval()
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if not name.endswith("conv.weight"):
                parameter.normal_(std=0.3)
    return network


@pytest.fixture
def style() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(2)
    return {
        "matrix": rng.normal(0, 0.5, (3, 3)).astype(np.float32),
        "offset": rng.normal(0, 0.1, 3).astype(np.float32),
        "code": rng.normal(0, 1, SMALL.code_dim).astype(np.float32),
    }


def arrays_of(network: nn.Module) -> dict[str, np.ndarray]:
    return {name: tensor.numpy() for name, tensor in network.state_dict().items()}


@torch.no_grad()
def conditional(
    network: Generator, style: dict[str, np.ndarray], image: torch.Tensor, short_side: float
) -> tuple[torch.Tensor, torch.Tensor]:
    matrix, offset, code = (torch.from_numpy(style[n])[None] for n in ("matrix", "offset", "code"))
    result, base_colour = network(image, matrix, offset, code, torch.tensor([short_side]))
    return result, base_colour


@pytest.mark.parametrize("config", [SMALL, GeneratorConfig()], ids=["small", "default"])
def test_the_shapes_told_without_torch_are_the_generator_s(config: GeneratorConfig) -> None:
    with torch.device("meta"):
        assert generator_shapes(config) == shapes_of(Generator(config))
        assert folded_shapes(config) == shapes_of(FoldedGenerator(config))


@pytest.mark.parametrize(
    "config", [ENCODER, StyleEncoderConfig(statistics_dim=STATISTICS_DIM)], ids=["small", "default"]
)
def test_the_shapes_told_without_torch_are_the_encoder_s(config: StyleEncoderConfig) -> None:
    with torch.device("meta"):
        encoder = StyleEncoder(config)
        assert encoder_shapes(config) == shapes_of(encoder)
        rows = encoder.features(torch.empty(2, 3, 64, 48))
    assert rows.shape == (2, config.moments_dim)


@pytest.mark.parametrize(
    ("config", "wrong", "reason"),
    [
        (GeneratorConfig, {"blocks": 0}, "blocks"),
        (GeneratorConfig, {"blocks": 10**9}, "blocks must be from 1 to 64"),
        (GeneratorConfig, {"base_channels": -1}, "base_channels"),
        (StyleEncoderConfig, {"statistics_dim": 7, "channels": ()}, "channels"),
        (StyleEncoderConfig, {"statistics_dim": 0}, "statistics_dim"),
    ],
)
def test_an_impossible_network_is_refused(config: Any, wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        config(**wrong)


def test_a_style_for_each_picture_equals_one_after_the_other() -> None:
    draw = torch.Generator().manual_seed(3)
    network = Generator(SMALL)
    for parameter in network.parameters():
        parameter.data += 0.1 * torch.randn(parameter.shape, generator=draw)
    image = torch.rand(3, 3, 32, 40, generator=draw) * 2 - 1
    matrix = torch.eye(3) + 0.2 * torch.randn(3, 3, 3, generator=draw)
    offset, code = (
        torch.randn(3, 3, generator=draw),
        torch.randn(3, SMALL.code_dim, generator=draw),
    )
    styles = (matrix, 0.1 * offset, code, torch.tensor([256.0, 128.0, 600.0]))
    together = network(image, *styles)
    rows = zip(image.split(1), *(part.split(1) for part in styles), strict=True)
    alone = zip(*(network(*row) for row in rows), strict=True)
    for found, wanted in zip(together, alone, strict=True):
        torch.testing.assert_close(found, torch.cat(wanted), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("short_side", [16, 256, 700])
def test_the_folded_generator_equals_the_conditional_one(
    generator: Generator, style: dict[str, np.ndarray], short_side: float
) -> None:
    image = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(0)) * 2 - 1
    folded = FoldedGenerator(SMALL).eval()
    weights = fold_style(arrays_of(generator), SMALL, short_side=short_side, **style)
    folded.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    result, base_colour = conditional(generator, style, image, short_side)
    with torch.no_grad():
        folded_base_colour, residual = folded(image)
    torch.testing.assert_close(folded_base_colour, base_colour, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(folded_base_colour + residual, result, atol=2e-5, rtol=1e-4)


def test_the_scale_of_a_picture_leads_the_residual_alone(
    generator: Generator, style: dict[str, np.ndarray]
) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (small, base_colour_small), (large, base_colour_large) = (
        conditional(generator, style, image, side) for side in (64.0, 512.0)
    )
    torch.testing.assert_close(base_colour_small, base_colour_large, atol=0, rtol=0)
    assert (small - large).abs().max() > 1e-3


def test_no_scale_is_beyond_what_pre_training_shows(
    generator: Generator, style: dict[str, np.ndarray]
) -> None:
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (largest, _), (larger, _) = (
        conditional(generator, style, image, side) for side in (LARGEST_SHORT_SIDE, 3000.0)
    )
    torch.testing.assert_close(larger, largest, atol=0, rtol=0)
    arrays = arrays_of(generator)
    folded, beyond = (
        fold_style(arrays, SMALL, short_side=side, **style) for side in (LARGEST_SHORT_SIDE, 3000)
    )
    assert all(np.array_equal(folded[name], beyond[name]) for name in folded)


def test_apply_colour_is_the_colour_network(
    generator: Generator, style: dict[str, np.ndarray]
) -> None:
    colours = np.random.default_rng(3).uniform(0, 1, (128, 3)).astype(np.float32)
    image = torch.from_numpy(colours.T.reshape(1, 3, 8, 16) * 2 - 1)
    _, base_colour = conditional(generator, style, image, 256)
    folded = fold_style(arrays_of(generator), SMALL, short_side=256, **style)
    expected = (base_colour[0].reshape(3, -1).T.numpy() + 1) / 2
    np.testing.assert_allclose(apply_colour(folded, colours), expected, atol=1e-5)


def test_every_picture_of_a_batch_is_stylized_alike_in_one_style(generator: Generator) -> None:
    image = torch.rand(2, 3, 16, 16) * 2 - 1
    style = torch.rand(1, 3, 3), torch.rand(1, 3), torch.randn(1, SMALL.code_dim)
    side = torch.tensor([100.0])
    with torch.no_grad():
        together, _ = generator(image, *style, side)
        apart = [generator(image[k : k + 1], *style, side)[0] for k in range(2)]
    torch.testing.assert_close(together, torch.cat(apart))


def test_a_code_of_the_wrong_length_is_refused(
    generator: Generator, style: dict[str, np.ndarray]
) -> None:
    with pytest.raises(ValueError, match="expected a code of 5"):
        fold_style(arrays_of(generator), SMALL, style["matrix"], style["offset"], np.ones(4), 256)


def test_deltas_are_added_to_the_weight_they_name_and_to_no_other(generator: Generator) -> None:
    tensors = arrays_of(generator)
    rng = np.random.default_rng(4)
    name = "residual.conv_in.conv.weight"
    rows, columns = tensors[name].shape[0], tensors[name][0].size
    up, down = rng.normal(size=(rows, 2)), rng.normal(size=(2, columns))
    halves = {f"{name}.up": up.astype(np.float16), f"{name}.down": down.astype(np.float16)}
    merged = merge_deltas(tensors, halves)
    added = (merged[name] - tensors[name]).reshape(rows, columns)
    np.testing.assert_allclose(added, up @ down, atol=2e-2)
    assert np.linalg.matrix_rank(added, tol=1e-3) == 2
    assert all(merged[other] is tensors[other] for other in tensors if other != name)


def test_a_linear_map_of_unit_colours_is_the_same_on_signed_ones() -> None:
    rng = np.random.default_rng(5)
    unit, matrix, offset = rng.random((20, 3)), rng.normal(size=(3, 3)), rng.normal(size=3)
    image = torch.from_numpy(unit.T.reshape(1, 3, 4, 5) * 2 - 1)
    mapped = map_colours(image, torch.from_numpy(matrix)[None], torch.from_numpy(offset)[None])
    found = (mapped[0].reshape(3, -1).T.numpy() + 1) / 2
    np.testing.assert_allclose(found, unit @ matrix + offset)


def test_a_code_does_not_depend_on_the_scale_of_the_features() -> None:
    torch.manual_seed(0)
    encoder = StyleEncoder(ENCODER)
    first, code_factors = torch.rand(2, ENCODER.moments_dim // 2) + 0.5, torch.rand(1) + 0.5
    statistics = torch.rand(2, ENCODER.statistics_dim)
    moments = torch.cat([first, first.square() + code_factors.square()], 1)
    scaled = torch.cat([2 * first, 4 * (first.square() + code_factors.square())], 1)
    described = [encoder.head.describe(m, statistics) for m in (moments, scaled)]
    shift = (described[1] - described[0])[:, ENCODER.moments_dim // 2 : ENCODER.moments_dim]
    torch.testing.assert_close(described[0][:, : first.shape[1]], described[1][:, : first.shape[1]])
    torch.testing.assert_close(shift, torch.full_like(shift, float(np.log(2))))


def test_usual_sets_reach_the_head_with_mean_0_and_deviation_1() -> None:
    torch.manual_seed(0)
    head = StyleEncoder(ENCODER).head
    described = torch.randn(200, ENCODER.moments_dim + 7) * 30 + 5
    head.standardise(described)
    standard = (described - head.centre) * head.scale
    torch.testing.assert_close(standard.mean(0), torch.zeros(standard.shape[1]), atol=1e-4, rtol=0)
    torch.testing.assert_close(standard.std(0), torch.ones(standard.shape[1]))


def test_features_that_training_moves_are_heard_as_before_in_the_end() -> None:
    torch.manual_seed(0)
    head = StyleEncoder(ENCODER).head
    first, wide = torch.rand(64, ENCODER.moments_dim // 2) - 0.5, ENCODER.moments_dim // 2
    statistics = torch.randn(64, 7)

    def moments(level: float) -> torch.Tensor:
        return torch.cat([first + level, (first + level).square() + 0.3 + torch.rand(64, wide)], 1)

    head.standardise(head.describe(moments(0), statistics))
    moved = moments(50)  # far beyond the limit
    described = head.describe(moved, statistics)
    for _ in range(1500):
        parts = [head.deviations(part) for part in described.split(16)]
        head.follow(torch.stack(parts).mean(0))
    standard = (head.describe(moved, statistics) - head.centre) * head.scale
    assert standard.mean(0).abs().max() < 0.01
    assert (standard.std(0) - 1).abs().max() < 0.05
    before = head.centre.clone()
    head(moments(0), statistics)
    assert torch.equal(head.centre, before)  # what is read changes nothing


def test_an_odd_folder_does_not_throw_the_code_out() -> None:
    torch.manual_seed(0)
    encoder = StyleEncoder(ENCODER).eval()
    statistics = torch.full((1, 7), 1e4)
    moments = torch.ones(1, ENCODER.moments_dim) * 2
    with torch.no_grad():
        torch.testing.assert_close(encoder(moments, statistics), encoder(moments, statistics * 1e6))


def test_a_smooth_slope_is_not_stylized_in_steps(
    generator: Generator, style: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two pixels on, the same phase of the last layer: on a slope the way there is always alike."""

    def unevenness() -> float:
        slope = torch.linspace(-0.2, 0.2, 256).expand(1, 3, 256, 256)
        matrix, offset, code = (torch.from_numpy(style[n])[None] for n in style)
        with torch.no_grad():
            stylized, base_colour = generator(slope, matrix, offset, code, torch.tensor([256.0]))
        residual = (stylized - base_colour)[..., 96:160, 96:160]
        way = residual[..., 2:] - residual[..., :-2]
        return float((way[..., 2:] - way[..., :-2]).square().mean())

    smooth = unevenness()
    monkeypatch.setattr(
        "stylegan_cli.networks.generator.enlarge",
        lambda features: functional.interpolate(features, scale_factor=2, mode="nearest"),
    )
    assert smooth < 0.5 * unevenness()
