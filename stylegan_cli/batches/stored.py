"""Pictures in folders that may be on a store: one job, and how its result gets its place."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stylegan_cli.batches.file_kinds import PICTURES
from stylegan_cli.batches.folders import Folder, open_folder, sha256_of
from stylegan_cli.batches.manifest import Earlier, Row
from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job
from stylegan_cli.batches.storage import Delivered, Fetched, Make
from stylegan_cli.errors import InfluError, OutputExistsError, PictureError, WriteError, messages
from stylegan_cli.pictures import FORMATS, format_of

JobKey = tuple[str, str]
"""Folder and name of a source."""


@dataclass(frozen=True, slots=True)
class StoredJob(Job):
    """A picture by its name in one folder, and its result by its name in another.

    folder: URL of the first. stamp: what changes when the picture is replaced. earlier: what the
    manifest knows of the result.
    """

    folder: str
    name: str
    result: str
    stamp: str
    earlier: Earlier = field(default_factory=Earlier, compare=False)

    @property
    def key(self) -> JobKey:
        """What tells it from any other."""
        return self.folder, self.name


def result_name(name: str, ending: str = "", format: str | None = None) -> str:
    """The name of a result in its folder, which depends on nothing but the source's own name.

    ending: goes between stem and suffix. format: of the result, where it is not the source's own.
    `scan.cr2` becomes `scan_cr2.png`, as there may be a `scan.png` as well.
    """
    source = Path(name)
    known = format_of(source)
    suffix = PICTURES.suffix_of_result(source)
    if format is not None and known != format:
        suffix = FORMATS[format].suffixes[0]
    kind = "" if suffix == source.suffix else "_" + source.suffix.lower().removeprefix(".")
    return name.removesuffix(source.suffix) + kind + ending + suffix


def stored_job(folder: str, name: str, result: str, stamp: str, earlier: Earlier) -> StoredJob:
    """A job whose messages show the names."""
    return StoredJob(Path(name), Path(result), folder, name, result, stamp, earlier)


class NamedBytes(io.BytesIO):
    """Bytes in memory with a name for messages."""

    def __init__(self, name: str, data: bytes = b"") -> None:
        super().__init__(data)
        self.name = name


class FolderStorage:
    """The storage of a batch of StoredJobs. overwrite: also what influ did not write."""

    def __init__(self, target: Folder, *, overwrite: bool = False) -> None:
        self._target, self._overwrite = target, overwrite
        self._folders: dict[str, Folder] = {}

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Open the folders of these jobs."""
        for job in jobs:
            folder = _stored(job).folder
            if folder not in self._folders:
                self._folders[folder] = open_folder(folder)

    def fetch(self, job: Job) -> Fetched:
        """The bytes of a picture, and their hash. Raises PictureError."""
        stored = _stored(job)
        data = self.read(stored)
        url = self._folders[stored.folder].url_of(stored.name)
        return Fetched(NamedBytes(url, data), data, hashlib.sha256(data).hexdigest())

    def read(self, job: StoredJob) -> bytes:
        """The bytes of a source. Raises PictureError."""
        folder = self._folders[job.folder]
        url = folder.url_of(job.name)
        try:
            return folder.read(job.name)
        except FileNotFoundError:
            raise PictureError(messages.does_not_exist(url)) from None
        # Every store has errors of its own.
        except Exception as error:
            remedy = "run it again"
            raise PictureError(messages.cannot_read(url, messages.why(error), remedy)) from error

    def deliver(self, job: Job, fetched: Fetched, make: Make) -> Delivered:
        """Make the result and put it, unless the same bytes were done before."""
        stored = _stored(job)
        if (made := stored.earlier.made.get(fetched.sha256 or "")) is not None:
            return Delivered(Status.SKIPPED, made)
        result = NamedBytes(self._target.url_of(stored.result))
        make(fetched.source, result)
        earlier = stored.earlier.results
        digest = put(self._target, stored.result, result.getvalue(), earlier, self._overwrite)
        return Delivered(Status.DONE, digest)

    def finish(self) -> None:
        """Nothing is left over."""

    def row(self, outcome: Outcome) -> Row:
        """What the manifest keeps of a job that is through."""
        stored = _stored(outcome.job)
        return Row(
            target=self._target.url_of(stored.result),
            source=self._folders[stored.folder].url_of(stored.name),
            stamp=stored.stamp,
            status="failed" if outcome.error is not None else "done",
            input=outcome.sha256 or "",
            result=outcome.result_sha256 or "",
            seconds=outcome.seconds,
            error=None if outcome.error is None else str(outcome.error),
        )


def put(folder: Folder, name: str, data: bytes, ours: frozenset[str], overwrite: bool) -> str:
    """Give a result its place; returns its hash.

    ours: hashes of what influ wrote there before, which may be replaced. The same bytes are left
    as they are: they come from a run that was killed before it could say so. Raises
    OutputExistsError for anything else, WriteError.
    """
    digest, url = hashlib.sha256(data).hexdigest(), folder.url_of(name)
    try:
        there = sha256_of(folder, name)
        if there is not None and there != digest and there not in ours and not overwrite:
            raise OutputExistsError(messages.exists_already(url))
        if there != digest:
            folder.write(name, data)
    except InfluError:
        raise
    except Exception as error:
        raise WriteError(messages.cannot_write(url, messages.why(error), "run it again")) from error
    return digest


def _stored(job: Job) -> StoredJob:
    assert isinstance(job, StoredJob)
    return job
