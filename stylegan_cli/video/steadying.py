"""Less flicker: what has not changed in the source should not change in the result."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.containers import is_other_scene, scene_thumbnail

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

# Short side, px, at which movement is measured: enough to follow it, and cheap.
_FLOW_SIDE = 256

# How far, in levels, a source pixel may be from where it came from before its past counts for e^-1.
_TOLERANCE = 8.0

# The most that the past may weigh: more would keep errors for seconds.
_MOST = 0.9

_NOTHING: Any = None  # OpenCV takes it for an array that is not there; its type stubs do not.


class Steadier:
    """Blends each result with the one before it, moved along with the source, where that holds.

    strength: 0 (nothing) to 1 (the past weighs nine times the present). The movement is the optical
    flow of the source (DIS, Kroeger et al. 2016); it holds where the frame before, moved by it,
    looks like the frame now. A cut starts anew.
    """

    def __init__(self, strength: float) -> None:
        self._weight = _MOST * strength
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._last: tuple[Pixels, Pixels, Pixels, Pixels] | None = None

    def __call__(self, source: Pixels, painted: Pixels) -> Pixels:
        """`painted`, steadied. Both (H, W, 3) uint8; call it for every frame in order."""
        if not self._weight:
            return painted
        small = _small(source)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8)
        thumbnail = scene_thumbnail(small)
        result = painted
        if self._last is not None and self._last[3].shape == painted.shape:
            last_thumbnail, last_small, last_grey, last_result = self._last
            if not is_other_scene(last_thumbnail, thumbnail):
                flow = self._flow.calc(grey, last_grey, _NOTHING).astype(np.float32)
                flow, trust = _trusted(flow, small, last_small)
                result = self._blended(painted, last_result, flow, trust)
        self._last = (thumbnail, small, grey, result)
        return result

    def _blended(self, painted: Pixels, before: Pixels, flow: Plane, trust: Plane) -> Pixels:
        height, width = painted.shape[:2]
        weight = cv2.resize(self._weight * trust, (width, height), interpolation=cv2.INTER_LINEAR)
        moved = _moved(before, _resized_flow(flow, width, height))
        return cv2.blendLinear(painted, moved, 1 - weight, weight).astype(np.uint8)


def _small(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    scale = min(1.0, _FLOW_SIDE / min(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)


def _trusted(flow: Plane, now: Pixels, before: Pixels) -> tuple[Plane, Plane]:
    """The flow, still where standing still explains as much, and how far it holds, in [0, 1]."""
    moved = _difference(now, _moved(before, flow))
    still = _difference(now, before)
    is_still = still <= moved + 1
    flow = np.where(is_still[..., None], np.float32(0), flow)
    difference = np.where(is_still, still, moved)
    trust = np.exp(-((difference / _TOLERANCE) ** 2))
    return flow, cv2.GaussianBlur(trust, (5, 5), 0).astype(np.float32)


def _difference(first: Pixels, second: Pixels) -> Plane:
    """The largest difference of the three channels, levels, smoothed over noise."""
    difference = cv2.absdiff(first, second).max(axis=2).astype(np.float32)
    return np.asarray(cv2.blur(difference, (3, 3)), np.float32)


def _resized_flow(flow: Plane, width: int, height: int) -> Plane:
    scale = np.array([width / flow.shape[1], height / flow.shape[0]], np.float32)
    larger = cv2.resize(flow, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(larger * scale, np.float32)


def _moved(pixels: Pixels, flow: Plane) -> Pixels:
    """`pixels` fetched from where `flow`, (H, W, 2) px, says that each came from."""
    how = cv2.INTER_CUBIC | cv2.WARP_RELATIVE_MAP
    moved = cv2.remap(pixels, flow, _NOTHING, how, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(np.uint8, copy=False)
