"""HDR as an ordinary picture, and what is done to that picture carried back to HDR."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips.colour_tags import HLG, PQ, ColourTags
from stylegan_cli.clips.description import Pixels

Plane = npt.NDArray[np.float32]
Codes = npt.NDArray[np.uint16]

# Diffuse white and the brightest highlight that is still told apart, in cd/m2 (Rep. ITU-R BT.2408).
_WHITE, _PEAK = 203.0, 1000.0

# Linear RGB of wider primaries (H.273 code points 9: BT.2020, 12: Display P3) to those of BT.709.
_TO_BT709 = {
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}

# The gamma of the display that BT.709 is meant for (BT.1886).
_GAMMA = 2.4

# Below this level nothing is compressed; the peak comes out as 1.
_KNEE = 0.6
_SPAN = 1 - _KNEE
_PEAK_OVER_KNEE = ((_PEAK / _WHITE) ** (1 / _GAMMA) - _KNEE) / _SPAN

_CODES = 65536
# Light over white up to the 10,000 cd/m2 of PQ.
_BRIGHTEST = 10_000 / _WHITE


class ToneMapper:
    """From PQ or HLG to BT.709 and back.

    Levels are those of an ordinary display, from 0 to 1; below 0 lie colours that it can't show,
    above 1 light beyond its peak. Each channel goes through a curve of its own, so that every step
    can be undone.
    """

    def __init__(self, colours: ColourTags) -> None:
        codes = np.arange(_CODES) / (_CODES - 1)
        self._light = {PQ: _pq_light, HLG: _hlg_light}[colours.transfer](codes).astype(np.float32)
        matrix = np.array(_TO_BT709.get(colours.primaries, np.eye(3)))
        self._to_bt709 = matrix.astype(np.float32)
        self._from_bt709 = np.linalg.inv(matrix).astype(np.float32)
        # The code of each light, by its fourth root, which tells dark ones apart.
        light = codes**4 * _BRIGHTEST
        back = np.interp(light, self._light.astype(np.float64), np.arange(_CODES))
        self._codes = np.rint(back).astype(np.uint16)

    def __call__(self, pixels: Codes) -> Pixels:
        """(H, W, 3) uint16 RGB of an HDR frame as (H, W, 3) uint8 RGB of an ordinary one."""
        return shown(self.levels(pixels))

    def levels(self, pixels: Codes) -> Plane:
        """(H, W, 3) uint16 RGB of an HDR frame → its levels."""
        light = cv2.transform(np.take(self._light, pixels), self._to_bt709)
        encoded = cv2.pow(np.abs(light), 1 / _GAMMA)
        above = np.maximum(encoded - _KNEE, 0)
        above *= 1 / _SPAN
        # Reinhard et al. 2002, eq. 4, above a knee.
        curve = above * (1 + above / _PEAK_OVER_KNEE**2) / (1 + above)
        levels = np.minimum(encoded, _KNEE) + _SPAN * curve
        return np.asarray(np.copysign(levels, light), np.float32)

    def codes(self, levels: Plane) -> Codes:
        """The inverse of `levels`."""
        size = np.abs(levels)
        curve = np.maximum(size - _KNEE, 0) / _SPAN
        half = (1 - curve) / 2
        square = _PEAK_OVER_KNEE**2
        above = square * (np.sqrt(half * half + curve / square) - half)
        encoded = np.minimum(size, _KNEE) + _SPAN * above
        light = cv2.transform(
            np.copysign(cv2.pow(encoded, _GAMMA), levels).astype(np.float32), self._from_bt709
        )
        root = np.sqrt(np.sqrt(np.clip(light * (1 / _BRIGHTEST), 0, 1)))
        places: Any = (root * (_CODES - 1) + 0.5).astype(np.uint16)
        return np.asarray(np.take(self._codes, places), np.uint16)


def shown(levels: Plane) -> Pixels:
    """Levels as the 8 bits of an ordinary display."""
    return cv2.convertScaleAbs(np.maximum(levels, 0), alpha=255).astype(np.uint8, copy=False)


def _pq_light(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Light over white of a PQ code in [0, 1] (SMPTE ST 2084, EOTF)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = code ** (1 / m2)
    return 10_000 / _WHITE * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)


def _hlg_light(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Light over white of an HLG code in [0, 1] on a display of 1000 cd/m2.

    The inverse OETF of Rec. ITU-R BT.2100 and the gamma of its OOTF, here of each channel by itself
    instead of their luminance.
    """
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return _PEAK / _WHITE * scene**1.2
