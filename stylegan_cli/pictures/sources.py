"""Which pictures of a folder are somebody's own, and which `influ` made from them."""

import logging
import mmap
import re
from collections.abc import Collection
from pathlib import Path
from typing import Final

from stylegan_cli.pictures.formats import find_pictures
from stylegan_cli.pictures.provenance import SYSTEM_PREFIX

logger = logging.getLogger(__name__)

# What the names of results end in besides the style: see `styles.naming.ending_of`.
_VARIANTS: Final = r"(_(strength-[\d.]+|seed-\d+|own-colours|\d+|grid|[a-z0-9]+))*(-\d+)?"


def find_own_pictures(
    folder: Path, recursive: bool = False, endings: Collection[str] = ()
) -> list[Path]:
    """The pictures of a folder, as `find_pictures` finds them, without results of `influ`.

    A result says in its metadata that it is one, or lies beside its source and is named as one.
    Where all pictures are results they are what is wanted, and all are returned.
    endings: of the results of all styles.
    """
    found = find_pictures(folder, recursive)
    sources = {(path.parent, path.stem) for path in found}
    own = [
        path
        for path in found
        if not is_named_like_result(path, endings, sources) and not is_labelled(path)
    ]
    if own and len(own) < len(found):
        left_out = len(found) - len(own)
        logger.warning(
            "%s: %s left out, as made by influ; to learn from such pictures, move them into a "
            "folder of their own",
            folder,
            "1 picture is" if left_out == 1 else f"{left_out} pictures are",
        )
    return own or found


def is_labelled(path: Path) -> bool:
    """Whether the metadata of a picture file say that `influ` changed it.

    The label is plain text in each format that holds one, so no decoder has to be trusted with it.
    """
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return data.find(SYSTEM_PREFIX.encode()) >= 0
    except (OSError, ValueError):  # reading it says what is wrong with it
        return False


def is_named_like_result(
    path: Path, endings: Collection[str], sources: Collection[tuple[Path, str]]
) -> bool:
    """Whether a picture lies beside its source under the name of a result: photo_toon.jpg.

    endings: of styles. sources: (folder, stem) of all pictures there are.
    """
    for ending in endings:
        match = re.fullmatch(rf"(.+){re.escape(ending)}{_VARIANTS}", path.stem)
        if match is not None and (path.parent, match.group(1)) in sources:
            return True
    return False
