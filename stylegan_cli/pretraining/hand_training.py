"""The fit of what tells pictures made by hand (instant.hand): on photos, looks and paintings.

Filters that draw on photos count as photos: they are what the network draws itself.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylegan_cli.backends.onnx_backend import EstimatorNetworks
from stylegan_cli.errors import DataError
from stylegan_cli.instant.hand import at_texture_size, describe_texture, standard_texture
from stylegan_cli.pictures import read_rgb_or_warn, to_unit
from stylegan_cli.pretraining.domains import Domains
from stylegan_cli.pretraining.looks import Look, draw_look
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles import ColourEstimator

PICTURES = 120  # of each folder, at most
LOOK_CROP = 512  # px, of a photo that gets a look, at most
RIDGE = 1.0  # of weights of pictures that add up to one
MIN_DEVIATION = 1e-3  # of an input over pictures

Described = dict[str, np.ndarray]
"""Textures (N, HAND_INPUTS) of the pictures of each folder."""


@dataclass(frozen=True, slots=True)
class HandExamples:
    """What the classifier is fitted to. looked: the photos, each in a random look."""

    photos: Described
    looked: Described
    paintings: Described

    def without(self, name: str) -> "HandExamples":
        """All but one folder."""
        return HandExamples(
            *(
                {folder: rows for folder, rows in kind.items() if folder != name}
                for kind in (self.photos, self.looked, self.paintings)
            )
        )


def with_hand_classifier(
    estimator: ColourEstimator, photos: Domains, paintings: Domains, seed: int
) -> ColourEstimator:
    """The same estimator, which tells photos from paintings. Raises DataError: none can be read."""
    # A model file has the network in half precision: the classifier learns what that sees.
    stored = {
        n: v.astype(np.float16).astype(np.float32) for n, v in estimator.part("vision.").items()
    }
    rounded = dataclasses.replace(estimator, tensors=stored)
    tensors = fit_hand(describe_examples(rounded, photos, paintings, seed))
    config = dataclasses.replace(estimator.config, tells_hands=True)
    return ColourEstimator(config=config, tensors={**estimator.tensors, **tensors})


def describe_examples(
    estimator: ColourEstimator,
    photos: Domains,
    paintings: Domains,
    seed: int,
    most: int = PICTURES,
) -> HandExamples:
    """Textures of at most `most` pictures of each folder, read one by one.

    Raises DataError where no photo or no painting can be read.
    """
    networks = EstimatorNetworks(estimator, 1)
    found, rng = HandExamples({}, {}, {}), numpy_generator(seed, 0, "looks of the hand classifier")
    for name, paths in photos.items():
        plain, looked = [], []
        for picture in _some_of(paths, most):
            plain.append(describe_texture(networks, picture))
            looked.append(describe_texture(networks, in_look(picture, draw_look(rng))))
        if plain:
            found.photos[name], found.looked[name] = np.stack(plain), np.stack(looked)
    for name, paths in paintings.items():
        if rows := [describe_texture(networks, picture) for picture in _some_of(paths, most)]:
            found.paintings[name] = np.stack(rows)
    if not (found.photos and found.paintings):
        raise DataError("none of the photos or paintings can be read; see the warnings above")
    return found


def fit_hand(examples: HandExamples) -> dict[str, np.ndarray]:
    """Ridge regression of -1 for photos and 1 for paintings.

    Both weigh alike, as do all folders of paintings, and all folders of photos and of their looks.
    """
    kinds = [(1, [*examples.paintings.values()])]
    kinds += [(-1, [*examples.photos.values(), *examples.looked.values()])]
    sets = [(rows, kind, 0.5 / len(folders)) for kind, folders in kinds for rows in folders]
    described = np.concatenate([rows for rows, _, _ in sets]).astype(np.float64)
    targets, weights = (
        np.concatenate([np.full(len(rows), value) for rows, value in pairs])
        for pairs in (
            [(rows, kind) for rows, kind, _ in sets],
            [(rows, share / len(rows)) for rows, _, share in sets],
        )
    )
    centre = weights @ described
    deviations = np.sqrt(weights @ np.square(described - centre))
    tensors = {"hand.centre": centre, "hand.scale": 1 / (deviations + MIN_DEVIATION)}
    inputs = standard_texture(described, tensors)
    mean = weights @ inputs
    apart = (inputs - mean) * np.sqrt(weights)[:, None]
    normal = apart.T @ apart + RIDGE * np.eye(apart.shape[1])
    weight = np.linalg.solve(normal, apart.T @ (np.sqrt(weights) * targets))
    tensors |= {"hand.weight": weight, "hand.bias": np.array([-mean @ weight])}
    return {name: value.astype(np.float32) for name, value in tensors.items()}


def in_look(picture: np.ndarray, look: Look) -> np.ndarray:
    """The middle of a uint8 photo, at most LOOK_CROP px square, as a look makes it."""
    height, width = picture.shape[:2]
    top, left = (max(0, side - LOOK_CROP) // 2 for side in (height, width))
    crop = picture[top : top + LOOK_CROP, left : left + LOOK_CROP]
    made = look(to_unit(crop), min(height, width))
    return (255 * np.clip(made, 0, 1) + 0.5).astype(np.uint8)


def _some_of(paths: Sequence[Path], most: int) -> Iterator[np.ndarray]:
    """At most `most` pictures, evenly chosen, at the size that is described."""
    chosen = np.linspace(0, len(paths) - 1, min(len(paths), most)).round().astype(int)
    for index in chosen:
        picture = read_rgb_or_warn(paths[index])
        if picture is not None:
            yield at_texture_size(picture)
