"""A creator's texture as a loss: a result's patches are to be spread as the creator's are."""

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.randomness import torch_generator

PATCH = 9  # px
KEPT = 32_768  # patches of a creator, at each of two scales
COMPARED = 4096  # patches of either side, in one step
DIRECTIONS = 64  # that they are compared along, others in every step
QUIET = 0.1  # of the mean variance: what varies less than that is grain, and stays quiet


class PatchLoss:
    """Sliced Wasserstein distance of whitened patches to a creator's, at full and at half size.

    Of plain patches all that differs much is tone. Whitened, fine detail counts as much, together
    with the tone that it is found at: lines in the half-tones, none on white paper.
    """

    def __init__(self, crops: Tensor, seed: int) -> None:
        """crops: (N, 3, S, S) of the creator's pictures, in [-1, 1]."""
        self._seed = seed
        self._kept: list[Tensor] = []
        self._whitening: list[Tensor] = []
        for index, scale in enumerate(two_scales(crops)):
            generator = torch_generator(seed, index, "kept patches")
            share = -(-KEPT // len(scale))
            rows = [some_patches(crop, PATCH, share, generator) for crop in scale]
            patches = torch.cat(rows)[:KEPT]
            self._kept.append(patches)
            self._whitening.append(whitening_of(patches))

    def __call__(self, result: Tensor, step: int) -> Tensor:
        """How far `result` (B, 3, S, S) is from the creator's texture; draws by (seed, step)."""
        generator = torch_generator(self._seed, step, "patch directions")
        scales = zip(two_scales(result), self._kept, self._whitening, strict=True)
        return torch.stack([_distance(*scale, generator) for scale in scales]).mean()


def whitening_of(patches: Tensor) -> Tensor:
    """(D, D): `patches @` it vary alike along all directions but grain's. patches: (N, D)."""
    centred = patches - patches.mean(0)
    variances, axes = torch.linalg.eigh((centred.T @ centred / len(patches)).double())
    whitening: Tensor = axes / (variances.clamp(min=0) + QUIET * variances.mean()).sqrt()
    return whitening.float()


def two_scales(images: Tensor) -> tuple[Tensor, Tensor]:
    """Images (B, C, H, W) at full and at half size: where patches are looked at."""
    return images, functional.avg_pool2d(images, 2)


def some_patches(image: Tensor, size: int, count: int, generator: torch.Generator) -> Tensor:
    """(count, 3 * size²) from random places of one image (3, H, W)."""
    windows = image.unfold(1, size, 1).unfold(2, size, 1)  # (3, rows, columns, size, size)
    down, across = (
        torch.randint(among, (count,), generator=generator).to(image.device)
        for among in windows.shape[1:3]
    )
    return windows[:, down, across].transpose(0, 1).flatten(1)


def _distance(image: Tensor, kept: Tensor, whitening: Tensor, generator: torch.Generator) -> Tensor:
    """Sliced Wasserstein distance of `image` to what is kept, along some directions."""
    drawn = torch.randn(whitening.shape[1], DIRECTIONS, generator=generator)
    filters = whitening @ functional.normalize(drawn, dim=0).to(whitening.device)
    # A filter's answer at a place is the product with the patch there.
    answers = functional.conv2d(image, filters.T.reshape(DIRECTIONS, 3, PATCH, PATCH))
    found = answers.transpose(0, 1).flatten(1)
    some, others = (
        torch.randint(among, (COMPARED,), generator=generator).to(image.device)
        for among in (found.shape[1], len(kept))
    )
    wanted = (kept[others] @ filters).T
    return (found[:, some].sort(1).values - wanted.sort(1).values).abs().mean()
