"""What a look is made of, as numbers: what the base is prompted with while it learns to read."""

import dataclasses
from functools import cache
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numpy as np

from stylegan_cli.pretraining.looks import colour_layers, drawn_layers, optical_layers
from stylegan_cli.pretraining.looks.drawing import Look, draw_look
from stylegan_cli.pretraining.looks.layers import Layer
from stylegan_cli.runtime.randomness import numpy_generator

_MODULES = (colour_layers, optical_layers, drawn_layers)
LAYERS: tuple[type[Layer], ...] = tuple(
    value
    for module in _MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Layer) and value is not Layer
)
_DRAWS = 1500  # looks over which each number is brought to mean 0 and deviation 1
MAX_DEVIATIONS = 3.0  # deviations
_WIDE = 4.0  # numbers that are drawn over a wider range than this count by their logarithm


def describe(look: Look) -> np.ndarray:
    """For each kind of layer whether the look has it, and its parameters, (PARAMETERS_DIM,).

    Every number has mean 0 and deviation 1 over looks, cut at three deviations; parameters of a
    layer that is absent are 0. Of two layers of a kind the upper one counts. float32.
    """
    usual = _usual()
    present = {type(layer): layer for layer in look.layers}
    parts: list[np.ndarray] = []
    for kind in LAYERS:
        share, layer = usual[kind].share, present.get(kind)
        presence = (float(layer is not None) - share) / np.sqrt(share * (1 - share))
        parts.append(np.array([presence]))
        if layer is None:
            parts.append(np.zeros(_WIDTHS[kind]))
        else:
            parts.append(usual[kind].standardise(_parameters(layer)) / np.sqrt(share))
    limits = -MAX_DEVIATIONS, MAX_DEVIATIONS
    described: np.ndarray = np.clip(np.concatenate(parts), *limits).astype(np.float32)
    return described


@dataclasses.dataclass(frozen=True, slots=True)
class _Usual:
    """How often a kind of layer is drawn, and its parameters, (N,) each, where it is."""

    share: float
    wide: np.ndarray
    centre: np.ndarray
    scale: np.ndarray

    def standardise(self, values: np.ndarray) -> np.ndarray:
        scaled = np.where(self.wide, np.log(np.maximum(values, 1e-6)), values)
        standard: np.ndarray = (scaled - self.centre) / self.scale
        return standard


@cache
def _usual() -> dict[type[Layer], _Usual]:
    drawn: dict[type[Layer], list[np.ndarray]] = {kind: [] for kind in LAYERS}
    for index in range(_DRAWS):
        look = draw_look(numpy_generator(0, index, "description"))
        for kind, layer in {type(layer): layer for layer in look.layers}.items():
            drawn[kind].append(_parameters(layer))
    usual = {}
    for kind, rows in drawn.items():
        values = np.stack(rows)
        low, high = values.min(0), values.max(0)
        wide = (low > 0) & (high > _WIDE * low)
        scaled = np.where(wide, np.log(np.maximum(values, 1e-6)), values)
        scale = np.maximum(scaled.std(0), 1e-3)
        usual[kind] = _Usual(len(rows) / _DRAWS, wide, scaled.mean(0), scale)
    return usual


def _parameters(layer: Layer) -> np.ndarray:
    """The numbers of a layer; a word as one 1 among zeros. What has no fixed length is left out."""
    hints = _hints(type(layer))
    parts = [_numbers(getattr(layer, name), hint) for name, hint in hints.items() if _width(hint)]
    return np.concatenate(parts) if parts else np.zeros(0)


def _numbers(value: Any, hint: Any) -> np.ndarray:
    if get_origin(hint) is Literal:
        return np.array([float(value == word) for word in get_args(hint)])
    return np.ravel(np.asarray(value, np.float64))


def _width(hint: Any) -> int:
    if get_origin(hint) is Literal:
        return len(get_args(hint))
    if get_origin(hint) is tuple:
        inner = get_args(hint)
        return 0 if Ellipsis in inner else sum(map(_width, inner))
    return 1


def _hints(kind: type[Layer]) -> dict[str, Any]:
    """The type of each parameter of a kind of layer, by name."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}  # type: ignore[arg-type]


_WIDTHS: dict[type[Layer], int] = {kind: sum(map(_width, _hints(kind).values())) for kind in LAYERS}
PARAMETERS_DIM = sum(1 + width for width in _WIDTHS.values())
