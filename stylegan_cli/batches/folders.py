"""Folders of files on this machine or on an object store, by their path or URL.

A file on this machine is written beside its place and renamed; an object is put whole. What is on
a store is tried several times, since stores fail at random.
"""

import hashlib
import os
import random
import re
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol, TypeVar

from stylegan_cli.errors import DataError, messages
from stylegan_cli.runtime.files import explained, make_folder, tidy, write_atomically

_SCHEME: Final = re.compile(r"(^|::)([a-z][a-z0-9+.-]+):/+")
_URL: Final = re.compile(r"([a-z][a-z0-9+.-]+::)*[a-z][a-z0-9+.-]+:/")  # s3:, or a cache::s3:
_PAUSES_S: Final = (0.1, 0.2, 0.4, 0.8, 1.6)  # before another try
_FINAL: Final = (FileNotFoundError, PermissionError, IsADirectoryError, NotADirectoryError)
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of a folder. name: its path inside; stamp: what changes when it is replaced."""

    name: str
    stamp: str


class Folder(Protocol):
    """Files by their names inside a folder; `a/b.jpg` lies in a folder inside it."""

    url: str
    is_local: bool

    def url_of(self, name: str) -> str:
        """The path or URL of a file."""

    def files(self, suffixes: Collection[str], *, recursive: bool = False) -> Iterator[FileEntry]:
        """The files with these suffixes, in no order. Hidden files and folders are left out."""

    def entry(self, name: str) -> FileEntry | None:
        """One file; None where there is none of that name."""

    def read(self, name: str) -> bytes:
        """The bytes of a file. Raises OSError, and what a store raises."""

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a file, one after the other."""

    def write(self, name: str, data: bytes) -> None:
        """Give a file these bytes, all of them or none. Raises WriteError, OSError."""

    def append(self, name: str, data: bytes) -> None:
        """Add to the end of a file; on a store the file must be new."""


def is_url(place: Path | str) -> bool:
    """Whether a place is named by a URL, such as s3://bucket/photos."""
    return _URL.match(str(place)) is not None


def as_url(place: Path | str) -> str:
    """A place as it was typed: a Path has only one slash after the scheme."""
    return _SCHEME.sub(lambda found: f"{found[1]}{found[2]}://", str(place))


def open_folder(place: Path | str) -> Folder:
    """The folder at a path or URL, which need not exist.

    Raises DataError for a URL that nothing here can open, ModuleNotFoundError for fsspec or s3fs.
    """
    url = as_url(place)
    if not is_url(url):
        return LocalFolder(Path(url))
    if url.startswith("file://"):
        return LocalFolder(Path("/" + url.removeprefix("file://").lstrip("/")))
    return StoreFolder(url)


def sha256_of(folder: Folder, name: str) -> str | None:
    """The hash of a file; None where there is none."""
    if folder.entry(name) is None:
        return None
    return hashlib.sha256(folder.read(name)).hexdigest()


class LocalFolder:
    """A folder on this machine."""

    is_local = True

    def __init__(self, path: Path) -> None:
        self.path, self.url = path.absolute(), str(path.absolute())
        self._made: set[Path] = set()

    def url_of(self, name: str) -> str:
        """Its path."""
        return f"{self.url}/{name}"

    def files(self, suffixes: Collection[str], *, recursive: bool = False) -> Iterator[FileEntry]:
        """As Folder says; a folder that is read while it grows may show what is new or not."""
        yield from self._files(self.path, "", suffixes, recursive)

    def entry(self, name: str) -> FileEntry | None:
        """As Folder says."""
        try:
            return FileEntry(name, _local_stamp((self.path / name).stat()))
        except OSError:
            return None

    def read(self, name: str) -> bytes:
        """As Folder says."""
        return (self.path / name).read_bytes()

    def lines(self, name: str) -> Iterator[bytes]:
        """As Folder says."""
        with (self.path / name).open("rb") as file:
            yield from file

    def write(self, name: str, data: bytes) -> None:
        """As Folder says."""
        target = self.path / name
        self._make(target.parent)
        write_atomically(target, data)

    def append(self, name: str, data: bytes) -> None:
        """As Folder says, in one call of the system: a killed process tears no line."""
        target = self.path / name
        self._make(target.parent)
        with explained(target), target.open("ab", buffering=0) as file:
            file.write(data)

    def _make(self, folder: Path) -> None:
        if folder not in self._made:
            make_folder(folder)
            tidy(folder)
            self._made.add(folder)

    def _files(
        self, folder: Path, inside: str, suffixes: Collection[str], recursive: bool
    ) -> Iterator[FileEntry]:
        try:
            entries = os.scandir(folder)
        except FileNotFoundError:
            return
        with entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                name = inside + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if recursive:
                        yield from self._files(Path(entry.path), f"{name}/", suffixes, recursive)
                elif has_suffix(name, suffixes) and entry.is_file():
                    yield FileEntry(name, _local_stamp(entry.stat()))


class StoreFolder:
    """A prefix of an object store, or any other folder that fsspec can open."""

    is_local = False

    def __init__(self, url: str) -> None:
        """Raises DataError."""
        import fsspec

        self.url = url.rstrip("/")
        try:
            # A listing that is kept would hide what changes, and grow for ever.
            found = fsspec.url_to_fs(self.url, use_listings_cache=False)
        except (ValueError, ImportError) as error:
            if isinstance(error, ModuleNotFoundError):
                raise
            raise DataError(
                messages.cannot_read(url, messages.why(error), "name another place")
            ) from error
        self._system: Any = found[0]
        self._path: str = found[1].rstrip("/")

    def url_of(self, name: str) -> str:
        """Its URL."""
        return f"{self.url}/{name}"

    def files(self, suffixes: Collection[str], *, recursive: bool = False) -> Iterator[FileEntry]:
        """As Folder says; the store lists one folder at a time."""
        yield from self._files(self._path, suffixes, recursive)

    def entry(self, name: str) -> FileEntry | None:
        """As Folder says."""
        try:
            about = patiently(lambda: self._system.info(self._at(name)))
        except FileNotFoundError:
            return None
        return FileEntry(name, _store_stamp(about)) if about["type"] == "file" else None

    def read(self, name: str) -> bytes:
        """As Folder says."""
        data: bytes = patiently(lambda: self._system.cat_file(self._at(name)))
        return data

    def lines(self, name: str) -> Iterator[bytes]:
        """As Folder says."""
        yield from self.read(name).splitlines()

    def write(self, name: str, data: bytes) -> None:
        """As Folder says, in a single put."""
        path = self._at(name)
        patiently(lambda: self._system.pipe_file(path, data))

    def append(self, name: str, data: bytes) -> None:
        """As Folder says."""
        self.write(name, data)

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _files(
        self, folder: str, suffixes: Collection[str], recursive: bool
    ) -> Iterator[FileEntry]:
        try:
            entries = patiently(lambda: self._system.ls(folder, detail=True))
        except FileNotFoundError:
            return
        for about in entries:
            path = about["name"].rstrip("/")
            name = path[len(self._path) + 1 :]
            if not name or path == folder or name.rpartition("/")[2].startswith("."):
                continue
            if about["type"] == "directory":
                if recursive:
                    yield from self._files(path, suffixes, recursive)
            elif has_suffix(name, suffixes):
                yield FileEntry(name, _store_stamp(about))


def patiently(call: Callable[[], _Result]) -> _Result:
    """What `call` returns, tried again after a pause where a store fails for a moment."""
    for pause_s in _PAUSES_S:
        try:
            return call()
        except _FINAL:
            raise
        except Exception:  # every store has errors of its own
            time.sleep(pause_s * random.uniform(0.5, 1.5))
    return call()


def has_suffix(name: str, suffixes: Collection[str]) -> bool:
    """Whether a name ends with one of these suffixes, in upper or lower case."""
    return PurePosixPath(name).suffix.lower() in suffixes


def _local_stamp(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _store_stamp(about: dict[str, Any]) -> str:
    """Size and the first of what stores call a version of a file."""
    names = ("ETag", "etag", "md5", "mtime", "LastModified", "created")
    version = next((about[name] for name in names if about.get(name)), "")
    return f"{about.get('size')}-{str(version).strip(chr(34))}"
