"""Less flicker: what has not changed in the source should not change in the result."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import is_other_scene, scene_thumbnail

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Memory = Mapping[str, npt.NDArray[Any]]
"""What has to be known of the frames before to go on as if nothing had come between."""

# The least short side, px, at which movement is measured: enough to follow it, and cheap.
FLOW_SIDE = 160
_MIN_SIDE = 16  # of a frame that movement can be measured in at all

# How far, in levels, a source pixel may be from where it came from before its past counts for e^-1:
# where it must be the same thing, and where what is there need only look alike.
_TOLERANCE = 8.0
_TOLERANCE_OF_SMOOTHING = 20.0

# The most that the past may weigh: more would keep errors for seconds.
MAX_WEIGHT = 0.9

_NOTHING: Any = None  # OpenCV takes it for an array that is not there; its type stubs do not.


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """How a frame follows from the one before it.

    flow: (h, w, 2) px, where each pixel came from. trust: (h, w) in [0, 1], how far that holds.
    """

    flow: Plane
    trust: Plane

    def carry(self, before: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """`before`, (H, W, up to 4) of any size, moved to where it is now."""
        height, width = before.shape[:2]
        return displaced(before, self.flow_at(width, height))

    def flow_at(self, width: int, height: int) -> Plane:
        """`flow` brought to another size, px of that."""
        scale = np.array([width / self.flow.shape[1], height / self.flow.shape[0]], np.float32)
        resized = cv2.resize(self.flow, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized * scale, np.float32)

    def trust_at(self, width: int, height: int) -> Plane:
        """`trust` brought to another size."""
        resized = cv2.resize(self.trust, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(resized, np.float32)


class Movement:
    """Follows a clip frame by frame.

    The movement is the optical flow of the source (DIS, Kroeger et al. 2016); it holds where the
    frame before, moved by it, looks like the frame now. min_side: px, as FLOW_SIDE. is_fine: take
    four times as long for small things. tolerance: levels.
    """

    def __init__(
        self,
        min_side: int = FLOW_SIDE,
        *,
        is_fine: bool = False,
        tolerance: float = _TOLERANCE,
    ) -> None:
        self._min_side, self._tolerance = min_side, tolerance
        self._flow = cv2.DISOpticalFlow.create(
            cv2.DISOPTICAL_FLOW_PRESET_MEDIUM if is_fine else cv2.DISOPTICAL_FLOW_PRESET_FAST
        )
        self._last: tuple[Pixels, Pixels, Pixels] | None = None

    def follow(self, source: Pixels) -> Step | None:
        """The step to `source`, (H, W, 3) uint8; None for a first frame and after a cut."""
        last, self._last = self._last, _views(_small(source, self._min_side))
        if last is None or last[0].shape != self._last[0].shape:
            return None
        small, grey, thumbnail = self._last
        if is_other_scene(last[2], thumbnail):
            return None
        flow = self._flow.calc(grey, last[1], _NOTHING).astype(np.float32)
        return Step(*_trusted(flow, small, last[0], self._tolerance))

    @property
    def memory(self) -> Memory:
        """For `recall`."""
        return {} if self._last is None else {"source": self._last[0]}

    def recall(self, memory: Memory) -> None:
        """Go on behind the frame at which `memory` was taken."""
        self._last = _views(memory["source"]) if "source" in memory else None


class TemporalSmoother:
    """Blends each result with the one before it, moved along with the source, where that holds.

    strength: 0 (nothing) to 1 (the past weighs nine times the present). A cut starts anew.
    """

    def __init__(self, strength: float) -> None:
        self._weight = MAX_WEIGHT * strength
        self._movement = Movement(is_fine=True, tolerance=_TOLERANCE_OF_SMOOTHING)
        self._last: Pixels | None = None

    def __call__(self, source: Pixels, stylized: Pixels) -> Pixels:
        """`stylized`, steadied; call it for every frame in order. Both (H, W, 3) uint8."""
        if not self._weight:
            return stylized
        step = self._movement.follow(source)
        result = stylized
        if step is not None and self._last is not None and self._last.shape == stylized.shape:
            weight = self._weight * step.trust_at(stylized.shape[1], stylized.shape[0])
            moved = step.carry(self._last)
            blended = cv2.blendLinear(stylized, moved, 1 - weight, weight)
            result = blended.astype(np.uint8, copy=False)
        self._last = result
        return result

    @property
    def memory(self) -> Memory:
        """For `recall`."""
        return (
            self._movement.memory
            if self._last is None
            else {**self._movement.memory, "result": self._last}
        )

    def recall(self, memory: Memory) -> None:
        """Go on behind the frame at which `memory` was taken."""
        self._movement.recall(memory)
        self._last = memory.get("result")


def _small(pixels: Pixels, least: int) -> Pixels:
    small = halved(pixels, least)
    size = [max(_MIN_SIDE, side) for side in small.shape[1::-1]]
    return cv2.resize(small, size).astype(np.uint8) if min(small.shape[:2]) < _MIN_SIDE else small


def halved(pixels: Pixels, least: int) -> Pixels:
    """`pixels`, (H, W, 3), halved as often as the short side stays `least` px: that is quick."""
    while min(pixels.shape[:2]) >= 2 * least:
        height, width = pixels.shape[:2]
        half = cv2.resize(pixels, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        pixels = half.astype(np.uint8, copy=False)
    return pixels


def _views(small: Pixels) -> tuple[Pixels, Pixels, Pixels]:
    """A small frame in colour, in grey, and as a thumbnail to tell scenes apart."""
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.uint8)
    return small, grey, scene_thumbnail(small)


def _trusted(flow: Plane, now: Pixels, before: Pixels, tolerance: float) -> tuple[Plane, Plane]:
    """The flow, still where standing still explains as much, and how far it holds, in [0, 1]."""
    moved = _difference(now, displaced(before, flow).astype(np.uint8, copy=False))
    still = _difference(now, before)
    is_still = still <= moved + 1
    flow = cv2.copyTo(flow, (~is_still).astype(np.uint8)).astype(np.float32, copy=False)
    difference = np.where(is_still, still, moved)
    trust = np.exp(-((difference / tolerance) ** 2)) * _is_inside(flow)
    return flow, cv2.GaussianBlur(trust, (5, 5), 0).astype(np.float32)


def _is_inside(flow: Plane) -> npt.NDArray[np.bool_]:
    """(h, w): whether a pixel came from within the frame."""
    height, width = flow.shape[:2]
    x = flow[..., 0] + np.arange(width, dtype=np.float32)
    y = flow[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    return np.asarray((x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1))


def _difference(first: Pixels, second: Pixels) -> Plane:
    """The largest difference of the three channels, levels, smoothed over noise."""
    red, green, blue = cv2.split(cv2.absdiff(first, second))
    largest = cv2.max(cv2.max(red, green), blue)
    return np.asarray(cv2.blur(largest.astype(np.float32), (3, 3)), np.float32)


def displaced(pixels: npt.NDArray[Any], flow: Plane) -> npt.NDArray[Any]:
    """`pixels` fetched from where `flow`, (H, W, 2) px, says that each came from."""
    how = cv2.INTER_CUBIC | cv2.WARP_RELATIVE_MAP
    moved = cv2.remap(pixels, flow, _NOTHING, how, borderMode=cv2.BORDER_REPLICATE)
    return moved.astype(pixels.dtype, copy=False)
