"""Folders that influ made, marked as its own; only names it gave are ever removed from them."""

import json
import os
import re
import stat
from contextlib import suppress
from pathlib import Path

from stylegan_cli.errors import OutputExistsError, messages
from stylegan_cli.runtime.files.leftovers import is_leftover_name, opened
from stylegan_cli.runtime.files.writing import explained, write_atomically

MARK_NAME = ".influ-folder.json"
_MAX_MARK = 1 << 12  # bytes
_FOLDER = os.O_RDONLY | os.O_DIRECTORY


class OwnFolder:
    """A folder of one kind, such as the run of a training, and the names that influ gives in it.

    kind: what the mark says. names: a pattern for each name that may be removed; a `/` in it
    leads into a folder of the folder. No link is followed on the way to any of them.
    """

    def __init__(self, path: Path, kind: str, names: re.Pattern[str]) -> None:
        self.path = path
        self._kind = kind
        self._names = names
        self._made: list[Path] = []

    def make(self) -> None:
        """Make the folder and mark it, or take it over where it is marked or empty.

        Raises OutputExistsError for anything else that has the name, WriteError.
        """
        with explained(self.path):
            self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileExistsError):
                self.path.mkdir()
        if self.is_ours():
            return
        self.check()
        mark = json.dumps({"influ": self._kind}) + "\n"
        write_atomically(self.path / MARK_NAME, mark.encode())

    def check(self) -> None:
        """Raise OutputExistsError where `make` would, for a folder that is there."""
        with explained(self.path):
            is_free = not os.path.lexists(self.path) or self.is_ours() or not self._is_foreign()
        if not is_free:
            remedy = f"it is not a {self._kind} of influ; move it away, or choose another name"
            raise OutputExistsError(messages.exists_already(self.path, remedy))

    def is_ours(self) -> bool:
        """Whether the folder is there, is no link, and is marked as one of this kind."""
        try:
            with (
                opened(self.path, _FOLDER) as folder,
                opened(MARK_NAME, os.O_RDONLY, folder) as file,
            ):
                mark = json.loads(os.read(file, _MAX_MARK))
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(mark, dict) and mark.get("influ") == self._kind

    def remove_files(self, keep: frozenset[str] = frozenset()) -> None:
        """Remove what has one of our names, but for `keep`, where the folder is ours."""
        if self.is_ours():
            with explained(self.path), opened(self.path, _FOLDER) as folder:
                self._remove_from(folder, "", keep)

    def remove(self) -> None:
        """Remove our files, and the folder if it has no others."""
        self.remove_files()
        self.remove_if_empty()

    def remove_if_empty(self) -> None:
        """Remove a folder that holds nothing but its mark, and those that were made for it."""
        with suppress(OSError):
            if self.is_ours() and len(list(self.path.iterdir())) == 1:
                (self.path / MARK_NAME).unlink()
                self.path.rmdir()
                for folder in self._made[1:]:
                    folder.rmdir()

    def _is_foreign(self) -> bool:
        """Whether it is a link, no folder, or has files before it is marked."""
        with explained(self.path):
            if not stat.S_ISDIR(self.path.lstat().st_mode):
                return True
            return any(not is_leftover_name(path.name) for path in self.path.iterdir())

    def _remove_from(self, folder: int, place: str, keep: frozenset[str]) -> None:
        """Remove what is ours in the open `folder`, which lies at `place`, and below it."""
        for name in os.listdir(folder):
            relative = place + name
            with suppress(FileNotFoundError):  # somebody was quicker
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if not stat.S_ISDIR(status.st_mode):
                    if self._names.fullmatch(relative) and relative not in keep:
                        os.unlink(name, dir_fd=folder)
                elif self._names.fullmatch(f"{relative}/"):
                    with opened(name, _FOLDER, folder) as inner:
                        self._remove_from(inner, f"{relative}/", keep)
                    with suppress(OSError):  # it holds files of somebody else
                        os.rmdir(name, dir_fd=folder)
