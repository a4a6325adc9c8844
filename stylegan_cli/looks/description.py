"""A look's layers as numbers: what the look encoder is asked to tell besides its code."""

import dataclasses
from functools import cache

import numpy as np

from stylegan_cli.looks import colour_layers, drawn_layers, optical_layers
from stylegan_cli.looks.drawing import Look, draw_look
from stylegan_cli.looks.layers import Layer
from stylegan_cli.randomness import numpy_generator

_MODULES = (colour_layers, optical_layers, drawn_layers)
LAYERS: tuple[type[Layer], ...] = tuple(
    value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Layer) and value is not Layer
)
_NUMBERS = {
    layer: [f.name for f in dataclasses.fields(layer) if f.type in (float, "float")]  # type: ignore[arg-type]
    for layer in LAYERS
}
DESCRIPTION_DIM = sum(1 + len(names) for names in _NUMBERS.values())
_DRAWS = 1500  # looks over which each number is brought to mean 0 and deviation 1


def describe(look: Look) -> np.ndarray:
    """Presence (0 or 1) and standardised numbers of each kind of layer, (DESCRIPTION_DIM,) float32.

    The numbers of a layer that is absent are 0, the mean.
    """
    values, counted = _raw(look)
    centre, scale = _usual()
    return np.asarray((values - centre) / scale * counted, np.float32)


def _raw(look: Look) -> tuple[np.ndarray, np.ndarray]:
    present = {type(layer): layer for layer in look.layers}
    values, counted = [], []
    for kind in LAYERS:
        layer = present.get(kind)
        values.append(float(layer is not None))
        counted.append(1.0)
        for name in _NUMBERS[kind]:
            values.append(float(getattr(layer, name)) if layer is not None else 0.0)
            counted.append(float(layer is not None))
    return np.array(values, np.float32), np.array(counted, np.float32)


@cache
def _usual() -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of every number; presences are left as they are."""
    drawn = [_raw(draw_look(numpy_generator(0, k, "description"))) for k in range(_DRAWS)]
    values, counted = (np.stack(column) for column in zip(*drawn, strict=True))
    total = np.maximum(counted.sum(0), 1)
    centre = (values * counted).sum(0) / total
    scale = np.sqrt(((values - centre) ** 2 * counted).sum(0) / total)
    told = np.concatenate([[True] + [False] * len(_NUMBERS[layer]) for layer in LAYERS])
    return np.where(told, 0, centre), np.where(told, 1, np.maximum(scale, 1e-3))
