"""Pictures → style in one forward pass: code, colour map, calibration, variation, render mode."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.colour import linear_map, sample_colours
from stylegan_cli.instant.calibration import (
    ColourSamples,
    calibrate,
    generate_photos,
    residual_of,
)
from stylegan_cli.instant.code_refinement import CodeRefiner, refine_code
from stylegan_cli.instant.config import DEFAULTS, InstantConfig
from stylegan_cli.instant.encoding import SET_COLOURS, evenly_from, read_all, read_set, some_tiles
from stylegan_cli.instant.out_of_distribution import closed_form_is_nearer
from stylegan_cli.instant.render_mode import choose_rendering
from stylegan_cli.instant.variation import code_factors_of
from stylegan_cli.networks.architecture import READ_SHORT_SIDE
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import to_unit
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import Base, Style, StyleInfo


def make_style(
    name: str,
    pictures: Sequence[Path],
    base: Base,
    backend: Backend,
    *,
    content: Sequence[Path] | None = None,
    licence: str = "",
    config: InstantConfig = DEFAULTS,
    need_all: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Style:
    """The style of `pictures`, encoded in one forward pass.

    content: photos the creator might have started from; the base's own statistics and the starter
    photos where None.
    need_all: stop at a picture that can't be read instead of leaving it out.
    Raises DataError where no picture can be read, PictureError where all are needed.
    """
    creator = read_set(pictures, backend, on_progress, need_all=need_all)
    photos = read_all(starter_photos() if content is None else content)
    if content is None:
        before = to_unit(base.content_colours)
    else:
        before = sample_colours(photos, SET_COLOURS, numpy_generator(0, 0, "content colours"))
    matrix, offset = linear_map(before, creator.colours)
    tensors = base.generator_tensors

    def fold(code: np.ndarray, short_side: int = READ_SHORT_SIDE) -> dict[str, np.ndarray]:
        return fold_style(tensors, base.generator, matrix, offset, code, short_side)

    tiles = some_tiles(photos, config.refinement.tiles)
    refiner = CodeRefiner(creator, before, backend, tiles)
    code = refine_code(refiner, lambda code: backend.generator(fold(code)), config.refinement)
    mode, size = choose_rendering(
        lambda side: backend.generator(fold(code, side)), config.render_mode
    )
    calibration = None
    if creator.count >= config.calibration.min_pictures:
        folded = fold(code)
        generator = backend.generator(folded)
        closed_form = closed_form_is_nearer(
            base, creator, before, backend, generator, tiles, config
        )
        if closed_form:  # the network would draw another kind of style
            mode = "colour"
        outputs = generate_photos(generator, evenly_from(photos, config.calibration.pictures))
        # Without a residual the base colour is the result, known for every content colour.
        residual = np.zeros_like(before) if mode == "colour" else residual_of(before, outputs)
        colours = ColourSamples(before, apply_colour(folded, before), residual)
        calibration = calibrate(colours, creator, config.calibration, closed_form_only=closed_form)
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
        code_factors=code_factors_of(base, backend, creator, before, config.variation),
    )
