"""Train in processes that are killed at random moments, one after another; the last one finishes.

Arguments: run folder, data, base, settings as JSON, number of threads, kills, seed. Prints a line
of JSON: the signals that ended the processes, and the newest checkpoint after each.
"""

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import torch

from stylegan_cli.data import find_training_data
from stylegan_cli.training import TrainingConfig, open_run, refine

Report = Callable[[int, int], None]


def main() -> None:
    folder, data, base, settings, threads, kills, seed = sys.argv[1:]
    config = TrainingConfig(**json.loads(settings), init=base)

    def train(report: Report) -> None:
        torch.set_num_threads(int(threads))
        found = find_training_data(Path(data))
        refine(open_run(Path(folder), found, config, resume=True), report)

    draw = random.Random(int(seed))
    ended, newest = [], []
    for kill in [*range(int(kills)), None]:
        steps = None if kill is None else draw.randrange(3)
        ended.append(_run_and_kill(train, steps, draw.uniform(0, 0.3)))
        newest.append(max((path.name for path in Path(folder).glob("checkpoint-*")), default=""))
    sys.stdout.write(json.dumps({"ended": ended, "newest": newest}) + "\n")


def _run_and_kill(train: Callable[[Report], None], steps: int | None, pause_s: float) -> int:
    """Kill a training process `pause_s` after `steps` of its steps; None lets it finish.

    Returns the signal that ended it; 0 where it finished.
    """
    reader, writer = os.pipe()
    child = os.fork()  # nothing has computed yet, so there are no threads to lose
    if child == 0:
        os.close(reader)
        try:
            train(lambda done, total: os.write(writer, b"."))
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    seen = 0
    while (steps is None or seen < steps) and os.read(reader, 1):
        seen += 1
    if steps is not None:
        time.sleep(pause_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(reader)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit("training failed")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


if __name__ == "__main__":
    main()
