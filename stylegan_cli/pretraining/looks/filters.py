"""The small filters that looks are made of; nothing in them depends on position."""

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.colour import LUMA

Pixels = npt.NDArray[np.float32]  # (H, W, 3) or (H, W), unit
Floats = npt.NDArray[np.floating[Any]]

LUT_SIZE = 4096


def luma(image: Pixels, weights: npt.ArrayLike = LUMA) -> Pixels:
    """(H, W) brightness of an (H, W, 3) image."""
    return _single(cv2.transform(image, np.array([weights], np.float32)))


def mixed(image: Pixels, matrix: npt.ArrayLike) -> Pixels:
    """Each pixel as a column vector, multiplied from the left by a (3, 3) matrix."""
    return np.asarray(cv2.transform(image, np.asarray(matrix, np.float32)), np.float32)


def tabulated(image: Pixels, function: Callable[[Pixels], Floats]) -> Pixels:
    """A function of each value in [0, 1], through a table: cheaper than powers of every pixel."""
    lut = function(np.linspace(0, 1, LUT_SIZE, dtype=np.float32)).astype(np.float32)
    index = (np.clip(image, 0, 1) * (LUT_SIZE - 1) + 0.5).astype(np.int32)
    return np.take(lut, index)


def blurred(image: Pixels, sigma_px: float) -> Pixels:
    """Gaussian blur; a wide one runs on a reduced picture, cheaper and to the eye the same."""
    factor = 2 ** max(0, math.floor(math.log2(max(sigma_px, 1e-3) / 3)))
    height, width = image.shape[:2]
    factor = max(1, min(factor, min(height, width) // 8))
    if factor == 1:
        return np.asarray(cv2.GaussianBlur(image, (0, 0), max(sigma_px, 0.3)), np.float32)
    padded = cv2.copyMakeBorder(
        image, 0, -height % factor, 0, -width % factor, cv2.BORDER_REFLECT_101
    )
    high, wide = padded.shape[:2]
    small = cv2.resize(padded, (wide // factor, high // factor), interpolation=cv2.INTER_AREA)
    # The reduction and the linear enlargement blur too; what is left to do is the rest.
    rest = math.sqrt(max((sigma_px / factor) ** 2 - 0.25, 0.1))
    small = cv2.GaussianBlur(small, (0, 0), rest)
    large = cv2.resize(small, (wide, high), interpolation=cv2.INTER_LINEAR)
    return np.asarray(large[:height, :width], np.float32)


def sigma_px(fraction: float, short_side: float) -> float:
    """A width given as a fraction of the short side, in px, never below what pixels can show."""
    return max(0.5, fraction * short_side)


def smooth_step(x: Floats) -> Floats:
    """3x^2 - 2x^3 on [0, 1]."""
    x = np.clip(x, 0, 1)
    return x * x * (3 - 2 * x)


def logistic(x: Floats) -> Pixels:
    """1 / (1 + exp(-x)), through tanh, which does not overflow."""
    return np.asarray(0.5 + 0.5 * np.tanh(0.5 * x), np.float32)


def bilateral(image: Pixels, radius_px: float, tolerance: float, passes: int) -> Pixels:
    """Repeated bilateral filter (Tomasi & Manduchi 1998): areas become flat, edges stay.

    A wide one is made of more passes of a narrow one, which is cheaper and flattens more.
    """
    radius = int(np.clip(round(radius_px), 1, 4))
    extra = min(3.0, max(1.0, (radius_px / 4) ** 2))
    result = (image * 255 + 0.5).astype(np.uint8)
    for _ in range(round(passes * extra)):
        result = np.asarray(
            cv2.bilateralFilter(result, 2 * radius + 1, 255 * tolerance, radius), np.uint8
        )
    return np.asarray(result, np.float32) / np.float32(255)


def guided(image: Pixels, radius_px: float, tolerance: float) -> Pixels:
    """Edge-preserving smoothing guided by the image's own luma (He et al. 2010)."""
    size = (2 * max(1, round(radius_px)) + 1,) * 2
    guide = luma(image)
    mean_guide, mean = cv2.blur(guide, size), cv2.blur(image, size)
    variance = cv2.blur(guide * guide, size) - mean_guide * mean_guide
    covariance = cv2.blur(image * guide[..., None], size) - mean * mean_guide[..., None]
    slope = covariance / (variance + tolerance * tolerance)[..., None]
    offset = mean - slope * mean_guide[..., None]
    return np.asarray(cv2.blur(slope, size) * guide[..., None] + cv2.blur(offset, size), np.float32)


def kuwahara(image: Pixels, radius_px: float, sharpness: float) -> Pixels:
    """Soft Kuwahara filter: each pixel takes the mean of the calmest of its four quadrants.

    Weights are variance ** -sharpness, after Papari et al. 2007.
    """
    radius = max(1, round(radius_px))
    size, ends = (radius + 1, radius + 1), (0, radius)
    grey = luma(image)
    square = grey * grey
    total, weight_sum = np.zeros_like(image), np.zeros_like(grey)
    for x in ends:
        for y in ends:
            mean = cv2.boxFilter(image, -1, size, anchor=(x, y))
            mean_grey = cv2.boxFilter(grey, -1, size, anchor=(x, y))
            variance = cv2.boxFilter(square, -1, size, anchor=(x, y)) - mean_grey * mean_grey
            weight = (np.maximum(variance, 0) * 1e3 + 0.02) ** -sharpness
            total += mean * weight[..., None]
            weight_sum += weight
    return np.asarray(total / weight_sum[..., None], np.float32)


def form_direction(grey: Pixels, sigma: float) -> tuple[Pixels, Pixels]:
    """Unit vector (x, y) along the form at each pixel: the minor axis of the structure tensor.

    Brox et al. 2006; the tensor is averaged over `sigma` px.
    """
    gradient_x = cv2.Sobel(grey, cv2.CV_32F, 1, 0)
    gradient_y = cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    xx = blurred(np.asarray(gradient_x * gradient_x, np.float32), sigma)
    yy = blurred(np.asarray(gradient_y * gradient_y, np.float32), sigma)
    xy = blurred(np.asarray(gradient_x * gradient_y, np.float32), sigma)
    _, double_angle = cv2.cartToPolar(xx - yy, 2 * xy)
    across_x, across_y = cv2.polarToCart(np.ones_like(grey), double_angle / 2)
    return np.asarray(-across_y, np.float32), np.asarray(across_x, np.float32)


def smeared(image: Pixels, direction: tuple[Pixels, Pixels], length_px: float) -> Pixels:
    """Average along a direction field over about `length_px` to either side."""
    height, width = image.shape[:2]
    taps = 3
    rows = np.arange(height, dtype=np.float32)[:, None]
    columns = np.arange(width, dtype=np.float32)[None, :]
    total, weights = image.copy(), 1.0
    for tap in range(1, taps + 1):
        weight = math.exp(-0.5 * (1.5 * tap / taps) ** 2)
        for sign in (-1, 1):
            step = sign * length_px * tap / taps
            total += weight * np.asarray(
                cv2.remap(
                    image,
                    columns + step * direction[0],
                    rows + step * direction[1],
                    cv2.INTER_LINEAR,
                    borderMode=cv2.BORDER_REFLECT_101,
                )
            )
            weights += weight
    return total / np.float32(weights)


def _single(image: npt.ArrayLike) -> Pixels:
    grey = np.asarray(image, np.float32)
    return grey[..., 0] if grey.ndim == 3 else grey
