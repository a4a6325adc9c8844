"""Layers of light and lens: glow, halation, blur, sharpness."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from stylegan_cli.pretraining.looks import distributions
from stylegan_cli.pretraining.looks.distributions import Rgb
from stylegan_cli.pretraining.looks.filters import Floats, Pixels, blurred, luma, sigma_px
from stylegan_cli.pretraining.looks.layers import Layer


@dataclass(frozen=True, slots=True)
class Glow(Layer):
    """What is brighter than a threshold, blurred, tinted and screened over the picture."""

    family: ClassVar[str] = "glow"
    pointwise: ClassVar[bool] = False

    threshold: float
    radius: float  # of the short side, as every width here
    amount: float
    tint: Rgb

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """A high threshold leaves little light, which is then amplified."""
        threshold = distributions.uniform(rng, 0.35, 0.85)
        tint = np.clip(1 - 0.3 * np.abs(rng.normal(size=3)), 0.2, 1)
        amount = distributions.log_uniform(rng, 0.25, 1.2) * (0.35 / (1 - threshold)) ** 0.7
        radius = distributions.log_uniform(rng, 1 / 120, 1 / 12)
        return cls(threshold, radius, amount, distributions.rgb(tint))

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        bright = np.maximum(image - np.float32(self.threshold), 0)
        glow = blurred(bright, sigma_px(self.radius, short_side))
        return _screened(image, self.amount * glow * distributions.array(self.tint))


@dataclass(frozen=True, slots=True)
class Halation(Layer):
    """The red ring that film draws around lights: light that the base of the film throws back."""

    family: ClassVar[str] = "halation"
    pointwise: ClassVar[bool] = False

    threshold: float
    radius: float
    amount: float
    tint: Rgb

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From orange to red."""
        return cls(
            threshold=distributions.uniform(rng, 0.45, 0.85),
            radius=distributions.log_uniform(rng, 1 / 150, 1 / 25),
            amount=distributions.log_uniform(rng, 0.3, 1.8),
            tint=(1.0, distributions.uniform(rng, 0.1, 0.55), distributions.uniform(rng, 0, 0.3)),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        bright = np.maximum(luma(image) - np.float32(self.threshold), 0)
        spread = blurred(bright, sigma_px(self.radius, short_side))
        ring = np.maximum(spread - 0.4 * bright, 0)[..., None]
        return _screened(image, self.amount * ring * distributions.array(self.tint))


@dataclass(frozen=True, slots=True)
class Diffusion(Layer):
    """A soft-focus filter: the picture mixed with, or screened by, its own blur."""

    family: ClassVar[str] = "diffusion"
    pointwise: ClassVar[bool] = False

    radius: float
    amount: float
    screen: bool

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Half of them screened, which brightens; half mixed, which does not."""
        screen = distributions.chance(rng, 0.5)
        amount = distributions.uniform(rng, 0.1, 0.4 if screen else 0.65)
        return cls(distributions.log_uniform(rng, 1 / 100, 1 / 15), amount, screen)

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        soft = blurred(image, sigma_px(self.radius, short_side))
        if self.screen:
            return _screened(image, self.amount * soft)
        return image + np.float32(self.amount) * (soft - image)


@dataclass(frozen=True, slots=True)
class Blur(Layer):
    """A lens that is not quite sharp."""

    family: ClassVar[str] = "blur"
    pointwise: ClassVar[bool] = False

    radius: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From a soft lens to one out of focus."""
        return cls(distributions.log_uniform(rng, 1 / 400, 1 / 100))

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        return blurred(image, sigma_px(self.radius, short_side))


@dataclass(frozen=True, slots=True)
class Sharpen(Layer):
    """Unsharp mask: narrow is sharpness, wide is clarity; below zero it softens."""

    family: ClassVar[str] = "sharpen"
    pointwise: ClassVar[bool] = False

    radius: float
    amount: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Half of them narrow; of the wide ones a few soften."""
        if distributions.chance(rng, 0.5):
            radius = distributions.log_uniform(rng, 1 / 400, 1 / 100)
            return cls(radius, distributions.log_uniform(rng, 0.2, 2.5))
        return cls(
            distributions.log_uniform(rng, 1 / 60, 1 / 10), distributions.uniform(rng, -0.4, 1.1)
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = luma(image)
        detail = grey - blurred(grey, sigma_px(self.radius, short_side))
        return image + np.float32(self.amount) * detail[..., None]


def _screened(image: Pixels, light: Floats) -> Floats:
    return 1 - (1 - image) * (1 - np.clip(light, 0, 1))
