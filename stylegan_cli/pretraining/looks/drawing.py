"""Draw whole looks: layers in the order in which a creator would lay them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stylegan_cli.pretraining.looks import colour_layers as colour
from stylegan_cli.pretraining.looks import distributions
from stylegan_cli.pretraining.looks import drawn_layers as drawn
from stylegan_cli.pretraining.looks import optical_layers as optical
from stylegan_cli.pretraining.looks.excluded import is_excluded
from stylegan_cli.pretraining.looks.filters import Pixels
from stylegan_cli.pretraining.looks.layers import Layer


@dataclass(frozen=True, slots=True)
class Look:
    """A look: layers from the bottom up. Calling it is deterministic and the same at every size."""

    layers: tuple[Layer, ...]

    @property
    def pointwise(self) -> bool:
        """Whether the look is a colour function of each pixel alone."""
        return all(layer.pointwise for layer in self.layers)

    @property
    def families(self) -> tuple[str, ...]:
        """Names of the layers' families, from the bottom up."""
        return tuple(layer.family for layer in self.layers)

    def __call__(self, image: Pixels, short_side: float) -> Pixels:
        """Apply the look to `image`: float32 (H, W, 3) in [0, 1], encoded sRGB, as is the result.

        short_side: of the whole picture in px, where `image` is a crop of it.
        A pointwise look takes pixels in any arrangement, (N, 1, 3) for one.
        """
        photo = image
        for layer in self.layers:
            image = layer(image, photo, short_side)
        return image


def draw_look(rng: np.random.Generator) -> Look:
    """Draw a random look: a quarter colour alone, an eighth with glow, the rest drawn by hand."""
    kind = rng.choice(["colour", "optical", "drawn"], p=[0.25, 0.12, 0.63])
    if kind == "colour":
        layers = _colours(rng)
    elif kind == "optical":
        layers = (_colours(rng) if distributions.chance(rng, 0.75) else []) + _optics(rng)
    else:
        layers = _by_hand(rng)
    return Look(tuple(layers))


def draw_grade(rng: np.random.Generator) -> Look:
    """Draw a random look of colour alone."""
    return Look(tuple(_colours(rng)))


def _layer(rng: np.random.Generator, kind: type[Layer]) -> Layer:
    layer = kind.draw(rng)
    while is_excluded(layer):
        layer = kind.draw(rng)
    return layer


def _maybe(rng: np.random.Generator, probability: float, *kinds: type[Layer]) -> list[Layer]:
    """One layer of one of the kinds, or none."""
    if not distributions.chance(rng, probability):
        return []
    return [_layer(rng, kinds[int(rng.integers(len(kinds)))])]


def _colours(rng: np.random.Generator) -> list[Layer]:
    """A grade, a black and white, a tint, or hardly anything."""
    recipe = rng.choice(
        ["grade", "strong", "monochrome", "tint", "steps", "faint"], p=_COLOUR_SHARES
    )
    if recipe == "faint":
        return _maybe(rng, 0.6, colour.SplitTone, colour.Curves)
    if recipe == "monochrome":
        return [
            _layer(rng, colour.Monochrome),
            *_maybe(rng, 0.8, colour.Contrast, colour.Tone, colour.Curves),
            *_maybe(rng, 0.4, colour.Tint, colour.SplitTone, colour.Paper),
        ]
    if recipe == "tint":
        return [*_maybe(rng, 0.6, colour.Tone, colour.Contrast), _layer(rng, colour.Tint)]
    if recipe == "steps":
        return [*_maybe(rng, 0.5, colour.Tone, colour.Mix), _layer(rng, colour.Steps)]
    often = 0.75 if recipe == "strong" else 0.45
    return [
        _layer(rng, _pick(rng, colour.Tone, colour.Curves, colour.Mix, colour.Saturation)),
        *_maybe(rng, often, colour.Saturation, colour.Vividness, colour.HueSaturation, colour.Mix),
        *_maybe(rng, often, colour.SplitTone),
        *_maybe(rng, 0.6 * often, colour.Curves, colour.Contrast, colour.Mix),
        *_maybe(rng, 0.3 * often, colour.Paper, colour.Tint),
    ]


_COLOUR_SHARES = [0.34, 0.26, 0.14, 0.1, 0.09, 0.07]


def _optics(rng: np.random.Generator) -> list[Layer]:
    return [
        _layer(
            rng,
            _pick(
                rng,
                optical.Glow,
                optical.Glow,
                optical.Halation,
                optical.Diffusion,
                optical.Blur,
                optical.Sharpen,
                optical.Sharpen,
            ),
        ),
        *_maybe(rng, 0.3, optical.Glow, optical.Sharpen, optical.Blur),
        *_maybe(rng, 0.3, colour.Tone, colour.Curves),
    ]


def _by_hand(rng: np.random.Generator) -> list[Layer]:
    """Something drawn or painted, with or without colour on top."""
    recipes: list[Callable[[np.random.Generator], list[Layer]]] = [
        _cartoon,
        _cartoon,
        _outlined,
        _pencil,
        _pencil,
        _ink,
        _hatched,
        _hatched,
        _painted,
        _painted,
        _wash,
    ]
    layers = recipes[int(rng.integers(len(recipes)))](rng)
    if distributions.chance(rng, 0.4):
        layers += _colours(rng)
    layers += _maybe(rng, 0.12, optical.Glow, optical.Blur, optical.Diffusion)
    layers += _maybe(rng, 0.25, colour.Paper)
    return layers


def _cartoon(rng: np.random.Generator) -> list[Layer]:
    """Flat colour in steps, with contours."""
    return [
        *_maybe(rng, 0.8, drawn.FlatAreas, drawn.FlatAreas, drawn.Oil),
        *_maybe(rng, 0.85, colour.Steps),
        *_maybe(rng, 0.3, colour.Vividness, colour.Tone, colour.Curves),
        *_maybe(rng, 0.9, drawn.Contours),
    ]


def _outlined(rng: np.random.Generator) -> list[Layer]:
    """Contours over the photo or over a flat one."""
    return [
        *_maybe(rng, 0.4, drawn.FlatAreas),
        _layer(rng, drawn.Contours),
        *_maybe(rng, 0.2, drawn.Contours),
    ]


def _pencil(rng: np.random.Generator) -> list[Layer]:
    return [
        *_maybe(rng, 0.2, drawn.FlatAreas, optical.Sharpen, optical.Blur),
        _layer(rng, drawn.Pencil),
        *_maybe(rng, 0.35, colour.Tint, colour.Tone, colour.Contrast),
    ]


def _ink(rng: np.random.Generator) -> list[Layer]:
    return [
        *_maybe(rng, 0.4, drawn.FlatAreas, colour.Steps, drawn.Oil),
        _layer(rng, drawn.Ink),
        *_maybe(rng, 0.35, colour.Tint),
    ]


def _hatched(rng: np.random.Generator) -> list[Layer]:
    return [
        *_maybe(rng, 0.3, colour.Tone, optical.Sharpen),
        _layer(rng, drawn.Hatching),
        *_maybe(rng, 0.35, drawn.Contours),
        *_maybe(rng, 0.35, colour.Tint),
    ]


def _painted(rng: np.random.Generator) -> list[Layer]:
    """Oil or strokes, with a stronger palette."""
    return [
        *_maybe(rng, 0.4, colour.Vividness, colour.Tone),
        _layer(rng, _pick(rng, drawn.Oil, drawn.Strokes, drawn.Strokes)),
        *_maybe(rng, 0.25, drawn.Strokes, drawn.FlatAreas),
        *_maybe(rng, 0.3, colour.Steps, optical.Sharpen, drawn.Contours),
    ]


def _wash(rng: np.random.Generator) -> list[Layer]:
    """Watercolour: light flat washes with pencil over them."""
    return [
        _layer(rng, _pick(rng, drawn.FlatAreas, drawn.Oil)),
        *_maybe(rng, 0.5, colour.Steps),
        *_maybe(rng, 0.6, colour.Tone, colour.Vividness),
        *_maybe(rng, 0.8, drawn.Contours, drawn.Pencil, drawn.Ink),
        *_maybe(rng, 0.6, colour.Paper),
    ]


def _pick(rng: np.random.Generator, *kinds: type[Layer]) -> type[Layer]:
    return kinds[int(rng.integers(len(kinds)))]
