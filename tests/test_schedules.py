"""Promises of learning/schedules.py."""

import pytest

from stylegan_cli.errors import ConfigError
from stylegan_cli.learning.schedules import StepClock, is_due, learning_rate, steps_for
from stylegan_cli.runtime.config import parse_duration


def test_learning_rate_is_constant_then_falls_to_nothing_at_the_end() -> None:
    rates = [learning_rate(step, 100, 2e-4) for step in range(101)]
    assert rates[:61] == [2e-4] * 61
    assert rates[80] == pytest.approx(1e-4)
    assert rates[100] == 0
    assert rates == sorted(rates, reverse=True)


def test_learning_rate_warms_up_and_does_not_decay_before_the_number_of_steps_is_known() -> None:
    assert learning_rate(0, None, 1.0, warmup=10) == pytest.approx(0.1)
    assert learning_rate(9, None, 1.0, warmup=10) == 1.0
    assert learning_rate(10**6, None, 1.0) == 1.0


def test_fixing_the_number_of_steps_does_not_change_the_rate_of_those_already_done() -> None:
    for step in range(20):
        assert learning_rate(step, None, 1.0, 10) == learning_rate(step, 40, 1.0, 10)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("2m", 120), ("0.5h", 1800), ("30m", 1800), ("1h30m", 5400), (" 5M ", 300)],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "-5m", "0s", "5 minutes", "1.2.3s", "5mx"])
def test_what_is_no_duration_is_refused_by_name(text: str) -> None:
    with pytest.raises(ConfigError, match="no duration"):
        parse_duration(text)


def test_steps_fit_the_time_limit() -> None:
    assert steps_for(1800, 10, overhead=0.1) == 3240
    assert steps_for(1, 10) == 20  # the timed steps are done by then


def test_nothing_is_due_every_zero_steps() -> None:
    assert [step for step in range(1, 7) if is_due(step, 3)] == [3, 6]
    assert not is_due(3, 0)


def test_the_number_of_steps_comes_from_the_usual_duration_of_the_first_ones() -> None:
    clock = StepClock()
    clock.count_step(60.0)  # builds what the later ones use
    for _ in range(18):
        clock.count_step(0.5)
    assert clock.steps_within(100.0) is None
    clock.count_step(0.5)
    assert clock.steps_within(100.0) == 180
    assert clock.elapsed_s == clock.here_s < 10  # the clock goes by itself
