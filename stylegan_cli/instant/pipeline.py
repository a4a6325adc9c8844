"""Pictures → style in one forward pass: code, colour map, calibration, variation, render mode."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Backend
from stylegan_cli.colour import linear_map, lut_grid, sample_colours
from stylegan_cli.instant.calibration import (
    ColourSamples,
    calibrate,
    mean_transfer,
    residual_of,
)
from stylegan_cli.instant.code_refinement import CodeRefiner, refine_code
from stylegan_cli.instant.colour_estimation import ColourEstimation
from stylegan_cli.instant.config import DEFAULTS, InstantConfig
from stylegan_cli.instant.encoding import (
    SET_COLOURS,
    evenly_from,
    read_all,
    set_statistics,
    some_tiles,
    step_for,
)
from stylegan_cli.instant.grain import GrainReader, grain_of
from stylegan_cli.instant.halation import HalationReader, halation_of
from stylegan_cli.instant.hand import HandClassifier
from stylegan_cli.instant.out_of_distribution import closed_form_is_nearer
from stylegan_cli.instant.render_mode import choose_rendering
from stylegan_cli.instant.strokes import StrokeReader, cut_exemplars
from stylegan_cli.instant.variation import code_factors_of
from stylegan_cli.networks.architecture import READ_SHORT_SIDE
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import to_unit
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import Base, Style, StyleInfo
from stylegan_cli.styles.exemplars import encode_exemplars


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
    to_refine: bool = False,
    strokes: bool | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Style:
    """The style of `pictures`, encoded in one forward pass.

    content: photos the creator might have started from; the base's own statistics and the starter
    photos where None.
    need_all: stop at a picture that can't be read instead of leaving it out.
    strokes: whether photos get strokes of the pictures; where None, if these are made by hand.
    to_refine: keep the linear map and a weak residual, from which training goes on.
    Raises DataError where no picture can be read, PictureError where all are needed.
    """
    backend = backend.for_many()
    grain, halation, kept = GrainReader(), HalationReader(), StrokeReader()

    def examine(pixels: np.ndarray) -> None:
        grain(pixels)
        halation(pixels)
        if strokes is not False:
            kept(pixels)

    arrays = read_all(pictures, on_progress, need_all, examine, config.grain.pictures)
    creator = set_statistics(arrays, backend)
    photos = read_all(starter_photos() if content is None else content)
    if content is None:
        content_colours = to_unit(base.content_colours)
    else:
        content_colours = sample_colours(
            photos, SET_COLOURS, numpy_generator(0, 0, "content colours")
        )
    matrix, offset = linear_map(content_colours, creator.colours)
    tensors = base.generator_tensors

    def fold(code: np.ndarray, short_side: int = READ_SHORT_SIDE) -> dict[str, np.ndarray]:
        # Of the map as it is by then.
        return fold_style(tensors, base.generator, matrix, offset, code, short_side)

    tiles = some_tiles(photos, config.refinement.tiles)
    refiner = CodeRefiner(creator, content_colours, backend, tiles)
    code = refine_code(refiner, lambda code: backend.generator(fold(code)), config.refinement)
    mode, size = choose_rendering(
        backend, lambda side: backend.generator(fold(code, side)), config.render_mode
    )
    # Every colour counts a little, so that none is left to chance that the content lacks.
    sampled = np.concatenate([content_colours, lut_grid(config.calibration.points)])
    folded, residual = fold(code), np.zeros_like(sampled)
    generator = backend.generator(folded)
    transfer = mean_transfer(content_colours, creator, config.calibration.points)
    is_out_of_distribution = closed_form_is_nearer(
        base, creator, content_colours, backend, generator, tiles, transfer, config
    )
    has_strokes = bool(kept.pictures) and (strokes or _are_by_hand(kept.pictures, base, config))
    if is_out_of_distribution:  # the network would draw another kind of style
        mode = "colour"
    if mode != "colour":
        some = evenly_from(photos, config.calibration.pictures)
        limits = config.calibration.min_photos, config.calibration.photos_per_picture
        residual = residual_of(
            sampled, backend, generator, some, step_for(creator.count, len(some), *limits)
        )
    strength = float(np.sqrt(np.mean(residual[: len(content_colours)] ** 2)))
    is_weak = strength < config.calibration.max_left_out_residual
    if mode == "photographic" and is_weak and not to_refine:
        mode, residual = "colour", np.zeros_like(sampled)
    own = base_colour = apply_colour(folded, sampled)
    if mode == "colour" and not to_refine:
        # Nothing is drawn on the base colour: one that keeps all colours apart can be calibrated
        # to any LUT, and that of a black-and-white style can't.
        matrix, offset = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
        base_colour = apply_colour(fold(code), sampled)
    colours = ColourSamples(sampled, own, base_colour, residual, len(content_colours))
    lut = transfer if is_out_of_distribution else None
    if base.colour_estimator:
        estimation = ColourEstimation(base.colour_estimator, 1)
        with ThreadPoolExecutor(resolve_threads()) as pool:
            statistics = list(pool.map(estimation.statistics, arrays))
        lut = estimation.lut(statistics, transfer, is_out_of_distribution=is_out_of_distribution)
    # What a drawn style has on flat areas and around light, its network or its strokes draw.
    is_drawn = mode == "drawn" or has_strokes
    info = StyleInfo(
        name=name,
        display_name=name,
        pictures=creator.count,
        licence=licence,
        working_size=size,
        mode=mode,
        grain=None if is_drawn else grain_of(grain.samples, config.grain),
        halation=None if is_drawn else halation_of(halation.samples, config.halation),
        strokes=float(has_strokes),
    )
    return Style(
        info=info,
        base_hash=base.hash,
        matrix=matrix,
        offset=offset,
        code=code,
        calibration=calibrate(
            colours, lut, creator, config.calibration, lut_only=is_out_of_distribution
        ),
        code_factors=code_factors_of(base, backend, creator, content_colours, config.variation),
        exemplars=encode_exemplars(cut_exemplars(kept.pictures, config.exemplars))
        if has_strokes
        else None,
    )


def _are_by_hand(pictures: Sequence[np.ndarray], base: Base, config: InstantConfig) -> bool:
    estimator = base.colour_estimator
    if estimator is None or not estimator.config.tells_hands:
        return False
    some = evenly_from(pictures, config.hand.pictures)
    return HandClassifier(estimator, resolve_threads(), config.hand).is_by_hand(some)
