"""Photos in the look of a style that is being made: what its calibration goes by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import Painter
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering import run_painter


@dataclass(frozen=True, slots=True)
class Painted:
    """A photo and what the network makes of it, all (H, W, 3) unit."""

    photo: np.ndarray
    toned: np.ndarray
    residue: np.ndarray


def paint_photos(painter: Painter, photos: Sequence[np.ndarray]) -> list[Painted]:
    """What a look makes of uint8 photos (H, W, 3)."""
    units = [to_unit(photo) for photo in photos]
    return [Painted(unit, *run_painter(painter, unit)) for unit in units]
