"""Training for a given time: how much of it is over, and the learning rate that follows from it."""

import time
from collections.abc import Iterator

from torch.optim import Optimizer


def shares_of(minutes: float) -> Iterator[float]:
    """The share of the time that is over, before each step; at least one step."""
    started = time.perf_counter()
    share = 0.0
    while share < 1:
        yield share
        share = (time.perf_counter() - started) / (60 * minutes)


def set_rate(optimizer: Optimizer, base: float, share: float, decay_from: float) -> None:
    """`base` until `decay_from` of the time, then in a straight line to nothing."""
    for group in optimizer.param_groups:
        group["lr"] = base * min(1.0, (1 - share) / (1 - decay_from))
