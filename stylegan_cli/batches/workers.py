"""A worker of a large batch: one process with the style loaded, which makes what it is given.

The engines (`processes`, `ray_engine`) differ in who starts workers and hands out the jobs.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Final

from stylegan_cli.batches.file_options import FileOptions
from stylegan_cli.batches.folders import has_suffix, open_folder
from stylegan_cli.batches.manifest import Row
from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job
from stylegan_cli.batches.running import run_batch
from stylegan_cli.batches.stored import FolderStorage, JobKey, StoredJob, put, result_name
from stylegan_cli.batches.tar_shards import SHARD_SUFFIXES, ShardStorage, stylize_shard
from stylegan_cli.errors import InfluError, messages
from stylegan_cli.stylizer import StylizerConfig, open_configured_stylizer

CHUNK: Final = 8  # jobs handed over at a time
MAX_DEATHS: Final = 3  # of workers that had a job in hand, before it is given up


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one job: its rows, and the status of each picture in it."""

    job: JobKey
    rows: tuple[Row, ...]
    statuses: tuple[Status, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerConfig:
    """What a worker needs to begin. hands: pictures it has in hand at a time."""

    style: StylizerConfig
    files: FileOptions
    out: str
    ending: str = ""
    overwrite: bool = False
    hands: int = 1
    threads: int = 1

    def name_of_result(self, name: str) -> str:
        """As `stored.result_name`."""
        return result_name(name, self.ending, self.files.format)


class Worker:
    """The style and the folder of results, opened."""

    def __init__(self, config: WorkerConfig) -> None:
        """Raises what `open_configured_stylizer` raises."""
        self._config = config
        stylizer = open_configured_stylizer(config.style, threads=config.threads)
        self._run = partial(
            run_batch,
            stylize=stylizer.stylize_picture,
            options=config.files,
            workers=config.hands,
            # The same for all chunks: OpenCV never frees what it keeps of a thread.
            executor=ThreadPoolExecutor(config.hands, "batch"),
        )
        self._target = open_folder(config.out)
        self._storage = FolderStorage(self._target, overwrite=config.overwrite)

    def do(self, jobs: Sequence[StoredJob], tell: Callable[[Told], None]) -> None:
        """Do these jobs; tell of each as soon as its result is in place."""

        def on_outcome(outcome: Outcome) -> None:
            job = outcome.job
            assert isinstance(job, StoredJob)
            tell(Told(job.key, (self._storage.row(outcome),), (outcome.status,)))

        pictures = [job for job in jobs if not is_shard(job)]
        if pictures:
            self._run(pictures, on_outcome=on_outcome, storage=self._storage)
        for job in jobs:
            if is_shard(job):
                tell(self._shard(job))

    def _shard(self, job: StoredJob) -> Told:
        source, target = open_folder(job.folder), self._target.url_of(job.result)
        url = source.url_of(job.name)
        row = Row(target=target, source=url, stamp=job.stamp, status="failed")
        self._storage.prepare([job])
        try:
            data = self._storage.read(job)
            row = replace(row, input=hashlib.sha256(data).hexdigest())
            if (made := job.earlier.made.get(row.input)) is not None:
                return Told(job.key, (replace(row, status="done", result=made),), (Status.SKIPPED,))
            shard, outcomes = stylize_shard(url, data, self._config.name_of_result, self._members)
            earlier, overwrite = job.earlier.results, self._config.overwrite
            digest = put(self._target, job.result, shard, earlier, overwrite)
        # One shard must not stop the rest, whatever a library makes of it.
        except Exception as error:
            return Told(job.key, (replace(row, error=_sentence(url, error)),), (Status.FAILED,))
        members = (_member_row(outcome, url, target) for outcome in outcomes)
        whole = replace(row, status="done", result=digest)
        return Told(job.key, (*members, whole), tuple(outcome.status for outcome in outcomes))

    def _members(self, jobs: Sequence[Job], storage: ShardStorage) -> Sequence[Outcome]:
        return self._run(jobs, storage=storage) if jobs else []


def is_shard(job: StoredJob) -> bool:
    """Whether a job is a tar of pictures."""
    return has_suffix(job.name, SHARD_SUFFIXES)


def chunks(jobs: Iterable[StoredJob], size: int = CHUNK) -> Iterator[list[StoredJob]]:
    """The jobs, a few at a time; a shard is a chunk by itself."""
    waiting = iter(jobs)
    while chunk := list(islice(waiting, size)):
        pictures = [job for job in chunk if not is_shard(job)]
        if pictures:
            yield pictures
        yield from ([job] for job in chunk if is_shard(job))


def given_up(job: StoredJob, out: str) -> Told:
    """What to tell of a job at which as many workers died as are allowed to."""
    folder = open_folder(job.folder)
    why = f"{MAX_DEATHS} processes died at it: it may need more memory than there is"
    row = Row(
        target=open_folder(out).url_of(job.result),
        source=folder.url_of(job.name),
        stamp=job.stamp,
        status="failed",
        error=f"{job.source}: {why}",
    )
    return Told(job.key, (row,), (Status.FAILED,))


def _sentence(url: str, error: Exception) -> str:
    if isinstance(error, InfluError):
        return str(error)
    if isinstance(error, MemoryError):
        return messages.cannot_read(url, "it does not fit into memory", "use smaller shards")
    return f"{url} can't be done ({type(error).__name__}: {error}): run again with --debug"


def _member_row(outcome: Outcome, source: str, target: str) -> Row:
    return Row(
        target=f"{target}#{outcome.job.target}",
        source=f"{source}#{outcome.job.source}",
        stamp="",
        status="failed" if outcome.error is not None else "done",
        input=outcome.sha256 or "",
        result=outcome.result_sha256 or "",
        seconds=outcome.seconds,
        error=None if outcome.error is None else str(outcome.error),
    )
