"""A style's base colour as a LUT; on 8 bits all 2^24 colours are computed once, then looked up."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.colour import apply_lut, lut_grid
from stylegan_cli.errors import StyleFileError
from stylegan_cli.networks.folding import apply_colour
from stylegan_cli.pictures import to_unit

LUT_SIZE = 33  # points per channel
FINE_LUT_SIZE = 65

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

_LEVELS = 256
_COLOURS = _LEVELS**3
_FEW = 1 << 18  # pixels that are computed one by one before it pays to compute all colours


class ColourLut:
    """A base colour on 8-bit pixels, trilinear between the points of a LUT.

    A colour has one result, however many pixels have been looked up before. Threads may share it.
    """

    def __init__(self, lut: Plane, strength: float = 1.0) -> None:
        """lut: (n, n, n, 3) unit, of the whole style. strength: how much of it, 0 to 1."""
        if strength != 1:
            grid = np.linspace(0, 1, len(lut), dtype=np.float32)
            same = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1)
            lut = same + np.float32(strength) * (lut - same)
        self.unit: Plane = lut
        self._points: Plane = np.clip(lut, 0, 1) * np.float32(_LEVELS - 1)
        # Of each level: the point below it, and the fraction of the distance to the next.
        position = np.arange(_LEVELS) * (len(lut) - 1) / (_LEVELS - 1)
        self._low = np.minimum(position.astype(int), len(lut) - 2)
        self._fraction = (position - self._low).astype(np.float32)
        self._all: npt.NDArray[np.uint32] | None = None
        self._expected = 0
        self._lock = Lock()

    def __call__(self, pixels: Pixels) -> Pixels:
        """pixels: (H, W, 3) uint8. Returns the same shape."""
        self.expect(pixels.shape[0] * pixels.shape[1])
        if self._all is None:
            return self._one_by_one(pixels)
        styled = np.take(self._all, _packed(pixels), mode="clip")
        return cv2.cvtColor(_channels(styled), cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)

    def expect(self, pixels: int, threads: int = 1) -> None:
        """Get ready for so many pixels more, if that pays."""
        with self._lock:
            self._expected += pixels
            if self._all is None and self._expected > _FEW:
                self._all = self._of_all_colours(threads)

    def _of_all_colours(self, threads: int) -> npt.NDArray[np.uint32]:
        """(2**24,): the styled colour of every colour, both as `_packed` gives them."""
        low, fraction = self._low, self._fraction
        points = [
            _between(
                np.take(plane, low, axis=1), np.take(plane, low + 1, axis=1), fraction[:, None]
            )
            for plane in np.ascontiguousarray(self._points.transpose(2, 1, 0, 3))
        ]  # of each blue: (green, red, 3), every level of red by now
        result = np.empty((_LEVELS, _LEVELS, _LEVELS), np.uint32)

        def fill(blues: range) -> None:
            # Arrays that are made once and stay in the cache: new ones take half of the time.
            start, delta = (np.empty((_LEVELS, _LEVELS, 3), np.float32) for _ in range(2))
            levels = np.empty(delta.shape, np.uint8)
            for blue in blues:
                plane = _between(points[low[blue]], points[low[blue] + 1], fraction[blue])
                np.take(plane, low, axis=0, out=start, mode="clip")
                np.take(plane[1:] - plane[:-1], low, axis=0, out=delta, mode="clip")
                delta *= fraction[:, None, None]
                delta += start
                cv2.convertScaleAbs(delta, dst=levels)
                result[blue] = _packed(levels)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, [range(k, _LEVELS, threads) for k in range(threads)]))
        return result.ravel()

    def _one_by_one(self, pixels: Pixels) -> Pixels:
        (r, g, b), points = np.moveaxis(self._low[pixels], -1, 0), self._points
        red, green, blue = np.moveaxis(self._fraction[pixels], -1, 0)[..., None]

        def along_red(i: int, j: int) -> Plane:
            return _between(points[r, g + i, b + j], points[r + 1, g + i, b + j], red)

        # In the order of _of_all_colours, as float32 rounds in every step.
        edges = [_between(along_red(i, 0), along_red(i, 1), blue) for i in (0, 1)]
        levels = _between(edges[0], edges[1], green).reshape(-1, 3)
        return cv2.convertScaleAbs(levels).reshape(pixels.shape).astype(np.uint8, copy=False)


def bake_lut(
    folded: Mapping[str, np.ndarray], calibration: np.ndarray | None, size: int | None = None
) -> np.ndarray:
    """The base colour of a folded style as a LUT, (size, size, size, 3) float32 in [0, 1].

    size: points per channel; where None LUT_SIZE, or FINE_LUT_SIZE for a style so bent that
    more than one colour in a hundred would be more than 1/255 off.
    """

    def base_colour(colours: np.ndarray) -> np.ndarray:
        # Finite weights can overflow; the check reports that in a sentence.
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


def check_finite(*arrays: np.ndarray) -> None:
    """Raises StyleFileError where a style's results are not finite numbers."""
    # A sum is quick and needs no memory; one value that is not finite makes it not finite.
    if not all(np.isfinite(array.sum(dtype=np.float64)) for array in arrays):
        raise StyleFileError("the style makes no picture: its numbers are far out of range")


def look_up(pixels: Pixels, lut: np.ndarray | ColourLut) -> np.ndarray:
    """`lut` applied to pixels (H, W, 3) of any depth. Returns unit float32 (H, W, 3).

    8-bit pixels are answered in 8 bits.
    """
    colours = lut if isinstance(lut, ColourLut) else ColourLut(lut)
    if pixels.dtype == np.uint8:
        return to_unit(colours(pixels))
    return apply_lut(to_unit(pixels).reshape(-1, 3), colours.unit).reshape(pixels.shape)


def _between(first: Plane, second: Plane, share: Plane | np.float32) -> Plane:
    """Linear interpolation from the first to the second."""
    delta: Plane = second - first
    delta *= share
    delta += first
    return delta


def _packed(pixels: Pixels) -> npt.NDArray[np.uint32]:
    """(H, W): red in the lowest byte, green, blue, nothing in the highest."""
    four = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    return four.view("<u4")[..., 0] & np.uint32(_COLOURS - 1)


def _channels(packed: npt.NDArray[np.uint32]) -> Pixels:
    """The four bytes of `_packed`, (H, W, 4)."""
    return packed.astype("<u4", copy=False).view(np.uint8).reshape(*packed.shape, 4)
