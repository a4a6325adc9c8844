"""Parts of a clip that depend on nothing before them, so that several processes can share it.

A part begins with the first cut that comes PART_FRAMES after the beginning of the part before. The
rule looks back alone: whoever reads the clip from its beginning finds the same parts.
"""

from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import ClipFrame, is_other_scene, planes_of, scene_thumbnail
from stylegan_cli.video.optical_flow import Memory, Pixels, halved

PART_FRAMES: Final = 100  # at least, so that what begins anew costs little
_SIDE: Final = 72  # px of the short side that is enough to tell scenes apart

_POSITION, _NUMBER, _FRAMES, _SEEN = "parts_position", "part", "part_frames", "part_seen"


@dataclass(frozen=True, slots=True)
class Share:
    """Every count-th part of a clip, from the index-th on, both from 0."""

    index: int = 0
    count: int = 1

    def has(self, part: int) -> bool:
        """Whether a part, by its number from 0 on, belongs to it."""
        return part % self.count == self.index


ALL: Final = Share()


class PartFinder:
    """Tells where parts begin. number: of the part that the last frame belongs to, from 0 on."""

    def __init__(self, memory: Memory | None = None) -> None:
        """memory: as of another one, behind whose last frame this one goes on."""
        self._position, self.number, self._frames = 0, -1, 0
        self._seen: Pixels | None = None
        if memory is not None:
            self._position, self.number, self._frames = (
                int(memory[key]) for key in (_POSITION, _NUMBER, _FRAMES)
            )
            self._seen = memory[_SEEN]

    def begins(self, frame: ClipFrame) -> bool:
        """Whether a part begins with the next frame."""
        last, self._seen = self._seen, _thumbnail(frame.pixels)
        # What stands in for a damaged frame belongs to the frame before it.
        is_cut = last is not None and not frame.is_repeat and is_other_scene(last, self._seen)
        begins = last is None or (is_cut and self._frames >= PART_FRAMES)
        self.number += begins
        self._frames = 1 if begins else self._frames + 1
        self._position += 1
        return begins

    @property
    def memory(self) -> Memory:
        """For another one that goes on."""
        numbers = {_POSITION: self._position, _NUMBER: self.number, _FRAMES: self._frames}
        arrays: dict[str, Any] = {key: np.array(number) for key, number in numbers.items()}
        return arrays if self._seen is None else {**arrays, _SEEN: self._seen}


def position(memory: Memory | None) -> int:
    """How many frames of the clip, of all shares, lie behind the one that `memory` is of."""
    return 0 if memory is None else int(memory[_POSITION])


def _thumbnail(pixels: npt.NDArray[Any]) -> Pixels:
    """What `is_other_scene` compares, of frames of any kind."""
    if pixels.ndim == 2:
        luma, *differences = planes_of(pixels)
        small = cv2.resize(luma, differences[0].shape[::-1], interpolation=cv2.INTER_AREA)
        yuv = cv2.merge(
            [halved(np.asarray(small, np.uint8), _SIDE)]
            + [halved(plane, _SIDE) for plane in differences]
        )
        return scene_thumbnail(cv2.cvtColor(yuv, cv2.COLOR_YUV2RGB).astype(np.uint8))
    eight = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    return scene_thumbnail(halved(eight, _SIDE))
