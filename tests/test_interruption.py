"""Promises of runtime/interruption.py."""

import signal
import subprocess
import sys

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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_modules_are_imported_ends_the_process_in_silence(
    number: signal.Signals,
) -> None:
    script = (
        "import signal, sys\n"
        "class Raise:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == 'stylegan_cli.cli': signal.raise_signal({int(number)})\n"
        "sys.meta_path.insert(0, Raise())\n"
        "from stylegan_cli.__main__ import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"")
