"""How good a base is on looks and pictures that training never sees."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from stylegan_cli.networks.layers import map_colours
from stylegan_cli.networks.pixel_range import to_levels
from stylegan_cli.pictures import contact_sheet
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.data import Batch, PairedLooks
from stylegan_cli.pretraining.domains import Domains
from stylegan_cli.pretraining.losses import Stylized
from stylegan_cli.pretraining.model import signed

PSNR_COLUMNS = ("val_psnr", "val_linear_psnr", "val_base_colour_psnr")
VALIDATION_COLUMNS = (*PSNR_COLUMNS, "val_residual_gain")

Stylize = Callable[[Mapping[str, Tensor]], Stylized]


def validation_looks(domains: Domains, config: PretrainConfig) -> Iterator[Batch]:
    """Batches of held-out pictures, in looks that no training step draws."""
    looks = PairedLooks(domains, config.draws(), purpose="validation looks")
    return (looks[index] for index in range(config.validation_batches))


def validate(stylize: Stylize, batches: Sequence[Mapping[str, Tensor]]) -> dict[str, float]:
    """PSNR in dB, beside that of the linear map alone and of the result without the residual.

    val_residual_gain: dB that the residual gains over the base colour, the mean of the upper half,
    where looks have lines or glow.
    """
    rows = []
    for batch in batches:
        result, base_colour, truth = stylize(batch)
        images = {
            "val_psnr": result,
            "val_linear_psnr": linearly_mapped(batch),
            "val_base_colour_psnr": base_colour,
        }
        rows.append(torch.stack([_psnr(images[name], truth) for name in PSNR_COLUMNS]))
    decibels = dict(zip(PSNR_COLUMNS, torch.cat(rows, dim=1), strict=True))
    means = {name: values.mean().item() for name, values in decibels.items()}
    gains = (decibels["val_psnr"] - decibels["val_base_colour_psnr"]).sort().values
    return means | {"val_residual_gain": gains[len(gains) // 2 :].mean().item()}


def linearly_mapped(batch: Mapping[str, Tensor]) -> Tensor:
    """The photos after the linear colour map alone, in the order of BaseNetworks.stylize."""
    photos = batch["photos"].flip(1)  # each side's map is for the other side's photos
    maps = (batch[name].flatten(0, 1) for name in ("matrix", "offset"))
    return map_colours(signed(photos), *(m.repeat_interleave(photos.shape[2], 0) for m in maps))


def write_samples(stylize: Stylize, batch: Mapping[str, Tensor], path: Path) -> None:
    """A sheet with a row per look: a reference, the photo, the result and the truth."""
    from PIL import Image

    looks, _, pictures = batch["photos"].shape[:3]
    result = stylize(batch).result
    results = result.view(looks, 2, pictures, *result.shape[1:])
    pixels = to_levels(results).movedim(-3, -1)
    columns = (
        batch["references"][_first_shown(batch)],
        batch["photos"][:, 1, 0],
        pixels[:, 0, 0],
        batch["truths"][:, 1, 0],
    )
    rows = [[column[look].cpu().numpy() for column in columns] for look in range(looks)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(rows, tile=160)).save(path)


def _first_shown(batch: Mapping[str, Tensor]) -> Tensor:
    """Where each look's references begin, (L,)."""
    counts = batch["shown"].sum(1)
    return counts.cumsum(0) - counts


def _psnr(image: Tensor, truth: Tensor) -> Tensor:
    """Of each picture, dB, (N,); both in [-1, 1]."""
    error = ((image.clamp(-1, 1) - truth) / 2).square().mean(dim=(1, 2, 3))
    return -10 * torch.log10(error.clamp(min=1e-10))
