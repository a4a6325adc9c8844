"""What tells one kind of file in a batch from another."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.pictures import FORMATS, PICTURE_SUFFIXES, RAW_SUFFIXES, find_files, format_of


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of file: what a message calls one, how a folder is searched, what a result is called.

    find: (folder, recursive) → its files of this kind. format_of: the format that a name stands
    for, None for a name of another kind. suffix_of_result: for a source of that name.
    examples: suffixes to propose.
    """

    noun: str
    find: Callable[[Path, bool], list[Path]]
    format_of: Callable[[Path], str | None]
    suffix_of_result: Callable[[Path], str]
    examples: str


def _picture_suffix(source: Path) -> str:
    known = format_of(source)
    if known is None:
        return ".png"
    result = FORMATS[known].result
    return source.suffix if result is None else FORMATS[result].suffixes[0]


def _find(folder: Path, recursive: bool) -> list[Path]:
    return find_files(folder, PICTURE_SUFFIXES | RAW_SUFFIXES, recursive)


PICTURES = FileKind("picture", _find, format_of, _picture_suffix, ".jpg or .png")
