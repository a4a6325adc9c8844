"""A residual as local affine maps of the picture: the guided filter, for photos and clips."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering.working_copy import Pixels, Size, halved

GUIDE_SHARE = 1 / 48  # of the working short side: radius of the local affine maps
GUIDE_NOISE = 1e-4  # variance, unit colours: what counts as flat


@dataclass(frozen=True, slots=True, eq=False)
class ResidualMaps:
    """A residual as local affine maps of the picture x: sum over i of x[i] * slope[i], and level.

    slope: (3, 3, h, w), from each channel of the picture to each of the residual.
    level: (3, h', w'). Each covers the whole picture.
    """

    slope: np.ndarray
    level: np.ndarray

    def widened(self, width: int, scale: float = 1.0) -> "ResidualMaps":
        """The same, `width` px wide; for pictures whose white is `scale`."""
        slope = [_widened(planes, width, cv2.INTER_LINEAR) for planes in self.slope]
        level = _widened(self.level * np.float32(scale), width, cv2.INTER_CUBIC)
        return ResidualMaps(np.stack(slope), level)

    def residual(
        self, picture: Sequence[np.ndarray], columns: slice, buffer: np.ndarray | None = None
    ) -> Iterator[np.ndarray]:
        """The residual in some columns of a picture: red, green and blue, (H, columns) each.

        picture: those columns of the picture, red, green and blue, (H, columns) float32 each. The
            maps are as wide as the whole picture, and `scale` is its white (widened).
        buffer: (2, H, columns) float32, overwritten. It holds a plane until the next is asked.
        """
        height, width = picture[0].shape
        total, stretched = np.empty((2, height, width), np.float32) if buffer is None else buffer

        def stretch(plane: np.ndarray, out: np.ndarray, interpolation: int) -> None:
            # Across it stays as it is, so that these columns get what they get in the whole.
            cv2.resize(plane[:, columns], (width, height), out, interpolation=interpolation)

        for channel in range(3):
            stretch(self.level[channel], total, cv2.INTER_CUBIC)
            for plane, slope in zip(picture, self.slope[:, channel], strict=True):
                stretch(slope, stretched, cv2.INTER_LINEAR)
                cv2.accumulateProduct(plane, stretched, total)
            yield total


def fit_residual(working: np.ndarray, residual: np.ndarray, *, exact: bool = True) -> ResidualMaps:
    """Local affine maps from the working picture to its residual, both (h, w, 3) unit float32.

    The maps are averaged over the window, so smooth that one value per radius is enough (He & Sun
    2015). exact: all that the slopes leave of the residual goes into the level; otherwise only what
    follows the picture is kept.
    """
    height, width = working.shape[:2]
    radius = max(2, round(min(height, width) * GUIDE_SHARE))
    size = max(1, height // radius), max(1, width // radius)

    def means(planes: Sequence[np.ndarray]) -> list[np.ndarray]:
        coarse = [
            cv2.resize(halved(plane, size), size[::-1], interpolation=cv2.INTER_AREA)
            for plane in planes
        ]
        return [smooth(plane.reshape(size)) for plane in coarse]

    planes = cv2.split(working), cv2.split(residual)
    slopes, levels = fit_affine(*planes, means, np.float32)
    slope = np.array([[smooth(plane) for plane in row] for row in slopes])
    if not exact:
        return ResidualMaps(slope, np.array([smooth(plane) for plane in levels]))
    followed = ResidualMaps(slope, np.zeros((3, 1, 1), np.float32)).widened(width)
    known = followed.residual(planes[0], slice(0, width))
    rest = [own - part for own, part in zip(planes[1], known, strict=True)]
    return ResidualMaps(slope, np.stack(rest))


def fit_affine(
    guide: Sequence[np.ndarray],
    target: Sequence[np.ndarray],
    means: Callable[[Sequence[np.ndarray]], Sequence[np.ndarray]],
    precision: type[np.floating],
) -> tuple[list[list[np.ndarray]], list[np.ndarray]]:
    """The guided filter with a colour guide (He, Sun & Tang 2013, eq. 14-15).

    guide, target: three planes (h, w) float32 each. means: of three planes over each window, on a
    coarser grid. precision: type of the numbers in the inversion. Returns slopes[i][c], from
    channel i of the guide to channel c of the target, and levels[c]; float32 on the coarser grid.
    """
    mean_x, mean_y = means(guide), means(target)
    squares = means([plane * plane for plane in guide])
    mixed = means([guide[i] * guide[i - 1] for i in range(3)])
    covariance = {}
    for i in range(3):
        j = (i - 1) % 3
        covariance[i, i] = (squares[i] - mean_x[i] * mean_x[i] + GUIDE_NOISE).astype(precision)
        entry = (mixed[i] - mean_x[i] * mean_x[j]).astype(precision)
        covariance[i, j] = covariance[j, i] = entry
    inverse = _inverse(covariance)
    products = [means([guide[i] * plane for plane in target]) for i in range(3)]
    slopes: list[list[np.ndarray]] = [[], [], []]
    levels = []
    for c in range(3):
        cross = [products[i][c] - mean_x[i] * mean_y[c] for i in range(3)]
        for i in range(3):
            slope = sum(inverse[i, j] * cross[j] for j in range(3))
            slopes[i].append(np.asarray(slope, np.float32))
        levels.append(mean_y[c] - sum(mean_x[i] * slopes[i][c] for i in range(3)))
    return slopes, levels


def smooth(planes: np.ndarray) -> np.ndarray:
    """Means over 3 x 3 values of a grid (h, w) or (h, w, C)."""
    blurred = cv2.blur(planes, (3, 3), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, np.float32).reshape(planes.shape)


def enlarge_residual(maps: ResidualMaps, pixels: Pixels) -> np.ndarray:
    """The residual of a whole picture (H, W, 3) of any depth; float32, unit scale."""
    columns = slice(0, pixels.shape[1])
    planes = maps.widened(columns.stop).residual(cv2.split(to_unit(pixels)), columns)
    result = np.empty(pixels.shape, np.float32)
    for channel, plane in enumerate(planes):
        result[..., channel] = plane
    return result


def _inverse(matrix: Mapping[Size, np.ndarray]) -> dict[Size, np.ndarray]:
    """Inverses of symmetric positive definite 3x3 matrices, entry by entry (Cramer's rule)."""
    m = matrix
    adjugate = {
        (i, j): m[(i + 1) % 3, (j + 1) % 3] * m[(i + 2) % 3, (j + 2) % 3]
        - m[(i + 1) % 3, (j + 2) % 3] * m[(i + 2) % 3, (j + 1) % 3]
        for i, j in m
    }
    scale = 1 / (m[0, 0] * adjugate[0, 0] + m[0, 1] * adjugate[0, 1] + m[0, 2] * adjugate[0, 2])
    return {place: entry * scale for place, entry in adjugate.items()}


def _widened(planes: np.ndarray, width: int, interpolation: int) -> np.ndarray:
    wide: np.ndarray = np.empty((*planes.shape[:2], width), np.float32)
    for plane, out in zip(planes, wide, strict=True):
        cv2.resize(plane, (width, len(plane)), out, interpolation=interpolation)
    return wide
