"""A look's per-pixel part, for frame after frame of 8 bits."""

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures import from_unit
from stylegan_cli.rendering import look_up

Pixels = npt.NDArray[np.uint8]

_COLOURS = 1 << 24


class ColourTable:
    """A look's per-pixel part on 8-bit frames."""

    def __init__(self, table: npt.NDArray[np.float32], strength: float) -> None:
        """table: (n, n, n, 3) unit, of the whole look. strength: how much of it, 0 to 1."""
        grid = np.linspace(0, 1, len(table), dtype=np.float32)
        same = np.stack(np.meshgrid(grid, grid, grid, indexing="ij"), axis=-1)
        self._table = same + np.float32(strength) * (table - same)
        self._all: npt.NDArray[np.uint32] | None = None
        self._seen = 0

    def __call__(self, pixels: Pixels) -> Pixels:
        """pixels: (H, W, 3) uint8. Returns the same shape."""
        # Once as many pixels have gone by as there are colours, it pays to look up all of them.
        self._seen += pixels.shape[0] * pixels.shape[1]
        if self._seen < _COLOURS:
            return from_unit(look_up(pixels, self._table), np.dtype(np.uint8))
        if self._all is None:
            self._all = self._of_all_colours()
        painted = np.take(self._all, _packed(pixels), mode="clip")
        return cv2.cvtColor(_channels(painted), cv2.COLOR_RGBA2RGB).astype(np.uint8, copy=False)

    def _of_all_colours(self) -> npt.NDArray[np.uint32]:
        """(2**24,): the painted colour of every colour, both as `_packed` gives them."""
        part = 1 << 20
        table = np.empty(_COLOURS, np.uint32)
        for start in range(0, _COLOURS, part):
            colours = np.arange(start, start + part, dtype=np.uint32).reshape(1 << 10, -1)
            pixels = np.ascontiguousarray(_channels(colours)[..., :3])
            painted = from_unit(look_up(pixels, self._table), np.dtype(np.uint8))
            table[start : start + part] = _packed(painted).ravel()
        return table


def _packed(pixels: Pixels) -> npt.NDArray[np.uint32]:
    """(H, W): red in the lowest byte, green, blue, nothing in the highest."""
    four = cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA)
    return four.view("<u4")[..., 0] & np.uint32(_COLOURS - 1)


def _channels(packed: npt.NDArray[np.uint32]) -> Pixels:
    """The four bytes of `_packed`, (H, W, 4)."""
    return packed.astype("<u4", copy=False).view(np.uint8).reshape(*packed.shape, 4)
