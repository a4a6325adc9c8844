"""What every layer of a look is."""

from typing import ClassVar, Protocol, Self

import numpy as np

from stylegan_cli.looks.filters import Pixels


class Layer(Protocol):
    """One step of a look: parameters drawn once, then a deterministic function of the picture."""

    family: ClassVar[str]
    pointwise: ClassVar[bool]  # a colour function of each pixel alone

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Draw the parameters."""
        ...

    def paint(self, image: Pixels, photo: Pixels, short_side: float) -> Pixels:
        """Repaint `image` (H, W, 3), unit, which layers below have made of `photo`.

        short_side: of the whole picture, in px. The result may leave [0, 1]; the look clips it.
        """
        ...
