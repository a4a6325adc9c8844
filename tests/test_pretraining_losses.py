"""Promises of pretraining/losses.py."""

import pytest
import torch

from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.losses import (
    ERRORS,
    Stylized,
    pair_losses,
    texture_error,
    total_loss,
)
from stylegan_cli.runtime.randomness import torch_generator


def test_each_error_of_a_result_is_counted_for_what_it_is() -> None:
    generator = torch_generator(0, 0, "test")
    truth = torch.rand(2, 3, 64, 64, generator=generator)

    def errors(result: torch.Tensor, base_colour: torch.Tensor = truth) -> dict[str, torch.Tensor]:
        stylized, pointwise = Stylized(result, base_colour, truth), torch.tensor([1.0, 0.0])
        return pair_losses(stylized, pointwise, PretrainConfig())

    assert not any(term.any() for term in errors(truth).values())
    lines, waves = truth.clone(), truth.clone()
    lines[..., ::2] += 0.1
    waves[..., ::4] += 0.1
    assert errors(lines)["gradient"].min() > 0.04
    # What comes back every 2 or 4 px is a grid, which no hand draws.
    assert errors(lines)["grid"].min() > 0.01
    assert errors(waves)["grid"].min() > 0.01
    # A residual is wrong where the look is of colour alone, and only there.
    pointwise = errors(truth, truth - 0.1)["pointwise"]
    torch.testing.assert_close(pointwise, torch.tensor([0.1, 0.0]))


def test_detail_as_strong_as_the_truth_s_is_right_wherever_it_is() -> None:
    generator = torch_generator(0, 0, "test")
    columns = 0.3 * torch.randn(2, 1, 1, 64, generator=generator)  # upright lines, as hatching has
    truth = (columns[:1] + torch.zeros(1, 3, 64, 64)).contiguous()
    elsewhere, nothing = columns[1:] + torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64)
    assert texture_error(truth, truth).item() == 0
    assert texture_error(elsewhere, truth) < 0.5 * texture_error(nothing, truth)
    assert texture_error(elsewhere, truth) < 0.5 * texture_error(elsewhere.mT, truth)  # lying ones
    chequers = 0.3 * ((torch.arange(64)[:, None] + torch.arange(64)) % 2).float()
    assert texture_error(chequers.expand(1, 3, 64, 64), nothing) < 1e-6


def test_half_of_an_error_counts_alike_on_a_photo_and_on_a_drawing() -> None:
    def loss(pointwise: float, loud: float) -> float:
        none, nothing = torch.zeros(2), torch.tensor(0.0)
        errors = dict.fromkeys(ERRORS, none) | {"residual": torch.tensor([pointwise, loud])}
        return total_loss({**errors, "distillation": nothing, "parameters": nothing}).item()

    # All but alike: below 0.03 an error counts less and less.
    assert loss(0.5, 8) - loss(0.25, 8) == pytest.approx(loss(0.5, 8) - loss(0.5, 4), rel=0.2)
    assert loss(0.001, 8) - loss(0.0005, 8) < 0.05 * (loss(0.5, 8) - loss(0.25, 8))
