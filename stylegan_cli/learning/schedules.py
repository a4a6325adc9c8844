"""Learning rates and what is due, by the step alone; how many steps fit into a time limit."""

import statistics
import time
from collections.abc import Mapping
from typing import Any, Protocol

TIMED_STEPS = 20  # this many steps are timed before their number is fixed

FINISHED = (
    "the run in %s was finished already, after %d steps; to go on, give more --steps or a longer "
    "--time-limit"
)
"""What is said of a run that is resumed after its end: its folder, its steps."""


def learning_rate(
    step: int, total_steps: int | None, base: float, warmup: int = 0, decay_from: float = 0.6
) -> float:
    """Linear warm-up over `warmup` steps, then `base`, then linear decay to nothing.

    decay_from: the share of `total_steps` after which the decay begins.
    A pure function of the step, so that a resumed run cannot drift. `total_steps` is None as long
    as the number of steps is not fixed yet: no decay.
    """
    rate = base * min(1.0, (step + 1) / max(1, warmup))
    if total_steps is None:
        return rate
    decay_start = decay_from * total_steps
    left = (total_steps - step) / max(1e-9, total_steps - decay_start)
    return rate * min(1.0, max(0.0, left))


def is_due(step: int, every: int) -> bool:
    """Whether what happens every `every` steps happens after `step` of them; never for 0."""
    return every > 0 and step % every == 0


def steps_for(time_limit_s: float, seconds_of_first_20: float, overhead: float = 0.1) -> int:
    """How many steps fit into the time limit, at least the ones that were timed.

    overhead: the share of the time that goes into validation, sample sheets and checkpoints.
    """
    per_step_s = max(seconds_of_first_20, 1e-6) / TIMED_STEPS
    return max(TIMED_STEPS, int(time_limit_s * (1 - overhead) / per_step_s))


class Ends(Protocol):
    """A config that says when its run ends."""

    @property
    def steps(self) -> int | None: ...  # noqa: D102
    @property
    def time_limit_s(self) -> float: ...  # noqa: D102


def ends_of(config: Ends) -> dict[str, float | None]:
    """What ends a run, as its config has it; for its checkpoints, under "ends"."""
    return {"steps": config.steps, "time_limit_s": config.time_limit_s}


def total_steps_now(config: Ends, state: Mapping[str, Any]) -> int | None:
    """The number of steps of a run that goes on: as saved, unless its config names another end.

    None: to be fixed anew, from the new time limit.
    """
    if state.get("ends", ends_of(config)) != ends_of(config):
        return config.steps
    saved = state["total_steps"]
    return config.steps or (None if saved is None else int(saved))


class StepClock:
    """How long a run has trained, and how many of its steps fit into a time limit.

    elapsed_s: of training, over all calls of a run. here_s: of this call.
    """

    def __init__(self) -> None:
        self.elapsed_s = self.here_s = 0.0
        self._last_s = time.monotonic()
        self._durations_s: list[float] = []

    def count_step(self, duration_s: float | None = None) -> None:
        """Note a step; the time between steps counts as training, too.

        duration_s: of the step alone; where None, the time since the step before.
        """
        now_s = time.monotonic()
        self._durations_s.append(now_s - self._last_s if duration_s is None else duration_s)
        self.elapsed_s += now_s - self._last_s
        self.here_s += now_s - self._last_s
        self._last_s = now_s

    def steps_within(self, time_limit_s: float) -> int | None:
        """How many steps fit into the limit; None until TIMED_STEPS steps have been counted."""
        if len(self._durations_s) < TIMED_STEPS:
            return None
        # The median: the first step also builds what the later ones use.
        typical_s = statistics.median(self._durations_s)
        return steps_for(time_limit_s, TIMED_STEPS * typical_s)
