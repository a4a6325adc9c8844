"""Where the files of a batch are: how a source is read, and how a result gets its name."""

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from stylegan_cli.batches.file_options import FileOptions, IfThere
from stylegan_cli.batches.outcomes import Status
from stylegan_cli.batches.planning import STREAM, Job
from stylegan_cli.errors import PictureError, messages
from stylegan_cli.pictures import count_pixels
from stylegan_cli.runtime.files import check_target, claimed, tidy

Make = Callable[[Path | BinaryIO, Path | BinaryIO], None]
"""Reads a source, stylizes it, and writes the result to a target."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """A source, ready to be read. header: what tells its size; sha256: where it was asked for."""

    source: Path | BinaryIO
    header: Path | bytes | None = None
    sha256: str | None = None

    def pixels(self) -> int:
        """Of all its frames; 0 where the file does not say."""
        return 0 if self.header is None else count_pixels(self.header)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of a result, and the SHA-256 of its bytes where the storage knows it."""

    status: Status
    sha256: str | None = None


class Storage(Protocol):
    """What a batch asks of the place that its files are in; called from several threads."""

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Before the first of these jobs."""

    def fetch(self, job: Job) -> Fetched:
        """The source of a job. Raises PictureError."""

    def deliver(self, job: Job, fetched: Fetched, make: Make) -> Delivered:
        """Make the result and give it its name, unless it needs none.

        Raises BusyError where another run is at it, WriteError, OutputExistsError, and what `make`
        raises.
        """

    def finish(self) -> None:
        """After the last job: take away what is left over."""


class LocalStorage:
    """Files on this machine, by their paths; `STREAM` is standard input or output."""

    def __init__(self, options: FileOptions) -> None:
        self._options = options
        self._before: dict[Path, tuple[int, int, int] | None] = {}
        self._made_folders: set[Path] = set()

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Note what is there: what changes from here on is the work of another run."""
        self._before = {job.target: _stamp(job.target) for job in jobs}
        for folder in {job.target.parent for job in jobs}:
            tidy(folder)  # also where all is done already and nothing is written

    def fetch(self, job: Job) -> Fetched:
        """The path itself, hashed where that is asked for."""
        if job.source == STREAM:
            return Fetched(sys.stdin.buffer)
        sha256 = _hash(job.source) if self._options.with_hash else None
        return Fetched(job.source, job.source, sha256)

    def deliver(self, job: Job, fetched: Fetched, make: Make) -> Delivered:
        """Make the result under a claim on its name."""
        target = job.target
        if target == STREAM:
            make(fetched.source, sys.stdout.buffer)
            return Delivered(Status.DONE)
        if target.parent.is_dir() and (status := self._standing(target)) is not None:
            return Delivered(status)
        self._make_folder(target.parent)
        with claimed(target):
            # Once more: another run may have finished it and given up its claim.
            if (status := self._standing(target)) is not None:
                return Delivered(status)
            make(fetched.source, target)
            if self._options.keep_time and job.source != STREAM:
                taken = job.source.stat()
                os.utime(target, ns=(taken.st_atime_ns, taken.st_mtime_ns))
        return Delivered(Status.DONE)

    def finish(self) -> None:
        """Take away folders that were made for results which never came."""
        for folder in sorted(self._made_folders, reverse=True):
            with suppress(OSError):
                folder.rmdir()

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
