"""Pixels of pictures, sorted into slots: clusters of what a frozen vision network sees there.

The network sees luma at its rank, which no tone curve changes: what it says is nearly the same of a
photo and of the photo in a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylegan_cli.backends.onnx_backend import VisionNetwork
from stylegan_cli.instant.encoding import READ_LONG_SIDE
from stylegan_cli.networks.architecture import VISION_CHANNELS
from stylegan_cli.pictures import to_unit
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles.model import Tensors

FINE_STRIDE = 8  # px of a picture per position of the finer features
ALIGNMENT = 16  # px; the stride of the coarser features


@dataclass(frozen=True, slots=True)
class PixelSample:
    """Some pixels of each of N pictures: colours (N, P, 3) unit, slots (N, P, K + 1).

    slots: how much of a pixel belongs to each cluster; the last is all of them.
    """

    colours: np.ndarray
    slots: np.ndarray


class SlotEncoder:
    """Sorts pixels into the slots of a colour prior (architecture.colour_prior_shapes)."""

    def __init__(self, prior: Tensors, threads: int) -> None:
        self._prior = prior
        self._vision = VisionNetwork(vision_weights(prior), threads)

    def sample(self, pictures: Sequence[np.ndarray], pixels: int) -> PixelSample:
        """`pixels` of each uint8 picture (H, W, 3), in slots by what is seen there."""
        rng = numpy_generator(0, 0, "pixels of pictures")
        colours, slots = [], []
        for picture in pictures:
            whole = aligned(picture)
            features = self._features(whole)
            rows = rng.integers(0, whole.shape[0], pixels)
            columns = rng.integers(0, whole.shape[1], pixels)
            colours.append(to_unit(whole[rows, columns]))
            slots.append(self._slots(features[rows // FINE_STRIDE, columns // FINE_STRIDE]))
        return PixelSample(np.stack(colours), np.stack(slots))

    def _features(self, picture: np.ndarray) -> np.ndarray:
        """(H / 8, W / 8, SLOT_FEATURES) of an aligned picture."""
        fine, coarse = self._vision(equalised(picture)[None, None] * 2 - 1)
        projection = self._prior["slots.projection"].astype(np.float32)
        parts = np.split(projection, [VISION_CHANNELS[0]])
        near, far = (
            np.tensordot(found[0], part, (0, 0))
            for found, part in zip((fine, coarse), parts, strict=True)
        )
        enlarged = cv2.resize(far, near.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        features: np.ndarray = near + enlarged + self._prior["slots.offset"].astype(np.float32)
        return features

    def _slots(self, features: np.ndarray) -> np.ndarray:
        """How much (N, SLOT_FEATURES) belong to each cluster, and to all: (N, K + 1)."""
        centroids = self._prior["slots.centroids"].astype(np.float32)
        nearness = 2 * features @ centroids.T - np.square(centroids).sum(1)
        shares = np.exp(nearness - nearness.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        return np.column_stack([shares, np.ones(len(shares), np.float32)])


def vision_weights(prior: Tensors) -> dict[str, np.ndarray]:
    """The vision network's tensors of a colour prior, under their own names."""
    prefix = "vision."
    return {n.removeprefix(prefix): v for n, v in prior.items() if n.startswith(prefix)}


def aligned(picture: np.ndarray) -> np.ndarray:
    """The middle of a picture, as much of it as is read, sides multiples of ALIGNMENT."""
    height, width = (
        max(ALIGNMENT, min(side, READ_LONG_SIDE) // ALIGNMENT * ALIGNMENT)
        for side in picture.shape[:2]
    )
    if min(picture.shape[:2]) < ALIGNMENT:
        picture = cv2.resize(picture, (width, height))
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def equalised(picture: np.ndarray) -> np.ndarray:
    """Luma of a uint8 picture as its rank, (H, W) float32 from 0 to 1."""
    luma = cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2GRAY)
    counts = np.bincount(luma.ravel(), minlength=256)
    ranks = (np.cumsum(counts) - counts / 2) / luma.size
    equal: np.ndarray = ranks.astype(np.float32)[luma]
    return equal
