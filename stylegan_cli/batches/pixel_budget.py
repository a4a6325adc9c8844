"""How much a batch has in hand at a time."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PixelBudget:
    """How many pixels may be in hand at a time; first come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until `pixels` fit beside what others hold, or until nobody holds any."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + pixels <= self._limit)
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()

    @contextmanager
    def hold_all(self) -> Iterator[None]:
        """Wait until nobody holds any, and keep it so."""
        with self.hold(sys.maxsize):
            yield

    def halve(self) -> None:
        """From now on, half of what is in hand at this moment."""
        with self._changed:
            self._limit = max(1, min(self._limit, self._held) // 2)
