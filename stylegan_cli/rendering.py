"""A style on a picture of any size: a colour table at full size, and a residue brought up to it.

The table is the per-pixel part of the look, exact at every pixel. What the look does in space is
computed on a working copy and brought up by local affine maps of the picture, which carry edges
and grain to full size; what the maps can't say, lines of the look's own, is enlarged beside them.
A picture no larger than its working copy is painted as it is, in tiles that do not show.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageFilter

from stylegan_cli.backends import Painter
from stylegan_cli.colour import apply_table, lattice
from stylegan_cli.networks.architecture import STRIDE
from stylegan_cli.networks.folding import apply_colour
from stylegan_cli.pictures import from_unit, to_unit

TABLE_SIZE = 33  # points per channel
FINE_TABLE_SIZE = 65  # the most that Pillow looks up
BORDER = 16  # px mirrored around a picture, so that its edge is painted like its middle
TILE = 1024  # px of a side painted at a time, a multiple of STRIDE
SMALLEST_TILE = 128  # px; what does not fit into memory at this size never will
MOST_WORKING_PIXELS = 4_000_000
GUIDE_SHARE = 1 / 48  # of the working short side: radius of the local affine maps
GUIDE_NOISE = 1e-4  # variance, unit colours: what counts as flat
STRIP_PIXELS = 1 << 16  # full-size pixels a thread has in hand: a strip stays in its cache

Pixels = np.ndarray
Size = tuple[int, int]
Window = tuple[slice, slice]


def bake_table(
    folded: Mapping[str, np.ndarray], calibration: np.ndarray | None, size: int | None = None
) -> np.ndarray:
    """The per-pixel part of a folded style as a table, (size, size, size, 3) float32 in [0, 1].

    size: points per channel; where None TABLE_SIZE, or FINE_TABLE_SIZE for a look so bent that
    more than one colour in a hundred would be more than 1/255 off.
    """

    def toned(colours: np.ndarray) -> np.ndarray:
        result: np.ndarray = np.clip(apply_colour(folded, colours), 0, 1)
        if calibration is not None:
            result = np.clip(apply_table(result, calibration), 0, 1)
        return result

    def bake(points: int) -> np.ndarray:
        return toned(lattice(points)).reshape(points, points, points, 3)

    if size is not None:
        return bake(size)
    table = bake(TABLE_SIZE)
    colours = np.random.default_rng(0).random((4096, 3), np.float32)
    error = np.abs(apply_table(colours, table) - toned(colours)).max(axis=1)
    return table if np.mean(error <= 1 / 255) >= 0.99 else bake(FINE_TABLE_SIZE)


def look_up(pixels: Pixels, table: np.ndarray) -> np.ndarray:
    """`table` applied to pixels (H, W, 3) of any depth. Returns unit float32 (H, W, 3).

    8-bit pixels go through Pillow's trilinear look-up, which answers in 8 bits.
    """
    return to_unit(_table_filter(table, pixels.dtype)(pixels))


def working_size(size: Size, short_side: int) -> Size:
    """(height, width) of the working copy of a picture: never larger, and capped in pixels."""
    height, width = size
    scale = min(1.0, short_side / min(size), (MOST_WORKING_PIXELS / (height * width)) ** 0.5)
    return max(1, round(height * scale)), max(1, round(width * scale))


def working_copy(pixels: Pixels, short_side: int) -> np.ndarray:
    """`pixels` brought to `short_side`, or less (working_size); unit float32."""
    height, width = pixels.shape[:2]
    return bring_down(pixels, working_size((height, width), short_side))


def bring_down(pixels: Pixels, size: Size) -> np.ndarray:
    """`pixels` brought down to `size` = (height, width), unit float32.

    By area, as the crops were that the networks learnt from.
    """
    if pixels.shape[:2] == size:
        return to_unit(pixels)
    # The last step is taken in float: 8 bits would round away what the local maps go by.
    between = [min(own, 3 * wanted) for own, wanted in zip(pixels.shape, size, strict=False)]
    reduced = cv2.resize(pixels, between[::-1], interpolation=cv2.INTER_AREA)
    return cv2.resize(to_unit(reduced), size[::-1], interpolation=cv2.INTER_AREA)


def run_painter(painter: Painter, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Toned picture and residue of a unit picture, both (H, W, 3) on unit scale."""
    toned, residue = np.empty_like(unit), np.empty_like(unit)
    for window, toned_part, residue_part in paint_tiles(painter, unit):
        toned[window], residue[window] = toned_part, residue_part
    return toned, residue


def paint_tiles(
    painter: Painter, pixels: Pixels
) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """Toned picture and residue of pixels (H, W, 3) of any depth, a tile at a time.

    Yields (rows, columns), toned and residue on unit scale. A tile is painted together with all
    that its pixels depend on, so that the result is the same whatever the size of the tiles.
    """
    bordered = tuple(_mirrored(side) for side in pixels.shape[:2])
    for rows in _pieces(pixels.shape[0], TILE):
        for columns in _pieces(pixels.shape[1], TILE):
            yield from _paint_window(painter, pixels, bordered, (rows, columns))


def _paint_window(
    painter: Painter, pixels: Pixels, bordered: tuple[np.ndarray, ...], window: Window
) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """One tile; in four parts where memory runs out."""
    # Where the tile and its surroundings lie in the bordered picture.
    begins = [max(0, part.start + BORDER - painter.reach) for part in window]
    ends = [part.stop + BORDER + painter.reach for part in window]
    ends = [end + -end % STRIDE for end in ends]
    rows, columns = (at[b:e] for at, b, e in zip(bordered, begins, ends, strict=True))
    unit = to_unit(pixels.take(rows, axis=0).take(columns, axis=1))
    try:
        outputs = painter(np.ascontiguousarray(unit.transpose(2, 0, 1)[None] * 2 - 1))
    except MemoryError:
        if max(part.stop - part.start for part in window) <= SMALLEST_TILE:
            raise
        for y in _pieces(window[0].stop, SMALLEST_TILE, window[0].start, halved=True):
            for x in _pieces(window[1].stop, SMALLEST_TILE, window[1].start, halved=True):
                yield from _paint_window(painter, pixels, bordered, (y, x))
        return
    inner = tuple(
        slice(part.start + BORDER - begin, part.stop + BORDER - begin)
        for part, begin in zip(window, begins, strict=True)
    )
    toned, residue = (output[0].transpose(1, 2, 0)[inner] for output in outputs)
    yield window, (toned + 1) / 2, residue / 2


def _mirrored(side: int) -> np.ndarray:
    """Which row (or column) of a picture lies at each of its bordered twin, a whole STRIDE long."""
    length = side + 2 * BORDER
    at = np.abs(np.arange(length + -length % STRIDE) - BORDER)
    # Mirrored borders need more picture than border; a strip or a dot repeats its edge instead.
    if side > len(at) - side:
        at = np.where(at < side, at, 2 * (side - 1) - at)
    return np.clip(at, 0, side - 1)


def _pieces(stop: int, length: int, start: int = 0, *, halved: bool = False) -> list[slice]:
    """`start` to `stop` in pieces of `length`; or in two halves, if it is longer than that."""
    if halved and stop - start > length:
        length = -(-(stop - start) // (2 * STRIDE)) * STRIDE
    return [slice(begin, min(stop, begin + length)) for begin in range(start, stop, length)]


@dataclass(frozen=True, slots=True, eq=False)
class ResidueMaps:
    """A residue as local affine maps of the picture x: sum over i of x[i] * slope[i], and level.

    slope: (3, 3, h, w). level: (3, h, w). At the working size they give the residue itself.
    """

    slope: np.ndarray
    level: np.ndarray

    def enlarged(self, unit: np.ndarray, rows: slice, height: int) -> list[np.ndarray]:
        """The residue of `rows` of a picture `height` px high, a plane per channel.

        unit: those rows of the picture, (rows, W, 3).
        """
        planes = cv2.split(unit)
        size = unit.shape[:2]
        added = []
        for channel in range(3):
            total = _stretched(self.level[channel], rows, height, size, _cubic)
            for plane, slope in zip(planes, self.slope[:, channel], strict=True):
                total += plane * _stretched(slope, rows, height, size, _linear)
            added.append(total)
        return added


def fit_residue(working: np.ndarray, residue: np.ndarray, *, exact: bool = True) -> ResidueMaps:
    """Local affine maps from the working picture to its residue, both (h, w, 3) unit float32.

    The guided filter with a colour guide (He, Sun & Tang 2013, eq. 14-15), maps averaged over the
    window.
    exact: all that the slopes leave of the residue goes into the level; otherwise only what
    follows the picture is kept.
    """
    radius = max(2, round(min(working.shape[:2]) * GUIDE_SHARE))

    def mean(plane: np.ndarray) -> np.ndarray:
        window = (2 * radius + 1, 2 * radius + 1)
        return cv2.blur(plane, window, borderType=cv2.BORDER_REFLECT).reshape(plane.shape)

    x, r = (np.ascontiguousarray(a.transpose(2, 0, 1)) for a in (working, residue))
    mean_x, mean_r = [mean(plane) for plane in x], [mean(plane) for plane in r]
    covariance = {}
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        entry = mean(x[i] * x[j]) - mean_x[i] * mean_x[j]
        covariance[i, j] = covariance[j, i] = entry + GUIDE_NOISE if i == j else entry
    inverse = _inverse(covariance)
    slope, level = np.empty((3, *x.shape), np.float32), np.empty_like(x)
    for c in range(3):
        cross = [mean(x[i] * r[c]) - mean_x[i] * mean_r[c] for i in range(3)]
        local = [sum(inverse[i, j] * cross[j] for j in range(3)) for i in range(3)]
        for i in range(3):
            slope[i, c] = mean(local[i])
        rest = [r[c], *(-x[i] * slope[i, c] for i in range(3))]
        offset = [mean_r[c], *(-mean_x[i] * local[i] for i in range(3))]
        level[c] = sum(rest) if exact else mean(sum(offset))
    return ResidueMaps(slope, level)


def enlarge_residue(maps: ResidueMaps, pixels: Pixels) -> np.ndarray:
    """The residue of a whole picture (H, W, 3) of any depth; float32, unit scale."""
    height = len(pixels)
    return np.stack(maps.enlarged(to_unit(pixels), slice(0, height), height), axis=-1)


def _inverse(matrix: Mapping[Size, np.ndarray]) -> dict[Size, np.ndarray]:
    """Inverses of symmetric positive definite 3x3 matrices, entry by entry (Cramer's rule)."""
    m = matrix
    adjugate = {
        (i, j): m[(i + 1) % 3, (j + 1) % 3] * m[(i + 2) % 3, (j + 2) % 3]
        - m[(i + 1) % 3, (j + 2) % 3] * m[(i + 2) % 3, (j + 1) % 3]
        for i, j in m
    }
    scale = 1 / (m[0, 0] * adjugate[0, 0] + m[0, 1] * adjugate[0, 1] + m[0, 2] * adjugate[0, 2])
    return {place: entry * scale for place, entry in adjugate.items()}


def _stretched(
    plane: np.ndarray,
    rows: slice,
    height: int,
    size: Size,
    kernel: Callable[[np.ndarray], list[np.ndarray]],
) -> np.ndarray:
    """Rows `rows` of `plane` (h, w) stretched to `height` px and to the width of `size`."""
    h = len(plane)
    at = (np.arange(rows.start, rows.stop, dtype=np.float32) + 0.5) * (h / height) - 0.5
    low = np.floor(at)
    weights = kernel(at - low)
    first = low.astype(int) - (len(weights) // 2 - 1)
    tall = sum(
        plane[np.clip(first + tap, 0, h - 1)] * weight[:, None]
        for tap, weight in enumerate(weights)
    )
    across = cv2.INTER_LINEAR if kernel is _linear else cv2.INTER_CUBIC
    stretched: np.ndarray = cv2.resize(tall, size[::-1], interpolation=across)
    return stretched


def _linear(past: np.ndarray) -> list[np.ndarray]:
    return [1 - past, past]


def _cubic(past: np.ndarray) -> list[np.ndarray]:
    """Weights of four neighbours (Keys 1981, eq. 4, a = -3/4: OpenCV's own choice)."""
    a = np.float32(-0.75)

    def near(t: np.ndarray) -> np.ndarray:
        result: np.ndarray = ((a + 2) * t - (a + 3)) * t * t + 1
        return result

    def far(t: np.ndarray) -> np.ndarray:
        result: np.ndarray = ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
        return result

    return [far(1 + past), near(past), near(1 - past), far(2 - past)]


Finish = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What is done to a styled picture at the end: (styled, original) → styled, all (H, W, 3) unit."""


def render(
    pixels: Pixels,
    table: np.ndarray,
    residue: ResidueMaps | None = None,
    *,
    finish: Finish | None = None,
    threads: int = 1,
) -> Pixels:
    """The picture in the look, in its own size and depth.

    pixels: (H, W, 3) of any depth. table: from bake_table. residue: from fit_residue.
    """
    height, width = pixels.shape[:2]
    result = np.empty_like(pixels)
    apply = _table_filter(table, pixels.dtype)

    def paint(rows: slice) -> None:
        strip = pixels[rows]
        added = residue.enlarged(to_unit(strip), rows, height) if residue else None
        result[rows] = _put_together(apply(strip), added, strip, finish)

    strips = _pieces(height, max(1, STRIP_PIXELS // width))
    if threads == 1 or len(strips) == 1:
        for rows in strips:
            paint(rows)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(paint, strips))
    return result


def render_at_full_size(
    pixels: Pixels, table: np.ndarray, painter: Painter, *, finish: Finish | None = None
) -> Pixels:
    """The picture in the look, its residue computed at every pixel, tile by tile.

    As `render`, which is quicker where the picture is larger than its working copy.
    """
    result = np.empty_like(pixels)
    apply = _table_filter(table, pixels.dtype)
    for window, toned, residue in paint_tiles(painter, pixels):
        added = list(whole_residue(toned, residue).transpose(2, 0, 1))
        part = pixels[window]
        result[window] = _put_together(apply(part), added, part, finish)
    return result


def whole_residue(toned: np.ndarray, residue: np.ndarray) -> np.ndarray:
    """A residue with what the network tones beyond black and white, where a table ends."""
    whole: np.ndarray = residue + (toned - np.clip(toned, 0, 1))
    return whole


def _put_together(
    toned: Pixels, added: list[np.ndarray] | None, original: Pixels, finish: Finish | None
) -> Pixels:
    if added is None and finish is None:
        return from_unit(toned, original.dtype) if toned.dtype != original.dtype else toned
    unit = to_unit(toned)
    for channel, plane in enumerate(added or ()):
        unit[..., channel] += plane
    if finish is not None:
        unit = finish(np.clip(unit, 0, 1), to_unit(original))
    return from_unit(unit, original.dtype)


def _table_filter(table: np.ndarray, dtype: np.dtype) -> Callable[[Pixels], Pixels]:
    """`table` as a function of pixels: 8 bits to 8 bits, any other depth to unit float32."""
    if dtype != np.uint8:
        return lambda pixels: apply_table(to_unit(pixels).reshape(-1, 3), table).reshape(
            pixels.shape
        )
    # Pillow wants the first channel to change fastest.
    values = np.ascontiguousarray(table.transpose(2, 1, 0, 3)).ravel()
    cube = ImageFilter.Color3DLUT(len(table), values, _copy_table=False)
    return lambda pixels: np.asarray(Image.fromarray(np.ascontiguousarray(pixels)).filter(cube))
