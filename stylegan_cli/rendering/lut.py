"""A look's per-pixel part on 8 bits: all 2^24 colours are worked out once, then looked up."""

from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import cv2
import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

_LEVELS = 256
_COLOURS = _LEVELS**3
_FEW = 1 << 18  # pixels that are worked out one by one before it pays to work out all colours


class ColourLut:
    """A look's per-pixel part on 8-bit pixels, trilinear between the points of a table.

    A colour has one result, however many pixels have been looked up before. Threads may share it.
    """

    def __init__(self, lut: Plane, strength: float = 1.0) -> None:
        """table: (n, n, n, 3) unit, of the whole look. strength: how much of it, 0 to 1."""
        if strength != 1:
            grid = np.linspace(0, 1, len(lut), dtype=np.float32)
            same = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1)
            lut = same + np.float32(strength) * (lut - same)
        self.unit: Plane = lut
        self._points: Plane = np.clip(lut, 0, 1) * np.float32(_LEVELS - 1)
        # Of each level: the point below it, and how far it lies on the way to the next.
        place = np.arange(_LEVELS) * (len(lut) - 1) / (_LEVELS - 1)
        self._low = np.minimum(place.astype(int), len(lut) - 2)
        self._past = (place - self._low).astype(np.float32)
        self._all: npt.NDArray[np.uint32] | None = None
        self._seen = 0
        self._turn = Lock()

    def __call__(self, pixels: Pixels) -> Pixels:
        """pixels: (H, W, 3) uint8. Returns the same shape."""
        self.expect(pixels.shape[0] * pixels.shape[1])
        if self._all is None:
            return self._one_by_one(pixels)
        painted = np.take(self._all, _packed(pixels), mode="clip")
        return cv2.cvtColor(_channels(painted), cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)

    def expect(self, pixels: int, threads: int = 1) -> None:
        """Get ready for so many pixels more, if that pays."""
        with self._turn:
            self._seen += pixels
            if self._all is None and self._seen > _FEW:
                self._all = self._of_all_colours(threads)

    def _of_all_colours(self, threads: int) -> npt.NDArray[np.uint32]:
        """(2**24,): the painted colour of every colour, both as `_packed` gives them."""
        low, past = self._low, self._past
        points = [
            _between(np.take(plane, low, axis=1), np.take(plane, low + 1, axis=1), past[:, None])
            for plane in np.ascontiguousarray(self._points.transpose(2, 1, 0, 3))
        ]  # of each blue: (green, red, 3), every level of red by now
        result = np.empty((_LEVELS, _LEVELS, _LEVELS), np.uint32)

        def fill(blues: range) -> None:
            # Arrays that are made once and stay in the cache: new ones take half of the time.
            start, way = (np.empty((_LEVELS, _LEVELS, 3), np.float32) for _ in range(2))
            levels = np.empty(way.shape, np.uint8)
            for blue in blues:
                plane = _between(points[low[blue]], points[low[blue] + 1], past[blue])
                np.take(plane, low, axis=0, out=start, mode="clip")
                np.take(plane[1:] - plane[:-1], low, axis=0, out=way, mode="clip")
                way *= past[:, None, None]
                way += start
                cv2.convertScaleAbs(way, dst=levels)
                result[blue] = _packed(levels)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(fill, [range(k, _LEVELS, threads) for k in range(threads)]))
        return result.ravel()

    def _one_by_one(self, pixels: Pixels) -> Pixels:
        (r, g, b), points = np.moveaxis(self._low[pixels], -1, 0), self._points
        red, green, blue = np.moveaxis(self._past[pixels], -1, 0)[..., None]

        def along_red(i: int, j: int) -> Plane:
            return _between(points[r, g + i, b + j], points[r + 1, g + i, b + j], red)

        # In the order of _of_all_colours, as float32 rounds in every step.
        edges = [_between(along_red(i, 0), along_red(i, 1), blue) for i in (0, 1)]
        levels = _between(edges[0], edges[1], green).reshape(-1, 3)
        return cv2.convertScaleAbs(levels).reshape(pixels.shape).astype(np.uint8, copy=False)


def _between(first: Plane, second: Plane, share: Plane | np.float32) -> Plane:
    """What lies on the way from the first to the second, at a share of it."""
    way: Plane = second - first
    way *= share
    way += first
    return way


def _packed(pixels: Pixels) -> npt.NDArray[np.uint32]:
    """(H, W): red in the lowest byte, green, blue, nothing in the highest."""
    four = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    return four.view("<u4")[..., 0] & np.uint32(_COLOURS - 1)


def _channels(packed: npt.NDArray[np.uint32]) -> Pixels:
    """The four bytes of `_packed`, (H, W, 4)."""
    return packed.astype("<u4", copy=False).view(np.uint8).reshape(*packed.shape, 4)
