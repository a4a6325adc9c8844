"""What a data set is made from: pictures, clips, and folders of both."""

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import CLIP_SUFFIXES, is_clip, sample_frames
from stylegan_cli.errors import PictureError, messages
from stylegan_cli.pictures import PICTURE_SUFFIXES, find_own_pictures, read_rgb

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class View:
    """One picture, or one frame of a clip.

    sha256: of the file. time_s: of the frame, None for a picture. pixels: (H, W, 3) uint8 RGB.
    """

    source: Path
    sha256: str
    time_s: float | None
    pixels: Pixels


def find_sources(sources: Iterable[Path], data_folder: Path) -> list[Path]:
    """Pictures and clips among `sources`, each once, sorted; nothing of the data set itself.

    A file that is named is taken whatever its suffix; folders are searched by suffix.
    """
    own = data_folder.resolve()
    found = set()
    for source in sources:
        if source.is_dir():
            found |= {*find_own_pictures(source, recursive=True), *_find_clips(source)}
        else:
            found.add(source)
    unique = {path.resolve(): path for path in sorted(found)}
    return sorted(path for real, path in unique.items() if not real.is_relative_to(own))


def _find_clips(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if not name.startswith(".") and path.suffix.lower() in CLIP_SUFFIXES and path.is_file():
                yield path


def views_of(source: Path, sha256: str, every_s: float) -> Iterator[View]:
    """The picture in a file, or frames of a clip at least every_s seconds apart.

    Raises PictureError or ClipError when it can't be read.
    """
    suffix = source.suffix.lower()
    if suffix in CLIP_SUFFIXES or (suffix not in PICTURE_SUFFIXES and is_clip(source)):
        for time_s, pixels in sample_frames(source, every_s):
            yield View(source, sha256, time_s, pixels)
    else:
        yield View(source, sha256, None, read_rgb(source))


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal. Raises PictureError for what is no regular file."""
    if not path.is_file():  # reading a pipe would wait for ever
        raise PictureError(messages.cannot_read(path, "it is not a regular file", "leave it out"))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
