"""Which names mean the same file: as the file system sees it, not as we would."""

import os
import tempfile
import unicodedata
from functools import lru_cache
from pathlib import Path


def source_key(path: Path) -> tuple[object, ...]:
    """What is equal for two names of one file in one folder, however they are spelled.

    Hard links of other names are files of their own, as are all that lie in other folders.
    """
    try:
        folder, file = path.parent.stat(), path.stat()
    except OSError:
        return (str(path.parent.resolve() / path.name),)
    return folder.st_dev, folder.st_ino, file.st_dev, file.st_ino, _folded(path.name)


class TakenNames:
    """Names of files to be, of which no two may become one file."""

    def __init__(self) -> None:
        self._alike: dict[str, set[Path]] = {}

    def add(self, path: Path) -> None:
        """Take a name."""
        whole = path.parent.resolve() / path.name
        self._alike.setdefault(_folded(str(whole)), set()).add(whole)

    def __contains__(self, path: Path) -> bool:
        whole = path.parent.resolve() / path.name
        alike = self._alike.get(_folded(str(whole)), ())
        return any(_would_meet(whole, other) for other in alike)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _would_meet(one: Path, other: Path) -> bool:
    """Whether two paths that differ at most in case or form lead to one file."""
    if one == other:
        return True
    if len(one.parts) != len(other.parts):
        return True  # odd enough to be told apart
    return all(
        first == second or _is_one_name(_existing(Path(*one.parts[:depth])), first, second)
        for depth, (first, second) in enumerate(zip(one.parts, other.parts, strict=True))
    )


def _existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.is_dir())


@lru_cache(maxsize=4096)
def _is_one_name(folder: Path, first: str, second: str) -> bool:
    """Whether the file system takes two names in a folder for one; yes where it can't be asked."""
    try:
        with tempfile.TemporaryDirectory(prefix=".influ-", dir=folder) as trial:
            Path(trial, first).touch()
            return os.path.lexists(Path(trial, second))
    except OSError:
        return True
