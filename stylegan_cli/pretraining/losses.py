"""Losses of pre-training: tensors in, one number per picture out."""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.learning.losses import grid_loss
from stylegan_cli.networks.layers import luminance
from stylegan_cli.pretraining.config import PretrainConfig

ERROR_FLOOR = 0.03  # added to each picture's error, so that its logarithm has a lower end
ERRORS = ("residual", "base_colour", "gradient", "texture", "grid", "pointwise")
"""The terms that each picture has of its own."""
TEXTURE_CELL = 8  # px
TEXTURE_SCALES = 2  # each half the size of the one before
MIN_ENERGY = 1e-4  # mean square of a cell's differences that counts as flat


class Stylized(NamedTuple):
    """Results, their base colours and the truths, (N, 3, S, S) in [-1, 1] each."""

    result: Tensor
    base_colour: Tensor
    truth: Tensor


def pair_losses(stylized: Stylized, pointwise: Tensor, config: PretrainConfig) -> dict[str, Tensor]:
    """L1 at two scales, of gradients and of local contrasts, and of the base colour; (N,) each.

    pointwise: (L,) 1 for a look of colour alone, which should have no residual (calibration could
    not follow one), else 0. N is a multiple of L.
    """
    result, base_colour, truth = stylized
    alone = pointwise.repeat_interleave(len(result) // len(pointwise))
    coarse = _l1(functional.avg_pool2d(result, 4), functional.avg_pool2d(truth, 4))
    across = _l1(result.diff(dim=3), truth.diff(dim=3))
    down = _l1(result.diff(dim=2), truth.diff(dim=2))
    return {
        "residual": _l1(result, truth) + config.coarse_weight * coarse,
        "base_colour": config.base_colour_weight * _l1(base_colour, truth),
        "gradient": config.gradient_weight * (across + down),
        "texture": config.texture_weight * texture_error(result, truth),
        "grid": config.grid_weight * grid_loss(result, truth),
        "pointwise": config.pointwise_weight * alone * _l1(result, base_colour),
    }


def texture_error(result: Tensor, truth: Tensor) -> Tensor:
    """Difference in the strength of detail, by cell and direction, (N,).

    Nobody can know where exactly a hand draws its lines, and the mean of all guesses is blank; but
    their strength and direction are known. Like the local energies of a steerable pyramid
    (Portilla & Simoncelli 2000). Images are (N, 3, S, S) in [-1, 1].
    """
    errors = []
    found, wanted = luminance(result), luminance(truth)
    for _ in range(TEXTURE_SCALES):
        pairs = zip(_contrasts(found), _contrasts(wanted), strict=True)
        errors += [_l1(contrast, wanted) for contrast, wanted in pairs]
        found, wanted = functional.avg_pool2d(found, 2), functional.avg_pool2d(wanted, 2)
    return torch.stack(errors).mean(0)


def total_loss(terms: Mapping[str, Tensor]) -> Tensor:
    """The loss to minimise, (): the logarithm of each picture's error, as in PSNR, and the rest.

    Drawings and unlike sets would dominate a sum of plain errors: theirs are ten times as large as
    what a photographic look could still gain.
    """
    errors = torch.stack([terms[name] for name in ERRORS]).sum(0)
    return (errors + ERROR_FLOOR).log().mean() + terms["distillation"] + terms["parameters"]


def _contrasts(grey: Tensor) -> list[Tensor]:
    """Root mean square of differences within overlapping cells, along four directions.

    Over 2 px, so that a chequerboard, which a network finds first, is no detail.
    grey: (N, 1, S, S).
    """
    differences = (
        grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2],
        grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1],
        grey[:, :, 2:, 2:] - grey[:, :, :-2, :-2],
        grey[:, :, 2:, :-2] - grey[:, :, :-2, 2:],
    )
    return [
        (functional.avg_pool2d(d.square(), TEXTURE_CELL, TEXTURE_CELL // 2) + MIN_ENERGY).sqrt()
        for d in differences
    ]


def _l1(first: Tensor, second: Tensor) -> Tensor:
    return (first - second).abs().mean(dim=(1, 2, 3))
