"""A style on a picture of any size: a colour table at full size, and a residual brought up to it.

The table is the per-pixel part of the look, exact at every pixel. What the look does in space is
computed on a working copy and brought up by local affine maps of the picture, which carry edges
and grain to full size; what the maps can't say, lines of the look's own, is enlarged beside them.
A picture no larger than its working copy is painted as it is, in tiles that do not show.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np

from stylegan_cli.backends import StyleGenerator
from stylegan_cli.colour import apply_lut, lut_grid
from stylegan_cli.errors import StyleFileError
from stylegan_cli.networks.architecture import STRIDE
from stylegan_cli.networks.folding import apply_colour
from stylegan_cli.pictures import from_unit, to_unit
from stylegan_cli.rendering.lut import ColourLut

LUT_SIZE = 33  # points per channel
FINE_LUT_SIZE = 65
BORDER = 16  # px mirrored around a picture, so that its edge is painted like its middle
TILE = 1024  # px of a side painted at a time, a multiple of STRIDE
SMALLEST_TILE = 128  # px; what does not fit into memory at this size never will
MAX_WORKING_PIXELS = 4_000_000
GUIDE_SHARE = 1 / 48  # of the working short side: radius of the local affine maps
GUIDE_NOISE = 1e-4  # variance, unit colours: what counts as flat
HALVED_ROWS = 32
STRIP_PIXELS = 1 << 18  # full-size pixels a thread has in hand: a strip stays in its cache
NARROWEST_STRIP = 64  # px; shorter rows are slow to come by

Pixels = np.ndarray
Size = tuple[int, int]
Window = tuple[slice, slice]


def bake_lut(
    folded: Mapping[str, np.ndarray], calibration: np.ndarray | None, size: int | None = None
) -> np.ndarray:
    """The per-pixel part of a folded style as a table, (size, size, size, 3) float32 in [0, 1].

    size: points per channel; where None LUT_SIZE, or FINE_LUT_SIZE for a look so bent that
    more than one colour in a hundred would be more than 1/255 off.
    """

    def base_colour(colours: np.ndarray) -> np.ndarray:
        # A stranger's numbers may be finite and yet make none; the check says it in a sentence.
        with np.errstate(over="ignore", invalid="ignore"):
            result: np.ndarray = np.clip(apply_colour(folded, colours), 0, 1)
        check_finite(result)
        if calibration is not None:
            result = np.clip(apply_lut(result, calibration), 0, 1)
        return result

    def bake(points: int) -> np.ndarray:
        # A slice at a time, which stays in the cache.
        slices = np.split(lut_grid(points), points)
        return np.stack([base_colour(part).reshape(points, points, 3) for part in slices])

    if size is not None:
        return bake(size)
    lut = bake(LUT_SIZE)
    colours = np.random.default_rng(0).random((4096, 3), np.float32)
    error = np.abs(apply_lut(colours, lut) - base_colour(colours)).max(axis=1)
    return lut if np.mean(error <= 1 / 255) >= 0.99 else bake(FINE_LUT_SIZE)


def look_up(pixels: Pixels, lut: np.ndarray | ColourLut) -> np.ndarray:
    """`lut` applied to pixels (H, W, 3) of any depth. Returns unit float32 (H, W, 3).

    8-bit pixels are answered in 8 bits.
    """
    colours = lut if isinstance(lut, ColourLut) else ColourLut(lut)
    if pixels.dtype == np.uint8:
        return to_unit(colours(pixels))
    return apply_lut(to_unit(pixels).reshape(-1, 3), colours.unit).reshape(pixels.shape)


def working_size(size: Size, short_side: int) -> Size:
    """(height, width) of the working copy of a picture: never larger, and capped in pixels."""
    height, width = size
    scale = min(1.0, short_side / min(size), (MAX_WORKING_PIXELS / (height * width)) ** 0.5)
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
    reduced = cv2.resize(_halved(pixels, size), size[::-1], interpolation=cv2.INTER_AREA)
    return np.asarray(reduced / np.float32(_white(pixels.dtype)))


def _halved(array: np.ndarray, size: Size) -> np.ndarray:
    """By halves down to three times `size` at most, which is the quickest way; float32.

    Not in 8 bits: they would round away what the local maps go by.
    """
    while min(own / wanted for own, wanted in zip(array.shape, size, strict=False)) >= 3:
        array = _half(array)
    return np.asarray(array, np.float32)


def _half(array: np.ndarray) -> np.ndarray:
    """(2 H, 2 W) or an odd pixel less of each to (H, W), float32."""
    height, width = array.shape[:2]
    half = np.empty((-(-height // 2), -(-width // 2), *array.shape[2:]), np.float32)
    # Made float a strip at a time, which stays in the cache; odd pictures can't be cut in strips.
    in_one = array.dtype == np.float32 or height % 2
    for rows in _pieces(height, height if in_one else HALVED_ROWS):
        strip = np.asarray(array[rows], np.float32)
        out = half[rows.start // 2 : -(-rows.stop // 2)]
        cv2.resize(strip, out.shape[1::-1], out, interpolation=cv2.INTER_AREA)
    return half


def run_generator(generator: StyleGenerator, unit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Toned picture and residual of a unit picture, both (H, W, 3) on unit scale."""
    base_colour, residual = np.empty_like(unit), np.empty_like(unit)
    for window, base_colour_part, residual_part in paint_tiles(generator, unit):
        base_colour[window], residual[window] = base_colour_part, residual_part
    return base_colour, residual


def check_finite(*arrays: np.ndarray) -> None:
    """Raises StyleFileError where a style makes something that is no picture."""
    # A sum is quick and needs no memory; anything that is no number makes it none.
    if not all(np.isfinite(array.sum(dtype=np.float64)) for array in arrays):
        raise StyleFileError("the style makes no picture: its numbers are far out of range")


def paint_tiles(
    generator: StyleGenerator, pixels: Pixels
) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """Toned picture and residual of pixels (H, W, 3) of any depth, a tile at a time.

    Yields (rows, columns), base_colour and residual on unit scale. A tile is computed together with
    all that its pixels depend on, so that the result does not depend on the size of the tiles.
    """
    bordered = tuple(_mirrored(side) for side in pixels.shape[:2])
    for rows in _pieces(pixels.shape[0], TILE):
        for columns in _pieces(pixels.shape[1], TILE):
            yield from _paint_window(generator, pixels, bordered, (rows, columns))


def _paint_window(
    generator: StyleGenerator, pixels: Pixels, bordered: tuple[np.ndarray, ...], window: Window
) -> Iterator[tuple[Window, np.ndarray, np.ndarray]]:
    """One tile; in four parts where memory runs out."""
    # Where the tile and its surroundings lie in the bordered picture.
    begins = [max(0, part.start + BORDER - generator.reach) for part in window]
    ends = [part.stop + BORDER + generator.reach for part in window]
    ends = [end + -end % STRIDE for end in ends]
    rows, columns = (at[b:e] for at, b, e in zip(bordered, begins, ends, strict=True))
    unit = to_unit(pixels.take(rows, axis=0).take(columns, axis=1))
    try:
        outputs = generator(np.ascontiguousarray(unit.transpose(2, 0, 1)[None] * 2 - 1))
    except MemoryError:
        if max(part.stop - part.start for part in window) <= SMALLEST_TILE:
            raise
        for y in _pieces(window[0].stop, SMALLEST_TILE, window[0].start, halved=True):
            for x in _pieces(window[1].stop, SMALLEST_TILE, window[1].start, halved=True):
                yield from _paint_window(generator, pixels, bordered, (y, x))
        return
    check_finite(*outputs)
    inner = tuple(
        slice(part.start + BORDER - begin, part.stop + BORDER - begin)
        for part, begin in zip(window, begins, strict=True)
    )
    base_colour, residual = (output[0].transpose(1, 2, 0)[inner] for output in outputs)
    yield window, (base_colour + 1) / 2, residual / 2


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
class ResidualMaps:
    """A residual as local affine maps of the picture x: sum over i of x[i] * slope[i], and level.

    slope: (3, 3, h, w), from each channel of the picture to each of the residual.
    level: (3, h', w'). Each covers the whole picture.
    """

    slope: np.ndarray
    level: np.ndarray

    def widened(self, width: int, scale: float = 1.0) -> "ResidualMaps":
        """The same, `width` px wide; for pictures whose white is `scale`."""
        slope = [_widened(planes, width, cv2.INTER_LINEAR) for planes in self.slope]
        level = _widened(self.level * np.float32(scale), width, cv2.INTER_CUBIC)
        return ResidualMaps(np.stack(slope), level)

    def residual(
        self, picture: Sequence[np.ndarray], columns: slice, room: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """The residual in some columns of a picture: red, green and blue, (H, columns) each.

        picture: those columns of the picture, red, green and blue, (H, columns) float32 each. The
            maps are as wide as the whole picture, and `scale` is its white (widened).
        room: (2, H, columns) float32, overwritten. A plane lies in it until the next one is asked.
        """
        height, width = picture[0].shape
        total, stretched = np.empty((2, height, width), np.float32) if room is None else room

        def stretch(plane: np.ndarray, out: np.ndarray, interpolation: int) -> None:
            # Across it stays as it is, so that these columns get what they get in the whole.
            cv2.resize(plane[:, columns], (width, height), out, interpolation=interpolation)

        for channel in range(3):
            stretch(self.level[channel], total, cv2.INTER_CUBIC)
            for plane, slope in zip(picture, self.slope[:, channel], strict=True):
                stretch(slope, stretched, cv2.INTER_LINEAR)
                cv2.accumulateProduct(plane, stretched, total)
            yield total


def fit_residual(working: np.ndarray, residual: np.ndarray, *, exact: bool = True) -> ResidualMaps:
    """Local affine maps from the working picture to its residual, both (h, w, 3) unit float32.

    The guided filter with a colour guide (He, Sun & Tang 2013, eq. 14-15), maps averaged over the
    window. They are that smooth that one value per radius says all (He & Sun 2015).
    exact: all that the slopes leave of the residual goes into the level; otherwise only what
    follows the picture is kept.
    """
    height, width = working.shape[:2]
    radius = max(2, round(min(height, width) * GUIDE_SHARE))
    size = max(1, height // radius), max(1, width // radius)

    def smooth(plane: np.ndarray) -> np.ndarray:
        return cv2.blur(plane, (3, 3), borderType=cv2.BORDER_REFLECT).reshape(plane.shape)

    def mean(plane: np.ndarray) -> np.ndarray:
        coarse = cv2.resize(_halved(plane, size), size[::-1], interpolation=cv2.INTER_AREA)
        return smooth(coarse.reshape(size))

    x, r = cv2.split(working), cv2.split(residual)
    mean_x, mean_r = [mean(plane) for plane in x], [mean(plane) for plane in r]
    covariance = {}
    for i, j in ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)):
        entry = mean(x[i] * x[j]) - mean_x[i] * mean_x[j]
        covariance[i, j] = covariance[j, i] = entry + GUIDE_NOISE if i == j else entry
    inverse = _inverse(covariance)
    slope, level = np.empty((3, 3, *mean_x[0].shape), np.float32), []
    for c in range(3):
        cross = [mean(x[i] * r[c]) - mean_x[i] * mean_r[c] for i in range(3)]
        local = [sum(inverse[i, j] * cross[j] for j in range(3)) for i in range(3)]
        offset = mean_r[c] - sum(mean_x[i] * local[i] for i in range(3))
        for i in range(3):
            slope[i, c] = smooth(local[i])
        level.append(smooth(offset))
    if not exact:
        return ResidualMaps(slope, np.array(level))
    followed = ResidualMaps(slope, np.zeros((3, 1, 1), np.float32)).widened(width)
    known = followed.residual(x, slice(0, width))
    return ResidualMaps(slope, np.stack([own - part for own, part in zip(r, known, strict=True)]))


def enlarge_residual(maps: ResidualMaps, pixels: Pixels) -> np.ndarray:
    """The residual of a whole picture (H, W, 3) of any depth; float32, unit scale."""
    columns = slice(0, pixels.shape[1])
    planes = maps.widened(columns.stop).residual(cv2.split(to_unit(pixels)), columns)
    result = np.empty(pixels.shape, np.float32)
    for channel, plane in enumerate(planes):
        result[..., channel] = plane
    return result


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


def _widened(planes: np.ndarray, width: int, interpolation: int) -> np.ndarray:
    wide: np.ndarray = np.empty((*planes.shape[:2], width), np.float32)
    for plane, out in zip(planes, wide, strict=True):
        cv2.resize(plane, (width, len(plane)), out, interpolation=interpolation)
    return wide


Finish = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""What is done to a styled picture at the end: (styled, original) → styled, all (H, W, 3) unit."""


def render(
    pixels: Pixels,
    colours: ColourLut,
    residual: ResidualMaps | None = None,
    *,
    finish: Finish | None = None,
    threads: int = 1,
) -> Pixels:
    """The picture in the look, in its own size and depth.

    pixels: (H, W, 3) of any depth. colours: of the table from bake_lut. residual: from
    fit_residual.
    """
    height, width = pixels.shape[:2]
    result = np.empty_like(pixels)
    if pixels.dtype == np.uint8:
        colours.expect(height * width, threads)
    maps = residual and residual.widened(width, _white(pixels.dtype))

    def paint(strips: Sequence[slice]) -> None:
        room = np.empty(0, np.float32)
        for columns in strips:
            strip = np.ascontiguousarray(pixels[:, columns])
            added = None
            if maps:
                planes = [np.asarray(plane, np.float32) for plane in cv2.split(strip)]
                # Arrays at hand are in the cache, new ones are not.
                if room.shape[1:] != planes[0].shape:
                    room = np.empty((2, *planes[0].shape), np.float32)
                added = maps.residual(planes, columns, room)
            result[:, columns] = _put_together(strip, colours, added, finish)

    # Columns, as parts of the maps can be stretched down their columns and be exact.
    strips = _pieces(width, max(NARROWEST_STRIP, STRIP_PIXELS // height))
    count = min(threads, len(strips))
    if count == 1:
        paint(strips)
    else:
        with ThreadPoolExecutor(count) as pool:
            list(pool.map(paint, [strips[k::count] for k in range(count)]))
    return result


def render_at_full_size(
    pixels: Pixels, colours: ColourLut, generator: StyleGenerator, *, finish: Finish | None = None
) -> Pixels:
    """The picture in the look, its residual computed at every pixel, tile by tile.

    As `render`, which is quicker where the picture is larger than its working copy.
    """
    result = np.empty_like(pixels)
    for window, base_colour, residual in paint_tiles(generator, pixels):
        added = whole_residual(base_colour, residual) * np.float32(_white(pixels.dtype))
        result[window] = _put_together(pixels[window], colours, iter(cv2.split(added)), finish)
    return result


def whole_residual(base_colour: np.ndarray, residual: np.ndarray) -> np.ndarray:
    """A residual with what the network tones beyond black and white, where a table ends."""
    whole: np.ndarray = residual + (base_colour - np.clip(base_colour, 0, 1))
    return whole


def _white(dtype: np.dtype) -> int:
    return int(np.iinfo(dtype).max) if dtype.kind == "u" else 1


def _put_together(
    original: Pixels,
    colours: ColourLut,
    added: Iterator[np.ndarray] | None,
    finish: Finish | None,
) -> Pixels:
    """Colours of the table, and a residual on the depth's own scale, a plane per channel."""
    dtype = original.dtype
    if dtype == np.uint8 and finish is None:
        base_colour = colours(original)
        if added is None:
            return base_colour
        planes = zip(cv2.split(base_colour), added, strict=True)
        return cv2.merge([cv2.add(plane, more, dtype=cv2.CV_8U) for plane, more in planes])
    unit = look_up(original, colours)
    for channel, more in enumerate(added or ()):
        unit[..., channel] += more / np.float32(_white(dtype))
    if finish is not None:
        unit = finish(np.clip(unit, 0, 1), to_unit(original))
    return from_unit(unit, dtype)
