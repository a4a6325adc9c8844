"""Promises of instant/colour_correction.py and of the sample of content it compares with."""

import numpy as np
import pytest
import torch

from stylegan_cli.colour import apply_lut, cosine_basis, is_grey, lut_grid
from stylegan_cli.instant.colour_correction import (
    ContentSample,
    Correction,
    colour_moments,
    correct,
)
from stylegan_cli.instant.colour_estimation import ColourEstimation, at_estimator_size
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pretraining import colour_looks, colour_tasks
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import ColourEstimator, read_model, shipped_model

CLUSTERS, SAMPLES, POINTS = 5, 200, 17
PLAIN = lut_grid(POINTS).reshape(*(POINTS,) * 3, 3)
FADED = (0.08 + 0.8 * PLAIN).astype(np.float32)
GREY = np.repeat(PLAIN.mean(-1, keepdims=True), 3, -1)


def photos(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Colours (count, SAMPLES, 3) of photos that differ in light, and their clusters."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(0).uniform(0.15, 0.85, (CLUSTERS, 3))
    clusters = rng.integers(CLUSTERS, size=(count, SAMPLES))
    light = rng.normal(0, 0.04, (count, 1, 1)) + rng.normal(0, 0.02, (count, 1, 3))
    colours = centres[clusters] + light + rng.normal(0, 0.06, (count, SAMPLES, 3))
    return (255 * np.clip(colours, 0, 1) + 0.5).astype(np.uint8), clusters.astype(np.uint8)


@pytest.fixture(scope="module")
def content() -> ContentSample:
    return ContentSample(*photos(60, 1), CLUSTERS)


def statistics(lut: np.ndarray, count: int, seed: int = 2) -> np.ndarray:
    """What the estimator reads of `count` other photos in a look, if it sees as we do."""
    colours, clusters = photos(count, seed)
    looked = apply_lut(colours.reshape(-1, 3) / np.float32(255), lut)
    moments = np.concatenate([colour_moments(looked), np.ones((len(looked), 1))], 1)
    moments = moments.reshape(count, SAMPLES, -1)
    own = [
        np.stack([picture[members == k].sum(0) for k in range(CLUSTERS)]) / SAMPLES
        for picture, members in zip(moments, clusters, strict=True)
    ]
    return np.stack([np.concatenate([part, part.sum(0, keepdims=True)]) for part in own])


def changed(lut: np.ndarray, seed: int, grey: bool = False) -> np.ndarray:
    """A smooth change of a look."""
    rng = np.random.default_rng(seed)
    basis = cosine_basis(lut_grid(POINTS), 3, 0.4)
    change = 0.05 * basis @ rng.normal(size=(basis.shape[1], 1 if grey else 3))
    return np.clip(lut + change.reshape(*lut.shape[:3], -1), 0, 1).astype(np.float32)


def error(lut: np.ndarray, truth: np.ndarray) -> float:
    """Mean square error on colours of photos."""
    colours = photos(20, 3)[0].reshape(-1, 3) / np.float32(255)
    return float(np.mean((apply_lut(colours, lut) - apply_lut(colours, truth)) ** 2))


@pytest.mark.parametrize("seed", range(4))
def test_what_an_estimate_missed_is_found_in_the_pictures(
    content: ContentSample, seed: int
) -> None:
    truth = changed(FADED, seed)
    found = correct(FADED, statistics(truth, 60), content).lut
    assert error(found, truth) < 0.3 * error(FADED, truth)


def test_an_estimate_that_is_right_stays(content: ContentSample) -> None:
    found = correct(FADED, statistics(FADED, 60), content).lut
    assert error(found, FADED) < 1e-4
    assert np.abs(found - FADED).max() < 0.05


def test_few_pictures_change_an_estimate_less(content: ContentSample) -> None:
    truth = changed(FADED, 0)
    moved = [
        np.abs(correct(FADED, statistics(truth, count), content).lut - FADED).mean()
        for count in (1, 5, 60)
    ]
    assert moved[0] < 0.5 * moved[1] < moved[1] < moved[2]


def test_the_light_of_one_picture_does_not_pass_for_the_look(content: ContentSample) -> None:
    errors = [
        error(correct(FADED, statistics(FADED, 1, seed), content).lut, FADED)
        for seed in range(10, 20)
    ]
    assert np.mean(errors) < 2e-4  # the light of one photo alone is 2e-3


def test_a_black_and_white_look_stays_one(content: ContentSample) -> None:
    truth = changed(GREY, 4, grey=True)
    found = correct(GREY, statistics(truth, 60), content).lut
    assert is_grey(found)
    assert np.ptp(found, axis=-1).max() < 1e-6
    assert error(found, truth) < 0.3 * error(GREY, truth)


def test_content_that_no_picture_has_does_not_count(content: ContentSample) -> None:
    truth = changed(FADED, 2)
    seen = statistics(truth, 60)
    seen[:, 0] = 0
    found = correct(FADED, seen, content).lut
    assert np.isfinite(found).all()
    assert error(found, truth) < 0.5 * error(FADED, truth)


def test_an_estimate_that_explains_the_pictures_fits_better(content: ContentSample) -> None:
    truth = changed(FADED, 4)
    for count in (1, 30):
        seen = statistics(truth, count)
        near, far = (correct(lut, seen, content).misfit for lut in (FADED, 1 - FADED))
        assert near < 0.5 * far


def test_the_order_of_pictures_does_not_matter(content: ContentSample) -> None:
    seen = statistics(changed(FADED, 3), 7)
    one, other = (correct(FADED, part, content).lut for part in (seen, seen[::-1]))
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_moments_are_those_that_training_counts() -> None:
    colours = np.random.default_rng(0).random((50, 3), np.float32)
    wanted = colour_tasks._moments(torch.from_numpy(colours)).numpy()
    np.testing.assert_allclose(colour_moments(colours), wanted, atol=1e-5)


def test_smooth_functions_have_the_variance_of_one_kernel() -> None:
    places = np.linspace(0, 1, 41)[:, None]
    basis = cosine_basis(places, 12, 0.15)
    assert np.square(basis).sum(1).mean() == pytest.approx(1, abs=0.05)
    near = basis @ basis[20]
    wanted = np.exp(-(((places[:, 0] - 0.5) / 0.15) ** 2) / 2)
    assert np.corrcoef(near, wanted)[0, 1] > 0.99
    cube = cosine_basis(lut_grid(9), 4, 0.35)
    assert cube.shape == (9**3, 35)
    assert np.square(cube).sum(1).mean() == pytest.approx(1, abs=0.2)


def test_changes_of_looks_never_end_and_keep_black_and_white() -> None:
    variation = colour_looks.SmoothVariation()
    rng = np.random.default_rng(0)
    varied = [variation.vary(rng, FADED.reshape(-1, 3)) for _ in range(40)]
    differing = {look.tobytes() for look in varied}
    assert 28 <= len(differing) <= 36  # a fifth stay as they are
    moved = [np.abs(look - FADED.reshape(-1, 3)).max() for look in varied]
    assert 0.1 < max(moved) < 0.6
    assert is_grey(variation.vary(np.random.default_rng(1), GREY.reshape(-1, 3)))


@pytest.fixture(scope="module")
def estimator() -> ColourEstimator:
    found = read_model(shipped_model()).base.colour_estimator
    assert found is not None
    return found


def test_a_sample_of_content_has_the_shares_that_the_estimator_sees(
    estimator: ColourEstimator,
) -> None:
    pictures = [read_rgb(path, 256) for path in starter_photos()[:6]]
    clusters = colour_tasks.Clusters(
        estimator.tensors["vision.clusters.weight"][:, :, 0, 0].T,
        estimator.tensors["vision.clusters.bias"],
    )
    shown = colour_tasks.EstimatorPhotos({"people": pictures}, 0)
    colours, members = colour_tasks.sample_content(shown, clusters, 0)
    sample = ContentSample(colours, members, len(clusters.bias))
    estimation = ColourEstimation(estimator, 1)
    wanted = np.stack([estimation.statistics(picture) for picture in pictures])
    assert colours.shape == (6, colour_tasks.CONTENT_SAMPLES, 3)
    assert np.abs(sample.shares - wanted[:, :-1, -1]).mean() < 0.02
    means = sample.sums(sample.colours).sum(1)
    assert np.abs(means - wanted[:, -1, :3]).mean() < 0.03
    assert at_estimator_size(pictures[0]).mean() / 255 == pytest.approx(means[0].mean(), abs=0.06)


def test_the_shipped_estimator_is_nearer_with_its_correction(estimator: ColourEstimator) -> None:
    truth = changed(FADED, 5)
    pictures = [read_rgb(path, 256) for path in starter_photos()[::2]]
    looked = [
        (255 * apply_lut(p.reshape(-1, 3) / np.float32(255), truth) + 0.5).astype(np.uint8)
        for p in pictures
    ]
    estimation = ColourEstimation(estimator, 1)
    seen = [
        estimation.statistics(flat.reshape(picture.shape))
        for flat, picture in zip(looked, pictures, strict=True)
    ]
    colours = np.concatenate([p.reshape(-1, 3)[::97] for p in pictures]) / np.float32(255)
    wanted = apply_lut(colours, truth)
    corrected, uncorrected = (
        np.mean((apply_lut(colours, lut) - wanted) ** 2)
        for lut in (estimation.lut(seen), estimation.head_lut(seen))
    )
    assert corrected < 0.9 * uncorrected


def test_a_colour_transfer_is_taken_where_training_drew_no_such_look(
    estimator: ColourEstimator,
) -> None:
    only_red = PLAIN * np.float32([1, 0.15, 0.15])
    estimation = ColourEstimation(estimator, 1)
    photos_seen = [read_rgb(path, 256) for path in starter_photos()[::5]]
    colours = np.concatenate([p.reshape(-1, 3)[::97] for p in photos_seen]) / np.float32(255)
    errors = {}
    for name, look in (("usual", FADED), ("unusual", only_red)):
        looked = [
            (255 * apply_lut(p.reshape(-1, 3) / np.float32(255), look) + 0.5).astype(np.uint8)
            for p in photos_seen
        ]
        seen = [
            estimation.statistics(flat.reshape(p.shape))
            for flat, p in zip(looked, photos_seen, strict=True)
        ]
        for transfer in (FADED, only_red):
            found = apply_lut(colours, estimation.lut(seen, transfer))
            key = name, transfer is look
            errors[key] = np.mean((found - apply_lut(colours, look)) ** 2)
    assert errors["unusual", True] < 0.1 * errors["unusual", False]
    assert errors["usual", False] < 1e-3  # the other look's transfer is not taken


def test_out_of_distribution_the_estimate_has_no_advantage(
    estimator: ColourEstimator, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimation = ColourEstimation(estimator, 1)
    seen = [estimation.statistics(read_rgb(path, 256)) for path in starter_photos()[:3]]
    misfits = iter([0.5, 0.4, 0.5, 0.4])
    monkeypatch.setattr(
        "stylegan_cli.instant.colour_estimation.correct",
        lambda lut, *_: Correction(lut, next(misfits)),
    )
    usual = estimation.lut(seen, FADED)
    unusual = estimation.lut(seen, FADED, is_out_of_distribution=True)
    np.testing.assert_array_equal(usual, estimation.head_lut(seen))
    np.testing.assert_array_equal(unusual, FADED)
