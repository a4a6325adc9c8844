"""What killed processes leave in folders of the user: its names, and taking it away."""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_CLAIM = re.compile(r"\.influ-[0-9a-f]{16}\.claim")
_tidied: set[Path] = set()


def draft_name() -> str:
    """A name that no other file has by chance: half of it is the checksum of the other half."""
    head = secrets.token_hex(8)
    return f".influ-{head}{_checksum(head)}.part"


def claim_name(target: Path) -> str:
    """The name of the file that says who works on `target`; it tells nothing of the target."""
    return f".influ-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.claim"


def is_leftover_name(name: str) -> bool:
    """Whether `draft_name` or `claim_name` made this name."""
    head = name[7:23]
    is_draft = name == f".influ-{head}{_checksum(head)}.part"
    return is_draft or _CLAIM.fullmatch(name) is not None


def tidy(folder: Path) -> None:
    """Once a process and folder: remove the drafts and claims of processes that died."""
    if folder in _tidied:
        return
    _tidied.add(folder)
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if is_leftover_name(entry.name) and entry.is_file(follow_symlinks=False):
                _remove_if_unlocked(Path(entry.path))


def is_at(descriptor: int, path: Path) -> bool:
    """Whether an open file still has the name it was opened by."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


@contextmanager
def opened(path: Path | str, flags: int, folder: int | None = None) -> Iterator[int]:
    """A descriptor of a file, never through a link and never waiting for a pipe."""
    safe = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags | safe, dir_fd=folder)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _checksum(head: str) -> str:
    return hashlib.sha256(os.fsencode(f"influ draft {head}")).hexdigest()[:16]


def _remove_if_unlocked(path: Path) -> None:
    """A living process holds the lock of what it has begun; a dead one does not."""
    with suppress(OSError), opened(path, os.O_RDWR) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        is_ours = path.name.endswith(".part") or is_claim(descriptor)
        if is_ours and is_at(descriptor, path):
            path.unlink()


def is_claim(descriptor: int) -> bool:
    """Whether an open file is empty or begins as one that says who works on something."""
    return os.pread(descriptor, len(CLAIM_HEAD), 0) in (b"", CLAIM_HEAD)


CLAIM_HEAD = b'{"influ": "claim", '
