"""Pictures as vectors of frozen features, for kernel distances."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures import Pixels, resize

if TYPE_CHECKING:
    from stylegan_cli.networks.frozen_features import FeatureNetwork

EMBEDDING_SIDE = 240  # px: what Lite1 was trained at
BATCH = 8  # pictures


def embed(
    pictures: Sequence[Pixels], name: "FeatureNetwork" = "lite1", device: str = "cpu"
) -> npt.NDArray[np.float32]:
    """The middle square of each picture as one vector, (N, 112): see FrozenEmbedding."""
    import torch

    from stylegan_cli.networks.frozen_features import load_embedding
    from stylegan_cli.networks.pixel_range import to_signed

    network = load_embedding(name).to(device)
    batches = []
    with torch.inference_mode():
        for start in range(0, len(pictures), BATCH):
            squares = [_middle_square(picture) for picture in pictures[start : start + BATCH]]
            images = torch.from_numpy(np.stack(squares)).to(device).permute(0, 3, 1, 2)
            batches.append(network(to_signed(images)).cpu().numpy())
    return np.concatenate(batches)


def _middle_square(picture: Pixels) -> Pixels:
    height, width = picture.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = picture[top : top + side, left : left + side]
    return resize(square, (EMBEDDING_SIDE, EMBEDDING_SIDE))
