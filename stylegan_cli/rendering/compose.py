"""A style on a picture of any size: the colour LUT at full size, and a residual added to it.

The LUT is the base colour, exact at every pixel. The network computes the residual on a working
copy; local affine maps of the picture bring it up, with edges and grain at full size, and what they
can't express, lines of the style's own, is enlarged beside them. A picture no larger than its
working copy gets its residual as it is, in tiles that leave no seams.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import cv2
import numpy as np

from stylegan_cli.pictures import from_unit, to_unit
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig
from stylegan_cli.rendering.guided_maps import ResidualMaps
from stylegan_cli.rendering.lut import ColourLut, look_up
from stylegan_cli.rendering.tiles import pieces, run_in_tiles
from stylegan_cli.rendering.working_copy import Pixels, white_level

if TYPE_CHECKING:
    from stylegan_cli.backends import StyleGenerator

Finish = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""The last change to a styled picture: (styled, original) → styled, all (H, W, 3) unit."""


def render(
    pixels: Pixels,
    colours: ColourLut,
    residual: ResidualMaps | None = None,
    *,
    finish: Finish | None = None,
    threads: int = 1,
    config: RenderingConfig = DEFAULTS,
) -> Pixels:
    """The picture in the style, in its own size and depth.

    pixels: (H, W, 3) of any depth. colours: the LUT from bake_lut. residual: from
    fit_residual.
    """
    height, width = pixels.shape[:2]
    result = np.empty_like(pixels)
    if pixels.dtype == np.uint8:
        colours.expect(height * width, threads)
    maps = residual and residual.widened(width, white_level(pixels.dtype))

    def compose_strips(strips: Sequence[slice]) -> None:
        buffer = np.empty(0, np.float32)
        for columns in strips:
            strip = np.ascontiguousarray(pixels[:, columns])
            added = None
            if maps:
                planes = [np.asarray(plane, np.float32) for plane in cv2.split(strip)]
                # Arrays at hand are in the cache, new ones are not.
                if buffer.shape[1:] != planes[0].shape:
                    buffer = np.empty((2, *planes[0].shape), np.float32)
                added = maps.residual(planes, columns, buffer)
            result[:, columns] = _compose(strip, colours, added, finish)

    # Columns, as parts of the maps can be stretched down their columns and be exact.
    strips = pieces(width, max(config.min_strip, config.strip_pixels // height))
    count = min(threads, len(strips))
    if count == 1:
        compose_strips(strips)
    else:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(compose_strips, [strips[k::count] for k in range(count)]))
    return result


def render_at_full_size(
    pixels: Pixels,
    colours: ColourLut,
    generator: "StyleGenerator",
    *,
    finish: Finish | None = None,
    config: RenderingConfig = DEFAULTS,
) -> Pixels:
    """The picture in the style, its residual computed at every pixel, tile by tile.

    As `render`, which is quicker where the picture is larger than its working copy.
    """
    result = np.empty_like(pixels)
    for window, base_colour, residual in run_in_tiles(generator, pixels, config):
        added = whole_residual(base_colour, residual) * np.float32(white_level(pixels.dtype))
        result[window] = _compose(pixels[window], colours, iter(cv2.split(added)), finish)
    return result


def whole_residual(base_colour: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """A residual with the part of the base colour beyond black and white, where a LUT ends."""
    whole: np.ndarray = residual + (base_colour - np.clip(base_colour, 0, 1))
    return whole


def _compose(
    original: Pixels,
    colours: ColourLut,
    added: Iterator[np.ndarray] | None,
    finish: Finish | None,
) -> Pixels:
    """Colours of the LUT, and a residual on the depth's own scale, a plane per channel."""
    dtype = original.dtype
    if dtype == np.uint8 and finish is None:
        base_colour = colours(original)
        if added is None:
            return base_colour
        planes = zip(cv2.split(base_colour), added, strict=True)
        return cv2.merge([cv2.add(plane, more, dtype=cv2.CV_8U) for plane, more in planes])
    unit = look_up(original, colours)
    for channel, more in enumerate(added or ()):
        unit[..., channel] += more / np.float32(white_level(dtype))
    if finish is not None:
        unit = finish(np.clip(unit, 0, 1), to_unit(original))
    return from_unit(unit, dtype)
