"""Promises of training/diagnostics.py on pictures and losses; test_training has a real run."""

import pytest
import torch
from torch import Tensor

from stylegan_cli.learning.losses import GanKind
from stylegan_cli.training.config import DiagnosticsConfig
from stylegan_cli.training.diagnostics import (
    LOSS_AT_CHANCE,
    Diagnostics,
    OutputStatistics,
    Problem,
    output_statistics,
    problems_of,
)

CONFIG = DiagnosticsConfig()


def _smooth(seed: int) -> Tensor:
    """A picture of its own: two colours, one at each side of a slope."""
    ends = torch.rand(2, 3, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    slope = torch.linspace(0, 1, 64)[None, :].expand(64, 64)
    return (ends[0, :, None, None] * slope + ends[1, :, None, None] * (1 - slope))[None]


def _output_statistics(pictures: list[Tensor]) -> OutputStatistics:
    return output_statistics(pictures, [pictures[0], pictures[0] * 0.5])


def test_one_texture_whatever_the_photo_is_a_collapse() -> None:
    photos = [_smooth(seed) for seed in range(4)]
    texture = torch.sign(torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    instant = _output_statistics(photos)
    assert problems_of(
        _output_statistics([texture + 0.05 * x for x in photos]), instant, CONFIG
    ) == {Problem.COLLAPSED}
    assert problems_of(instant, instant, CONFIG) == set()


def test_a_grey_darker_and_drawn_style_is_healthy() -> None:
    photos = [_smooth(seed) for seed in range(4)]
    lines = 0.3 * (torch.arange(64) % 4 == 0)
    drawn = [0.6 * x.mean(1, keepdim=True).expand(-1, 3, -1, -1) - 0.3 - lines for x in photos]
    assert problems_of(_output_statistics(drawn), _output_statistics(photos), CONFIG) == set()


@pytest.mark.parametrize("gan", list(LOSS_AT_CHANCE))
def test_a_discriminator_by_chance_has_not_won_and_a_cured_problem_is_noted_again(
    gan: GanKind,
) -> None:
    diagnostics = Diagnostics(["anna"], [_output_statistics([_smooth(0)])], gan, CONFIG)
    for losses in ([LOSS_AT_CHANCE[gan]], [0.0], [LOSS_AT_CHANCE[gan]], [0.0]):
        for step in range(CONFIG.loss_window):
            diagnostics.watch(step, 0, {"discriminator_pixels": losses[0], "gan_pixels": 0.0})
    assert [note.problem for note in diagnostics.notes] == ["a discriminator has won"] * 2


def test_notes_outlive_a_stop() -> None:
    instant = [_output_statistics([_smooth(seed) for seed in range(3)])]
    before, after = (Diagnostics(["anna"], instant, "hinge", CONFIG) for _ in range(2))
    flat = _output_statistics([torch.zeros(1, 3, 64, 64)] * 3)
    assert before.examine(5, 0, flat) == {Problem.FLAT}
    after.load_state_dict(before.state_dict())
    after.examine(6, 0, flat)
    assert after.notes == before.notes
