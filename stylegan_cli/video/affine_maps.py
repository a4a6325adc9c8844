"""What a photographic look does in space, as maps small enough to carry from frame to frame."""

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.rendering import GUIDE_NOISE, GUIDE_SHARE
from stylegan_cli.video.steadying import Step

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

# Of maps that are smooth over a window of some radius, values half a radius apart say all.
_VALUES_PER_RADIUS = 2


def fit_coarse(working: Plane, residue: Plane) -> Plane:
    """Local affine maps from the working picture to its residue, at a fraction of its size.

    As rendering.fit_residue, on a coarser grid (fast guided filter, He & Sun 2015). working,
    residue: (H, W, 3) unit. Returns (4, h, w, 3): the slopes of red, green and blue of the guide
    for each channel of the residue, and the level.
    """
    height, width = working.shape[:2]
    fine_radius = max(1, round(min(height, width) * GUIDE_SHARE))
    step = max(1, fine_radius // _VALUES_PER_RADIUS)
    size = (max(1, width // step), max(1, height // step))
    radius = round(fine_radius / step)
    window = (2 * radius + 1, 2 * radius + 1)

    def mean(array: Plane) -> Plane:
        coarse = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
        return _blurred(np.asarray(coarse, np.float32), window)

    mean_x, mean_r = mean(working), mean(residue)
    squares = mean(working * working)
    shifted = np.roll(working, 1, axis=2)  # blue, red, green beside red, green, blue
    mixed = mean(working * shifted)
    covariance = np.empty((*mean_x.shape, 3), np.float32)
    cross = np.empty_like(covariance)  # of guide channel i with residue channel c
    for i in range(3):
        j = i - 1
        covariance[..., i, i] = squares[..., i] - mean_x[..., i] ** 2 + GUIDE_NOISE
        entry = mixed[..., i] - mean_x[..., i] * mean_x[..., j]
        covariance[..., i, j] = covariance[..., j, i] = entry
        cross[..., i, :] = mean(working[..., i : i + 1] * residue) - mean_x[..., i : i + 1] * mean_r
    slope = np.linalg.solve(covariance, cross)
    level = mean_r - np.einsum("hwi,hwic->hwc", mean_x, slope)
    maps = [np.ascontiguousarray(slope[..., i, :]) for i in range(3)] + [level]
    return np.stack([_blurred(part, window) for part in maps])


def _blurred(array: Plane, window: tuple[int, int]) -> Plane:
    return np.asarray(cv2.blur(array, window, borderType=cv2.BORDER_REFLECT), np.float32)


def carried(step: Step, maps: Plane) -> Plane:
    """`maps` moved along with the picture."""
    return np.stack([step.carry(part) for part in maps])


def applied(maps: Plane, pixels: Pixels) -> Plane:
    """The residue of a full-size frame in levels, (H, W, 3) float32."""
    height, width = pixels.shape[:2]
    *slopes, level = (cv2.resize(part, (width, height)) for part in maps)
    residue = level * 255
    for channel, slope in zip(cv2.split(pixels), slopes, strict=True):
        guide = cv2.merge([channel, channel, channel])
        cv2.add(residue, cv2.multiply(slope, guide, dtype=cv2.CV_32F), dst=residue)
    return np.asarray(residue, np.float32)
