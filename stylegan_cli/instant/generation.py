"""Photos in a style that is being made, for its calibration."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stylegan_cli.backends import StyleGenerator
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering import run_generator


@dataclass(frozen=True, slots=True)
class GeneratorOutput:
    """A photo and the network's outputs for it, all (H, W, 3) unit."""

    photo: np.ndarray
    base_colour: np.ndarray
    residual: np.ndarray


def generate_photos(
    generator: StyleGenerator, photos: Sequence[np.ndarray]
) -> list[GeneratorOutput]:
    """The network's outputs for uint8 photos (H, W, 3)."""
    units = [to_unit(photo) for photo in photos]
    return [GeneratorOutput(unit, *run_generator(generator, unit)) for unit in units]
