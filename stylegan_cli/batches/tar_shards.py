"""WebDataset shards: a tar of pictures, and what belongs to them, becomes a tar of results.

A shard is a plain tar in which the files of a sample follow each other, so the standard library
reads and writes it. What is no picture is copied: captions and labels stay with their picture.
"""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from stylegan_cli.batches.folders import has_suffix
from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job
from stylegan_cli.batches.storage import Delivered, Fetched, Make
from stylegan_cli.batches.stored import NamedBytes
from stylegan_cli.errors import DataError, messages
from stylegan_cli.pictures import PICTURE_SUFFIXES, RAW_SUFFIXES

SHARD_SUFFIXES: Final = frozenset({".tar"})
_LATEST: Final = 8**11 - 1  # seconds that a header has room for


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
    if len(pictures) < sum(_is_picture(member) for member in members):
        why = "two of its pictures have the same name"
        raise DataError(messages.cannot_read(url, why, "make it anew"))
    storage = ShardStorage(url, pictures)
    jobs = [Job(path, Path(name_of_result(str(path)))) for path in pictures]
    outcomes = list(run(jobs, storage))
    return write_shard(_results(members, storage.results, name_of_result)), outcomes


def read_shard(url: str, data: bytes) -> Iterator[Member]:
    """The files of a tar, in order; links and devices are left out.

    Raises DataError for what is no plain tar, for a name that leads out of the folder that it is
    unpacked into, and for a file that claims more bytes than there are.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as shard:
            for about in shard:
                if about.isfile():
                    yield Member(about, _bytes_of(about, data))
    except _BadMemberError as error:
        raise DataError(messages.cannot_read(url, str(error), "make it anew")) from None
    # A damaged tar raises whatever the standard library raises.
    except Exception as error:
        why = f"it is no whole tar ({error})"
        raise DataError(messages.cannot_read(url, why, messages.COPY_AGAIN)) from error


class _BadMemberError(Exception):
    """Says what is wrong with a member."""


def _bytes_of(about: tarfile.TarInfo, data: bytes) -> bytes:
    """The bytes of a file of a tar. Raises _BadMemberError for one that none should have."""
    path = PurePosixPath(about.name)
    if path.is_absolute() or ".." in path.parts or "\0" in about.name or not path.name:
        raise _BadMemberError(f"{about.name[:80]!r} in it leads out of it")
    if about.issparse():
        raise _BadMemberError(f"{about.name[:80]!r} in it has holes")
    end = about.offset_data + about.size
    if not 0 <= about.offset_data <= end <= len(data):
        raise _BadMemberError(f"{about.name[:80]!r} in it is cut short")
    return data[about.offset_data : end]


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
    changed.size, changed.mode = size, about.mode & 0o777
    changed.mtime = about.mtime if 0 <= about.mtime <= _LATEST else 0
    return changed


def _is_picture(member: Member) -> bool:
    return has_suffix(member.about.name, PICTURE_SUFFIXES | RAW_SUFFIXES)
