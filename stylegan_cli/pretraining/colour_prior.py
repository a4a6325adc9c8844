"""What tables of looks are estimated with: components of many looks, and slots of what is seen.

Looks are film tables by others, mixed, exaggerated, with channels exchanged and composed with
random grades, and the random grades of pre-training; their principal components are taken where
photos have colours. Slots are clusters of frozen features of photos, whose luma alone counts.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from stylegan_cli.backends.onnx_backend import VisionNetwork
from stylegan_cli.colour import apply_lut, lut_corners, lut_grid
from stylegan_cli.errors import DataError
from stylegan_cli.instant.slots import aligned, equalised
from stylegan_cli.networks.architecture import (
    PRIOR_LUT_SIZE,
    READ_SHORT_SIDE,
    SLOT_FEATURES,
    vision_blocks,
)
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.pretraining.looks import draw_grade
from stylegan_cli.runtime.randomness import numpy_generator

LOOKS = 3000
COMPONENTS = 96
SLOTS = 32
CELLS = 64  # of each photo that clusters are found with
PIXELS = 96  # of each photo that say which colours photos have
SOFTNESS = 0.1  # of a slot's edge, in its width
EVERYWHERE = 0.05  # of the weight that colours no photo has get
NEARBY = 0.25  # of the weight that colours near those of photos get


def build_colour_prior(films: Sequence[Path], photos: Sequence[Path]) -> dict[str, np.ndarray]:
    """The tensors of a colour prior (architecture.colour_prior_shapes), as a model file has them.

    films: HaldCLUT pictures. Raises DataError where one is none, PictureError for a photo.
    """
    tables = [read_haldclut(path) for path in films]
    if not tables:
        raise DataError("there are no film tables to learn from; name a folder of HaldCLUTs")
    pictures = [aligned(read_rgb(path, READ_SHORT_SIDE)) for path in photos]
    weights = _frozen_weights()
    slots = _slots(pictures, VisionNetwork(weights, 1))
    vision = {f"vision.{name}": value.astype(np.float16) for name, value in weights.items()}
    return vision | slots | _components(tables, pictures)


def read_haldclut(path: Path) -> np.ndarray:
    """A HaldCLUT picture as a (PRIOR_LUT_SIZE³, 3) table, unit. Raises DataError for another."""
    with Image.open(path) as file:
        colours = to_unit(np.asarray(file.convert("RGB"))).reshape(-1, 3)
    size = round(len(colours) ** (1 / 3))
    if size**3 != len(colours):
        raise DataError(f"{path} is no HaldCLUT: its pixels are no cube")
    lut = colours.reshape(size, size, size, 3).transpose(2, 1, 0, 3)
    return apply_lut(lut_grid(PRIOR_LUT_SIZE), lut)


def draw_lut(rng: np.random.Generator, films: Sequence[np.ndarray]) -> np.ndarray:
    """A random look as a (PRIOR_LUT_SIZE³, 3) table, unit."""
    kind = rng.random()
    if kind < 0.4:
        lut = _film(rng, films)
        if rng.random() < 0.6:
            lut = _either_way(rng, lut, _light_grade(rng))
    elif kind < 0.75:
        lut = _grade(rng)
    else:
        lut = _either_way(rng, _grade(rng), _film(rng, films))
    return _after(_light_grade(rng), lut) if rng.random() < 0.3 else lut


def _film(rng: np.random.Generator, films: Sequence[np.ndarray]) -> np.ndarray:
    """One film table or a mix of two, more or less of it, with channels exchanged."""
    grid = lut_grid(PRIOR_LUT_SIZE)
    grey = [np.ptp(film, axis=1).mean() < 0.02 for film in films]
    wants_grey = rng.random() < 0.22 or all(grey)
    pool = [film for film, is_grey in zip(films, grey, strict=True) if is_grey == wants_grey]
    pool = pool or list(films)
    lut = pool[int(rng.integers(len(pool)))]
    if rng.random() < 0.6:
        share = rng.uniform(-0.3, 1.3)
        lut = (1 - share) * lut + share * pool[int(rng.integers(len(pool)))]
    if not wants_grey and rng.random() < 0.5:
        lut = grid + rng.uniform(0.5, 1.6) * (lut - grid)
    lut = np.clip(lut, 0, 1)
    if rng.random() < 0.25:
        order = rng.permutation(3)
        lut = apply_lut(grid[:, order], _cube(lut))[:, np.argsort(order)]
    return lut


def _grade(rng: np.random.Generator) -> np.ndarray:
    look = draw_grade(rng)
    while "steps" in look.families:  # no smooth table says them
        look = draw_grade(rng)
    return look(lut_grid(PRIOR_LUT_SIZE)[:, None], 1)[:, 0]


def _light_grade(rng: np.random.Generator) -> np.ndarray:
    grid = lut_grid(PRIOR_LUT_SIZE)
    lut: np.ndarray = grid + np.float32(rng.uniform(0.3, 1)) * (_grade(rng) - grid)
    return lut


def _either_way(rng: np.random.Generator, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return _after(one, other) if rng.random() < 0.5 else _after(other, one)


def _after(second: np.ndarray, first: np.ndarray) -> np.ndarray:
    lut: np.ndarray = np.clip(apply_lut(np.clip(first, 0, 1), _cube(second)), 0, 1)
    return lut


def _cube(lut: np.ndarray) -> np.ndarray:
    return lut.reshape(*(PRIOR_LUT_SIZE,) * 3, 3)


def _components(
    films: Sequence[np.ndarray], pictures: Sequence[np.ndarray]
) -> dict[str, np.ndarray]:
    """Mean and principal components of drawn looks, weighted by how often photos have a colour."""
    rng = numpy_generator(0, 0, "looks of the colour prior")
    looks = np.stack([draw_lut(rng, films) for _ in range(LOOKS)])
    weights = np.sqrt(_density(pictures))[:, None]
    mean = looks.mean(0)
    rows = ((looks - mean) * weights).reshape(LOOKS, -1)
    values, vectors = _eigenvectors(rows)
    most = np.argsort(values)[::-1][:COMPONENTS]
    components = vectors[:, most].T.reshape(COMPONENTS, -1, 3) / weights
    scales = np.abs(components).max((1, 2)) / 127
    shape = (PRIOR_LUT_SIZE,) * 3 + (3,)
    stored = np.round(components / scales[:, None, None]) + 128
    return {
        "luts.mean": mean.reshape(shape).astype(np.float16),
        "luts.components": stored.reshape(COMPONENTS, *shape).astype(np.uint8),
        "luts.scales": scales.astype(np.float32),
        "luts.variances": values[most].astype(np.float32),
    }


def _eigenvectors(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenvalues and eigenvectors of rows.T @ rows / N, by way of the smaller rows @ rows.T."""
    from scipy.linalg import eigh

    largest = (len(rows) - COMPONENTS, len(rows) - 1)
    values, vectors = eigh(rows @ rows.T / len(rows), subset_by_index=largest)
    return values, rows.T @ vectors / np.sqrt(values * len(rows))


def _density(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """How often photos have the colours around each point of a table, (PRIOR_LUT_SIZE³,)."""
    from scipy.ndimage import gaussian_filter

    rng = numpy_generator(0, 0, "colours of the colour prior")
    pixels = [p.reshape(-1, 3)[rng.integers(0, p.shape[0] * p.shape[1], PIXELS)] for p in pictures]
    counts = np.zeros(PRIOR_LUT_SIZE**3)
    for index, share in lut_corners(to_unit(np.concatenate(pixels)), PRIOR_LUT_SIZE):
        np.add.at(counts, index, share)
    near = gaussian_filter(_cube3(counts), 1).ravel()
    even = np.full_like(counts, 1 / counts.size)
    own = 1 - NEARBY - EVERYWHERE
    density: np.ndarray = (
        own * counts / counts.sum() + NEARBY * near / near.sum() + EVERYWHERE * even
    )
    return density


def _cube3(values: np.ndarray) -> np.ndarray:
    return values.reshape((PRIOR_LUT_SIZE,) * 3)


def _slots(pictures: Sequence[np.ndarray], vision: VisionNetwork) -> dict[str, np.ndarray]:
    """Clusters of features, scaled so that nearness is a difference of squared distances."""
    from scipy.cluster.vq import kmeans2, vq

    rng = numpy_generator(0, 0, "slots of the colour prior")
    features = np.concatenate([_cells(picture, vision, rng) for picture in pictures])
    centre, scale = features.mean(0), features.std(0) + 1e-3
    standard = (features - centre) / scale
    _, vectors = np.linalg.eigh(np.cov(standard.T))
    projection = vectors[:, ::-1][:, :SLOT_FEATURES] / scale[:, None]
    projected = (features - centre) @ projection
    centroids, _ = kmeans2(projected, SLOTS, iter=25, minit="points", seed=rng)
    _, distances = vq(projected, centroids)
    sharpness = 1 / np.sqrt(2 * SOFTNESS * np.median(distances**2))
    return {
        "slots.projection": (projection * sharpness).astype(np.float16),
        "slots.offset": (-centre @ projection * sharpness).astype(np.float16),
        "slots.centroids": (centroids * sharpness).astype(np.float16),
    }


def _cells(picture: np.ndarray, vision: VisionNetwork, rng: np.random.Generator) -> np.ndarray:
    """Features of both strides at CELLS places of a picture, (CELLS, 152)."""
    fine, coarse = vision(equalised(picture)[None, None] * 2 - 1)
    rows = rng.integers(0, fine.shape[2], CELLS)
    columns = rng.integers(0, fine.shape[3], CELLS)
    both = [fine[0, :, rows, columns], coarse[0, :, rows // 2, columns // 2]]
    return np.concatenate(both, axis=1)


def _frozen_weights() -> dict[str, np.ndarray]:
    """EfficientNet-Lite0 as architecture.vision_shapes names it, for one channel of luma."""
    network = load_features("lite0")
    layers = iter([m for m in network.modules() if isinstance(m, nn.Conv2d)])
    weights: dict[str, np.ndarray] = {}

    def take(name: str) -> None:
        layer = next(layers)
        bias = layer.bias if layer.bias is not None else torch.zeros(layer.out_channels)
        weights[f"{name}.weight"] = layer.weight.detach().contiguous().numpy()
        weights[f"{name}.bias"] = bias.detach().numpy()

    take("stem")
    weights["stem.weight"] = weights["stem.weight"].sum(1, keepdims=True)
    for index, block in enumerate(vision_blocks()):
        parts = ["expand"] if block.channels_inside != block.channels_in else []
        for part in (*parts, "depthwise", "project"):
            take(f"blocks.{index}.{part}")
    return weights
