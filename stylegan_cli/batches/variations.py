"""One photo many times over."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from stylegan_cli.batches.storage import make_folder
from stylegan_cli.pictures import (
    FORMATS,
    AiLabel,
    Picture,
    change_depth,
    contact_sheet,
    format_of,
    over_white,
    read_picture,
    resize_within,
    write_picture,
)
from stylegan_cli.runtime.files import check_target

_GRID_TILE: Final = 384


def write_variations(
    photo: Path,
    stylize: Callable[[Picture, int], Picture],
    seeds: Sequence[int],
    *,
    ending: str,
    folder: Path | None = None,
    overwrite: bool = False,
    ai_label: AiLabel | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Path], Path]:
    """Stylize one photo once per seed; the paths of the results, in order, and of their grid.

    stylize: (picture, seed) -> picture. folder: made if needed; by default one beside the photo.
    Raises PictureError, WriteError, and OutputExistsError before any work when a result is there
    already.
    """
    picture = read_picture(photo)
    stem = f"{photo.stem}{ending}"
    folder = folder if folder is not None else photo.with_name(f"{stem}_variations")
    suffix = photo.suffix if format_of(photo) else FORMATS[picture.source_format].suffixes[0]
    targets = [folder / f"{stem}_{seed}{suffix}" for seed in seeds]
    grid = folder / f"{stem}_grid.jpg"
    make_folder(grid.parent)
    for target in (*targets, grid):
        check_target(target, overwrite=overwrite)
    tiles = []
    for done, (seed, target) in enumerate(zip(seeds, targets, strict=True)):
        if on_progress is not None:
            on_progress(done, len(targets))
        stylized = stylize(picture, seed)
        write_picture(stylized, target, overwrite=overwrite, ai_label=ai_label)
        shown = over_white(stylized.pixels, stylized.alpha)
        tiles.append(change_depth(resize_within(shown, _GRID_TILE), np.uint8))
    across = math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    sheet = contact_sheet(rows, tile=_GRID_TILE)
    shown_together = Picture(sheet, source_format="JPEG")
    write_picture(shown_together, grid, overwrite=overwrite, ai_label=ai_label)
    if on_progress is not None:
        on_progress(len(targets), len(targets))
    return targets, grid
