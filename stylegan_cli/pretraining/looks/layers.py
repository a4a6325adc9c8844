"""What every layer of a look is."""

from abc import ABC, abstractmethod
from typing import ClassVar, Self

import numpy as np

from stylegan_cli.pretraining.looks.filters import Floats, Pixels


class Layer(ABC):
    """One step of a look: parameters drawn once, then a deterministic function of the picture."""

    family: ClassVar[str]
    pointwise: ClassVar[bool]  # a colour function of each pixel alone

    @classmethod
    @abstractmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""

    def __call__(self, image: Pixels, photo: Pixels, short_side: float) -> Pixels:
        """Apply the layer to `image` (H, W, 3), unit, which the layers below have made of `photo`.

        short_side: of the whole picture, in px; every width is a fraction of it.
        """
        return np.clip(self._render(image, photo, short_side), 0, 1).astype(np.float32, copy=False)

    @abstractmethod
    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        """Like the call; the result may leave [0, 1]."""
