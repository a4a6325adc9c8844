"""A batch under way: several pictures in hand at a time, as many as memory allows."""

import hashlib
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import STREAM, Job
from stylegan_cli.errors import BusyError, InfluError, PictureError, messages
from stylegan_cli.pictures import (
    JPEG_QUALITY,
    MAX_PIXELS,
    NOTHING_KEPT,
    AiLabel,
    Kept,
    Picture,
    count_pixels,
    read_picture,
    write_picture,
)
from stylegan_cli.pictures.credentials import Credentials, sign_picture
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.files import check_target, claimed, tidy
from stylegan_cli.runtime.interruption import StopRequest

logger = logging.getLogger(__name__)

MAX_PIXELS_IN_FLIGHT: Final = 64_000_000  # a pixel costs some 30 bytes while it is stylized

# What libraries say when they run out of memory without a MemoryError.
_OUT_OF_MEMORY: Final = ("bad_alloc", "failed to allocate", "out of memory", "not enough memory")


class IfThere(StrEnum):
    """What to do when a result is there already."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How files are read and written in a batch; as in `read_picture` and `write_picture`.

    credentials: sign each result, as made from its source, with what the label says; needs one.
    keep_time: a result gets the time of its source.
    with_hash: outcomes carry the SHA-256 of their source.
    """

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    format: str | None = None
    quality: int = JPEG_QUALITY
    kept: Kept = NOTHING_KEPT
    keep_time: bool = False
    ai_label: AiLabel | None = None
    credentials: Credentials | None = None
    if_there: IfThere = IfThere.REFUSE
    with_hash: bool = False

    def labelled(self, label: AiLabel) -> "FileOptions":
        """The same, with results that say what a trained network did."""
        return replace(self, ai_label=label)


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
) -> list[Outcome]:
    """Read, stylize and write every job; one that fails is reported and the rest goes on.

    workers: how many pictures are in hand at a time, each in a thread of its own, so that one is
        decoded or encoded while another is stylized. `stylize` must allow that.
    max_pixels_in_flight: of all of them together; a larger picture is processed alone.
    stop: once requested, what is in hand is dropped at its next step and nothing begins.
    on_outcome, on_progress: called in the thread of the job, one at a time, once it is through; an
        error of theirs ends the batch.
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

    batch = _Batch(
        jobs, stylize, options, count, max_pixels_in_flight, stop or StopRequest(), report
    )
    threads = [threading.Thread(target=batch.work, name=f"batch-{i}") for i in range(count)]
    if on_progress is not None:
        on_progress(0, len(jobs))
    try:
        for thread in threads:
            thread.start()
        for _ in threads:
            # Not join(): until Python 3.13 one that Ctrl-C ends takes its thread for ended as well.
            if (error := batch.ended.get()) is not None:
                raise error
    finally:
        batch.end()  # left early, by an error or a second Ctrl-C: nothing new begins
        for thread in threads:
            if thread.is_alive():  # what starts from here on begins nothing
                thread.join()
        batch.remove_empty_folders()
    return [outcomes[job] for job in jobs if job in outcomes]


class PixelBudget:
    """How many pixels may be in hand at a time; first come, first served."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = 0
        self._turn = threading.Lock()
        self._changed = threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until `pixels` fit beside what others hold, or until nobody holds any."""
        with self._turn, self._changed:
            self._changed.wait_for(lambda: not self._held or self._held + pixels <= self._limit)
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()

    @contextmanager
    def hold_all(self) -> Iterator[None]:
        """Wait until nobody holds any, and keep it so."""
        with self.hold(sys.maxsize):
            yield

    def halve(self) -> None:
        """From now on, half of what is in hand at this moment."""
        with self._changed:
            self._limit = max(1, min(self._limit, self._held) // 2)


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
    ) -> None:
        self.ended: SimpleQueue[BaseException | None] = SimpleQueue()
        self._stylize, self._options, self._stop, self._report = stylize, options, stop, report
        self._left_early = False
        self._are_many = workers > 1
        self._waiting = deque(jobs)
        self._ran_short: set[Job] = set()
        self._budget = PixelBudget(max_pixels_in_flight)
        # What changes from here on is the work of another run.
        self._before = {job.target: _stamp(job.target) for job in jobs}
        for folder in {job.target.parent for job in jobs}:
            tidy(folder)  # also where all is done already and nothing is written
        self._made_folders: set[Path] = set()

    def work(self) -> None:
        """Take one job after the other until there is none; then say so, or what error ended it."""
        error: BaseException | None = None
        try:
            while not self._stopped and (job := self._next()) is not None:
                self._do(job)
        except _StoppedError:
            pass
        except BaseException as failure:
            error = failure
        self.ended.put(error)

    def end(self) -> None:
        """Let the workers stop at their next step."""
        self._left_early = True

    def remove_empty_folders(self) -> None:
        """Take away folders that were made for results which never came."""
        for folder in sorted(self._made_folders, reverse=True):
            with suppress(OSError):
                folder.rmdir()

    @property
    def _stopped(self) -> bool:
        return self._left_early or self._stop.requested

    def _next(self) -> Job | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _do(self, job: Job) -> None:
        alone = job in self._ran_short
        cost = count_pixels(job.source) if self._are_many else 0
        with self._budget.hold_all() if alone else self._budget.hold(cost):
            outcome = self._outcome(job)
            short = outcome.error is not None and _is_out_of_memory(outcome.error)
            if short and self._are_many and not alone and job.source != STREAM:
                logger.info("%s ran out of memory and waits until it is alone", job.source)
                self._budget.halve()
                self._ran_short.add(job)
                self._waiting.append(job)
                return
        if outcome.error is not None:
            logger.debug("%s failed", job.source, exc_info=outcome.error)
            _forget_frames(outcome.error)
        self._report(outcome)

    def _outcome(self, job: Job) -> Outcome:
        started_s = time.monotonic()
        status, error, sha256 = Status.DONE, None, None
        try:
            if self._options.with_hash and job.source != STREAM:
                sha256 = _hash(job.source)
            status = self._attempt(job)
        except _StoppedError:
            raise
        except BusyError:
            status = Status.TAKEN
        except InfluError as failure:
            status, error = Status.FAILED, failure
        # One picture must not stop the rest, whatever a library makes of it.
        except Exception as failure:
            status, error = Status.FAILED, PictureError(_sentence(job, failure))
            error.__cause__ = failure
        return Outcome(job, status, time.monotonic() - started_s, error, sha256)

    def _attempt(self, job: Job) -> Status:
        if job.target == STREAM:
            self._write(job)
            return Status.DONE
        if job.target.parent.is_dir() and (status := self._standing(job.target)) is not None:
            return status
        self._make_folder(job.target.parent)
        with claimed(job.target):
            # Once more: another run may have finished it and given up its claim.
            if (status := self._standing(job.target)) is not None:
                return status
            self._write(job)
        return Status.DONE

    def _standing(self, target: Path) -> Status | None:
        """What a result that is there already means; None when there is nothing in the way.

        Raises WriteError for a target that can't be written, OutputExistsError for one that may
        not be.
        """
        now = _stamp(target)
        if now is not None and now != self._before[target]:
            return Status.TAKEN
        if self._options.if_there is IfThere.SKIP and target.is_file():
            return Status.SKIPPED
        check_target(target, overwrite=self._options.if_there is IfThere.OVERWRITE)
        return None

    def _write(self, job: Job) -> None:
        options = self._options
        picture = read_picture(
            sys.stdin.buffer if job.source == STREAM else job.source,
            max_pixels=options.max_pixels,
            allow_truncated=options.allow_truncated,
        )
        self._check_stop()
        picture = self._stylize(picture)
        self._check_stop()
        write_picture(
            picture,
            sys.stdout.buffer if job.target == STREAM else job.target,
            format=options.format,
            quality=options.quality,
            overwrite=options.if_there is IfThere.OVERWRITE,
            kept=options.kept,
            ai_label=options.ai_label,
            seal=None if options.credentials is None else self._seal(job, picture.source_format),
        )
        if options.keep_time and STREAM not in (job.source, job.target):
            taken = job.source.stat()
            os.utime(job.target, ns=(taken.st_atime_ns, taken.st_mtime_ns))

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

    def _make_folder(self, folder: Path) -> None:
        missing = [path for path in (folder, *folder.parents) if not path.exists()]
        make_folder(folder)
        self._made_folders.update(missing)


def make_folder(folder: Path) -> None:
    """Make a folder for results, and those above it. Raises PictureError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(messages.cannot_write(folder, messages.why(error))) from error


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """What changes when a file is replaced; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _hash(path: Path) -> str | None:
    if not path.is_file():
        return None  # reading it says why
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


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
