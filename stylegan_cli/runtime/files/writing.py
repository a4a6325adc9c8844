"""The only writer of results: a file appears with all of its bytes, or not at all.

The bytes go into a draft beside the target. The draft is created exclusively and locked, so that
nobody takes it for a draft of a process that died. It is synced and then renamed.
"""

import errno
import fcntl
import logging
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from stylegan_cli.errors import OutputExistsError, UsageError, WriteError, messages
from stylegan_cli.runtime.files.leftovers import draft_name, is_at, tidy

logger = logging.getLogger(__name__)

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_atomically(
    target: Path, content: bytes | Callable[[BinaryIO], object], *, overwrite: bool = True
) -> None:
    """Give `target` new bytes in one step: it has all of them, or is as it was.

    content: the bytes, or a function that writes them. A new file gets the usual mode, a replaced
    one keeps its own. Raises WriteError, and OutputExistsError for a file that is there already
    and may not be replaced.
    """
    check_target(target, overwrite=overwrite)
    with draft_beside(target) as (draft, file):
        with explained(target):
            if isinstance(content, bytes):
                file.write(content)
            else:
                content(file)
            file.flush()
        move_into_place(draft, target, overwrite=overwrite)


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it, where it is missing. Raises WriteError."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)


def check_target(target: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Refuse a target before any work: one that is there, a link, a folder, or in no folder.

    inputs: files that are never written onto, whatever `overwrite` says. Raises WriteError,
    UsageError for an input, OutputExistsError for a file that may not be replaced.
    """
    try:
        status = target.lstat()
    except FileNotFoundError:
        if not target.parent.is_dir():
            folder_missing = f"the folder {target.parent} does not exist"
            raise WriteError(
                messages.cannot_write(target, folder_missing, "make it first")
            ) from None
        return
    except (OSError, ValueError) as error:
        raise WriteError(messages.cannot_write(target, messages.why(error))) from error
    if stat.S_ISLNK(status.st_mode):
        raise WriteError(
            messages.cannot_write(target, "it is a symbolic link", "name the file it points to")
        )
    if not stat.S_ISREG(status.st_mode):
        raise WriteError(
            messages.cannot_write(target, "it is not a regular file", "choose another name")
        )
    if any(given.exists() and given.samefile(target) for given in inputs):
        raise UsageError(messages.cannot_write(target, "it is an input", "choose another name"))
    if not overwrite:
        raise _taken(target)


@contextmanager
def draft_beside(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new locked file in the folder of `target`, removed at the end unless it was placed.

    What is to be placed must be flushed before.
    """
    folder = target.parent
    tidy(folder)
    with explained(target):
        draft, descriptor = _new_draft(folder)
    file = os.fdopen(descriptor, "w+b", closefd=False)
    try:
        yield draft, file
    finally:
        with suppress(OSError):  # a disk that is full refuses what is buffered once more
            file.close()
        with suppress(OSError):
            draft.unlink()
        os.close(descriptor)


def move_into_place(draft: Path, target: Path, *, overwrite: bool) -> None:
    """Give a finished file the name `target`, once all of it is on the disk.

    Raises WriteError, and OutputExistsError where the name was taken in the meantime.
    """
    with explained(target):
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        if overwrite:
            with suppress(FileNotFoundError):
                draft.chmod(stat.S_IMODE(target.lstat().st_mode))
            draft.replace(target)
        else:
            _place_new(draft, target)
    _sync_folder(target.parent)


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Turn an error of the system, met while writing `target`, into one sentence."""
    try:
        yield
    except OSError as error:
        remedy = "make room and try again" if error.errno in _NO_ROOM else messages.OTHER_PLACE
        raise WriteError(messages.cannot_write(target, messages.why(error), remedy)) from error


def _new_draft(folder: Path) -> tuple[Path, int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        draft = folder / draft_name()
        descriptor = os.open(draft, flags, 0o666)
        if _locked(descriptor) and is_at(descriptor, draft):
            return draft, descriptor
        os.close(descriptor)  # taken for a stale one before it was locked


def _locked(descriptor: int) -> bool:
    """Lock a new draft; False where a process that takes it for a stale one has the lock."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:  # on a file system without locks, nobody can remove it as stale
        return not isinstance(error, BlockingIOError)
    return True


def _place_new(draft: Path, target: Path) -> None:
    """Give a finished file its name unless that name was taken in the meantime."""
    try:
        target.hardlink_to(draft)
    except FileExistsError:
        raise _taken(target) from None
    except OSError:  # a file system without hard links
        check_target(target)
        draft.replace(target)
    else:
        with suppress(OSError):  # the file has its name; what is left over is tidied up later
            draft.unlink()


def _taken(target: Path) -> OutputExistsError:
    return OutputExistsError(messages.exists_already(target))


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # not every system opens folders
    try:
        os.fsync(descriptor)
    except OSError:
        logger.debug("the folder %s can't be synced", folder)
    finally:
        os.close(descriptor)
