"""What a photographic style does in space, as maps small enough to carry from frame to frame."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.rendering.guided_maps import GUIDE_SHARE, fit_affine, smooth
from stylegan_cli.video.optical_flow import Step, displaced

Pixels = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]

_VALUES_PER_WINDOW = 3  # across; maps that are means over a window need no more


def fit_coarse(working: Plane, residual: Plane) -> Plane:
    """Local affine maps from the working picture to its residual, on a coarse grid.

    As rendering.fit_residual, with fewer values (fast guided filter, He & Sun 2015). working,
    residual: (H, W, 3) unit. Returns (4, h, w, 3): the slopes from red, from green and from blue of
    the picture to each channel of the residual, and the level of each.
    """
    height, width = working.shape[:2]
    radius = max(1, round(min(height, width) * GUIDE_SHARE))
    step = round((2 * radius + 1) / _VALUES_PER_WINDOW)
    size = (max(1, width // step), max(1, height // step))

    def means(planes: Sequence[Plane]) -> Sequence[Plane]:
        coarse = cv2.resize(cv2.merge(planes), size, interpolation=cv2.INTER_AREA)
        means_of_windows = smooth(np.asarray(coarse, np.float32).reshape(*size[::-1], 3))
        return [means_of_windows[..., channel] for channel in range(3)]

    slopes, levels = fit_affine(cv2.split(working), cv2.split(residual), means, np.float64)
    return np.stack([smooth(np.dstack(planes)) for planes in (*slopes, levels)])


def carried(step: Step, maps: Plane) -> Plane:
    """`maps`, (N, h, w, 3), moved along with the picture."""
    height, width = maps.shape[1:3]
    flow = step.flow_at(width, height)
    return np.stack([displaced(part, flow) for part in maps])


def applied(
    maps: Plane, guide: Pixels, size: tuple[int, int], buffer: Plane | None = None
) -> Plane:
    """The residual of a frame in levels, (H, W, 3).

    guide: the frame itself, or a smaller copy of it. size: (H, W). buffer: (2, *guide.shape), which
    is overwritten, and in which the result may lie: new arrays take longer than what they are for.
    """
    total, product = np.empty((2, *guide.shape), np.float32) if buffer is None else buffer
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
