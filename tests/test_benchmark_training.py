"""The networks that the benchmark trains beside ours: what they are, and that they learn."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import cyclegan
import paired
import timed

from stylegan_cli.networks.architecture import GeneratorConfig

TINY = GeneratorConfig(code_dim=8, base_channels=4, blocks=1, colour_channels=8)


@pytest.fixture
def photos() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    corners = rng.integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)
    return [np.kron(part, np.ones((80, 70, 1), np.uint8)) for part in corners]


def test_the_published_networks_have_the_published_size() -> None:
    count = sum(part.numel() for part in cyclegan.ResNet9().parameters())
    # The authors' code prints 11.378 M and 2.765 M for its generator and its discriminator.
    assert round(count / 1e6, 3) == 11.378
    assert round(sum(p.numel() for p in cyclegan.PatchGan70().parameters()) / 1e6, 3) == 2.765


def test_a_score_of_the_critic_sees_70_pixels_each_way() -> None:
    discriminator = cyclegan.PatchGan70(channels=2)
    # Instance norm lets everything see everything, so the patch is that of the convolutions.
    convs = nn.Sequential(
        *(layer for layer in discriminator.layers if isinstance(layer, nn.Conv2d))
    )
    image = torch.rand(1, 3, 128, 128, requires_grad=True)
    scores = convs(image)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    seen = image.grad[0].abs().sum(0) > 0
    assert (seen.any(0).sum(), seen.any(1).sum()) == (70, 70)


def test_one_step_moves_both_directions_and_both_critics() -> None:
    torch.manual_seed(0)
    run = cyclegan.CycleGan(lambda: cyclegan.ResNet9(channels=4, blocks=1), seed=0)
    players = (run.forth, run.back, run.creator_discriminator, run.content_discriminator)
    before = [[part.detach().clone() for part in player.parameters()] for player in players]
    run.learn(torch.rand(1, 3, 64, 64), torch.rand(1, 3, 64, 64), step=0)
    for player, old in zip(players, before, strict=True):
        parts = zip(player.parameters(), old, strict=True)
        assert any(not torch.equal(part, was) for part, was in parts)


def test_a_trained_network_stylizes_any_size_and_comes_back_from_its_file(
    photos: list[np.ndarray], tmp_path: Path
) -> None:
    def build() -> nn.Module:
        return cyclegan.ResNet9(channels=4, blocks=1)

    network = cyclegan.train_cyclegan(build, photos, photos, shares=[0], seed=0)
    result = cyclegan.generator_of(network)(photos[0][:61, :83])
    assert (result.shape, result.dtype) == ((61, 83, 3), np.uint8)
    cyclegan.save_network(network, tmp_path / "run" / "network.pt")
    again = cyclegan.load_network(build(), tmp_path / "run" / "network.pt")
    np.testing.assert_array_equal(cyclegan.generator_of(again)(photos[0][:61, :83]), result)


def test_the_ceiling_learns_the_look_it_is_shown(photos: list[np.ndarray]) -> None:
    pairs = paired.true_pairs(photos, lambda photo: 255 - photo // 2)
    torch.manual_seed(0)
    network = paired.Ceiling(TINY)

    def error() -> float:
        results = [cyclegan.generator_of(network)(photo).astype(float) for photo in photos]
        truths = pairs.unmirrored_truths
        return float(np.mean([np.abs(r - t).mean() for r, t in zip(results, truths, strict=True)]))

    before = error()
    paired.train_ceiling(network, pairs, np.linspace(0, 1, 30).tolist(), seed=0)
    assert error() < 0.9 * before


def test_pairs_keep_a_look_that_has_a_side(photos: list[np.ndarray]) -> None:
    def lit_from_the_left(photo: np.ndarray) -> np.ndarray:
        light = np.linspace(1, 0, photo.shape[1])[None, :, None]
        return (photo * light).astype(np.uint8)

    pairs = paired.true_pairs(photos, lit_from_the_left)
    np.testing.assert_array_equal(pairs.photos[1], photos[0][:, ::-1])
    np.testing.assert_array_equal(pairs.truths[1], lit_from_the_left(photos[0][:, ::-1]))
    shown, truth = pairs.crops(np.random.default_rng(0))
    assert shown.shape == truth.shape == (paired.BATCH, 3, paired.CROP, paired.CROP)


def test_the_rate_falls_to_nothing_by_the_end_of_the_time() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1)
    rates = []
    for share in (0.0, 0.5, 0.75, 1.0):
        timed.set_rate(optimizer, 2e-4, share, decay_from=0.5)
        rates.append(optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([2e-4, 2e-4, 1e-4, 0])
    limit = timed.Limit(minutes=1e-3)
    shares = list(limit)
    assert limit.steps == len(shares)
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] < 1


def test_a_number_of_steps_is_kept_whatever_the_time() -> None:
    limit = timed.Limit(minutes=1e-9, planned=4)
    assert list(limit) == [0, 0.25, 0.5, 0.75]
    assert limit.steps == 4
