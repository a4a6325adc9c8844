"""Promises of learning/losses.py."""

import math
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from stylegan_cli.learning import GanKind
from stylegan_cli.learning.losses import (
    anchor_loss,
    cycle_loss,
    discriminator_gan_loss,
    dot_loss,
    drift_loss,
    generator_gan_loss,
    grid_loss,
    identity_loss,
    r1_penalty,
    self_similarity_loss,
    sliced_wasserstein,
)
from stylegan_cli.networks.layers import luminance

KINDS = get_args(GanKind)


def _draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_each_player_is_content_with_what_it_wants(kind: GanKind) -> None:
    high, low = [torch.full((2, 1, 3, 3), 4.0)], [torch.full((2, 1, 3, 3), -4.0)]
    assert discriminator_gan_loss(kind, high, low) < discriminator_gan_loss(kind, low, high)
    real_looking = [torch.full((2, 1, 3, 3), 1.0)]
    assert generator_gan_loss(kind, real_looking) < generator_gan_loss(kind, low)


def test_hinge_is_lim_and_ye() -> None:
    real, fake = torch.tensor([[[[2.0, 0.5]]]]), torch.tensor([[[[-3.0, 0.25]]]])
    assert discriminator_gan_loss("hinge", [real], [fake]) == pytest.approx((0.5 + 1.25) / 2)
    assert generator_gan_loss("hinge", [fake]) == pytest.approx(2.75 / 2)


def test_cross_entropy_of_an_undecided_critic_is_twice_log_two() -> None:
    nothing = [torch.zeros(1, 1, 2, 2)]
    assert discriminator_gan_loss("bce", nothing, nothing) == pytest.approx(2 * math.log(2))


def test_critics_weigh_alike_whatever_their_map_size() -> None:
    small, large = torch.full((1, 1, 1, 1), 1.0), torch.full((1, 1, 8, 8), 3.0)
    assert generator_gan_loss("hinge", [small, large]) == pytest.approx(-2.0)


def test_r1_of_a_linear_critic_is_half_its_squared_slope() -> None:
    reals = _draw(2, 3, 4, 4).requires_grad_()
    penalty = r1_penalty([0.5 * reals.sum(dim=1, keepdim=True)], reals)
    assert penalty.item() == pytest.approx(0.25 * 3 * 16 / 2)


def test_self_similarity_is_blind_to_scale_and_rotation_of_features_but_sees_moved_places() -> None:
    features = _draw(2, 8, 5, 5)
    rotation = torch.linalg.qr(_draw(8, 8, seed=1))[0]
    stylized = 3 * torch.einsum("bchw,cd->bdhw", features, rotation)
    assert self_similarity_loss(stylized, features) < 1e-6
    assert self_similarity_loss(features.flip(3), features) > 0.05


def test_self_similarity_counts_faces_more() -> None:
    content = _draw(1, 8, 4, 4)
    result = content.clone()
    result[..., 0, 0] = _draw(8, seed=2)
    face, elsewhere = torch.ones(1, 4, 4), torch.ones(1, 4, 4)
    face[:, 0, 0] = 5
    elsewhere[:, 3, 3] = 5
    there = self_similarity_loss(result, content, face)
    assert there > self_similarity_loss(result, content, elsewhere)
    assert self_similarity_loss(result, content, torch.ones(1, 4, 4)) == pytest.approx(
        self_similarity_loss(result, content).item()
    )


def test_self_similarity_of_a_batch_is_the_mean_of_its_pictures() -> None:
    result, content, faces = _draw(3, 8, 4, 4), _draw(3, 8, 4, 4, seed=1), torch.ones(3, 4, 4)
    faces[1, :2] = 5
    pictures = zip(result.split(1), content.split(1), faces.split(1), strict=True)
    alone = torch.stack([self_similarity_loss(*picture) for picture in pictures])
    torch.testing.assert_close(self_similarity_loss(result, content, faces), alone.mean())


def test_anchor_holds_tone_and_lets_lines_free() -> None:
    anchor = torch.zeros(1, 3, 16, 16)
    lines = anchor.clone()
    lines[..., ::2] = 0.5
    lines[..., 1::2] = -0.5
    assert anchor_loss(lines, anchor) == 0
    assert anchor_loss(anchor + 0.1, anchor) == pytest.approx(0.1)
    heavier = torch.ones(1, 1, 16, 16)
    heavier[..., :8] = 3
    assert anchor_loss(anchor + 0.1, anchor, heavier) == pytest.approx(0.2)


def test_a_move_is_free_up_to_its_limit_and_each_picture_has_its_own() -> None:
    anchor = torch.zeros(2, 3, 16, 16)
    moved = anchor.clone()
    moved[0], moved[1] = 0.1, 0.4
    moved.requires_grad_()
    losses = drift_loss(moved, anchor, limit=0.2)
    assert losses[0] == 0
    assert losses[1].item() == pytest.approx(1)  # twice the limit
    losses.sum().backward()
    slope = moved.grad
    assert slope is not None
    assert slope[0].abs().max() == 0
    assert slope[1].min() > 0
    still = anchor.clone().requires_grad_()
    drift_loss(still, anchor, limit=0.2).sum().backward()
    assert still.grad is not None
    assert still.grad.abs().max() == 0  # and a number
    assert drift_loss(moved, anchor, limit=math.inf).max() == 0


def test_a_grid_costs_far_more_than_texture_of_the_same_strength() -> None:
    photo = torch.zeros(2, 3, 128, 128)
    texture = 0.1 * torch.randn(photo.shape, generator=torch.Generator().manual_seed(0))
    dots = photo.clone()
    dots[..., ::2, ::2] = 0.1
    turned = dots.clone()
    turned[..., 64:] *= -1
    steps = photo + torch.linspace(-0.1, 0.1, 8).repeat(16)
    assert grid_loss(photo + 0.3, photo).max() < 1e-9
    assert grid_loss(texture, photo).abs().max() < 1e-4
    for grid in (dots, turned, steps):
        assert grid_loss(grid, photo).min() > 1e-3
        assert grid_loss(grid, grid).max() == 0  # a photo's own is not the generator's


def test_strokes_hardly_count_as_a_grid() -> None:
    noise = 0.1 * _draw(16, 3, 128, 128)
    repeats_8px_by_chance = noise.var() / 16  # in a tile of 32 px
    assert grid_loss(noise, torch.zeros_like(noise)).mean() < repeats_8px_by_chance / 20


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_is_seen_at_each_stride_and_between_strides_it_is_a_stroke(period: int) -> None:
    across = torch.arange(128)

    def lines(period: float) -> Tensor:
        wave = torch.cos(2 * math.pi * across / period)
        return 0.1 * (wave + wave[:, None]).expand(1, 3, 128, 128)

    nothing = torch.zeros(1, 3, 128, 128)
    seen = grid_loss(lines(period), nothing)
    assert seen > 5e-3
    for near in (0.9, 1.1, 1.17):
        assert 0 <= grid_loss(lines(period * near), nothing) < seen / 10


def _wave(across: Tensor) -> Tensor:
    return (0.2 * torch.cos(across)).expand(1, 3, 64, 64)


def test_dots_cost_and_lines_do_not() -> None:
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    flat = torch.zeros(1, 3, 64, 64)
    hatched = _wave((rows + columns) / 2)
    dotted = flat.clone()
    dotted[..., 8::16, 8::16] = 1.0
    assert dot_loss(flat + 0.5, flat) < 1e-10
    assert dot_loss(dotted, flat) > 4e-5
    assert dot_loss(hatched, flat) < dot_loss(dotted, flat) / 50
    assert dot_loss(dotted, dotted) == 0  # what the photo has may stay
    assert dot_loss(-dotted, flat) == pytest.approx(dot_loss(dotted, flat).item())


def test_a_dot_counts_by_the_weight_of_its_place() -> None:
    flat = torch.zeros(1, 3, 64, 64)
    dotted = flat.clone()
    dotted[..., 16, 16] = 1.0
    face, elsewhere = torch.ones(1, 1, 64, 64), torch.ones(1, 1, 64, 64)
    face[..., :32, :32] = 3.0
    elsewhere[..., 32:, 32:] = 3.0
    assert dot_loss(dotted, flat, face) == pytest.approx(3 * dot_loss(dotted, flat).item())
    assert dot_loss(dotted, flat, elsewhere) == dot_loss(dotted, flat)


def test_cycle_asks_only_for_luminance_where_colour_is_lost() -> None:
    content = _draw(1, 3, 4, 4)
    grey = luminance(content).expand_as(content)
    assert cycle_loss(grey, content, is_invertible=False) < 1e-6
    assert cycle_loss(grey, content, is_invertible=True) > 0.1
    assert identity_loss(content, content) == 0


def test_sliced_wasserstein_measures_the_shift_between_sets_of_unlike_size() -> None:
    first, second = _draw(4000, 2), _draw(3000, 2, seed=1) + torch.tensor([1.0, 0.0])
    assert sliced_wasserstein(first, second) == pytest.approx(0.5, abs=0.05)
    assert sliced_wasserstein(first, first.flip(0)) == 0


@pytest.mark.parametrize("kind", KINDS)
def test_losses_run_on_the_meta_device(kind: GanKind) -> None:
    def image(*shape: int) -> Any:
        return torch.empty(*shape, device="meta", requires_grad=True)

    reals = image(2, 3, 16, 16)
    scores = [reals.mean(dim=1, keepdim=True)]
    losses = [
        generator_gan_loss(kind, scores),
        discriminator_gan_loss(kind, scores, [image(2, 1, 16, 16)]),
        r1_penalty(scores, reals),
        self_similarity_loss(image(2, 4, 3, 3), image(2, 4, 3, 3), image(2, 3, 3)),
        anchor_loss(reals, image(2, 3, 16, 16), image(2, 1, 16, 16)),
        grid_loss(reals, image(2, 3, 16, 16)),
        dot_loss(reals, image(2, 3, 16, 16), image(2, 1, 16, 16)),
        drift_loss(reals, image(2, 3, 16, 16), limit=0.1),
        cycle_loss(reals, image(2, 3, 16, 16), is_invertible=False),
        identity_loss(reals, image(2, 3, 16, 16)),
        sliced_wasserstein(image(50, 4), image(60, 4)),
    ]
    assert {loss.device.type for loss in losses} == {"meta"}
