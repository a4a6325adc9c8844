"""HDR to the range a display of today shows."""

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips.description import HLG, PQ, ColourTags, Pixels

# Diffuse white and the brightest highlight that is still told apart, in cd/m2 (Rep. ITU-R BT.2408).
_WHITE, _PEAK = 203.0, 1000.0

# Linear RGB of wider primaries (H.273 code points 9: BT.2020, 12: Display P3) to those of BT.709.
_TO_BT709 = {
    9: ((1.6605, -0.5876, -0.0728), (-0.1246, 1.1329, -0.0083), (-0.0182, -0.1006, 1.1187)),
    12: ((1.2249, -0.2247, 0.0), (-0.0420, 1.0419, 0.0), (-0.0197, -0.0786, 1.0979)),
}

# Below this share of white nothing changes; above it highlights are compressed.
_KNEE = 0.6


class ToneMapper:
    """From PQ or HLG to BT.709, highlights compressed."""

    def __init__(self, colours: ColourTags) -> None:
        codes = np.arange(65536, dtype=np.float64) / 65535
        self._is_hlg = colours.transfer == HLG
        self._linear = {PQ: _pq_light, HLG: _hlg_scene_light}[colours.transfer](codes)
        self._matrix = np.array(_TO_BT709.get(colours.primaries, np.eye(3)), np.float32)

    def __call__(self, pixels: npt.NDArray[np.uint16]) -> Pixels:
        """(H, W, 3) uint16 RGB of an HDR frame as (H, W, 3) uint8 RGB of an ordinary one."""
        light = self._linear[pixels]
        if self._is_hlg:
            light = _hlg_display_light(light)
        light = np.maximum(cv2.transform(light / _WHITE, self._matrix), 0)
        brightest = np.maximum(light.max(axis=2, keepdims=True), 1e-6)
        light *= _compressed(brightest) / brightest
        # The inverse of BT.1886, the gamma of the display that BT.709 is meant for.
        encoded = np.power(np.clip(light, 0, 1), 1 / 2.4)
        return (encoded * 255 + 0.5).astype(np.uint8)


def _pq_light(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Light in cd/m2 of a PQ code in [0, 1] (SMPTE ST 2084, EOTF)."""
    m1, m2 = 2610 / 16384, 2523 / 4096 * 128
    c1, c2, c3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
    root = code ** (1 / m2)
    light = 10_000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    return light.astype(np.float32)


def _hlg_scene_light(code: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
    """Scene light in [0, 1] of an HLG code in [0, 1] (Rec. ITU-R BT.2100, inverse OETF)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return light.astype(np.float32)


def _hlg_display_light(scene: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Light in cd/m2 on a display of 1000 cd/m2 (Rec. ITU-R BT.2100, OOTF with gamma 1.2)."""
    luma = scene @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    return np.asarray(_PEAK * luma[..., None] ** np.float32(0.2) * scene, np.float32)


def _compressed(light: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Light over white with the peak brought to 1 (Reinhard et al. 2002, eq. 4, above a knee)."""
    span = 1 - _KNEE
    peak = (_PEAK / _WHITE - _KNEE) / span
    above = np.maximum(light - _KNEE, 0) / span
    curve = above * (1 + above / peak**2) / (1 + above)
    return np.where(light > _KNEE, _KNEE + span * np.minimum(curve, 1), light)
