"""Which kinds of picture file there are, what they are called, and where some are."""

import os
from collections.abc import Collection
from pathlib import Path
from typing import Final

from stylegan_cli.errors import UsageError, messages
from stylegan_cli.pictures.codecs import CODECS

FORMATS: Final = {name: codec.format for name, codec in CODECS.items()}

PICTURE_SUFFIXES: Final = frozenset(
    suffix for kind in FORMATS.values() if kind.result is None for suffix in kind.suffixes
)
RAW_SUFFIXES: Final = frozenset(FORMATS["RAW"].suffixes)


def format_of(path: Path) -> str | None:
    """The format that the suffix of `path` stands for; None when it stands for none."""
    suffix = path.suffix.lower()
    return next((kind.name for kind in FORMATS.values() if suffix in kind.suffixes), None)


def require_format(name: str) -> str:
    """The format that people call `name`: "jpg", "JPEG", ".jpg"... Raises UsageError for none."""
    found = name.upper() if name.upper() in FORMATS else format_of(Path(f"name.{name.lstrip('.')}"))
    if found is None or FORMATS[found].result is not None:
        written = [kind for kind in FORMATS.values() if kind.result is None]
        known = [kind.suffixes[0].lstrip(".") for kind in written]
        raise UsageError(messages.unknown_name("writable picture format", name, known))
    return found


def find_pictures(folder: Path, recursive: bool = False) -> list[Path]:
    """The picture files of a folder by suffix, as `find_files` finds them."""
    return find_files(folder, PICTURE_SUFFIXES, recursive)


def find_files(folder: Path, suffixes: Collection[str], recursive: bool = False) -> list[Path]:
    """The files of a folder with these suffixes, sorted; hidden files and folders are skipped.

    suffixes: in lower case, with the dot. recursive: also those of the folders inside it. Links to
    folders are not followed.
    """

    def is_wanted(path: Path) -> bool:
        is_known = not path.name.startswith(".") and path.suffix.lower() in suffixes
        return is_known and path.is_file()

    if not recursive:
        return sorted(path for path in folder.iterdir() if is_wanted(path))
    found: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(root, name) for name in names]
    return sorted(path for path in found if is_wanted(path))
