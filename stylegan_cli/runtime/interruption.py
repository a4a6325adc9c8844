"""Ctrl-C and SIGTERM as a request that a loop answers between two steps."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass(slots=True)
class StopRequest:
    """Whether the user has asked to stop."""

    requested: bool = False


@contextmanager
def stop_between_steps() -> Iterator[StopRequest]:
    """Here the first Ctrl-C or SIGTERM only sets `requested`; a second one acts as usual."""
    request = StopRequest()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {int(number): signal.getsignal(number) for number in signals}

    def note(number: int, frame: FrameType | None) -> None:
        request.requested = True
        signal.signal(number, before[number])

    for number in signals:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number in signals:
            signal.signal(number, before[number])
