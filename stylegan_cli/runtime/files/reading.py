"""Text and JSON of strangers: bounded, checked, and refused in one sentence."""

import json
import os
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from stylegan_cli.errors import InfluError, messages

MAX_TEXT = 64 << 20  # bytes


def read_text(path: Path, wrong: type[InfluError], *, max_bytes: int = MAX_TEXT) -> str:
    """The UTF-8 text of a regular file. Raises `wrong`, FileNotFoundError.

    wrong: what to raise for a file that can't be read, is too large, or is no text.
    max_bytes: of the file.
    """
    try:
        with open_regular(path, wrong) as file:
            data = file.read(max_bytes + 1)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise wrong(messages.cannot_read(path, messages.why(error), "name another file")) from error
    if len(data) > max_bytes:
        reason = f"it is larger than {max_bytes:,} bytes, which no file of this kind is"
        raise wrong(messages.cannot_read(path, reason, "name another file"))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = "it is not UTF-8 text"
        raise wrong(messages.cannot_read(path, reason, "name another file")) from error


@contextmanager
def open_regular(path: Path, wrong: type[InfluError]) -> Iterator[BinaryIO]:
    """A regular file, open for reading. Raises `wrong` for a pipe or a folder, OSError."""
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe would wait for ever
    with os.fdopen(os.open(path, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            remedy = "name another file"
            raise wrong(messages.cannot_read(path, "it is not a regular file", remedy))
        yield file


def check_archive(file: BinaryIO, wrong: type[InfluError]) -> None:
    """Raise `wrong` for a zip archive that unpacks to more than it takes, as a bomb does.

    Of what is no archive the standard library raises what it likes.
    """
    size = file.seek(0, os.SEEK_END)
    with zipfile.ZipFile(file) as archive:
        unpacked = sum(member.file_size for member in archive.infolist())
    if unpacked > size:
        raise wrong(f"it unpacks to {unpacked:,} bytes, more than the file has")
    file.seek(0)


def parse_json(text: str | bytes, wrong: type[InfluError], source: str) -> dict[str, Any]:
    """The JSON object that `text` is. Raises `wrong`, which names `source`, for anything else."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else f"no JSON ({error})"
        raise wrong(f"{source} is damaged: {reason}") from error
    if not isinstance(value, dict):
        raise wrong(f"{source} is damaged: it contains no JSON object")
    return value


def path_inside(folder: Path, name: str, wrong: type[InfluError]) -> Path:
    """`name` as a path in `folder`. Raises `wrong` where it leads out of it, by links or `..`."""
    try:
        path = (folder / name).resolve()
        inside = path.is_relative_to(folder.resolve()) and "\0" not in name
    except (OSError, ValueError, RuntimeError):
        inside = False
    if not inside or Path(name).is_absolute() or ".." in Path(name).parts or not name:
        raise wrong(f"{folder} names a file outside of it ({name[:80]!r}), which is not touched")
    return folder / name
