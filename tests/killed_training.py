"""Train in processes that are killed at random moments, one after another; the last one finishes.

Arguments: run folder, data, base, settings as JSON, number of threads, kills, seed. Prints a line
of JSON: the signals that ended the processes, and the newest checkpoint after each.
"""

import json
import os
import random
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

import torch
from sudden_end import die_after_change

from stylegan_cli.preparing.layout import find_training_data
from stylegan_cli.runtime.mappings import from_mapping
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.initialisation import open_run
from stylegan_cli.training.loop import refine

# A process that goes on makes 8 changes in its folder before its first step, and some 6 to 10 with
# each: it lives for at most one checkpoint more, and the last one always has a step to do.
FIRST_CHANGE, LAST_CHANGE = 4, 17
LONGEST_PAUSE_S = 0.06  # what a checkpoint takes to be written


def main() -> None:
    folder, data, base, settings, threads, kills, seed = sys.argv[1:]
    config = from_mapping(TrainingConfig, json.loads(settings) | {"init": base})

    def train() -> None:
        torch.set_num_threads(int(threads))
        found = find_training_data(Path(data))
        refine(open_run(Path(folder), found, config, resume=True))

    draw = random.Random(int(seed))
    ended, newest = [], []
    for kill in [*range(int(kills)), None]:
        change, pause_s = draw.randint(FIRST_CHANGE, LAST_CHANGE), draw.uniform(0, LONGEST_PAUSE_S)

        def live(change: int = change, pause_s: float = pause_s) -> None:
            die_after_change(Path(folder), change, pause_s)
            train()

        ended.append(_run(train if kill is None else live))
        newest.append(max((path.name for path in Path(folder).glob("checkpoint-*")), default=""))
    sys.stdout.write(json.dumps({"ended": ended, "newest": newest}) + "\n")


def _run(live: Callable[[], None]) -> int:
    """The signal that ended a process of its own for `live`; 0 where it finished."""
    child = os.fork()  # nothing has computed yet, so there are no threads to lose
    if child == 0:
        try:
            live()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("training failed")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


if __name__ == "__main__":
    main()
