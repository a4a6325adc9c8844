"""Whether pictures are made by hand: paintings, prints and drawings, or photos in some look.

A linear model of what a frozen network sees in the rank of luma, which neither tones nor colours
change: brushwork and hatching have other textures than photos, and than filters make of photos.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from stylegan_cli.backends.onnx_backend import EstimatorNetworks
from stylegan_cli.instant.colour_estimation import rank_of_luma
from stylegan_cli.instant.config import DEFAULTS, HandConfig
from stylegan_cli.networks.architecture import CLIP_DEVIATIONS
from stylegan_cli.styles import ColourEstimator

SHORT_SIDE = 1024  # px; larger pictures are brought down
CROP = 256  # px, of each side
# Of the room that crops have, from the top and from the left.
PLACES = ((0.25, 0.25), (0.25, 0.75), (0.75, 0.25), (0.75, 0.75))
PLACES_AT_HALF = ((0.25, 0.25), (0.75, 0.75))


class HandClassifier:
    """Tells pictures made by hand with the classifier of a base's colour estimator."""

    def __init__(
        self, estimator: ColourEstimator, threads: int, config: HandConfig = DEFAULTS.hand
    ) -> None:
        """estimator: one that tells hands."""
        self._networks = EstimatorNetworks(estimator, threads)
        self._tensors, self._config = estimator.part("hand."), config

    def score(self, pictures: Sequence[np.ndarray]) -> float:
        """Mean over pictures, (H, W, 3) uint8: about -1 for photos and 1 for paintings."""
        return float(np.mean([self._score(picture) for picture in pictures]))

    def is_by_hand(self, pictures: Sequence[np.ndarray]) -> bool:
        """Whether pictures, (H, W, 3) uint8, are made by hand; in doubt they are photos."""
        error = self._config.deviation / np.sqrt(len(pictures))
        return bool(self.score(pictures) - error >= self._config.min_score)

    def _score(self, picture: np.ndarray) -> float:
        return float(hand_scores(describe_texture(self._networks, picture), self._tensors))


def describe_texture(networks: EstimatorNetworks, picture: np.ndarray) -> np.ndarray:
    """What the frozen network sees in a uint8 picture (H, W, 3) and at half its size, on average.

    Returns (HAND_INPUTS,).
    """
    whole = at_texture_size(picture)
    half = _resized(whole, 0.5) if min(whole.shape[:2]) >= 2 * CROP else whole
    sizes = (whole, PLACES), (half, PLACES_AT_HALF)
    means = [
        np.mean([networks.vision_moments(rank_of_luma(crop)) for crop in _crops(*size)], axis=0)
        for size in sizes
    ]
    return np.concatenate(means)


def at_texture_size(picture: np.ndarray) -> np.ndarray:
    """A uint8 picture (H, W, 3) with a short side of at most SHORT_SIDE px."""
    return _resized(picture, min(1, SHORT_SIDE / min(picture.shape[:2])))


def hand_scores(described: np.ndarray, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """Scores of pictures: (..., HAND_INPUTS) → (...)."""
    inputs = standard_texture(described, tensors)
    scores: np.ndarray = inputs @ tensors["hand.weight"] + tensors["hand.bias"][0]
    return scores


def standard_texture(described: np.ndarray, tensors: dict[str, np.ndarray]) -> np.ndarray:
    """The classifier's inputs (..., HAND_INPUTS) in deviations over its training."""
    scaled = (described - tensors["hand.centre"]) * tensors["hand.scale"]
    inputs: np.ndarray = np.clip(scaled, -CLIP_DEVIATIONS, CLIP_DEVIATIONS)
    return inputs


def _crops(picture: np.ndarray, places: Sequence[tuple[float, float]]) -> list[np.ndarray]:
    """Squares of CROP px; those of a smaller picture are enlarged."""
    side = min(CROP, *picture.shape[:2])
    rows, columns = (whole - side for whole in picture.shape[:2])
    corners = [(round(down * rows), round(across * columns)) for down, across in places]
    crops = [picture[top : top + side, left : left + side] for top, left in corners]
    return [_resized(np.ascontiguousarray(crop), CROP / side) for crop in crops]


def _resized(picture: np.ndarray, scale: float) -> np.ndarray:
    """Brought down by area, or enlarged."""
    if scale == 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=kind)
