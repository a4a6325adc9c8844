"""Stylizing the frames of a clip in order: what a picture would get, at a fraction of the cost.

What a style does to each pixel by itself cannot flicker and is looked up in a table of all colours.
What follows the picture is carried along with it, and lines of a style's own are stylized in every
frame and blended with those of the frame before.
"""

import sys
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.rendering.lut import ColourLut
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.affine_maps import applied, carried, fit_coarse
from stylegan_cli.video.optical_flow import Memory, Movement, Pixels, Step, TemporalSmoother, halved

StylizeFunction = Callable[[Pixels], Pixels]
Plane = npt.NDArray[np.float32]

# The network runs at least so often on a photographic style at full --steady: its local affine maps
# follow the picture by themselves, and change no faster than light does.
_LONGEST_PAUSE_S = 1.6

# So long it rests in any case, but for a cut: nobody sees that a frame in a dissolve is a bit off.
_SHORTEST_PAUSE_S = 0.12

# The short side, px, at which movement is measured for maps, which are softer than it.
_FLOW_SIDE = 90

# The least short side, px, at which maps are applied: what they change is softer than that.
_GUIDE_SIDE = 320

# The share of a frame that the maps may not know before the network runs ahead of its time: at
# least, at most, and in between as much as lets them be wrong by so many levels (RMS).
_LITTLE_NEW, _MUCH_NEW = 0.04, 0.5
_WRONG = 3.0

_PIXELS_OF_A_CLIP = 100_000_000  # more or less

# The trust in the movement from which on what it brings is as good as known.
_ENOUGH_TRUST = 0.5


class ClipStyle(Protocol):
    """Stylizes the frames of one clip, one after the other."""

    def __call__(self, pixels: Pixels) -> Pixels:
        """The next frame, (H, W, 3) uint8, upright → stylized and steadied, the same shape."""
        ...

    @property
    def memory(self) -> Memory:
        """What the next frame's result depends on beside that frame."""
        ...

    def recall(self, memory: Memory) -> None:
        """Go on behind the frame at which `memory` was taken, to the same results.

        With nothing in it, as before the first frame.
        """
        ...


def clip_style(stylizer: StylizeFunction | Stylizer, steady: float, frame_rate: float) -> ClipStyle:
    """What stylizes a clip of so many frames a second in that style, steadied from 0 to 1."""
    if not isinstance(stylizer, Stylizer):
        return AnyClipStyle(stylizer, steady)
    stylizer = stylizer.without_grain()  # which is new in each frame: see grainy_clips
    if stylizer.strength == 0:
        return AnyClipStyle(stylizer.stylize, 0.0)
    mode = stylizer.style.info.mode
    if mode == "colour" and not stylizer.preserve_colour:
        return ColourClipStyle(stylizer)
    # The colours that are preserved are known only once a frame is stylized.
    if mode == "photographic" and steady and not stylizer.preserve_colour:
        return PhotographicClipStyle(stylizer, steady, frame_rate)
    return AnyClipStyle(stylizer.stylize, steady)


class AnyClipStyle:
    """Any function of a frame, its results steadied: a style with lines of its own, above all."""

    def __init__(self, stylize: StylizeFunction, steady: float) -> None:
        self._stylize = stylize
        self._steadier = TemporalSmoother(steady)

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        return self._steadier(pixels, self._stylize(pixels))

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return self._steadier.memory

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._steadier.recall(memory)


class ColourClipStyle:
    """A style that does to each pixel the same wherever it is: nothing in it can flicker."""

    working_side = 0

    def __init__(self, stylizer: Stylizer) -> None:
        self.lut = _colour_lut(stylizer)

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        return self.lut(pixels)

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return {}

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""


class PhotographicClipStyle:
    """A style that follows the picture: its local affine maps are carried along the movement.

    The network runs when a pause is over, after a cut, and when much of the frame is new. From its
    maps to those of the next run the way leads in even steps, so that nothing pulses.
    """

    def __init__(self, stylizer: Stylizer, steady: float, frame_rate: float) -> None:
        self._stylizer = stylizer
        self.lut = _colour_lut(stylizer)
        self._movement = Movement(_FLOW_SIDE)
        # In fine detail the network works at full size, and so does all else.
        is_fine = stylizer.detail == "fine"
        self.working_side = sys.maxsize if is_fine else stylizer.style.info.working_size
        self._guide_side = max(_GUIDE_SIDE, self.working_side)
        self._pause = max(1, round(_LONGEST_PAUSE_S * steady * frame_rate))
        self._shortest_pause = min(self._pause, round(_SHORTEST_PAUSE_S * frame_rate))
        self._buffer = np.empty((2, 0, 0, 3), np.float32)
        self._now: Plane | None = None  # (4, h, w, 3): the maps in use
        self._target: Plane | None = None  # (4, h, w, 3): those of the last run
        self._known: Plane | None = None  # (h, w) in [0, 1]: what that run has seen
        self._since = 0  # frames since that run
        self._max_new = _LITTLE_NEW  # the share that may be new

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        guide = halved(pixels, self._guide_side)
        if self._buffer.shape[1:] != guide.shape:
            self._buffer = np.empty((2, *guide.shape), np.float32)
        maps = self._next_maps(guide, self._movement.follow(_reduced(guide, _FLOW_SIDE)))
        added = applied(maps, guide, pixels.shape[:2], self._buffer)
        return _sum(self.lut(pixels), added)

    def _next_maps(self, guide: Pixels, step: Step | None) -> Plane:
        if step is None or self._now is None or self._target is None or self._known is None:
            self._now = self._target = self._computed(guide)
            self._known = np.ones(self._now.shape[1:3], np.float32)
            self._since = 0
            return self._now
        now, target = np.split(carried(step, np.concatenate([self._now, self._target])), 2)
        trust = step.trust_at(now.shape[2], now.shape[1])
        known = step.carry(self._known) * np.minimum(trust / _ENOUGH_TRUST, 1)
        self._since += 1
        new = 1 - float(known.mean())
        is_too_new = new > self._max_new and self._since >= self._shortest_pause
        if self._since >= self._pause or is_too_new:
            expected, target = target, self._computed(guide)
            if new > _LITTLE_NEW / 2:
                wrong = applied(expected - target, guide, guide.shape[:2], self._buffer)
                self._max_new = _max_new_share(new, wrong)
            # What is new has no past to be steady with.
            now = target + np.asarray(known[..., None], np.float32) * (now - target)
            known, self._since = np.ones_like(trust), 0
        now += (target - now) / np.float32(self._pause - self._since)
        self._now, self._target, self._known = now, target, np.asarray(known, np.float32)
        return now

    def _computed(self, guide: Pixels) -> Plane:
        """What the network says of this frame."""
        working = self._stylizer.working_copy(guide)
        return fit_coarse(working, _residual(self._stylizer, working))

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        if self._now is None or self._target is None or self._known is None:
            return {}
        return {
            **self._movement.memory,
            "now": self._now,
            "target": self._target,
            "known": self._known,
            "since": np.array(self._since),
            "max_new": np.array(self._max_new),
        }

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._movement.recall(memory)
        self._now, self._target, self._known = (
            memory.get(key) for key in ("now", "target", "known")
        )
        self._since = int(memory.get("since", 0))
        self._max_new = float(memory.get("max_new", _LITTLE_NEW))


def _max_new_share(new: float, wrong: Plane) -> float:
    """How much may be new, where `new` of a frame made the maps so wrong: styles differ in it."""
    error = float(np.sqrt(np.square(wrong).mean()))
    return min(_MUCH_NEW, max(_LITTLE_NEW, new * _WRONG / max(error, 1e-3)))


def _reduced(pixels: Pixels, short_side: int) -> Pixels:
    """`pixels` brought down to a short side of so many px, most of the way by halves."""
    pixels = halved(pixels, short_side)
    height, width = pixels.shape[:2]
    scale = min(1.0, short_side / min(height, width))
    size = (round(width * scale), round(height * scale))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)


def _colour_lut(stylizer: Stylizer) -> ColourLut:
    lut = ColourLut(stylizer.lut, stylizer.strength)
    lut.expect(_PIXELS_OF_A_CLIP, stylizer.threads)
    return lut


def _sum(stylized: Pixels, added: Plane) -> Pixels:
    return cv2.add(stylized, added, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def _residual(stylizer: Stylizer, working: Plane) -> Plane:
    return np.asarray(stylizer.strength * stylizer.residual_of(working), np.float32)
