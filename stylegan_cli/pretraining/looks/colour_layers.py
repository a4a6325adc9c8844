"""Layers that change the colour of each pixel alone, brighter staying brighter: no false colour."""

import math
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from stylegan_cli.pretraining.looks import distributions
from stylegan_cli.pretraining.looks.distributions import Rgb
from stylegan_cli.pretraining.looks.filters import (
    Floats,
    Pixels,
    luma,
    mixed,
    smooth_step,
    tabulated,
)
from stylegan_cli.pretraining.looks.layers import Layer


@dataclass(frozen=True, slots=True)
class Curves(Layer):
    """A smooth increasing curve per channel, from `low` to `high`, by the logs of its slopes."""

    family: ClassVar[str] = "curves"
    pointwise: ClassVar[bool] = True

    log_slopes: tuple[tuple[float, ...], ...]  # one row for each channel
    low: Rgb
    high: Rgb

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From hardly bent to strongly, the channels together or apart."""
        strength = distributions.uniform(rng, 0.05, 0.6)
        knots = int(rng.integers(3, 6))
        common, own = rng.normal(size=knots), rng.normal(size=(3, knots))
        slopes = np.clip(strength * (common + distributions.uniform(rng, 0, 0.8) * own), -1.4, 1.4)
        low = np.maximum(0, distributions.normal(rng, 0, 0.05) + 0.03 * rng.normal(size=3))
        high = np.minimum(
            1, 1 - abs(distributions.normal(rng, 0, 0.05)) + 0.04 * rng.normal(size=3)
        )
        return cls(
            tuple(tuple(map(float, row)) for row in slopes),
            distributions.rgb(low),
            distributions.rgb(high),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        channels = [
            tabulated(image[..., c], partial(self._curve, channel=c))
            for c in range(image.shape[-1])
        ]
        return np.stack(channels, -1)

    def _curve(self, x: Pixels, channel: int) -> Floats:
        rows = self.log_slopes[channel]
        low, high = self.low[channel], self.high[channel]
        slope: Floats = np.exp(np.interp(x, np.linspace(0, 1, len(rows)), rows))
        rise: Floats = np.cumsum(slope) - slope[0]
        return np.asarray(low + (high - low) * rise / rise[-1])


@dataclass(frozen=True, slots=True)
class Tone(Layer):
    """Lifted blacks, gain, gamma, and an S-curve or its contrary: lift + gain * x^gamma."""

    family: ClassVar[str] = "tone"
    pointwise: ClassVar[bool] = True

    lift: float
    gain: float
    gamma: float
    contrast: float  # part of the S-curve; below zero it flattens

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Lifted blacks more often than not; gain leaves room for the lift."""
        lift = abs(distributions.normal(rng, 0, 0.11)) if distributions.chance(rng, 0.7) else 0.0
        return cls(
            lift=lift,
            gain=max(0.35, distributions.normal(rng, 1 - 0.9 * lift, 0.07)),
            gamma=distributions.log_uniform(rng, 0.55, 1.8),
            contrast=distributions.uniform(rng, -0.4, 1.2),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        def tone(x: Pixels) -> Floats:
            lifted: Floats = np.clip(self.lift + self.gain * x**self.gamma, 0, 1)
            return lifted + self.contrast * (smooth_step(lifted) - lifted)

        return tabulated(image, tone)


@dataclass(frozen=True, slots=True)
class Contrast(Layer):
    """A straight line around a pivot, clipped: hard black and white."""

    family: ClassVar[str] = "contrast"
    pointwise: ClassVar[bool] = True

    slope: float
    pivot: float
    level: float  # where the pivot goes

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From flat to nearly black and white."""
        pivot = distributions.uniform(rng, 0.35, 0.65)
        return cls(
            distributions.log_uniform(rng, 0.6, 2.3),
            pivot,
            pivot + distributions.normal(rng, 0, 0.06),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        return (image - self.pivot) * self.slope + self.level


@dataclass(frozen=True, slots=True)
class Mix(Layer):
    """A 3x3 colour mix near the identity, with an offset."""

    family: ClassVar[str] = "mix"
    pointwise: ClassVar[bool] = True

    matrix: tuple[Rgb, Rgb, Rgb]
    offset: Rgb

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From a breath of cross-talk to a cross-processed slide."""
        strength = distributions.log_uniform(rng, 0.03, 0.25)
        matrix = np.eye(3) + strength * np.clip(rng.normal(size=(3, 3)), -2, 2)
        # Rows that sum to about one keep greys near grey.
        matrix /= (0.75 * matrix.sum(1) + 0.25)[:, None]
        first, second, third = (distributions.rgb(row) for row in matrix)
        return cls((first, second, third), distributions.shift(rng, 0.04))

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        return mixed(image, self.matrix) + distributions.array(self.offset)


@dataclass(frozen=True, slots=True)
class Saturation(Layer):
    """Saturation and a rotation of hue around the grey axis; a linear map."""

    family: ClassVar[str] = "saturation"
    pointwise: ClassVar[bool] = True

    amount: float
    turn: float  # radians
    grey: Rgb  # luma weights of what stays

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From nearly grey to loud; a third of them turn the hues a little."""
        turn = distributions.normal(rng, 0, 0.22) if distributions.chance(rng, 0.35) else 0.0
        return cls(distributions.log_uniform(rng, 0.3, 2.1), turn, distributions.weights(rng, 0.15))

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = np.tile(np.array(self.grey), (3, 1))
        return mixed(image, grey + self.amount * _turn(self.turn) @ (np.eye(3) - grey))


@dataclass(frozen=True, slots=True)
class Vividness(Layer):
    """Saturation as in HSV: the brightest channel stays."""

    family: ClassVar[str] = "vividness"
    pointwise: ClassVar[bool] = True

    amount: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From muted to poster."""
        return cls(distributions.log_uniform(rng, 0.65, 1.9))

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        return more_vivid(image, self.amount)


@dataclass(frozen=True, slots=True)
class HueSaturation(Layer):
    """More or less colour around one hue, less or more of it elsewhere."""

    family: ClassVar[str] = "hue saturation"
    pointwise: ClassVar[bool] = True

    hue: float  # radians, 0 is red
    width: float  # power of the cosine window
    inside: float
    outside: float
    turn: float  # radians, of the colours inside

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Any hue, from a nudge to one colour in a nearly grey picture."""
        return cls(
            hue=distributions.uniform(rng, 0, 2 * math.pi),
            width=distributions.log_uniform(rng, 0.7, 4),
            inside=distributions.log_uniform(rng, 0.4, 2.2),
            outside=distributions.log_uniform(rng, 0.25, 1.4),
            turn=distributions.normal(rng, 0, 0.2) if distributions.chance(rng, 0.4) else 0.0,
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = luma(image)[..., None]
        # Two axes of the colour plane: red against cyan, and green against blue.
        plane = [[1, -0.5, -0.5], [0, math.sqrt(0.75), -math.sqrt(0.75)]]
        axes = mixed(image, plane)
        red, green = axes[..., 0], axes[..., 1]
        chroma = np.sqrt(red * red + green * green) + 1e-4
        along = (red * math.cos(self.hue) + green * math.sin(self.hue)) / chroma
        window = (np.maximum(along, 0) ** self.width)[..., None]
        colour = image - grey
        turned = mixed(colour, _turn(self.turn)) if self.turn else colour
        return grey + colour * (self.outside * (1 - window)) + turned * (self.inside * window)


@dataclass(frozen=True, slots=True)
class SplitTone(Layer):
    """One tint for the shadows, another for the highlights."""

    family: ClassVar[str] = "split tone"
    pointwise: ClassVar[bool] = True

    shadows: Rgb
    highlights: Rgb
    shadow_power: float
    highlight_power: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Half of them complements, as colour graders like them."""
        strength = distributions.log_uniform(rng, 0.02, 0.13)
        shadows, highlights = distributions.shift(rng, strength), distributions.shift(rng, strength)
        if distributions.chance(rng, 0.5):
            factor = -distributions.uniform(rng, 0.5, 1.3)
            highlights = distributions.rgb(factor * np.array(shadows))
        powers = distributions.log_uniform(rng, 0.7, 3), distributions.log_uniform(rng, 0.7, 3)
        return cls(shadows, highlights, *powers)

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = luma(image, (1 / 3, 1 / 3, 1 / 3))
        low = tabulated(grey, lambda x: np.power(1 - x, self.shadow_power))[..., None]
        high = tabulated(grey, lambda x: np.power(x, self.highlight_power))[..., None]
        shadows, highlights = (
            distributions.array(self.shadows),
            distributions.array(self.highlights),
        )
        tint: Pixels = shadows * low + highlights * high
        return image + tint


@dataclass(frozen=True, slots=True)
class Monochrome(Layer):
    """Black and white through a colour filter, wholly or in part."""

    family: ClassVar[str] = "monochrome"
    pointwise: ClassVar[bool] = True

    weights: Rgb
    amount: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Mostly wholly black and white."""
        amount = 1.0 if distributions.chance(rng, 0.8) else distributions.uniform(rng, 0.4, 1)
        return cls(distributions.weights(rng, 0.5), amount)

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        return image + self.amount * (luma(image, self.weights)[..., None] - image)


@dataclass(frozen=True, slots=True)
class Tint(Layer):
    """Luma between a dark and a light colour, each channel with its own gamma: sepia, cyanotype."""

    family: ClassVar[str] = "tint"
    pointwise: ClassVar[bool] = True

    dark: Rgb
    light: Rgb
    gammas: Rgb
    amount: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Dark to light, nearly half of them with no other colour left."""
        dark = np.clip(
            abs(distributions.normal(rng, 0.05, 0.1)) + 0.08 * rng.normal(size=3), 0, 0.45
        )
        light = np.clip(0.93 + 0.04 * rng.normal() - 0.12 * np.abs(rng.normal(size=3)), 0.5, 1)
        gammas = np.exp(0.22 * np.clip(rng.normal(size=3), -2.5, 2.5))
        amount = 1.0 if distributions.chance(rng, 0.45) else distributions.uniform(rng, 0.15, 0.9)
        return cls(
            distributions.rgb(dark), distributions.rgb(light), distributions.rgb(gammas), amount
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = np.clip(luma(image), 0, 1)
        channels = [tabulated(grey, partial(self._channel, channel=c)) for c in range(3)]
        return image + self.amount * (np.stack(channels, -1) - image)

    def _channel(self, x: Pixels, channel: int) -> Floats:
        dark, light = self.dark[channel], self.light[channel]
        return dark + (light - dark) * x ** self.gammas[channel]


StepsOf = Literal["luma", "value", "channels"]


@dataclass(frozen=True, slots=True)
class Steps(Layer):
    """Few steps of value instead of a gradient, hard or soft."""

    family: ClassVar[str] = "steps"
    pointwise: ClassVar[bool] = True

    of: StepsOf
    levels: float  # steps from black to white
    phase: float  # part of a step that the whole stair is moved by
    softness: float  # 0 is a stair, 1 a ramp
    vividness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Three to sixteen steps, half of them soft, most of them more vivid."""
        domains: tuple[StepsOf, ...] = ("luma", "value", "value", "channels")
        return cls(
            of=domains[int(rng.integers(len(domains)))],
            levels=distributions.log_uniform(rng, 3.5, 16),
            phase=distributions.uniform(rng, -0.3, 0.3) if distributions.chance(rng, 0.6) else 0.0,
            softness=distributions.uniform(rng, 0, 0.8) if distributions.chance(rng, 0.5) else 0.0,
            vividness=distributions.log_uniform(rng, 0.8, 1.9)
            if distributions.chance(rng, 0.7)
            else 1.0,
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        image = more_vivid(image, self.vividness)
        if self.of == "channels":
            return tabulated(image, self._stair)
        old = _highest(image) if self.of == "value" else luma(image)
        ratio = tabulated(old, self._stair) / np.maximum(old, 1 / 255)
        return image * ratio[..., None]

    def _stair(self, x: Pixels) -> Floats:
        scaled = x * self.levels + self.phase
        rest = scaled - np.round(scaled)  # in [-0.5, 0.5], the jump is at the ends
        if self.softness > 0:
            ramp = np.clip((np.abs(rest) - 0.5) / (0.5 * self.softness) + 1, 0, 1)
            rest = 0.5 * np.sign(rest) * smooth_step(ramp)
        else:
            rest = np.zeros_like(rest)
        stair = (np.round(scaled) + rest - self.phase) / self.levels
        return np.asarray(np.clip(stair, 0, 1))


@dataclass(frozen=True, slots=True)
class Paper(Layer):
    """The white of the paper and the black of the ink."""

    family: ClassVar[str] = "paper"
    pointwise: ClassVar[bool] = True

    white: Rgb
    black: Rgb

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """White to cream, and black to faded."""
        warmth = distributions.normal(rng, 0.03, 0.05)  # most papers are a little yellow
        density = distributions.uniform(rng, 0.8, 1)
        white = density * (1 - np.array([0.0, 0.35, 1.0]) * warmth) + 0.015 * rng.normal(size=3)
        black = abs(distributions.normal(rng, 0, 0.1)) + 0.04 * rng.normal(size=3)
        return cls(
            distributions.rgb(np.clip(white, 0.6, 1)), distributions.rgb(np.clip(black, 0, 0.35))
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        white, black = distributions.array(self.white), distributions.array(self.black)
        return black + (white - black) * image


def more_vivid(image: Pixels, amount: float) -> Pixels:
    """Multiply HSV saturation, which stops at one."""
    if amount == 1:
        return image
    value = _highest(image)[..., None]
    lowest = 1 - _highest(1 - image)[..., None]
    limit = value / np.maximum(value - lowest, 1e-4)  # 1 / saturation
    factor: Pixels = np.minimum(np.float32(amount), limit)
    return value - (value - image) * factor


def _highest(image: Pixels) -> Pixels:
    """The largest channel; numpy's own maximum over a short last axis is ten times slower."""
    return np.maximum(np.maximum(image[..., 0], image[..., 1]), image[..., 2])


def _turn(angle: float) -> npt.NDArray[np.float64]:
    """Rotation of colours around grey: Rodrigues' formula around (1, 1, 1) / sqrt(3)."""
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
