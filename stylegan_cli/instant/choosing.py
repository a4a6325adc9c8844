"""How a look is rendered: its mode and the size of its working copy."""

import dataclasses
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Painter, open_backend
from stylegan_cli.networks.folding import fold_style, merge_deltas
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.rendering import (
    bring_down,
    enlarge_residue,
    fit_residue,
    run_painter,
    whole_residue,
    working_copy,
)
from stylegan_cli.resources import starter_dir
from stylegan_cli.style_file import Base, Mode, Style

log = logging.getLogger(__name__)

# Short sides of working copies in px, the cheapest first.
PHOTOGRAPHIC_SIZES = (256, 384)
LEARNT_SIZE = 512  # the largest that pre-training shows
DRAWN_SIZES = (LEARNT_SIZE, 768)

# Root mean square, unit. To leave out a residue this small costs 0.1 dB of a result that is 32 dB
# from the truth, and instant styles are rarely closer.
QUIET_RESIDUE = 0.004
PHOTOGRAPHIC_PSNR = 36.0  # dB of a residue rebuilt from a working copy against the residue itself
DRAWN_PSNR = 30.0  # dB; what is rebuilt worse from one size is not good from the next either
SAME_DRAWING_PSNR = 30.0  # dB of what is painted larger than learnt, brought down again


def choose_rendering(
    painter_at: Callable[[int], Painter], learnt: int = LEARNT_SIZE
) -> tuple[Mode, int]:
    """Mode and working size (short side, px) of a look, as photos kept for it ask.

    painter_at: the look's painter for pictures of a short side in px. learnt: the short side that
    the look was learnt at. `colour` where there is hardly a residue; `photographic` where it
    follows the picture, at the smallest size that shows it; else `drawn`, at the largest size at
    which the network still draws the same picture as at `learnt`.
    """
    photos = _judging_photos_at(LEARNT_SIZE)
    residues = [residue for _, residue in _painted(painter_at(LEARNT_SIZE), photos)]
    energy = float(np.sqrt(np.mean([np.mean(residue**2) for residue in residues])))
    if energy < QUIET_RESIDUE:
        return "colour", PHOTOGRAPHIC_SIZES[-1]
    for size in PHOTOGRAPHIC_SIZES:
        working = [working_copy(photo, size) for photo in photos]
        small = _painted(painter_at(size), working)
        rebuilt = [
            enlarge_residue(fit_residue(copy, residue, exact=False), photo)
            for photo, copy, (_, residue) in zip(photos, working, small, strict=True)
        ]
        found = _psnr(rebuilt, residues)
        log.info("residue of %.3f, rebuilt from %d px at %.1f dB", energy, size, found)
        if found >= PHOTOGRAPHIC_PSNR:
            return "photographic", size
        if found < DRAWN_PSNR:
            break
    pictures = _middles_painted_at(painter_at, learnt)
    best = learnt
    for size in (size for size in DRAWN_SIZES if size > learnt):
        larger = _middles_painted_at(painter_at, size)
        drawn = [
            bring_down(picture, wanted.shape[:2])
            for picture, wanted in zip(larger, pictures, strict=True)
        ]
        found = _psnr(drawn, pictures)
        log.info("painted at %d px, the same picture to %.1f dB", size, found)
        if found >= SAME_DRAWING_PSNR:
            best = size
    return "drawn", best


def judging_photos() -> list[Path]:
    """The shipped photos that choose how a look is rendered, 768 px and more."""
    return sorted((starter_dir() / "judging").glob("*.jpg"))


def with_mode_of_residue(style: Style, base: Base) -> Style:
    """`style` with the mode and size that its residue asks for by now: refined looks may draw."""
    tensors, backend = merge_deltas(base.generator_tensors, style.deltas), open_backend(base)

    def painter_at(short_side: int) -> Painter:
        parts = (style.matrix, style.offset, style.code)
        return backend.painter(fold_style(tensors, base.generator, *parts, short_side))

    mode, size = choose_rendering(painter_at, style.info.working_size)
    return dataclasses.replace(
        style, info=dataclasses.replace(style.info, mode=mode, working_size=size)
    )


def _judging_photos_at(short_side: int) -> list[np.ndarray]:
    return [read_rgb(path, short_side) for path in judging_photos()]


def _middles_painted_at(painter_at: Callable[[int], Painter], short_side: int) -> list[np.ndarray]:
    """The middle of each photo, half as high and wide, painted as part of a photo of that size."""
    middles = []
    for photo in _judging_photos_at(short_side):
        height, width = (side // 4 for side in photo.shape[:2])
        middles.append(photo[height:-height, width:-width])
    return [picture for picture, _ in _painted(painter_at(short_side), middles)]


def _painted(
    painter: Painter, photos: Sequence[np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Result and residue of each photo, unit."""
    for photo in photos:
        toned, residue = run_painter(painter, to_unit(photo))
        residue = whole_residue(toned, residue)
        yield np.clip(np.clip(toned, 0, 1) + residue, 0, 1), residue


def _psnr(found: Sequence[np.ndarray], wanted: Sequence[np.ndarray]) -> float:
    error = np.mean([np.mean((f - w) ** 2) for f, w in zip(found, wanted, strict=True)])
    return float(-10 * np.log10(max(1e-10, error)))
