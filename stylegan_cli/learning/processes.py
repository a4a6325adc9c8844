"""Several processes that train as one: each computes its share of a step; gradients add up.

The first process is the user's own: it reads, decides, writes, and answers. The others do what it
calls. Started by `--devices` they are its children; started by a launcher such as torchrun, they
may be on several machines.
"""

import io
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

# Default arguments in it keep the group that is there when it is imported. Optimizers import it:
# the group's threads would then outlive the group, and abort the process at its exit.
import torch.distributed.nn.functional
from torch import Tensor, nn

from stylegan_cli.errors import ConfigError, DeviceError, TrainingError, UsageError
from stylegan_cli.learning.shares import Share
from stylegan_cli.runtime.devices import resolve_device
from stylegan_cli.runtime.interruption import stop_between_steps
from stylegan_cli.runtime.launch import Launch, launched

TIMEOUT = timedelta(hours=1)  # for another process: the first one reads pictures, and validates


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessTeam:
    """Which of how many processes this is, and what it computes on."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=partial(torch.device, "cpu"))

    def shares(self, count: int, parts: int) -> list[Share]:
        """This process's samples of a batch of `count`, in `parts` to compute one after another.

        Raises ConfigError where there is no sample for each part of each process.
        """
        if count < self.size * parts:
            raise ConfigError(
                f"--batch {count} can't be shared by {self.size} processes in {parts} parts each; "
                "give a larger --batch, fewer --devices, or a smaller --accumulate"
            )
        own = range(self.rank, count, self.size)
        return [Share(own[part::parts], count) for part in range(parts)]

    def add_up(self, values: Tensor) -> Tensor:
        """The sum of all processes' `values`, in their place; every process gets the same bits."""
        if self.size > 1:
            with _together():
                dist.all_reduce(values)
        return values

    def add_up_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Give every parameter the sum of its gradients on all processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        together = self.add_up(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = together.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def gather(self, shares: Sequence[Share], rows: Sequence[Tensor]) -> Tensor:
        """The rows of a whole batch, (count, ...), from those of this process's shares."""
        whole = rows[0].new_zeros(shares[0].count, *rows[0].shape[1:])
        for share, part in zip(shares, rows, strict=True):
            whole[share.slice] = part
        return self.add_up(whole)

    def agree(self, *numbers: int) -> list[int]:
        """The largest that any process has for each of `numbers`, none below 0.

        The first process says what it alone knows, where the others say 0.
        """
        message = torch.tensor(numbers)
        if self.size > 1:
            with _together():
                dist.all_reduce(message, dist.ReduceOp.MAX)
        agreed: list[int] = message.tolist()
        return agreed

    def call(self, function: Callable[..., None] | None, *arguments: Any) -> None:
        """In the first process: have each other one call `function(team, stop, *arguments)`.

        None: dismiss them. Arguments are pickled; tensors among them arrive on the CPU.
        """
        self.broadcast((function, arguments))

    def broadcast(self, value: Any = None) -> Any:
        """The first process's `value`, in every other one."""
        if self.size == 1:
            return value
        packed = io.BytesIO()
        if self.rank == 0:
            torch.save(value, packed)
        message = [packed.getvalue()]
        with _together():
            dist.broadcast_object_list(message, src=0, device=torch.device("cpu"))
        if self.rank == 0:
            return value
        # What a process of this run has just written: not only tensors, and no file of a stranger.
        return torch.load(io.BytesIO(message[0]), map_location="cpu", weights_only=False)


@contextmanager
def process_team(
    device: str, devices: int | None = None, *, usual: Callable[[str], int] = lambda device: 1
) -> Iterator[ProcessTeam]:
    """This process as the first of a team: alone, with children, or as a launcher has started it.

    device: as `--device` has it. devices: how many processes; where None, `usual` of the resolved
    device. The others end with this block, and with this process. Raises UsageError and DeviceError
    for devices that are not there, TrainingError where another process is lost.
    """
    launch = launched()
    if launch is not None:
        with _first_of_launched(launch, device, devices) as team:
            yield team
        return
    resolved = resolve_device(device, needs_torch=True)
    size = devices or usual(resolved)
    if size == 1:
        yield ProcessTeam(device=torch.device(resolved))
        return
    names = _device_names(device, resolved, size)
    with _children(names) as team:
        yield team


def serve_first_process(device: str) -> None:
    """In a process that a launcher started, but not as the first: do what the first one calls.

    device: as `--device` has it.
    """
    launch = launched()
    assert launch is not None
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # ends it even while it waits for the others
    _leave_to_first()
    team = _launched_team(launch, device)
    _meet(team, "env://")
    _serve(team)


def follow_first_process() -> None:
    """In another process: leave it to the first one to stop, and to say what is wrong."""
    # Ctrl-C and a stop of the whole process group reach every process.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _leave_to_first()


def _leave_to_first() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.getLogger("stylegan_cli").handlers = [logging.NullHandler()]


@contextmanager
def _first_of_launched(launch: Launch, device: str, devices: int | None) -> Iterator[ProcessTeam]:
    if devices not in (None, launch.size):
        raise UsageError(
            f"--devices {devices}: the launcher has started {launch.size} processes; "
            "leave --devices out, and tell the launcher how many"
        )
    team = _launched_team(launch, device)
    if team.size == 1:
        yield team
        return
    _meet(team, "env://")
    yield team
    team.call(None)
    dist.destroy_process_group()


def _launched_team(launch: Launch, device: str) -> ProcessTeam:
    if launch.size > 1 and device.startswith("cuda:"):
        raise UsageError(f"--device {device} is one GPU; the launcher gives each process its own")
    resolved = resolve_device(device, needs_torch=True)
    if resolved != "cpu":
        resolved = resolve_device(f"cuda:{launch.local_rank}")
    return ProcessTeam(rank=launch.rank, size=launch.size, device=torch.device(resolved))


def _device_names(asked: str, resolved: str, size: int) -> list[str]:
    """What each of `size` processes on this machine computes on."""
    if resolved == "cpu":
        return ["cpu"] * size
    if asked.startswith("cuda:"):
        raise UsageError(f"--device {asked} is one GPU; for --devices {size}, give --device cuda")
    count = torch.cuda.device_count()
    if size > count:
        raise DeviceError(f"--devices {size}: the GPUs here are {count}; give at most that many")
    return [f"cuda:{index}" for index in range(size)]


@contextmanager
def _children(names: Sequence[str]) -> Iterator[ProcessTeam]:
    """The first of as many processes as there are names of devices, and its children."""
    size, threads = len(names), torch.get_num_threads()
    # Gloo listens where the host's name leads, unless it is told to stay on this machine.
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo0" if sys.platform == "darwin" else "lo")
    context = torch.multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory(prefix="influ-") as folder:
        place = (Path(folder) / "rendezvous").as_uri()
        team, *others = (
            ProcessTeam(rank=rank, size=size, device=torch.device(name))
            for rank, name in enumerate(names)
        )
        share = max(1, threads // size)
        # No daemons: they may start processes that draw ahead.
        children = [context.Process(target=_child, args=(one, place, share)) for one in others]
        for child in children:
            child.start()
        try:
            _meet(team, place, share)
            yield team
            team.call(None)
            for child in children:
                child.join(TIMEOUT.total_seconds())
        finally:
            _end(children)
            if dist.is_initialized():
                dist.destroy_process_group()
            torch.set_num_threads(threads)


def _end(children: Sequence[BaseProcess]) -> None:
    for child in children:
        child.kill()
        child.join()


def _child(team: ProcessTeam, place: str, threads: int) -> None:
    follow_first_process()
    _meet(team, place, threads)
    try:
        _serve(team)
    except TrainingError:
        sys.exit(1)  # the first process is gone, or says so itself


def _serve(team: ProcessTeam) -> None:
    """Do what the first process calls until it calls nothing."""
    # Whichever process is asked to stop, all stop after the same step, and the first one saves.
    with stop_between_steps() as stop:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the first process as well
        while True:
            function, arguments = team.broadcast()
            if function is None:
                break
            function(team, stop, *arguments)
    dist.destroy_process_group()


def _meet(team: ProcessTeam, place: str, threads: int | None = None) -> None:
    """Join the team's other processes at `place`. threads: to compute with; as set where None."""
    import cv2

    if threads is not None:
        torch.set_num_threads(threads)
    cv2.setNumThreads(torch.get_num_threads())
    on_gpu = team.device.type == "cuda"
    if on_gpu:
        torch.cuda.set_device(team.device)
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
        init_method=place,
        rank=team.rank,
        world_size=team.size,
        timeout=TIMEOUT,
    )


@contextmanager
def _together() -> Iterator[None]:
    """A call that all processes take part in. Raises TrainingError where one is missing."""
    try:
        yield
    except RuntimeError as error:
        raise TrainingError(
            "a process of this run has ended, and the others can't go on without it "
            f"({str(error).splitlines()[0][:120]}); add --resume to go on from the last checkpoint"
        ) from error
