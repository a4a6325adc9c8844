"""Pictures → style in one forward pass: code, colour map, calibration, variety, rendering."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.colour import linear_map, sample_colours
from stylegan_cli.instant.calibration import (
    FEWEST_FOR_CALIBRATION,
    Colours,
    calibrate,
    residue_of,
)
from stylegan_cli.instant.choosing import choose_rendering
from stylegan_cli.instant.painting import Painted, paint_photos
from stylegan_cli.instant.reading import (
    SET_COLOURS,
    LookSet,
    code_of,
    look_set,
    read_all,
    read_set,
    starter_photos,
)
from stylegan_cli.instant.variety import VARIETY_RANK, variety_of
from stylegan_cli.networks.architecture import READ_SHORT_SIDE
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import to_unit
from stylegan_cli.randomness import numpy_generator
from stylegan_cli.style_file import Base, Style, StyleInfo

CALIBRATION_PICTURES = 24
HEARING_SHARE = 0.5  # of the difference between a look and what is heard of its results
HEARD_PICTURES = 12


def make_style(
    name: str,
    pictures: Sequence[Path],
    base: Base,
    backend: Backend,
    *,
    content: Sequence[Path] | None = None,
    licence: str = "",
    variety: int = VARIETY_RANK,
    need_all: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Style:
    """The style of `pictures`, read in one forward pass.

    content: photos the creator might have started from; the base's own statistics and the starter
    photos where None. variety: directions of the creator's variety, at most.
    need_all: stop at a picture that can't be read instead of leaving it out.
    Raises DataError where no picture can be read, PictureError where all are needed.
    """
    creator = read_set(pictures, backend, on_progress, need_all=need_all)
    if content is None:
        before = to_unit(base.content_colours)
        photos = read_all(starter_photos()[:CALIBRATION_PICTURES])
    else:
        photos = read_all(content)
        before = sample_colours(photos, SET_COLOURS, numpy_generator(0, 0, "content colours"))
    matrix, offset = linear_map(before, creator.colours)
    tensors = base.generator_tensors

    def fold(code: np.ndarray, short_side: int = READ_SHORT_SIDE) -> dict[str, np.ndarray]:
        return fold_style(tensors, base.generator, matrix, offset, code, short_side)

    def paint(code: np.ndarray) -> list[Painted]:
        return paint_photos(backend.painter(fold(code)), _some_of(photos, HEARD_PICTURES))

    code = _settle_code(creator, before, backend, paint)
    mode, size = choose_rendering(lambda side: backend.painter(fold(code, side)))
    calibration = None
    if creator.count >= FEWEST_FOR_CALIBRATION:
        folded = fold(code)
        shown = _some_of(photos, CALIBRATION_PICTURES)
        painted = paint_photos(backend.painter(folded), shown)
        # Without a residue the per-pixel part is all, and every content colour can be asked.
        residue = np.zeros_like(before) if mode == "colour" else residue_of(before, painted)
        colours = Colours(before, apply_colour(folded, before), residue)
        calibration = calibrate(colours, creator)
    info = StyleInfo(
        name=name,
        display_name=name,
        pictures=creator.count,
        licence=licence,
        working_size=size,
        mode=mode,
    )
    return Style(
        info=info,
        base_hash=base.hash,
        matrix=matrix,
        offset=offset,
        code=code,
        calibration=calibration,
        spread=variety_of(base, backend, creator, before, variety),
    )


def _settle_code(
    creator: LookSet,
    before: np.ndarray,
    backend: Backend,
    paint: Callable[[np.ndarray], list[Painted]],
) -> np.ndarray:
    """The code of a set, moved by what is heard of its own results: half of what they lack.

    What is read is shrunk towards the average look, as every estimate is, and so would be what is
    painted. paint: photos in the look of a code. before: (N, 3) unit content colours.
    """
    wanted = code_of(backend, creator.moments.mean(0), creator.colours, before, creator.count)
    results = [np.clip(one.toned + one.residue, 0, 1) for one in paint(wanted)]
    heard = look_set([(255 * result + 0.5).astype(np.uint8) for result in results], backend)
    read = code_of(backend, heard.moments.mean(0), heard.colours, before, creator.count)
    settled: np.ndarray = wanted + HEARING_SHARE * (wanted - read)
    return settled


def _some_of(photos: Sequence[np.ndarray], count: int) -> Sequence[np.ndarray]:
    """`count` of them at most, evenly apart: a folder's first ones are often alike."""
    return photos[:: max(1, len(photos) // count)][:count]
