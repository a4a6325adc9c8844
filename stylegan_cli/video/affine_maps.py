"""What a photographic look does in space, as maps small enough to carry from frame to frame."""

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.rendering import GUIDE_NOISE, GUIDE_SHARE
from stylegan_cli.video.optical_flow import Step, displaced

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

# Maps that are means over a window need no more than so many values across it.
_VALUES_PER_WINDOW = 3


def fit_coarse(working: Plane, residual: Plane) -> Plane:
    """Local affine maps from the working picture to its residual, at a fraction of its size.

    As rendering.fit_residual, on a coarser grid (fast guided filter, He & Sun 2015). working,
    residual: (H, W, 3) unit. Returns (4, h, w, 3): the slopes from red, from green and from blue of
    the picture to each channel of the residual, and the level of each.
    """
    height, width = working.shape[:2]
    radius = max(1, round(min(height, width) * GUIDE_SHARE))
    step = round((2 * radius + 1) / _VALUES_PER_WINDOW)
    size = (max(1, width // step), max(1, height // step))

    def mean(array: Plane) -> Plane:
        coarse = cv2.resize(array, size, interpolation=cv2.INTER_AREA)
        return _blurred(np.asarray(coarse, np.float32))

    mean_x, mean_r = mean(working), mean(residual)
    squares = mean(working * working)
    shifted = np.roll(working, 1, axis=2)  # blue, red, green beside red, green, blue
    mixed = mean(working * shifted)
    covariance = np.empty((*mean_x.shape, 3))
    cross = np.empty_like(covariance)  # of guide channel i with residual channel c
    for i in range(3):
        j = i - 1
        covariance[..., i, i] = squares[..., i] - mean_x[..., i] ** 2 + GUIDE_NOISE
        entry = mixed[..., i] - mean_x[..., i] * mean_x[..., j]
        covariance[..., i, j] = covariance[..., j, i] = entry
        cross[..., i, :] = (
            mean(working[..., i : i + 1] * residual) - mean_x[..., i : i + 1] * mean_r
        )
    slope = np.einsum("hwij,hwjc->hwic", _inverse(covariance), cross).astype(np.float32)
    level = mean_r - np.einsum("hwi,hwic->hwc", mean_x, slope)
    maps = [*np.ascontiguousarray(slope.transpose(2, 0, 1, 3)), level]
    return np.stack([_blurred(part) for part in maps])


def _inverse(matrices: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Inverses of (..., 3, 3): the cross products of two rows over the determinant.

    LAPACK would bring threads that go on turning, and take them from the encoder.
    """
    rows = [matrices[..., i, :] for i in range(3)]
    adjugate = np.stack([np.cross(rows[i - 2], rows[i - 1]) for i in range(3)], axis=-1)
    determinant = (rows[0] * adjugate[..., 0]).sum(-1)
    return np.asarray(adjugate / determinant[..., None, None])


def _blurred(array: Plane) -> Plane:
    """Means over the window, of values as many as `_VALUES_PER_WINDOW` in it."""
    window = (_VALUES_PER_WINDOW, _VALUES_PER_WINDOW)
    return np.asarray(cv2.blur(array, window, borderType=cv2.BORDER_REFLECT), np.float32)


def carried(step: Step, maps: Plane) -> Plane:
    """`maps`, (N, h, w, 3), moved along with the picture."""
    height, width = maps.shape[1:3]
    flow = step.flow_at(width, height)
    return np.stack([displaced(part, flow) for part in maps])


def applied(maps: Plane, guide: Pixels, size: tuple[int, int], room: Plane | None = None) -> Plane:
    """The residual of a frame in levels, (H, W, 3).

    guide: the frame itself, or a smaller copy of it. size: (H, W). room: (2, *guide.shape), which
    is overwritten, and in which the result may lie: new arrays take longer than what they are for.
    """
    total, product = np.empty((2, *guide.shape), np.float32) if room is None else room
    height, width = guide.shape[:2]
    *slopes, level = maps
    cv2.resize(level * np.float32(255), (width, height), total)
    for slope, plane in zip(slopes, cv2.split(guide), strict=True):
        cv2.resize(slope, (width, height), product)
        cv2.multiply(product, cv2.merge([plane] * 3), product, dtype=cv2.CV_32F)
        cv2.add(total, product, total)
    return (
        total if size == (height, width) else np.asarray(cv2.resize(total, size[::-1]), np.float32)
    )
