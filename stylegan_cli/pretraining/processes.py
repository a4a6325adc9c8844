"""Several processes that train as one: each draws its share of a step; gradients are averaged."""

import logging
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from stylegan_cli.runtime.interruption import stop_between_steps

TIMEOUT = timedelta(minutes=10)  # with another process: validation takes a while


@dataclass(frozen=True, slots=True)
class ProcessTeam:
    """Which of how many processes this is."""

    rank: int
    size: int

    def share(self, module: nn.Module) -> nn.Module:
        """`module` with the first process's weights, and gradients averaged over all processes."""
        return module if self.size == 1 else DistributedDataParallel(module)

    def agree(self, total_steps: int | None, last: bool) -> tuple[int | None, bool]:
        """The number of steps, which the first process knows, and whether any says it is over.

        All processes call this after each step, and get the same.
        """
        if self.size == 1:
            return total_steps, last
        message = torch.tensor([total_steps or 0, int(last)])
        dist.all_reduce(message, dist.ReduceOp.MAX)
        total, is_last = message.tolist()
        return total or None, bool(is_last)


def single_process() -> ProcessTeam:
    """A process by itself."""
    return ProcessTeam(0, 1)


@contextmanager
def process_team(
    size: int, follow: Callable[..., None], arguments: tuple[Any, ...]
) -> Iterator[ProcessTeam]:
    """Start `size - 1` processes that call `follow(team, stop, *arguments)`; this is the first.

    Each computes in one thread. They end with this block, and with this process.
    """
    threads = torch.get_num_threads()
    context = torch.multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="influ-") as folder:
        rendezvous = Path(folder) / "rendezvous"
        others = [
            context.Process(
                target=_join,
                args=(ProcessTeam(rank, size), rendezvous, follow, arguments),
                daemon=True,
            )
            for rank in range(1, size)
        ]
        for other in others:
            other.start()
        _rendezvous(ProcessTeam(0, size), rendezvous)
        try:
            yield ProcessTeam(0, size)
            for other in others:
                other.join(TIMEOUT.total_seconds())
        finally:
            for other in others:
                other.kill()
                other.join()
            dist.destroy_process_group()
            torch.set_num_threads(threads)


def follow_first_process() -> None:
    """In another process: leave it to the first one to stop, and to say what is wrong."""
    # Ctrl-C and a stop of the whole process group reach every process.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    logging.getLogger("stylegan_cli").handlers = [logging.NullHandler()]


def _join(
    team: ProcessTeam, rendezvous: Path, follow: Callable[..., None], arguments: tuple[Any, ...]
) -> None:
    follow_first_process()
    _rendezvous(team, rendezvous)
    # Whichever process is asked to stop, all stop after the same step, and the first one saves.
    with stop_between_steps() as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process as well
        follow(team, stop, *arguments)
    dist.destroy_process_group()


def _rendezvous(team: ProcessTeam, rendezvous: Path) -> None:
    import cv2

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    dist.init_process_group(
        "gloo",
        init_method=rendezvous.as_uri(),
        rank=team.rank,
        world_size=team.size,
        timeout=TIMEOUT,
    )
