"""Promises of learning/ema.py."""

import torch
from torch import nn

from stylegan_cli.learning.ema import Ema


def _line(value: float) -> nn.Linear:
    module = nn.Linear(2, 2)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.fill_(value)
    return module


def test_average_follows_quickly_at_first_then_with_its_decay() -> None:
    module = _line(0.0)
    ema = Ema(module, decay=0.99)
    with torch.no_grad():
        module.weight.fill_(1.0)
    ema.update(step=0)
    torch.testing.assert_close(ema.state_dict()["weight"], torch.full((2, 2), 0.9))
    ema.update(step=10**6)
    torch.testing.assert_close(ema.state_dict()["weight"], torch.full((2, 2), 0.901))


def test_averaged_context_gives_the_trained_parameters_back() -> None:
    module = _line(0.0)
    ema = Ema(module, decay=0.5)
    with torch.no_grad():
        module.weight.fill_(1.0)
    with ema.averaged():
        assert module.weight.eq(0).all()
    assert module.weight.eq(1).all()
    assert ema.state_dict()["weight"].eq(0).all()


def test_frozen_parameters_are_not_followed() -> None:
    module = _line(0.0)
    module.bias.requires_grad_(False)
    assert set(Ema(module, 0.9).state_dict()) == {"weight"}


def test_state_continues_in_another_average() -> None:
    first, second = Ema(_line(3.0), 0.9), Ema(_line(0.0), 0.9)
    second.load_state_dict(first.state_dict())
    assert second.state_dict()["bias"].eq(3).all()
