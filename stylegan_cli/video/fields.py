"""Interlaced frames stylized field by field."""

import numpy as np
import numpy.typing as npt

from stylegan_cli.video.clip_styles import ClipStyle
from stylegan_cli.video.optical_flow import Memory


class FieldClipStyle:
    """A style on frames whose upper field lies above the lower one, in the order they are shown."""

    def __init__(self, style: ClipStyle, order: str) -> None:
        """order: "top first" or "bottom first"."""
        self._style = style
        self._first = slice(None) if order == "top first" else slice(None, None, -1)

    def __call__(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """The next frame, (H, W, 3) → stylized, the same shape."""
        fields = np.split(pixels, 2)[self._first]
        stylized = [self._style(np.ascontiguousarray(field)) for field in fields][self._first]
        return np.concatenate(stylized)

    @property
    def memory(self) -> Memory:
        """See ClipStyle."""
        return self._style.memory

    def recall(self, memory: Memory) -> None:
        """See ClipStyle."""
        self._style.recall(memory)
