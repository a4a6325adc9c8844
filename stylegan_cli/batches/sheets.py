"""Photos in several styles, all on one sheet."""

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job
from stylegan_cli.errors import InfluError
from stylegan_cli.pictures import (
    AiLabel,
    Picture,
    Pixels,
    contact_sheet,
    read_rgb,
    resize_short_side,
    write_picture,
)
from stylegan_cli.runtime.files import check_target

_PHOTO_SIDE: Final = 384  # px, short side of a photo at most: above the size of the network's copy
_TILE: Final = 320


def write_style_sheet(
    photos: Sequence[Path],
    styles: Mapping[str, Callable[[Pixels], Pixels]],
    target: Path,
    *,
    overwrite: bool = False,
    ai_label: AiLabel | None = None,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Write a sheet of each photo and what every style makes of it, named below.

    One photo fills a grid; several have a row each. One that can't be used is reported and the rest
    goes on; without any there is no sheet.
    styles: by name, pixels (H, W, 3) uint8 -> the same size and type.
    Raises WriteError, and UsageError before any work for a target that may not be written.
    """
    check_target(target, overwrite=overwrite, inputs=photos)
    outcomes: list[Outcome] = []
    rows: list[list[Pixels]] = []
    names: list[list[str]] = []
    for number, photo in enumerate(photos):
        outcome = Outcome(Job(photo, target), Status.DONE)
        try:
            row = [_read(photo)]
            for done, stylize in enumerate(styles.values()):
                if on_progress is not None:
                    on_progress(number * len(styles) + done, len(photos) * len(styles))
                row.append(stylize(row[0]))
            rows.append(row)
            names.append([photo.name, *styles])
        except InfluError as error:
            outcome = Outcome(Job(photo, target), Status.FAILED, error=error)
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    if rows:
        across = math.ceil(math.sqrt(len(styles) + 1)) if len(photos) == 1 else len(styles) + 1
        sheet = contact_sheet(
            _wrapped(rows, across), tile_labels=_wrapped(names, across), tile=_TILE
        )
        picture = Picture(sheet, source_format="JPEG")
        write_picture(picture, target, overwrite=overwrite, ai_label=ai_label)
    return outcomes


def _read(photo: Path) -> npt.NDArray[np.uint8]:
    """A photo as the styles get it, small: a tile shows no more of it."""
    pixels = read_rgb(photo)
    return resize_short_side(pixels, min(_PHOTO_SIDE, *pixels.shape[:2]))


def _wrapped(rows: Sequence[Sequence[Any]], across: int) -> list[Sequence[Any]]:
    """Every row cut into pieces of `across`."""
    return [row[start : start + across] for row in rows for start in range(0, len(row), across)]
