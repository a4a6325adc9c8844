"""Promises of training/adapters.py."""

import torch

from stylegan_cli.training.adapters import StyleTensors, inverse_style, is_invertible


def _style(matrix: list[list[float]]) -> StyleTensors:
    return StyleTensors(torch.tensor([matrix]), torch.tensor([[0.1, 0.0, -0.1]]), torch.zeros(2))


def test_the_inverse_colour_map_leads_back() -> None:
    style = _style([[0.9, 0.1, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]])
    back, colours = inverse_style(style), torch.rand(5, 3)
    there = colours @ style.matrix[0] + style.offset[0]
    torch.testing.assert_close(there @ back.matrix[0] + back.offset[0], colours)
    assert is_invertible(style)


def test_the_inverse_of_grey_stays_grey_and_small() -> None:
    grey = _style([[0.2, 0.2, 0.2], [0.3, 0.3, 0.3], [0.4, 0.4, 0.4]])
    assert not is_invertible(grey)
    assert inverse_style(grey).matrix.abs().max() < 3
