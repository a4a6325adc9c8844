"""Promises of instant/hand.py and of what fits it."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from stylegan_cli.backends.onnx_backend import EstimatorNetworks
from stylegan_cli.errors import DataError
from stylegan_cli.instant.colour_estimation import rank_of_luma
from stylegan_cli.instant.config import HandConfig
from stylegan_cli.instant.hand import HandClassifier
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pretraining.colour_training import frozen_vision_tensors
from stylegan_cli.pretraining.hand_training import describe_examples, fit_hand, with_hand_classifier
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import ColourEstimator, read_model, shipped_model, write_model


@pytest.fixture(scope="module")
def estimator() -> ColourEstimator:
    found = read_model(shipped_model()).base.colour_estimator
    assert found is not None
    return found


def painted(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A photo painted over with a few hundred opaque strokes that have bristles."""
    canvas = cv2.GaussianBlur(photo, (0, 0), 8)
    height, width = photo.shape[:2]
    for _ in range(500):
        y, x = int(rng.integers(height)), int(rng.integers(width))
        colour, angle = photo[y, x].astype(float), rng.uniform(0, np.pi)
        along = np.array([np.cos(angle), np.sin(angle)])
        for bristle in range(-4, 5):
            start = np.array([x, y]) + bristle * along[::-1] * (1, -1)
            ends = [tuple(map(int, start + side * 18 * along)) for side in (-1, 1)]
            shade = np.clip(colour + rng.normal(0, 14), 0, 255)
            cv2.line(canvas, *ends, shade.tolist(), 1, cv2.LINE_AA)
    return canvas


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Photos, and the same people painted."""
    photos, paintings = (tmp_path_factory.mktemp(name) for name in ("photos", "paintings"))
    rng = np.random.default_rng(0)
    for path in starter_photos()[:6]:
        (photos / path.name).write_bytes(path.read_bytes())
        Image.fromarray(painted(read_rgb(path, 384), rng)).save(paintings / f"{path.stem}.png")
    return photos, paintings


@pytest.fixture(scope="module")
def fitted(estimator: ColourEstimator, folders: tuple[Path, Path]) -> ColourEstimator:
    photos, paintings = ({folder.name: sorted(folder.iterdir())} for folder in folders)
    return with_hand_classifier(estimator, photos, paintings, 0)


def test_the_graph_sees_what_the_frozen_network_sees(estimator: ColourEstimator) -> None:
    rank = rank_of_luma(read_rgb(starter_photos()[0], 256)[:256, :256])
    with torch.no_grad():
        stages = load_features("lite0")(torch.from_numpy(rank).expand(1, 3, -1, -1) * 2 - 1)
    wanted = [
        moment for stage in stages[:4]
        for moment in (stage[0].mean((1, 2)), stage[0].std((1, 2), correction=0))
    ]  # fmt: skip
    exact = dataclasses.replace(estimator, tensors=frozen_vision_tensors())
    found = EstimatorNetworks(exact, 1).vision_moments(rank)
    np.testing.assert_allclose(found, np.concatenate(wanted), atol=1e-3)


def test_paintings_of_people_who_were_never_seen_are_told_from_their_photos(
    fitted: ColourEstimator,
) -> None:
    photos = [read_rgb(path, 384) for path in starter_photos()[8:11]]
    paintings = [painted(photo, np.random.default_rng(1)) for photo in photos]
    classifier = HandClassifier(fitted, 1)
    assert classifier.is_by_hand(paintings)
    assert not classifier.is_by_hand(photos)
    score = classifier.score(paintings)
    assert not HandClassifier(fitted, 1, HandConfig(min_score=score + 0.01)).is_by_hand(paintings)


def test_tones_and_colours_do_not_matter(fitted: ColourEstimator) -> None:
    photo = read_rgb(starter_photos()[9], 384)
    levels = (255 * (np.arange(256) / 255) ** 0.8 + 0.5).astype(np.uint8)
    lighter, grey = (
        levels[photo],
        np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[..., None], 3, 2),
    )
    score = HandClassifier(fitted, 1).score
    assert score([lighter]) == pytest.approx(score([photo]), abs=0.1)
    assert score([grey]) == pytest.approx(score([photo]), abs=0.01)


@pytest.mark.parametrize("size", [(1, 1), (300, 3), (9, 4000), (40, 50), (1100, 2000)])
def test_odd_pictures_have_a_score(size: tuple[int, int], fitted: ColourEstimator) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    assert np.isfinite(HandClassifier(fitted, 1).score([picture]))


def test_a_model_keeps_its_classifier(fitted: ColourEstimator, tmp_path: Path) -> None:
    model = read_model(shipped_model())
    base = dataclasses.replace(model.base, colour_estimator=fitted)
    write_model(dataclasses.replace(model, base=base), tmp_path / "model.safetensors")
    again = read_model(tmp_path / "model.safetensors").base.colour_estimator
    assert again is not None
    assert again.config.tells_hands
    photo = read_rgb(starter_photos()[9], 384)
    scores = [HandClassifier(one, 1).score([photo]) for one in (fitted, again)]
    assert scores[0] == scores[1]


def test_every_folder_weighs_alike(estimator: ColourEstimator, folders: tuple[Path, Path]) -> None:
    photos, paintings = (sorted(folder.iterdir()) for folder in folders)
    few = describe_examples(estimator, {"a": photos[:2]}, {"b": paintings[:2]}, 0)
    often = dataclasses.replace(few, paintings={"b": np.tile(few.paintings["b"], (5, 1))})
    once, five = fit_hand(few), fit_hand(often)
    for name, values in once.items():
        np.testing.assert_allclose(five[name], values, rtol=1e-4, atol=1e-6)


def test_pictures_that_cannot_be_read_make_no_classifier(
    estimator: ColourEstimator, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "cut.png").write_bytes(sorted(folders[1].iterdir())[0].read_bytes()[:99])
    photos = {"photos": sorted(folders[0].iterdir())[:1]}
    with pytest.raises(DataError, match="none of the photos or paintings"):
        describe_examples(estimator, photos, {"cut": [tmp_path / "cut.png"]}, 0)
