"""WebDataset shards: a tar of pictures, and what belongs to them, becomes a tar of results.

A shard is a plain tar in which the files of a sample follow each other, so the standard library
reads and writes it. What is no picture is copied: captions and labels stay with their picture.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stylegan_cli.batches.folders import has_suffix
from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job
from stylegan_cli.batches.storage import Delivered, Fetched, Make
from stylegan_cli.batches.stored import NamedBytes
from stylegan_cli.errors import DataError, messages
from stylegan_cli.pictures import PICTURE_SUFFIXES, RAW_SUFFIXES

SHARD_SUFFIXES: Final = frozenset({".tar"})


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a shard."""

    about: tarfile.TarInfo
    data: bytes

    @property
    def path(self) -> Path:
        """Its name."""
        return Path(self.about.name)

    @property
    def key(self) -> str:
        """What the files of one sample have in common: all up to the first dot of the name."""
        folder, slash, name = self.about.name.rpartition("/")
        return folder + slash + name.partition(".")[0]


class ShardStorage:
    """The storage of a batch whose pictures are members of a shard; results stay in memory."""

    def __init__(self, url: str, pictures: dict[Path, bytes]) -> None:
        """pictures: the bytes by the name of their member."""
        self._url, self._pictures = url, pictures
        self.results: dict[Path, bytes] = {}

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Everything is there."""

    def fetch(self, job: Job) -> Fetched:
        """The bytes of a member."""
        data = self._pictures[job.source]
        named = NamedBytes(f"{self._url}#{job.source}", data)
        return Fetched(named, data, hashlib.sha256(data).hexdigest())

    def deliver(self, job: Job, fetched: Fetched, make: Make) -> Delivered:
        """Make the result and keep it."""
        result = NamedBytes(str(job.target))
        make(fetched.source, result)
        self.results[job.source] = data = result.getvalue()
        return Delivered(Status.DONE, hashlib.sha256(data).hexdigest())

    def finish(self) -> None:
        """Nothing is left over."""


def stylize_shard(
    url: str,
    data: bytes,
    name_of_result: Callable[[str], str],
    run: Callable[[Sequence[Job], ShardStorage], Sequence[Outcome]],
) -> tuple[bytes, list[Outcome]]:
    """The shard of results, and what became of each picture; one that failed has no sample in it.

    run: a batch of these jobs in this storage. Raises DataError for what is no tar.
    """
    members = list(read_shard(url, data))
    pictures = {member.path: member.data for member in members if _is_picture(member)}
    storage = ShardStorage(url, pictures)
    jobs = [Job(path, Path(name_of_result(str(path)))) for path in pictures]
    outcomes = list(run(jobs, storage))
    return write_shard(_results(members, storage.results, name_of_result)), outcomes


def read_shard(url: str, data: bytes) -> Iterator[Member]:
    """The files of a tar, in order. Raises DataError."""
    try:
        with tarfile.open(fileobj=io.BytesIO(data)) as shard:
            for about in shard:
                file = shard.extractfile(about) if about.isfile() else None
                if file is not None:
                    yield Member(about, file.read())
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        why = f"it is no whole tar ({error})"
        raise DataError(messages.cannot_read(url, why, messages.COPY_AGAIN)) from error


def write_shard(members: Sequence[Member]) -> bytes:
    """A tar of these files, in order; the same files make the same bytes."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as shard:
        for member in members:
            shard.addfile(member.about, io.BytesIO(member.data))
    return stream.getvalue()


def _results(
    members: Sequence[Member], results: dict[Path, bytes], name_of_result: Callable[[str], str]
) -> list[Member]:
    pictures = [member for member in members if _is_picture(member)]
    failed = {member.key for member in pictures if member.path not in results}
    made = []
    for member in members:
        if member.key in failed:
            continue
        name, data = member.about.name, member.data
        if _is_picture(member):
            data, name = results[member.path], name_of_result(name)
        about = _with_name(member.about, name, len(data))
        made.append(Member(about, data))
    return made


def _with_name(about: tarfile.TarInfo, name: str, size: int) -> tarfile.TarInfo:
    """The header of a member with another name and size."""
    changed = tarfile.TarInfo(name)
    changed.size, changed.mtime, changed.mode = size, about.mtime, about.mode
    return changed


def _is_picture(member: Member) -> bool:
    return has_suffix(member.about.name, PICTURE_SUFFIXES | RAW_SUFFIXES)
