"""How a style is rendered: its mode and the size of its working copy."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Backend, StyleGenerator, open_backend
from stylegan_cli.instant.config import DEFAULTS, RenderModeConfig
from stylegan_cli.networks.folding import fold_style, merge_deltas
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.rendering import (
    bring_down,
    enlarge_residual,
    fit_residual,
    make_working_copy,
    run_generator,
    whole_residual,
)
from stylegan_cli.runtime.resources import starter_dir
from stylegan_cli.styles import Base, Mode, Style

log = logging.getLogger(__name__)


def choose_rendering(
    backend: Backend,
    generator_at: Callable[[int], StyleGenerator],
    config: RenderModeConfig,
    learned: int | None = None,
) -> tuple[Mode, int]:
    """Mode and working size (short side, px) of a style, chosen on photos that are kept for it.

    generator_at: the backend's generator of the style for pictures of a short side in px. learned:
    the short side that the style was learned at; the config's where None.

    `colour` where there is hardly a residual; `photographic` where it follows the picture, at the
    smallest size that shows it; else `drawn`, at the largest size at which the network still draws
    the same picture as at `learned`.
    """
    largest = config.learned_size
    photos = _render_mode_photos_at(largest)
    residuals = [residual for _, residual in _results(backend, generator_at(largest), photos)]
    strength = float(np.sqrt(np.mean([np.mean(residual**2) for residual in residuals])))
    if strength < config.max_unseen_residual:
        return "colour", config.photographic_sizes[-1]
    for size in config.photographic_sizes:
        working = [make_working_copy(photo, size) for photo in photos]
        small = _results(backend, generator_at(size), working)
        rebuilt = [
            enlarge_residual(fit_residual(copy, residual, exact=False), photo)
            for photo, copy, (_, residual) in zip(photos, working, small, strict=True)
        ]
        found = _psnr(rebuilt, residuals)
        log.info("residual of %.3f, rebuilt from %d px at %.1f dB", strength, size, found)
        if found >= config.photographic_db:
            return "photographic", size
        if found < config.drawn_db:
            break
    best = learned = learned or largest
    pictures = _middles_at(backend, generator_at, learned)
    for size in (size for size in config.drawn_sizes if size > learned):
        larger = _middles_at(backend, generator_at, size)
        drawn = [
            bring_down(picture, wanted.shape[:2])
            for picture, wanted in zip(larger, pictures, strict=True)
        ]
        found = _psnr(drawn, pictures)
        log.info("at %d px, the same picture to %.1f dB", size, found)
        if found >= config.same_drawing_db:
            best = size
    return "drawn", best


def render_mode_photos() -> list[Path]:
    """The shipped photos on which the render mode is chosen, 768 px and more."""
    return sorted((starter_dir() / "large").glob("*.jpg"))


def with_mode_of_residual(
    style: Style, base: Base, config: RenderModeConfig = DEFAULTS.render_mode
) -> Style:
    """`style` with the mode and size that its residual asks for by now: refined styles may draw."""
    tensors = merge_deltas(base.generator_tensors, style.deltas)
    backend = open_backend(base).for_many()

    def generator_at(short_side: int) -> StyleGenerator:
        parts = (style.matrix, style.offset, style.code)
        return backend.generator(fold_style(tensors, base.generator, *parts, short_side))

    mode, size = choose_rendering(backend, generator_at, config, style.info.working_size)
    grain, halation = style.info.grain, style.info.halation
    if mode == "drawn":  # which the network draws by then
        grain = halation = None
    return style.with_info(mode=mode, working_size=size, grain=grain, halation=halation)


def _render_mode_photos_at(short_side: int) -> list[np.ndarray]:
    return [read_rgb(path, short_side) for path in render_mode_photos()]


def _middles_at(
    backend: Backend, generator_at: Callable[[int], StyleGenerator], short_side: int
) -> list[np.ndarray]:
    """Results of the middle half of each photo, scaled as part of a photo of that size."""
    middles = []
    for photo in _render_mode_photos_at(short_side):
        height, width = (side // 4 for side in photo.shape[:2])
        middles.append(photo[height:-height, width:-width])
    return [picture for picture, _ in _results(backend, generator_at(short_side), middles)]


def _results(
    backend: Backend, generator: StyleGenerator, photos: Sequence[np.ndarray]
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Result and residual of each photo, unit."""

    def result(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        base_colour, residual = run_generator(generator, to_unit(photo))
        residual = whole_residual(base_colour, residual)
        return np.clip(np.clip(base_colour, 0, 1) + residual, 0, 1), residual

    return backend.map(result, photos)


def _psnr(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    error = np.mean([np.mean((f - w) ** 2) for f, w in zip(found, wanted, strict=True)])
    return float(-10 * np.log10(max(1e-10, error)))
