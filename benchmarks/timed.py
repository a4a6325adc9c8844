"""Training for a given time: how much of it is over, and the learning rate that follows from it."""

import time
from collections.abc import Iterator

from torch.optim import Optimizer


class TimeLimit:
    """Iterates over the share of the time that is over, before each step; at least one step.

    steps: how many have been begun.
    """

    def __init__(self, minutes: float) -> None:
        self.minutes, self.steps = minutes, 0

    def __iter__(self) -> Iterator[float]:
        started = time.perf_counter()
        share = 0.0
        while share < 1:
            self.steps += 1
            yield share
            share = (time.perf_counter() - started) / (60 * self.minutes)


def set_rate(optimizer: Optimizer, base: float, share: float, decay_from: float) -> None:
    """`base` until `decay_from` of the time, then in a straight line to nothing."""
    for group in optimizer.param_groups:
        group["lr"] = base * min(1.0, (1 - share) / (1 - decay_from))
