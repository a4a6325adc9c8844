"""Stylizing the frames of a clip in order: what a picture would get, at a fraction of the cost.

What a style does to each pixel by itself cannot flicker and is looked up in a table of all colours.
What follows the picture is carried along with it. Lines of a style's own are carried along, too,
and drawn anew where something is new.
"""

import math
import sys
from collections.abc import Callable
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.rendering import fit_residual, render
from stylegan_cli.rendering.lut import ColourLut
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.affine_maps import applied, carried, fit_coarse
from stylegan_cli.video.optical_flow import (
    MAX_WEIGHT,
    Memory,
    Movement,
    Pixels,
    Step,
    TemporalSmoother,
    halved,
)

StylizeFunction = Callable[[Pixels], Pixels]
Plane = npt.NDArray[np.float32]
Window = tuple[slice, slice]

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

# From this PSNR on a drawn style is drawn in 8 bits: encoding the clip takes as much.
_MIN_DB = 40.0

# All of a drawn style is drawn anew at least so often at full --steady.
_LONGEST_PAUSE_OF_LINES_S = 0.5

# px of the working copy around a part that is drawn: the network would look further, but hardly
# makes anything of it.
_CONTEXT = 24
_MARGIN = 8  # px around what is new, over which it fades in
_GRID = 16  # px between the places where such parts begin and end, so that few sizes occur

# The share of a frame from which on it is drawn as a whole.
_MOST = 0.6

# The mean share that is new, over so many px where movement is measured, that counts.
_NEW = 0.3
_NEIGHBOURHOOD = (5, 5)
_NEAR = (9, 9)  # px, there, within which parts are drawn as one

# How many times as large as the working copy a frame is from which on enlarged lines look soft.
_MUCH_LARGER = 1.5

# The power of the trust that a result is steadied by: what is there need only look alike.
_SMOOTHER = np.float32(0.27)

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
    stylizer = stylizer.without_film()  # which is painted last: see film_clips
    if stylizer.strength == 0:
        return AnyClipStyle(stylizer.stylize, 0.0)
    mode = "drawn" if stylizer.strokes else stylizer.style.info.mode
    if mode == "colour" and not stylizer.preserve_colour:
        return ColourClipStyle(stylizer)
    # The colours that are preserved are known only once a frame is stylized.
    if steady and not stylizer.preserve_colour:
        carrying = PhotographicClipStyle if mode == "photographic" else DrawnClipStyle
        return carrying(stylizer, steady, frame_rate)
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


class DrawnClipStyle:
    """A style with lines of its own: what was drawn moves along with the picture.

    The network draws, at the working size, what is new in a frame, and all of it when a pause is
    over and after a cut. The result is blended with the one before, moved along as well, so that
    lines stand still where the picture does.
    """

    def __init__(self, stylizer: Stylizer, steady: float, frame_rate: float) -> None:
        self._stylizer = stylizer.of_8_bits(_MIN_DB)
        self.lut = _colour_lut(stylizer)
        self._movement = Movement(is_fine=True)
        self._weight = np.float32(MAX_WEIGHT * steady)
        self._pause = max(1, round(_LONGEST_PAUSE_OF_LINES_S * steady * frame_rate))
        self._residual: Plane | None = None  # (h, w, 3) levels
        self._result: Plane | None = None  # (h, w, 3) levels: the last one, steadied
        self._known: Plane | None = None  # in [0, 1], where movement is measured: what still holds
        self._since = 0  # frames since all was drawn

    def __call__(self, pixels: Pixels) -> Pixels:
        """See ClipStyle."""
        step = self._movement.follow(pixels)
        working = self._stylizer.working_copy(pixels)
        styled = self.lut(pixels)
        height, width = working.shape[:2]
        colours = cv2.resize(styled, (width, height), interpolation=cv2.INTER_AREA)
        last, before = self._residual, self._result
        if step is None or last is None or before is None or before.shape != working.shape:
            self._residual = self._drawn_anew(working)
            result = cv2.add(colours, self._residual, dtype=cv2.CV_32F)
        else:
            self._residual = self._next_residual(working, step, last)
            result = cv2.add(colours, self._residual, dtype=cv2.CV_32F)
            weight = self._weight * step.trust_at(width, height) ** _SMOOTHER
            result = cv2.blendLinear(result, step.carry(before), 1 - weight, weight)
        self._result = np.asarray(result, np.float32)
        added = np.asarray(cv2.subtract(self._result, colours, dtype=cv2.CV_32F), np.float32)
        if min(pixels.shape[:2]) > _MUCH_LARGER * min(height, width):
            maps = fit_residual(working, added * np.float32(1 / 255))
            return render(pixels, self.lut, maps, threads=self._stylizer.threads)
        if styled.shape != added.shape:
            size = (pixels.shape[1], pixels.shape[0])
            method = cv2.INTER_AREA if height > pixels.shape[0] else cv2.INTER_CUBIC
            added = np.asarray(cv2.resize(added, size, interpolation=method), np.float32)
        return _sum(styled, added)

    def _drawn_anew(self, working: Plane) -> Plane:
        height, width = working.shape[:2]
        self._known, self._since = None, 0
        return self._drawn(working, (slice(0, height), slice(0, width)))

    def _next_residual(self, working: Plane, step: Step, last: Plane) -> Plane:
        """The last frame's residual brought along to this one, and what is new drawn."""
        known = np.minimum(step.trust / np.float32(_ENOUGH_TRUST), 1)
        if self._known is not None:
            known *= np.clip(step.carry(self._known), 0, 1)
        self._since += 1
        size = working.shape[:2]
        parts = _new_parts(known, size)
        drawn_pixels = sum(_area(_grown(part, size)) for part in parts)
        if self._since >= self._pause or drawn_pixels > _MOST * size[0] * size[1]:
            return self._drawn_anew(working)
        residual = step.carry(last)
        for part in parts:
            share = _soft_edged(part, size)
            there = np.ascontiguousarray(residual[part])
            drawn = self._drawn(working, part)
            residual[part] = cv2.blendLinear(there, drawn, 1 - share, share)
            known[_inside(part, size, known.shape)] = 1
        self._known = np.asarray(known, np.float32)
        return residual

    def _drawn(self, working: Plane, part: Window) -> Plane:
        """The residual of a part of the working copy, in levels."""
        whole = working.shape[:2]
        seen = _grown(part, whole)
        residual = self._stylizer.residual_of(working[seen], min(whole))
        rows, columns = (
            slice(own.start - more.start, own.stop - more.start)
            for own, more in zip(part, seen, strict=True)
        )
        strength = np.float32(255 * self._stylizer.strength)
        return np.asarray(residual[rows, columns] * strength, np.float32)

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        if self._residual is None or self._result is None:
            return {}
        known = {} if self._known is None else {"known": self._known}
        return {
            **self._movement.memory,
            "residual": self._residual,
            "result": self._result,
            **known,
            "since": np.array(self._since),
        }

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._movement.recall(memory)
        self._residual, self._result, self._known = (
            memory.get(key) for key in ("residual", "result", "known")
        )
        self._since = int(memory.get("since", 0))


def _new_parts(known: Plane, size: tuple[int, int]) -> list[Window]:
    """The parts of a picture of `size` = (H, W) that are not known; `known` is smaller."""
    new = (cv2.blur(1 - known, _NEIGHBOURHOOD) > _NEW).astype(np.uint8)
    near = cv2.dilate(new, np.ones(_NEAR, np.uint8))
    boxes = cv2.connectedComponentsWithStats(near)[2][1:, : cv2.CC_STAT_AREA]
    down, across = (side / small for side, small in zip(size, known.shape, strict=True))
    return [
        (
            _on_grid(top * down, (top + height) * down, size[0]),
            _on_grid(left * across, (left + width) * across, size[1]),
        )
        for left, top, width, height in boxes.tolist()
    ]


def _on_grid(first: float, last: float, side: int) -> slice:
    """From `first` to `last` px of a side, and a little more."""
    return slice(
        max(0, math.floor((first - _MARGIN) / _GRID) * _GRID),
        min(side, math.ceil((last + _MARGIN) / _GRID) * _GRID),
    )


def _grown(part: Window, size: tuple[int, int]) -> Window:
    """`part` and what the network has to see around it."""
    rows, columns = (
        slice(max(0, own.start - _CONTEXT), min(side, own.stop + _CONTEXT))
        for own, side in zip(part, size, strict=True)
    )
    return rows, columns


def _soft_edged(part: Window, size: tuple[int, int]) -> Plane:
    """A plane as large as the part: 1, falling to 0 at those edges where the whole goes on."""
    shares = []
    for own, side in zip(part, size, strict=True):
        at = np.arange(own.start, own.stop, dtype=np.float32) + np.float32(0.5)
        first = (at - own.start) / _MARGIN if own.start else np.ones_like(at)
        last = (own.stop - at) / _MARGIN if own.stop < side else np.ones_like(at)
        shares.append(np.minimum(np.minimum(first, last), 1))
    return np.asarray(np.outer(*shares), np.float32)


def _area(part: Window) -> int:
    return math.prod(own.stop - own.start for own in part)


def _inside(part: Window, size: tuple[int, int], small: tuple[int, ...]) -> Window:
    """`part` of a picture of `size` in one of the size `small`, as much as lies in it whole."""
    rows, columns = (
        slice(-(-own.start * to // side), own.stop * to // side)
        for own, side, to in zip(part, size, small, strict=True)
    )
    return rows, columns


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
