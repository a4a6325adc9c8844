"""Halation of film, painted at full size before the grain.

Light of highlights is averaged over blocks of pixels, blurred on that small copy, and brought up
again strip by strip, so that any part of it is computed by itself.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from stylegan_cli.pictures import from_unit, to_unit
from stylegan_cli.pictures.colours import linear_of_srgb, srgb_of_linear
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig
from stylegan_cli.rendering.tiles import pieces
from stylegan_cli.rendering.working_copy import Pixels
from stylegan_cli.styles.film import FilmHalation, highlights

SMALL_SIGMA = 3.0  # px of the small copy, at least: what is so smooth can be brought up
SPREAD = 0.25  # px² of the small copy, variance of averaging over blocks and bringing them up
LEVELS = 1 << 16  # of light, from which it is encoded in 8 bits

_LIGHT = linear_of_srgb(np.arange(256) / 255).astype(np.float32)
_HIGHLIGHTS = highlights(_LIGHT)
_LEVELS = _LIGHT * np.float32(LEVELS - 1)
_CODES = np.rint(255 * srgb_of_linear(np.arange(LEVELS) / (LEVELS - 1))).astype(np.uint8)


def paint_halation(
    pixels: Pixels,
    halation: FilmHalation,
    *,
    threads: int = 1,
    config: RenderingConfig = DEFAULTS,
) -> Pixels:
    """pixels: (H, W, 3) of any depth. Returns the same with light around its highlights."""
    height, width = pixels.shape[:2]
    sigma = halation.radius * min(height, width)
    factor = max(1, int(sigma / SMALL_SIGMA))
    rows_at_once = max(1, config.strip_pixels // (width * factor)) * factor
    strips = pieces(height, rows_at_once)
    result = np.empty_like(pixels)
    with ThreadPoolExecutor(threads) as pool:
        averages = pool.map(lambda rows: _averages(pixels[rows], factor), strips)
        small = np.concatenate(list(averages))
        glow = _blurred(small, sigma, factor)

        def paint_strips(some: Sequence[slice]) -> None:
            for rows in some:
                result[rows] = _painted(pixels[rows], _brought_up(glow, rows, factor), halation)

        list(pool.map(paint_strips, [strips[k::threads] for k in range(threads)]))
    return result


def _averages(strip: Pixels, factor: int) -> np.ndarray:
    """Highlights of a strip (h, W, 3) averaged over blocks, float32; the edge goes on."""
    found = _highlights_of(strip)
    if factor == 1:
        return found
    below, right = (-side % factor for side in strip.shape[:2])
    if below or right:
        found = cv2.copyMakeBorder(found, 0, below, 0, right, cv2.BORDER_REPLICATE)
    size = found.shape[1] // factor, found.shape[0] // factor
    return np.asarray(cv2.resize(found, size, interpolation=cv2.INTER_AREA))


def _blurred(small: np.ndarray, sigma: float, factor: int) -> np.ndarray:
    """Under the Gaussian, and a pixel more on each side, so that strips find their surroundings."""
    variance = (sigma / factor) ** 2 - (SPREAD if factor > 1 else 0)
    blurred = cv2.GaussianBlur(small, (0, 0), variance**0.5)
    return np.asarray(cv2.copyMakeBorder(blurred, 1, 1, 1, 1, cv2.BORDER_REPLICATE))


def _brought_up(glow: np.ndarray, rows: slice, factor: int) -> np.ndarray | None:
    """(h, W', 3) light that comes to some rows, W' the width or a little more; None for none."""
    first, last = rows.start // factor, -(-rows.stop // factor)
    around = glow[first : last + 2]
    if not around.any():
        return None
    if factor == 1:
        return around[1:-1, 1:-1]
    size = around.shape[1] * factor, around.shape[0] * factor
    large = cv2.resize(around, size, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large[factor:, factor:-factor][: rows.stop - rows.start])


def _painted(strip: Pixels, glow: np.ndarray | None, halation: FilmHalation) -> Pixels:
    if glow is None:
        return strip
    added = np.maximum(glow[:, : strip.shape[1]] - _highlights_of(strip), 0)
    strength = np.asarray(halation.strength, np.float32)
    if strip.dtype == np.uint8:
        added *= strength * np.float32(LEVELS - 1)
        levels = cv2.add(cv2.LUT(strip, _LEVELS), added, dtype=cv2.CV_16U)
        return np.take(_CODES, levels.astype(np.uint16, copy=False))
    light = linear_of_srgb(to_unit(strip)) + added * strength
    return np.where(added > 0, from_unit(srgb_of_linear(light), strip.dtype), strip)


def _highlights_of(strip: Pixels) -> np.ndarray:
    """Highlights of pixels of any depth, float32."""
    if strip.dtype == np.uint8:
        return np.asarray(cv2.LUT(strip, _HIGHLIGHTS))
    return highlights(linear_of_srgb(to_unit(strip)))
