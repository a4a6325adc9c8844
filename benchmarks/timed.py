"""Training for a given time or number of steps: how much is over, and what rate follows."""

import time
from collections.abc import Iterator

from torch.optim import Optimizer


class Limit:
    """Iterates over the share that is over, before each step; at least one step.

    minutes: of wall time. planned: the number of steps instead, where not None. steps: how many
    have been begun.
    """

    def __init__(self, minutes: float, planned: int | None = None) -> None:
        self.minutes, self.planned, self.steps = minutes, planned, 0

    def __iter__(self) -> Iterator[float]:
        started = time.perf_counter()
        share = 0.0
        while share < 1:
            self.steps += 1
            yield share
            if self.planned is None:
                share = (time.perf_counter() - started) / (60 * self.minutes)
            else:
                share = self.steps / self.planned


def set_rate(optimizer: Optimizer, base: float, share: float, decay_from: float) -> None:
    """`base` until `decay_from` of the time, then in a straight line to nothing."""
    for group in optimizer.param_groups:
        group["lr"] = base * min(1.0, (1 - share) / (1 - decay_from))
