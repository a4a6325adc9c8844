"""Promises of training/steps.py."""

from types import SimpleNamespace

import pytest
import torch

from stylegan_cli.styles import Mode
from stylegan_cli.training.config import ConstraintConfig, TrainingConfig
from stylegan_cli.training.constraints import anchor_weights, constraints_for
from stylegan_cli.training.losses import GENERATOR_LOSSES
from stylegan_cli.training.steps import scale_gradient


@pytest.mark.parametrize(
    ("mode", "elsewhere", "light_skin", "dark_skin"),
    [("photographic", 1, 3, 3), ("drawn", 0.4, 1.2, 3), ("colour", 0, 0, 0)],
)
def test_the_anchor_holds_tones_as_far_as_the_instant_style_knows_them_and_dark_skin_most(
    mode: Mode, elsewhere: float, light_skin: float, dark_skin: float
) -> None:
    config = ConstraintConfig()
    constraints = constraints_for(0.2, 0.2, mode, config, is_fresh=False)
    for face, light, weight in ((0, 1, elsewhere), (1, 1, light_skin), (1, -0.5, dark_skin)):
        faces = torch.full((1, 1, 4, 4), float(face))
        anchor = torch.full((1, 3, 4, 4), float(light))
        weights = anchor_weights(
            anchor, faces, constraints.anchor_share, 2.0, config.dark_skin_luma
        )
        torch.testing.assert_close(weights, torch.full_like(faces, weight))


def test_faces_feel_a_ninth_of_what_asks_for_texture() -> None:
    image = torch.rand(1, 3, 8, 8, requires_grad=True)
    faces = torch.zeros(1, 1, 8, 8)
    faces[..., :4] = 1
    led = scale_gradient(image, faces, face_weight=2.0)
    torch.testing.assert_close(led, image)
    led.sum().backward()
    torch.testing.assert_close(image.grad, (1 - 8 / 9 * faces).expand_as(image))


def test_a_dot_in_a_face_costs_ten_times_as_much() -> None:
    photo, faces = torch.zeros(1, 3, 32, 32), torch.zeros(1, 1, 32, 32)
    dotted = photo.clone()
    dotted[..., 16, 16] = 1
    costs = []
    for in_face in (0, 1):
        batch = SimpleNamespace(content=photo, faces=faces + in_face)
        step = SimpleNamespace(config=TrainingConfig(), batch=batch, fake=dotted)
        costs.append(GENERATOR_LOSSES["dots"](step))  # type: ignore[arg-type]
    assert costs[1].item() == pytest.approx(10 * costs[0].item())
