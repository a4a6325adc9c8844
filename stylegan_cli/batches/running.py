"""A batch under way: several pictures in hand at a time, as many as memory allows."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor, as_completed, wait
from contextlib import nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final, TypeVar

from stylegan_cli.batches.file_options import FileOptions, IfThere
from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.pixel_budget import PixelBudget
from stylegan_cli.batches.planning import STREAM, Job
from stylegan_cli.batches.storage import Delivered, Fetched, LocalStorage, Storage
from stylegan_cli.errors import BusyError, InfluError, PictureError, messages
from stylegan_cli.pictures import Picture, read_picture, write_picture
from stylegan_cli.pictures.credentials import sign_picture
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.interruption import StopRequest

_Part = TypeVar("_Part")

logger = logging.getLogger(__name__)

MAX_PIXELS_IN_FLIGHT: Final = 64_000_000  # a pixel costs some 30 bytes while it is stylized

# What libraries say when they run out of memory without a MemoryError.
_OUT_OF_MEMORY: Final = ("bad_alloc", "failed to allocate", "out of memory", "not enough memory")


def default_workers() -> int:
    """One for each core this process computes with, and one more that reads or writes."""
    return resolve_threads() + 1


def run_batch(
    jobs: Sequence[Job],
    stylize: Callable[[Picture], Picture],
    options: FileOptions,
    *,
    workers: int = 1,
    max_pixels_in_flight: int = MAX_PIXELS_IN_FLIGHT,
    stop: StopRequest | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    storage: Storage | None = None,
    executor: Executor | None = None,
) -> list[Outcome]:
    """Read, stylize and write every job; one that fails is reported and the rest goes on.

    workers: how many pictures are in hand at a time, each in a thread of its own, so that one is
        decoded or encoded while another is stylized. `stylize` must allow that.
    max_pixels_in_flight: of all of them together; a larger picture is processed alone.
    stop: once requested, what is in hand is dropped at its next step and nothing begins.
    on_outcome, on_progress: called in the thread of the job, one at a time, once it is through; an
        error of theirs ends the batch.
    storage: where the files are; by default on this machine.
    executor: of `workers` threads, for callers with many batches; by default new threads.
    Returns the outcomes in the order of the jobs, without those that a stop left out.
    """
    count = max(1, min(workers, len(jobs)))
    outcomes: dict[Job, Outcome] = {}
    turn = threading.Lock()

    # In the workers, as Ctrl-C is raised in the thread that waits for them: there it could come
    # between a result and its telling, and hide a file that has been written.
    def report(outcome: Outcome) -> None:
        with turn:
            outcomes[outcome.job] = outcome
            if on_outcome is not None:
                on_outcome(outcome)
            if on_progress is not None:
                on_progress(len(outcomes), len(jobs))

    storage = storage or LocalStorage(options)
    storage.prepare(jobs)
    stop = stop or StopRequest()
    batch = _Batch(jobs, stylize, options, count, max_pixels_in_flight, stop, report, storage)
    if on_progress is not None:
        on_progress(0, len(jobs))
    with nullcontext(executor) if executor else ThreadPoolExecutor(count, "batch") as pool:
        works: list[Future[None]] = []
        try:
            for _ in range(count):
                works.append(pool.submit(batch.work))
            for work in as_completed(works):
                work.result()
        finally:
            batch.end()  # left early, by an error or a second Ctrl-C: nothing new begins
            wait(works)
            storage.finish()
    return [outcomes[job] for job in jobs if job in outcomes]


class _StoppedError(Exception):
    """The user has asked to stop between two steps of a picture."""


class _Batch:
    """What the workers of a batch share."""

    def __init__(
        self,
        jobs: Sequence[Job],
        stylize: Callable[[Picture], Picture],
        options: FileOptions,
        workers: int,
        max_pixels_in_flight: int,
        stop: StopRequest,
        report: Callable[[Outcome], None],
        storage: Storage,
    ) -> None:
        self._stylize, self._options, self._stop, self._report = stylize, options, stop, report
        self._storage, self._left_early = storage, False
        self._are_many = workers > 1
        self._waiting = deque(jobs)
        self._ran_short: set[Job] = set()
        self._budget = PixelBudget(max_pixels_in_flight)

    def work(self) -> None:
        """Take one job after the other until there is none."""
        with suppress(_StoppedError):
            while not self._stopped and (job := self._next()) is not None:
                self._do(job)

    def end(self) -> None:
        """Let the workers stop at their next step."""
        self._left_early = True

    @property
    def _stopped(self) -> bool:
        return self._left_early or self._stop.requested

    def _next(self) -> Job | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _do(self, job: Job) -> None:
        started_s = time.monotonic()
        fetched = self._attempt(job, lambda: self._storage.fetch(job))
        if isinstance(fetched, Fetched):
            outcome = self._made(job, fetched)
            if outcome is None:
                return
        else:
            outcome = fetched
        if outcome.error is not None:
            logger.debug("%s failed", job.source, exc_info=outcome.error)
            _forget_frames(outcome.error)
        self._report(replace(outcome, seconds=time.monotonic() - started_s))

    def _made(self, job: Job, fetched: Fetched) -> Outcome | None:
        """What became of a job that could be read; None where it waits until it is alone."""
        alone = job in self._ran_short
        cost = fetched.pixels() if self._are_many else 0
        with self._budget.hold_all() if alone else self._budget.hold(cost):
            made = self._attempt(
                job,
                lambda: self._storage.deliver(job, fetched, partial(self._make, job)),
            )
            outcome = made if isinstance(made, Outcome) else Outcome(job, made.status)
            short = outcome.error is not None and _is_out_of_memory(outcome.error)
            if short and self._are_many and not alone and job.source != STREAM:
                logger.info("%s ran out of memory and waits until it is alone", job.source)
                self._budget.halve()
                self._ran_short.add(job)
                self._waiting.append(job)
                return None
        result_sha256 = made.sha256 if isinstance(made, Delivered) else None
        return replace(outcome, sha256=fetched.sha256, result_sha256=result_sha256)

    def _attempt(self, job: Job, work: Callable[[], _Part]) -> "_Part | Outcome":
        """What `work` returns, or what became of the job where it fails."""
        try:
            return work()
        except _StoppedError:
            raise
        except BusyError:
            return Outcome(job, Status.TAKEN)
        except InfluError as failure:
            return Outcome(job, Status.FAILED, error=failure)
        # One picture must not stop the rest, whatever a library makes of it.
        except Exception as failure:
            error = PictureError(_sentence(job, failure))
            error.__cause__ = failure
            return Outcome(job, Status.FAILED, error=error)

    def _make(self, job: Job, source: Path | BinaryIO, target: Path | BinaryIO) -> None:
        options = self._options
        picture = read_picture(
            source, max_pixels=options.max_pixels, allow_truncated=options.allow_truncated
        )
        self._check_stop()
        picture = self._stylize(picture)
        self._check_stop()
        write_picture(
            picture,
            target,
            format=options.format,
            quality=options.quality,
            overwrite=options.if_there is IfThere.OVERWRITE,
            kept=options.kept,
            ai_label=options.ai_label,
            seal=None if options.credentials is None else self._seal(job, picture.source_format),
        )

    def _seal(self, job: Job, source_format: str) -> Callable[[bytes, str], bytes]:
        """What signs the file of a result, as made from its source."""
        label, credentials = self._options.ai_label, self._options.credentials
        assert label is not None
        assert credentials is not None
        parent = None if job.source == STREAM else (job.source.read_bytes(), source_format)
        title = "" if job.target == STREAM else job.target.name

        def seal(data: bytes, format: str) -> bytes:
            return sign_picture(data, format, label, credentials, parent=parent, title=title)

        return seal

    def _check_stop(self) -> None:
        if self._stopped:
            raise _StoppedError


def _is_out_of_memory(error: BaseException | None) -> bool:
    while error is not None:
        said = str(error).lower()
        if isinstance(error, MemoryError) or any(phrase in said for phrase in _OUT_OF_MEMORY):
            return True
        error = error.__cause__
    return False


def _sentence(job: Job, error: Exception) -> str:
    if _is_out_of_memory(error):
        remedy = "close other programs, or use a smaller picture"
        return messages.cannot_read(job.source, "it does not fit into memory", remedy)
    if isinstance(error, OSError):
        return messages.cannot_write(job.target, messages.why(error))
    return f"{job.source} can't be done ({type(error).__name__}: {error}): run again with --debug"


def _forget_frames(error: BaseException) -> None:
    """Let go of the pictures that the frames of a traceback hold."""
    error.__traceback__ = error.__cause__ = error.__context__ = None
