"""The generator on a picture of any size: in tiles that leave no seams."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from stylegan_cli.networks.architecture import STRIDE
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig
from stylegan_cli.rendering.lut import check_finite

if TYPE_CHECKING:
    from stylegan_cli.backends import StyleGenerator

Pixels = np.ndarray
Window = tuple[slice, slice]


def run_generator(
    generator: "StyleGenerator", unit: np.ndarray, config: RenderingConfig = DEFAULTS
) -> tuple[np.ndarray, np.ndarray]:
    """Base colour and residual of a unit picture, both (H, W, 3) on unit scale."""
    base_colour, residual = np.empty_like(unit), np.empty_like(unit)
    for window, base_colour_part, residual_part in run_in_tiles(generator, unit, config):
        base_colour[window], residual[window] = base_colour_part, residual_part
    return base_colour, residual


def run_in_tiles(
    generator: "StyleGenerator", pixels: Pixels, config: RenderingConfig = DEFAULTS
) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """Base colour and residual of pixels (H, W, 3) of any depth, a tile at a time.

    Yields (rows, columns), base_colour and residual on unit scale. A tile is computed together with
    all that its pixels depend on, so that the result does not depend on the size of the tiles.
    """
    bordered = tuple(_mirrored(side, config.border) for side in pixels.shape[:2])
    for rows in pieces(pixels.shape[0], config.tile):
        for columns in pieces(pixels.shape[1], config.tile):
            yield from _run_window(generator, pixels, bordered, (rows, columns), config)


def _run_window(
    generator: "StyleGenerator",
    pixels: Pixels,
    bordered: tuple[np.ndarray, ...],
    window: Window,
    config: RenderingConfig,
) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """One tile; in four parts where memory runs out."""
    border, smallest = config.border, config.min_tile
    # Where the tile and its surroundings lie in the bordered picture.
    begins = [max(0, part.start + border - generator.reach) for part in window]
    ends = [part.stop + border + generator.reach for part in window]
    ends = [end + -end % STRIDE for end in ends]
    rows, columns = (at[b:e] for at, b, e in zip(bordered, begins, ends, strict=True))
    unit = to_unit(pixels.take(rows, axis=0).take(columns, axis=1))
    try:
        outputs = generator(np.ascontiguousarray(unit.transpose(2, 0, 1)[None] * 2 - 1))
    except MemoryError:
        if max(part.stop - part.start for part in window) <= smallest:
            raise
        for y in pieces(window[0].stop, smallest, window[0].start, halved=True):
            for x in pieces(window[1].stop, smallest, window[1].start, halved=True):
                yield from _run_window(generator, pixels, bordered, (y, x), config)
        return
    check_finite(*outputs)
    inner = tuple(
        slice(part.start + border - begin, part.stop + border - begin)
        for part, begin in zip(window, begins, strict=True)
    )
    base_colour, residual = (output[0].transpose(1, 2, 0)[inner] for output in outputs)
    yield window, (base_colour + 1) / 2, residual / 2


def _mirrored(side: int, border: int) -> np.ndarray:
    """The picture's row (or column) at each position of the bordered picture, padded to STRIDE."""
    length = side + 2 * border
    at = np.abs(np.arange(length + -length % STRIDE) - border)
    # Mirrored borders need more picture than border; a strip or a dot repeats its edge instead.
    if side > len(at) - side:
        at = np.where(at < side, at, 2 * (side - 1) - at)
    return np.clip(at, 0, side - 1)


def pieces(stop: int, length: int, start: int = 0, *, halved: bool = False) -> list[slice]:
    """`start` to `stop` in pieces of `length`; or in two halves, if it is longer than that."""
    if halved and stop - start > length:
        length = -(-(stop - start) // (2 * STRIDE)) * STRIDE
    return [slice(begin, min(stop, begin + length)) for begin in range(start, stop, length)]
