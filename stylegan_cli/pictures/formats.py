"""Which kinds of picture file there are, and what each of them can hold."""

import os
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from stylegan_cli.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureFormat:
    """One kind of picture file. The first suffix is the one we give to new files."""

    name: str
    suffixes: tuple[str, ...]
    alpha: bool = False
    sixteen_bit: bool = False
    animation: bool = False
    profile: bool = False
    metadata: bool = False
    largest_side: int = 2**31 - 1


FORMATS: Final = {
    kind.name: kind
    for kind in (
        PictureFormat(
            name="JPEG",
            suffixes=(".jpg", ".jpeg", ".jpe", ".jfif"),
            profile=True,
            metadata=True,
            largest_side=65500,
        ),
        PictureFormat(
            name="PNG",
            suffixes=(".png", ".apng"),
            alpha=True,
            sixteen_bit=True,
            animation=True,
            profile=True,
            metadata=True,
        ),
        PictureFormat(
            name="WEBP",
            suffixes=(".webp",),
            alpha=True,
            animation=True,
            profile=True,
            metadata=True,
            largest_side=16383,
        ),
        PictureFormat(
            name="HEIF",
            suffixes=(".heic", ".heif", ".hif"),
            alpha=True,
            sixteen_bit=True,
            profile=True,
            metadata=True,
            largest_side=16384,
        ),
        PictureFormat(
            name="AVIF",
            suffixes=(".avif", ".avifs"),
            alpha=True,
            animation=True,
            profile=True,
            metadata=True,
            largest_side=65536,
        ),
        PictureFormat(
            name="TIFF",
            suffixes=(".tif", ".tiff"),
            alpha=True,
            sixteen_bit=True,
            profile=True,
            metadata=True,
        ),
        PictureFormat(
            name="GIF", suffixes=(".gif",), alpha=True, animation=True, largest_side=65535
        ),
        PictureFormat(name="BMP", suffixes=(".bmp", ".dib")),
        PictureFormat(name="JPEG2000", suffixes=(".jp2", ".j2k", ".jpx"), alpha=True),
        PictureFormat(name="PPM", suffixes=(".ppm", ".pgm", ".pnm", ".pbm")),
        PictureFormat(name="TGA", suffixes=(".tga",), alpha=True, largest_side=65535),
    )
}

PICTURE_SUFFIXES: Final = frozenset(suffix for kind in FORMATS.values() for suffix in kind.suffixes)


def format_of(path: Path) -> str | None:
    """The format that the suffix of `path` stands for; None when it stands for none."""
    suffix = path.suffix.lower()
    return next((kind.name for kind in FORMATS.values() if suffix in kind.suffixes), None)


def require_format(name: str) -> str:
    """The format that people call `name`: "jpg", "JPEG", ".jpg"... Raises UsageError for none."""
    found = name.upper() if name.upper() in FORMATS else format_of(Path(f"name.{name.lstrip('.')}"))
    if found is None:
        known = ", ".join(kind.suffixes[0].lstrip(".") for kind in FORMATS.values())
        raise UsageError(f"no picture format is called '{name}': use one of {known}")
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
