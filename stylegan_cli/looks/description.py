"""What a look is made of, as the look encoder is asked to tell it."""

import numpy as np

from stylegan_cli.looks import colour_layers, drawn_layers, optical_layers
from stylegan_cli.looks.drawing import Look
from stylegan_cli.looks.layers import Layer

_MODULES = (colour_layers, optical_layers, drawn_layers)
LAYERS: tuple[type[Layer], ...] = tuple(
    value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Layer) and value is not Layer
)
DESCRIPTION_DIM = len(LAYERS)


def describe(look: Look) -> np.ndarray:
    """1 for each kind of layer that the look has, else 0, (DESCRIPTION_DIM,) float32."""
    present = {type(layer) for layer in look.layers}
    return np.array([kind in present for kind in LAYERS], np.float32)
