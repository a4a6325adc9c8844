"""Known looks for the look-recovery benchmark: uint8 RGB (H, W, 3) in, the same out.

Each is deterministic and, toon's smoothing aside, relative to the picture's short side, so that a
look means the same at every size. Grain is left out of the truth on purpose: it is random, and no
method can reproduce it pixel by pixel.

KNOWN_LOOKS have cousins among the random looks of pre-training, which never draws their parameters.
UNSEEN_LOOKS are of kinds that pre-training never draws at all: they were frozen, code and
parameters, before the first long pre-training, and must not change. Their figures are the ones to
believe.
"""

import cv2
import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


def _to_float(image):
    return image.astype(np.float32) / 255


def _to_uint8(image):
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def _radius(image, fraction):
    return max(0.6, min(image.shape[:2]) * fraction)


def film(image):
    """Lifted blacks, cool shadows, warm highlights, a soft glow around what is bright."""
    x = 0.06 + 0.9 * _to_float(image) ** 0.9
    luma = x.mean(2, keepdims=True)
    x = luma + (x - luma) * 1.15
    shadows, highlights = np.array([-0.02, 0.03, 0.06]), np.array([0.08, 0.02, -0.07])
    x = x + shadows * (1 - luma) ** 2 + highlights * luma**2
    bright = np.clip(x - 0.65, 0, 1).astype(np.float32)
    glow = cv2.GaussianBlur(bright, (0, 0), _radius(image, 1 / 40))
    x = 1 - (1 - x) * (1 - 0.7 * glow * np.array([1, 0.85, 0.6]))
    return _to_uint8(0.5 * x * x * (3 - 2 * x) + 0.5 * x)


def noir(image):
    """Black and white through an orange filter, hard contrast."""
    luma = _to_float(image) @ np.array([0.35, 0.50, 0.15], np.float32)
    return _to_uint8(np.repeat(((luma - 0.5) * 1.5 + 0.45)[..., None], 3, 2))


def pastel(image):
    """Raised blacks, washed colour, a breath of pink."""
    x = _to_float(image)
    luma = x.mean(2, keepdims=True)
    x = 0.22 + 0.76 * (luma + (x - luma) * 0.65)
    return _to_uint8(x * np.array([1.0, 0.97, 0.99]) + np.array([0.02, 0.0, 0.015]))


def teal_orange(image):
    """Teal shadows, orange highlights, an S-curve."""
    x = _to_float(image)
    luma = x.mean(2, keepdims=True)
    shadows, highlights = np.array([-0.08, 0.02, 0.08]), np.array([0.10, 0.03, -0.10])
    x = x + shadows * (1 - luma) + highlights * luma
    return _to_uint8(x * x * (3 - 2 * x))


def toon(image):
    """Flat, saturated colour in eight steps of value, dark contour lines."""
    x = image
    for _ in range(3):
        x = cv2.bilateralFilter(x, 7, 40, 7)
    hsv = cv2.cvtColor(x, cv2.COLOR_RGB2HSV).astype(np.float32)
    hsv[..., 2] = np.round(hsv[..., 2] / 32) * 32
    hsv[..., 1] *= 1.5
    flat = _to_float(cv2.cvtColor(np.clip(hsv, 0, 255).astype(np.uint8), cv2.COLOR_HSV2RGB))
    luma = _to_float(image) @ LUMA
    sigma = _radius(image, 1 / 220)
    edges = cv2.GaussianBlur(luma, (0, 0), sigma) - cv2.GaussianBlur(luma, (0, 0), 2 * sigma)
    ink = np.clip(1 + np.tanh(80 * (edges + 0.006)), 0, 1)
    return _to_uint8(flat * (0.2 + 0.8 * ink[..., None]))


def sketch(image):
    """Pencil on white: grey dodged by its own blurred negative."""
    luma = _to_float(image) @ LUMA
    blurred = cv2.GaussianBlur(1 - luma, (0, 0), _radius(image, 1 / 50))
    lines = np.clip(luma / (1 - blurred + 1e-3), 0, 1) ** 1.3
    return _to_uint8(np.repeat(lines[..., None], 3, 2))


def solarise(image):
    """Tones above the middle turn round, each channel at its own level: a darkroom accident."""
    x = _to_float(image)
    tops = np.array([0.66, 0.56, 0.5], np.float32)  # where each channel is brightest
    bent = np.sin(np.pi * x ** (np.log(0.5) / np.log(tops)))
    return _to_uint8(0.05 + 0.85 * bent + 0.1 * x)


THERMAL_STOPS = np.array(
    [
        [0.05, 0.03, 0.30],
        [0.15, 0.35, 0.95],
        [0.05, 0.80, 0.45],
        [0.95, 0.90, 0.10],
        [0.95, 0.25, 0.05],
        [0.65, 0.00, 0.50],
    ]
)


def thermal(image):
    """A heat camera: luma as a walk from indigo over blue, green, yellow and red to purple."""
    luma = _to_float(image) @ LUMA
    levels = np.linspace(0, 1, len(THERMAL_STOPS))
    channels = [np.interp(luma, levels, THERMAL_STOPS[:, c]) for c in range(3)]
    return _to_uint8(np.stack(channels, 2))


def relief(image):
    """Pressed into warm paper: the slope of the blurred luma, lit from the upper left."""
    x = _to_float(image)
    luma = x @ LUMA
    sigma = _radius(image, 1 / 140)
    soft = cv2.GaussianBlur(luma, (0, 0), sigma)
    slope_x, slope_y = (cv2.Sobel(soft, cv2.CV_32F, *axes) / 8 for axes in ((1, 0), (0, 1)))
    light = np.tanh(5 * sigma * (slope_x + slope_y) / np.sqrt(2))
    paper = np.array([0.56, 0.51, 0.44]) + 0.42 * light[..., None]
    return _to_uint8(paper + 0.25 * (x - luma[..., None]))


def neon(image):
    """Edges as glowing tubes, in the colour of what they bound, on a night almost black."""
    x = _to_float(image)
    luma = x @ LUMA
    edges = np.zeros_like(luma)
    for fraction in (1 / 260, 1 / 130, 1 / 65):
        sigma = _radius(image, fraction)
        soft = cv2.GaussianBlur(luma, (0, 0), sigma)
        slopes = [cv2.Sobel(soft, cv2.CV_32F, *axes) / 8 for axes in ((1, 0), (0, 1))]
        edges += sigma * np.hypot(*slopes) / 3
    tube = np.clip(np.tanh(16 * edges - 0.25), 0, 1)[..., None]
    around = cv2.GaussianBlur(x, (0, 0), _radius(image, 1 / 40))
    colour = around - around.min(2, keepdims=True) + 0.04
    colour = colour / colour.max(2, keepdims=True)
    lit = (tube * colour).astype(np.float32)
    glow = cv2.GaussianBlur(lit, (0, 0), _radius(image, 1 / 50))
    return _to_uint8(np.array([0.02, 0.02, 0.06]) + 0.9 * lit + 0.6 * glow + 0.12 * tube**3)


KNOWN_LOOKS = {look.__name__: look for look in (film, noir, pastel, teal_orange, toon, sketch)}
UNSEEN_LOOKS = {look.__name__: look for look in (solarise, thermal, relief, neon)}
LOOKS = KNOWN_LOOKS | UNSEEN_LOOKS
