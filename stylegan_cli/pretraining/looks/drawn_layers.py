"""Layers that a hand would make: flat areas, oil, strokes, contours, pencil, ink, hatching."""

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, Self

import cv2
import numpy as np

from stylegan_cli.pretraining.looks import distributions
from stylegan_cli.pretraining.looks.distributions import Rgb
from stylegan_cli.pretraining.looks.filters import (
    Floats,
    Pixels,
    bilateral,
    blurred,
    form_direction,
    guided,
    kuwahara,
    logistic,
    luma,
    sigma_px,
    smeared,
)
from stylegan_cli.pretraining.looks.layers import Layer


@dataclass(frozen=True, slots=True)
class FlatAreas(Layer):
    """Areas flattened, edges kept."""

    family: ClassVar[str] = "flat areas"
    pointwise: ClassVar[bool] = False

    by: Literal["bilateral", "guided"]
    radius: float  # of the short side, as every width here
    tolerance: float  # difference of value that counts as an edge
    passes: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From smooth skin to paper cut-outs."""
        by: Literal["bilateral", "guided"] = (
            "bilateral" if distributions.chance(rng, 0.65) else "guided"
        )
        return cls(
            by=by,
            radius=distributions.log_uniform(rng, 1 / 130, 1 / 45),
            tolerance=distributions.log_uniform(rng, 0.06, 0.35),
            passes=int(rng.integers(1, 4)),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        radius_px = self.radius * short_side
        if self.by == "bilateral":
            return bilateral(image, radius_px, self.tolerance, self.passes)
        for _ in range(self.passes):
            image = guided(image, radius_px, 0.35 * self.tolerance)
        return image


@dataclass(frozen=True, slots=True)
class Oil(Layer):
    """Dabs of paint: each pixel takes the colour of its calmest neighbourhood."""

    family: ClassVar[str] = "oil"
    pointwise: ClassVar[bool] = False

    by: Literal["kuwahara", "median"]
    radius: float
    sharpness: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Small dabs to broad ones."""
        by: Literal["kuwahara", "median"] = (
            "kuwahara" if distributions.chance(rng, 0.75) else "median"
        )
        widest = 1 / 40 if by == "kuwahara" else 1 / 65  # a median forgets eyes sooner
        return cls(
            by,
            distributions.log_uniform(rng, 1 / 140, widest),
            distributions.log_uniform(rng, 1, 6),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        radius_px = max(1.0, self.radius * short_side)
        if self.by == "kuwahara":
            return kuwahara(image, radius_px, self.sharpness)
        pixels = (image * 255 + 0.5).astype(np.uint8)
        size = 2 * min(round(radius_px), 7) + 1
        return np.asarray(cv2.medianBlur(pixels, size), np.float32) / 255


@dataclass(frozen=True, slots=True)
class Strokes(Layer):
    """Brush strokes along the form: smeared along it, sharpened across, with bristles.

    After Kyprianidis & Kang 2011; the bristles are the photo's own detail, drawn out.
    """

    family: ClassVar[str] = "strokes"
    pointwise: ClassVar[bool] = False

    length: float
    width: float
    sharpness: float
    bristles: float  # difference of value between the traces of a stroke
    roughness: float  # scale over which the form's direction is averaged

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """From a few px to an eye long, most of them with bristles."""
        return cls(
            length=distributions.log_uniform(rng, 1 / 60, 1 / 14),
            width=distributions.log_uniform(rng, 1 / 200, 1 / 50),
            sharpness=distributions.uniform(rng, 0.3, 3),
            bristles=distributions.log_uniform(rng, 0.02, 0.14)
            if distributions.chance(rng, 0.7)
            else 0.0,
            roughness=distributions.log_uniform(rng, 1 / 100, 1 / 25),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey, length_px = luma(image), self.length * short_side
        direction = form_direction(grey, sigma_px(self.roughness, short_side))
        smooth = smeared(image, direction, length_px)
        width_px = sigma_px(self.width, short_side)
        result = smooth + np.float32(self.sharpness) * (smooth - blurred(smooth, width_px))
        if self.bristles:
            traces = _form_lines(luma(photo), 0.8 * width_px, length_px)
            result += np.float32(self.bristles) * traces[..., None]
        return result


LineKind = Literal["dog", "xdog", "gradient", "laplacian"]


@dataclass(frozen=True, slots=True)
class Contours(Layer):
    """Dark contour lines of one width over what is below."""

    family: ClassVar[str] = "contours"
    pointwise: ClassVar[bool] = False

    kind: LineKind
    sigma: float
    gain: float  # in units of 1 / value
    threshold: float  # shifts how much counts as a line
    strength: float  # 1 draws in full ink
    ink: Rgb
    of_photo: bool  # lines of the photo, or of what the layers below made of it

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Hair lines to brush lines; most of them in full ink, of the photo."""
        kinds: tuple[LineKind, ...] = ("dog", "dog", "xdog", "gradient", "laplacian")
        ink = np.clip(0.04 + 0.08 * np.abs(rng.normal(size=3)), 0, 0.35)
        return cls(
            kind=kinds[int(rng.integers(len(kinds)))],
            sigma=distributions.log_uniform(rng, 1 / 420, 1 / 110),
            gain=distributions.log_uniform(rng, 30, 260),
            threshold=distributions.uniform(rng, -0.003, 0.011),
            strength=1 - distributions.uniform(rng, 0, 0.8) ** 2,
            ink=distributions.rgb(ink),
            of_photo=distributions.chance(rng, 0.7),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = luma(photo if self.of_photo else image)
        clear = self._clear(grey, sigma_px(self.sigma, short_side))
        line = np.float32(self.strength) * (1 - clear)[..., None]
        return image + line * (distributions.array(self.ink) - image)

    def _clear(self, grey: Pixels, sigma: float) -> Pixels:
        """1 where there is no line, 0 in full ink."""
        fine = blurred(grey, sigma)
        if self.kind == "dog":
            response = fine - blurred(grey, 2 * sigma)
        elif self.kind == "xdog":  # Winnemoeller et al. 2012: a narrower pair, weighted
            response = fine - 0.98 * blurred(grey, 1.6 * sigma) - 0.01 * grey
        elif self.kind == "laplacian":
            response = -0.35 * np.asarray(cv2.Laplacian(fine, cv2.CV_32F)) * sigma * sigma
        else:
            gradient_x = np.asarray(cv2.Sobel(fine, cv2.CV_32F, 1, 0)) / 8
            gradient_y = np.asarray(cv2.Sobel(fine, cv2.CV_32F, 0, 1)) / 8
            slope = np.sqrt(gradient_x**2 + gradient_y**2) * sigma
            response = 0.006 - slope  # the shallow slopes of shading stay clear
        clear = 1 + np.tanh(self.gain * (response + self.threshold))
        return np.asarray(np.clip(clear, 0, 1), np.float32)


@dataclass(frozen=True, slots=True)
class Pencil(Layer):
    """Luma dodged by its own blurred negative: graphite, or coloured pencil over the picture."""

    family: ClassVar[str] = "pencil"
    pointwise: ClassVar[bool] = False

    radius: float
    gamma: float
    colour: float  # 0 is bare paper, 1 draws over the picture
    shade: float  # part of the picture's own shading that stays
    weights: Rgb

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Hard to soft lead, most of them without colour."""
        colour = 0.0 if distributions.chance(rng, 0.6) else distributions.uniform(rng, 0.2, 1)
        return cls(
            radius=distributions.log_uniform(rng, 1 / 150, 1 / 20),
            gamma=distributions.log_uniform(rng, 0.6, 4.5),
            colour=colour,
            shade=distributions.uniform(rng, 0, 0.6) if distributions.chance(rng, 0.35) else 0.0,
            weights=distributions.weights(rng, 0.1),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey = luma(image, self.weights)
        dodged = grey / (blurred(grey, sigma_px(self.radius, short_side)) + 1e-3)
        lines = np.clip(dodged, 0, 1) ** np.float32(self.gamma)
        if self.shade:
            lines = lines * (1 - self.shade * (1 - grey))
        return _on_paper(image, lines, self.colour)


@dataclass(frozen=True, slots=True)
class Ink(Layer):
    """Black ink on white paper: XDoG (Winnemoeller, Kyprianidis & Olsen 2012, eq. 7 and 5)."""

    family: ClassVar[str] = "ink"
    pointwise: ClassVar[bool] = False

    sigma: float
    sharpening: float  # p
    threshold: float  # epsilon
    gain: float  # phi
    flow: float  # smoothing along the form, 0 is none
    colour: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Pen to brush, most of them without colour."""
        return cls(
            sigma=distributions.log_uniform(rng, 1 / 350, 1 / 80),
            sharpening=distributions.log_uniform(rng, 7, 45),
            threshold=distributions.uniform(rng, 0.25, 0.75),
            gain=distributions.log_uniform(rng, 2.5, 20),
            flow=distributions.log_uniform(rng, 1 / 120, 1 / 40)
            if distributions.chance(rng, 0.4)
            else 0.0,
            colour=0.0 if distributions.chance(rng, 0.65) else distributions.uniform(rng, 0.2, 1),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey, sigma = luma(image), sigma_px(self.sigma, short_side)
        fine, wide = blurred(grey, sigma), blurred(grey, 1.6 * sigma)
        sharpened = fine + np.float32(self.sharpening) * (fine - wide)
        if self.flow:
            direction = form_direction(grey, 3 * sigma)
            sharpened = smeared(sharpened, direction, self.flow * short_side)
        drawn = np.clip(1 + np.tanh(self.gain * (sharpened - self.threshold)), 0, 1)
        return _on_paper(image, drawn.astype(np.float32), self.colour)


@dataclass(frozen=True, slots=True)
class Hatching(Layer):
    """Hatching: lines along the form, as in an engraving, or along the levels of luma."""

    family: ClassVar[str] = "hatching"
    pointwise: ClassVar[bool] = False

    by: Literal["form", "levels"]
    spacing: float
    length: float
    lines: float  # number of lines from black to white, for levels
    contrast: float
    hardness: float
    brightness: float
    colour: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """Fine to coarse, most of them along the form."""
        return cls(
            by="form" if distributions.chance(rng, 0.8) else "levels",
            spacing=distributions.log_uniform(rng, 1 / 450, 1 / 90),
            length=distributions.log_uniform(rng, 1 / 60, 1 / 18),
            lines=distributions.log_uniform(rng, 3, 9),
            contrast=distributions.uniform(rng, 0.12, 0.5),
            hardness=distributions.log_uniform(rng, 3, 25),
            brightness=distributions.uniform(rng, -0.05, 0.2),
            colour=0.0 if distributions.chance(rng, 0.6) else distributions.uniform(rng, 0.2, 1),
        )

    def _render(self, image: Pixels, photo: Pixels, short_side: float) -> Floats:
        grey, spacing = luma(image), sigma_px(self.spacing, short_side)
        if self.by == "form":
            wave = _form_lines(grey, spacing, self.length * short_side)
        else:
            # Few lines, of a smooth picture: many would be worms on every wall.
            smooth = blurred(grey, 4 * spacing)
            wave = 0.7 * np.cos(np.float32(2 * math.pi * self.lines) * smooth)
        level = grey + self.brightness - 0.5 + np.float32(self.contrast) * wave
        return _on_paper(image, logistic(self.hardness * level), self.colour)


def _form_lines(grey: Pixels, spacing_px: float, length_px: float) -> Pixels:
    """Lines along the form, about -1.5 to 1.5: the picture's own fine detail, evened and drawn out.

    Noise of our own would depend on position, which no convolution can know.
    """
    detail = _equalized(grey - blurred(grey, 1.5 * spacing_px), 6 * spacing_px)
    direction = form_direction(grey, 5 * spacing_px)
    drawn_out = smeared(detail, direction, length_px)
    return np.clip(_equalized(drawn_out, 6 * spacing_px), -1.5, 1.5)


def _equalized(detail: Pixels, sigma: float) -> Pixels:
    """Detail divided by its local size; where there is next to none, it stays next to none."""
    size: Pixels = np.sqrt(blurred(detail * detail, sigma) + np.float32(2e-5))
    return detail / size


def _on_paper(image: Pixels, drawing: Pixels, colour: float) -> Pixels:
    """A drawing (H, W) on white, or over the picture's colour."""
    if colour == 0:
        return np.repeat(drawing[..., None], 3, 2)
    return (1 - np.float32(colour) * (1 - image)) * drawing[..., None]
