"""How long the same work takes, run after run. Loads nothing: small processes use it too."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that the same work took, run after run, and the first time, which warms up."""

    seconds: tuple[float, ...]
    warm_up_s: float

    @property
    def min_s(self) -> float:
        """What it takes when nothing comes in between."""
        return min(self.seconds)

    @property
    def median_s(self) -> float:
        """What it usually takes."""
        return statistics.median(self.seconds)

    def record(self) -> dict[str, float]:
        """As values for JSON, in seconds."""
        seconds = {"median_s": self.median_s, "min_s": self.min_s, "warm_up_s": self.warm_up_s}
        rounded = {name: round(value, 5) for name, value in seconds.items()}
        return {"runs": len(self.seconds), **rounded}


def time_runs(
    work: Callable[[], object], *, min_runs: int = 3, max_runs: int = 20, budget_s: float = 1.0
) -> Timing:
    """Run `work` once to warm up, then `min_runs` times, and on to `max_runs` within `budget_s`."""
    warm_up_s = _seconds(work)
    seconds: list[float] = []
    while len(seconds) < min_runs or (len(seconds) < max_runs and sum(seconds) < budget_s):
        seconds.append(_seconds(work))
    return Timing(tuple(seconds), warm_up_s)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
