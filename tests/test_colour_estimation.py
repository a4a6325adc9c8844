"""Promises of instant/colour_estimation.py, slots.py, table_style.py and the prior they need."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from model_files import small_model
from PIL import Image

from stylegan_cli.backends.onnx_backend import VisionNetwork
from stylegan_cli.colour import apply_lut, linear_map, lut_grid, sample_colours
from stylegan_cli.errors import DataError, StyleFileError
from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.instant.colour_estimation import ColourEstimator
from stylegan_cli.instant.slots import equalised, vision_weights
from stylegan_cli.instant.table_style import network_lut, style_of_lut
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.pictures import from_unit, read_rgb, to_unit
from stylegan_cli.pretraining import colour_prior
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import read_model, shipped_model, write_model


def faded(colours: np.ndarray) -> np.ndarray:
    """A look that no linear map says: raised blacks, warm lights, greens towards yellow."""
    bent = 0.08 + 0.85 * np.clip(colours, 0, 1) ** np.array([0.8, 0.95, 1.15])
    greens = np.clip(bent[..., 1] - bent[..., 0], 0, 1)
    return np.clip(bent + greens[..., None] * np.array([0.5, -0.1, -0.3]), 0, 1)


def in_look(photo: np.ndarray) -> np.ndarray:
    return from_unit(faded(to_unit(photo)), np.uint8)


@pytest.fixture(scope="module")
def prior() -> dict[str, np.ndarray]:
    return dict(read_model(shipped_model()).base.colour_prior)


def test_a_look_is_estimated_from_other_people_nearer_than_a_linear_map(
    prior: dict[str, np.ndarray],
) -> None:
    photos = [read_rgb(path, 128) for path in starter_photos()]
    content, creator, others = photos[:90], [in_look(p) for p in photos[90:112]], photos[112:]
    identity = lut_grid(2).reshape(2, 2, 2, 3)
    found = ColourEstimator(prior, 1).estimate(creator, content, identity)
    lut = found.lut
    assert found.is_likelier
    rng = numpy_generator(0, 0, "test")
    matrix, offset = linear_map(*(sample_colours(s, 9000, rng) for s in (content, creator)))

    def quality(results: list[np.ndarray]) -> float:
        pairs = zip(results, others, strict=True)
        return float(np.mean([psnr(from_unit(r, np.uint8), in_look(p)) for r, p in pairs]))

    units = [to_unit(photo) for photo in others]
    estimated = quality([apply_lut(u.reshape(-1, 3), lut).reshape(u.shape) for u in units])
    assert estimated > quality([u @ matrix + offset for u in units]) + 1


def test_no_other_table_is_likelier_where_pictures_have_no_look(
    prior: dict[str, np.ndarray],
) -> None:
    photos = [read_rgb(path, 128) for path in starter_photos()]
    identity = lut_grid(2).reshape(2, 2, 2, 3)
    assert not ColourEstimator(prior, 1).estimate(photos[90:], photos[:90], identity).is_likelier


def test_a_style_of_a_table_does_what_the_table_does() -> None:
    model = read_model(shipped_model())
    grid = lut_grid(17)
    lut = faded(grid).reshape(17, 17, 17, 3).astype(np.float32)
    style = style_of_lut(model.styles[0], model.base, lut)
    colours = np.random.default_rng(0).random((4000, 3), np.float32)
    found = apply_lut(colours, network_lut(style, model.base, 33))
    assert style.info.mode == "colour"
    assert float(np.sqrt(np.mean((found - apply_lut(colours, lut)) ** 2))) < 1.5 / 255


def test_ranks_of_luma_do_not_depend_on_a_tone_curve() -> None:
    photo = read_rgb(starter_photos()[0], 96)
    grey = np.repeat(from_unit(to_unit(photo).mean(2, keepdims=True), np.uint8), 3, axis=2)
    bent = from_unit(0.1 + 0.8 * to_unit(grey) ** 0.7, np.uint8)
    assert np.abs(equalised(bent) - equalised(grey)).mean() < 0.01


def test_the_vision_network_of_a_file_sees_what_torch_sees(prior: dict[str, np.ndarray]) -> None:
    luma = np.random.default_rng(0).uniform(-1, 1, (1, 1, 64, 96)).astype(np.float32)
    found = VisionNetwork(vision_weights(prior), 1)(luma)
    with torch.no_grad():
        wanted = load_features("lite0")(torch.from_numpy(np.repeat(luma, 3, axis=1)))[2:4]
    for mine, theirs in zip(found, wanted, strict=True):
        error = np.abs(mine - theirs.numpy()).mean() / np.abs(theirs.numpy()).mean()
        assert error < 0.02  # the file keeps half precision


def test_a_prior_is_built_from_film_tables_and_photos(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colour_prior, "LOOKS", 60)
    monkeypatch.setattr(colour_prior, "COMPONENTS", 8)
    monkeypatch.setattr(colour_prior, "SLOTS", 4)
    film = tmp_path / "film.png"
    cube = faded(lut_grid(16)).reshape(16, 16, 16, 3).transpose(2, 1, 0, 3)
    Image.fromarray(from_unit(cube.reshape(64, 64, 3), np.uint8)).save(film)
    prior = colour_prior.build_colour_prior([film], starter_photos()[:6])
    base = dataclasses.replace(small_model().base, colour_prior=prior)
    path = tmp_path / "model.safetensors"
    write_model(dataclasses.replace(small_model(), base=base), path)
    again = read_model(path).base
    assert again.hash == small_model().base.hash
    assert {n: v.shape for n, v in again.colour_prior.items()} == {
        n: v.shape for n, v in prior.items()
    }
    photos = [read_rgb(path, 96) for path in starter_photos()[6:10]]
    identity = lut_grid(2).reshape(2, 2, 2, 3)
    creator = [in_look(photo) for photo in photos]
    lut = ColourEstimator(again.colour_prior, 1).estimate(creator, photos, identity).lut
    assert lut.shape == (17, 17, 17, 3)
    assert 0 <= lut.min() <= lut.max() <= 1


def test_a_picture_that_is_no_table_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.fromarray(np.zeros((30, 40, 3), np.uint8)).save(path)
    with pytest.raises(DataError, match="no HaldCLUT"):
        colour_prior.read_haldclut(path)


def test_a_prior_of_other_shapes_is_refused(tmp_path: Path, prior: dict[str, np.ndarray]) -> None:
    damaged = prior | {"luts.mean": prior["luts.mean"][:-1]}
    base = dataclasses.replace(small_model().base, colour_prior=damaged)
    path = tmp_path / "model.safetensors"
    write_model(dataclasses.replace(small_model(), base=base), path)
    with pytest.raises(StyleFileError, match=r"luts\.mean"):
        read_model(path)
