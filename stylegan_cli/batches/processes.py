"""A large batch in several processes of this machine: whichever dies is replaced.

The driver hands out a few jobs at a time and hears of each as soon as its result is in place. A
worker that dies takes nothing with it but what it had in hand. Workers end with their driver.
"""

import logging
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from typing import Final

from stylegan_cli.batches.stored import JobKey, StoredJob
from stylegan_cli.batches.workers import (
    CHUNK,
    MAX_DEATHS,
    Told,
    Worker,
    WorkerConfig,
    chunks,
    given_up,
)
from stylegan_cli.errors import InfluError
from stylegan_cli.runtime.devices import use_threads
from stylegan_cli.runtime.interruption import StopRequest

logger = logging.getLogger(__name__)

_IDLE_DEATHS: Final = 30  # per worker, one after the other without anything done
# What every worker imports before its first result, once for all of them: one that dies is back at
# once. Whatever is missing is passed over.
_PRELOADED: Final = [
    "imagecodecs._jpeg8",
    "onnx",
    "onnxruntime",
    "PIL.JpegImagePlugin",
    "stylegan_cli.networks.onnx_graphs",
    "xml.dom.expatbuilder",
    __name__,
]


def run_processes(
    config: WorkerConfig,
    jobs: Iterable[StoredJob],
    count: int,
    tell: Callable[[Sequence[Told]], None],
    stop: StopRequest,
) -> None:
    """Do all jobs in `count` processes, or in this one where it is 0.

    tell: called here with what became of jobs, as it becomes known. Raises what a worker raises
    when it opens the style.
    """
    if count == 0:
        worker = Worker(config)
        for chunk in chunks(jobs):
            if stop.requested:
                return
            worker.do(chunk, lambda told: tell([told]))
        return
    use_threads(config.threads)
    crew = _Crew(config, jobs, count)
    try:
        while not stop.requested and (told := crew.next()) is not None:
            if told:
                tell(told)
    finally:
        crew.kill()


class _Process:
    """A worker in a process, and the jobs it has not told of yet, by target."""

    def __init__(self, config: WorkerConfig) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_PRELOADED)
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(config, dict(os.environ), theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.is_ready = False
        self.jobs: dict[JobKey, StoredJob] = {}

    def give(self, chunk: Sequence[StoredJob]) -> None:
        """Hand over jobs. A process that is dead says so at the next `hear`."""
        self.jobs |= {job.key: job for job in chunk}
        with suppress(OSError):
            self.connection.send(list(chunk))

    def hear(self) -> list[Told]:
        """What it has told since. Raises EOFError where it is dead, and what it could not open."""
        heard: list[Told] = []
        try:
            while self.connection.poll():
                message = self.connection.recv()
                if isinstance(message, Exception):
                    raise message
                if message is None:
                    self.is_ready = True
                    continue
                self.jobs.pop(message.job, None)
                heard.append(message)
        except (EOFError, OSError):
            if not heard:
                raise EOFError from None
        return heard

    def kill(self) -> None:
        """End it, whatever it does."""
        self.process.kill()
        self.process.join()
        self.connection.close()


class _Crew:
    """The workers, and the jobs that wait for one."""

    def __init__(self, config: WorkerConfig, jobs: Iterable[StoredJob], count: int) -> None:
        self._config = config
        self._chunks = chunks(jobs)
        self._returned: deque[list[StoredJob]] = deque()
        self._suspects: deque[StoredJob] = deque()  # workers died of them, perhaps: they come last
        self._deaths: Counter[JobKey] = Counter()
        self._idle_deaths, self._most = 0, _IDLE_DEATHS * count
        self._workers = [_Process(config) for _ in range(count)]

    def next(self) -> list[Told] | None:
        """What became of jobs since the last call, perhaps of none; None when all are done."""
        for worker in self._workers:
            self._supply(worker)
        busy = {worker.connection: worker for worker in self._workers if worker.jobs}
        if not busy:
            return None
        told: list[Told] = []
        for connection in wait(list(busy), timeout=0.5):
            assert isinstance(connection, Connection)
            worker = busy[connection]
            try:
                told += worker.hear()
            except EOFError:
                told += self._replace(worker)
        if told:
            self._idle_deaths = 0
        return told

    def kill(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.kill()

    def _supply(self, worker: _Process) -> None:
        """Give a worker enough to do; a suspect has a worker to itself, so that none dies of it."""
        if any(self._deaths[key] for key in worker.jobs):
            return
        while len(worker.jobs) < CHUNK and (chunk := self._next_chunk()) is not None:
            worker.give(chunk)
        if not worker.jobs and self._suspects:
            worker.give([self._suspects.popleft()])

    def _next_chunk(self) -> list[StoredJob] | None:
        return self._returned.popleft() if self._returned else next(self._chunks, None)

    def _replace(self, dead: _Process) -> list[Told]:
        """Start another worker, and put back what the dead one had; what is given up is told."""
        dead.kill()
        self._idle_deaths += 1
        if self._idle_deaths > self._most:
            raise InfluError(
                "worker processes die one after the other: use fewer with --workers, or "
                "--workers 0 to see why"
            )
        logger.info("a worker died with %d pictures to do and is replaced", len(dead.jobs))
        told: list[Told] = []
        for key in list(dead.jobs)[: self._config.hands if dead.is_ready else 0]:
            job = dead.jobs.pop(key)
            self._deaths[key] += 1
            if self._deaths[key] < MAX_DEATHS:
                self._suspects.append(job)
            else:
                told.append(given_up(job, self._config.out))
        if dead.jobs:
            self._returned.append(list(dead.jobs.values()))
        self._workers[self._workers.index(dead)] = _Process(self._config)
        return told


def _work(config: WorkerConfig, environment: dict[str, str], connection: Connection) -> None:
    """The life of a worker process."""
    os.environ.update(environment)  # the fork server has that of the first batch
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the driver alone decides
    try:
        worker = Worker(config)
    except Exception as error:
        connection.send(error)
        return
    with suppress(EOFError, OSError):  # the driver is gone
        connection.send(None)
        while True:
            worker.do(connection.recv(), connection.send)
