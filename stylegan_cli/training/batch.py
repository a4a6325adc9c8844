"""What one step shows: photos and one creator's pictures."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from stylegan_cli.learning.shares import Share
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.constraints import Constraints
from stylegan_cli.training.data import PictureSet
from stylegan_cli.training.texture_distance import TextureDistance


@dataclass(frozen=True, slots=True, kw_only=True)
class Creator:
    """What one creator is trained with.

    working_size: px, short side of whole pictures. augmented: the discriminator sees augmented
    pictures. texture: distance to the creator's texture at the scale of the crops.
    """

    pictures: PictureSet
    working_size: int
    augmented: bool
    texture: TextureDistance
    constraints: Constraints = field(default_factory=Constraints)


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step shows: photos and one creator's pictures at one scale."""

    step: int
    creator: int
    content: Tensor  # (B, 3, S, S) in [-1, 1]
    faces: Tensor  # (B, 1, S, S), 1 in faces
    reals: Tensor  # (B, 3, S, S)
    short_side: Tensor  # (1,) px of the whole picture
    share: Share  # which of the step's crops these are


def draw_batch(
    content: PictureSet,
    creator: Creator,
    index: int,
    step: int,
    config: TrainingConfig,
    device: torch.device,
    share: Share,
) -> Batch:
    """A share of the batch of `step` for creator `index`.

    What is drawn for a sample depends on (seed, step) and its row alone.
    """
    rng = numpy_generator(config.seed, step, "batch")
    short_side = max(config.size, creator.working_size * float(rng.uniform(*config.scales)))
    photos, faces = content.crops(rng, share, config.size, short_side)
    reals, _ = creator.pictures.crops(rng, share, config.size, short_side)
    tensors = (photos, faces, reals, torch.tensor([short_side]))
    photos, faces, reals, sides = (tensor.to(device) for tensor in tensors)
    return Batch(step, index, photos, faces, reals, sides, share)
