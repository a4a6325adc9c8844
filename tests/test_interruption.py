"""Promises of runtime/interruption.py."""

import signal

import pytest

from stylegan_cli.runtime.interruption import stop_between_steps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_a_request_and_the_second_acts(number: signal.Signals) -> None:
    met = []
    before = signal.signal(number, lambda *_: met.append(number))
    try:
        with stop_between_steps() as stop:
            assert not stop.requested
            signal.raise_signal(number)
            assert stop.requested
            assert not met
            signal.raise_signal(number)
            assert met == [number]
        signal.raise_signal(number)
        assert met == [number, number]
    finally:
        signal.signal(number, before)


def test_handlers_come_back_even_after_an_error() -> None:
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(ZeroDivisionError), stop_between_steps():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is before
