"""Colours told by code points (ITU-T H.273), as PNG, HEIF and AVIF do; PQ and HLG among them."""

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures.colours.profiles import D65, SRGB_PRIMARIES, make_profile

Plane = npt.NDArray[np.float32]

SDR_WHITE_NITS: Final = 203.0  # ITU-R BT.2408: where diffuse white is in an HDR picture
_HLG_PEAK_NITS: Final = 1000.0
_PQ, _HLG = 16, 18
_UNSPECIFIED: Final = 2
_PRIMARIES: Final = {
    1: SRGB_PRIMARIES,
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: ((0.708, 0.292), (0.17, 0.797), (0.131, 0.046)),
    11: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    12: ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
}
_WHITES: Final = {11: (0.314, 0.351)}
# Screens show the curves of television (1, 6, 14, 15) as that of sRGB (13).
_GAMMAS: Final = {1: None, 2: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}


@dataclass(frozen=True, slots=True)
class Cicp:
    """Code points for primaries, transfer and matrix; pixels have the full range."""

    primaries: int
    transfer: int
    matrix: int = 0

    @property
    def is_known(self) -> bool:
        """Whether these colours can be converted."""
        known = self.transfer in _GAMMAS or self.is_hdr
        return known and self._primaries in _PRIMARIES

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ or HLG."""
        return self.transfer in (_PQ, _HLG)

    @property
    def is_srgb(self) -> bool:
        """Whether this is sRGB, or says nothing."""
        return self._primaries == 1 and self.transfer in _GAMMAS and _GAMMAS[self.transfer] is None

    @property
    def _primaries(self) -> int:
        return 1 if self.primaries == _UNSPECIFIED else self.primaries

    def profile(self) -> bytes:
        """The ICC profile of the same colours; of the same primaries where the transfer is HDR."""
        white = _WHITES.get(self._primaries, D65)
        return make_profile(_PRIMARIES[self._primaries], white, _GAMMAS.get(self.transfer))

    def to_linear_srgb(self) -> npt.NDArray[np.float32]:
        """(3, 3): from a column of linear light in these primaries to one in those of sRGB."""
        here, there = (_to_xyz(_PRIMARIES[code]) for code in (self._primaries, 1))
        return np.linalg.solve(there, here).astype(np.float32)

    def light(self, codes: npt.NDArray[np.uint16]) -> Plane:
        """Linear light (N, 3) of 16-bit codes of PQ or HLG; 1 is the white of an SDR picture."""
        curve = _light_of_codes(self.transfer)
        light: Plane = np.take(curve, codes)
        if self.transfer == _HLG:  # BT.2100, table 5: the OOTF, by luminance
            light *= (light @ self._luminance)[..., None] ** np.float32(0.2)
            light *= np.float32(_HLG_PEAK_NITS / SDR_WHITE_NITS)
        return light

    def codes(self, light: Plane) -> npt.NDArray[np.uint16]:
        """16-bit codes of linear light (N, 3), as from `light`."""
        light = np.maximum(light, 0)
        if self.transfer == _HLG:
            light = light * np.float32(SDR_WHITE_NITS / _HLG_PEAK_NITS)
            luminance = np.maximum(light @ self._luminance, 1e-9)[..., None]
            encoded = _hlg_of_scene(light * luminance ** np.float32(0.2 / 1.2 * -1))
        else:
            encoded = pq_of_nits(light * np.float32(SDR_WHITE_NITS))
        return np.rint(np.clip(encoded, 0, 1) * 65535).astype(np.uint16)

    @property
    def _luminance(self) -> npt.NDArray[np.float32]:
        """(3,): how much each primary has in luminance."""
        return np.asarray(_to_xyz(_PRIMARIES[self._primaries])[1], np.float32)


def pq_of_nits(nits: Plane) -> Plane:
    """PQ values of light (SMPTE ST 2084, equation 5.2)."""
    share = (np.maximum(nits, 0) / np.float32(10000)) ** np.float32(2610 / 16384)
    ratio = (3424 / 4096 + 2413 / 128 * share) / (1 + 2392 / 128 * share)
    return np.asarray(ratio ** np.float32(2523 / 32), np.float32)


def nits_of_pq(values: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Light of PQ values (SMPTE ST 2084, equation 4.1)."""
    root = values ** (32 / 2523)
    ratio = np.maximum(root - 3424 / 4096, 0) / (2413 / 128 - 2392 / 128 * root)
    return np.asarray(10000 * ratio ** (16384 / 2610))


def tone_mapped(brightest: Plane, peak: float) -> Plane:
    """What the largest channel becomes in an SDR picture (ITU-R BT.2390, 5.4.1), 1 at most.

    brightest: the largest of the three channels, linear, SDR white 1. peak: of the picture.
    """
    if peak <= 1:
        return brightest
    top, white = map(float, pq_of_nits(np.array([peak, 1], np.float32) * np.float32(203)))
    white /= top
    knee = max(0.0, 1.5 * white - 0.5)
    value = np.minimum(pq_of_nits(brightest * np.float32(SDR_WHITE_NITS)) / np.float32(top), 1)
    t = np.maximum(value - knee, 0) / np.float32(1 - knee)
    bent = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee)
    bent += (3 * t**2 - 2 * t**3) * white
    mapped = nits_of_pq(np.where(value < knee, value, bent) * top) / SDR_WHITE_NITS
    return np.asarray(np.where(value < knee, brightest, np.clip(mapped, 0, 1)), np.float32)


def _hlg_of_scene(light: Plane) -> Plane:
    """The HLG OETF (ITU-R BT.2100, table 5)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    low = np.sqrt(3 * np.clip(light, 0, 1 / 12))
    high = a * np.log(12 * np.maximum(light, 1 / 12) - b) + c
    return np.asarray(np.where(light <= 1 / 12, low, high), np.float32)


@functools.cache
def _light_of_codes(transfer: int) -> Plane:
    """(65536,): PQ as light over SDR white, HLG as the light of the scene."""
    values = np.linspace(0, 1, 65536)
    if transfer == _PQ:
        return (nits_of_pq(values) / SDR_WHITE_NITS).astype(np.float32)
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    high = (np.exp((values - c) / a) + b) / 12
    return np.where(values <= 0.5, values**2 / 3, high).astype(np.float32)


def _to_xyz(primaries: tuple[tuple[float, float], ...]) -> npt.NDArray[np.float64]:
    """(3, 3): linear RGB, as a column, to XYZ with white D65 at Y = 1."""
    columns = np.array([(x / y, 1, (1 - x - y) / y) for x, y in primaries]).T
    x, y = D65
    white = np.array([x / y, 1, (1 - x - y) / y])
    return columns * np.linalg.solve(columns, white)
