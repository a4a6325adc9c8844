"""Promises of instant/colour_estimation.py and of what trains it."""

import csv
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import Influ
from model_files import small_model
from PIL import Image

from stylegan_cli.backends import open_backend
from stylegan_cli.colour import apply_lut, linear_map, lut_grid, sample_colours
from stylegan_cli.errors import ConfigError, DataError, TrainingError, UsageError
from stylegan_cli.instant.colour_estimation import ColourEstimation, at_estimator_size, head_inputs
from stylegan_cli.instant.photo_balance import PhotoBalance, scaled
from stylegan_cli.networks.colour_estimator import ColourHead
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pretraining import colour_looks, colour_tasks
from stylegan_cli.pretraining.colour_config import ColourTrainingConfig
from stylegan_cli.pretraining.colour_training import ColourTrainer, TaskMemory, _restored
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import ColourEstimator, read_model, shipped_model
from stylegan_cli.stylizer import Stylizer


@pytest.fixture(scope="module")
def estimator() -> ColourEstimator:
    found = read_model(shipped_model()).base.colour_estimator
    assert found is not None
    return found


@pytest.fixture(scope="module")
def estimation(estimator: ColourEstimator) -> ColourEstimation:
    return ColourEstimation(estimator, 1)


def warm(colours: np.ndarray) -> np.ndarray:
    """A warm print: a curve, a tint, weaker shadows."""
    result: np.ndarray = 0.06 + 0.9 * colours ** np.float32([0.8, 1.0, 1.3])
    return result


def styled(photo: np.ndarray) -> np.ndarray:
    return (255 * np.clip(warm(photo / np.float32(255)), 0, 1) + 0.5).astype(np.uint8)


def test_the_graph_counts_what_training_counts(
    estimator: ColourEstimator, estimation: ColourEstimation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(colour_tasks, "PIXEL_STRIDE", 1)
    clusters = colour_tasks.Clusters(
        estimator.tensors["vision.clusters.weight"][:, :, 0, 0].T,
        estimator.tensors["vision.clusters.bias"],
    )
    tasks = colour_tasks.ColourTasks(
        colour_tasks.EstimatorPhotos({}, 0), clusters, np.zeros((1, 17**3, 3)), 0
    )
    photo = read_rgb(starter_photos()[3], 256)
    seen = at_estimator_size(photo)
    share = next(tasks._shares([seen]))
    wanted = colour_tasks._statistics(colour_tasks._cells(seen), share)
    np.testing.assert_allclose(estimation.statistics(photo), wanted.numpy(), atol=2e-4)


def test_the_graph_and_the_trained_head_agree(
    estimator: ColourEstimator, estimation: ColourEstimation
) -> None:
    head = ColourHead(estimator.config)
    head.load_state_dict(
        {name.removeprefix("head."): torch.from_numpy(value)
         for name, value in estimator.part("head.").items()}
    )  # fmt: skip
    found = [estimation.statistics(read_rgb(path, 256)) for path in starter_photos()[:3]]
    described = torch.from_numpy(head_inputs(np.mean(found, 0), 3))
    with torch.no_grad():
        weights = head(described[None])[0].numpy()
    lut = estimator.tensors["lut.mean"] + np.tensordot(
        weights, estimator.tensors["lut.components"], 1
    )
    np.testing.assert_allclose(
        estimation.head_lut(found).reshape(-1, 3), np.clip(lut, 0, 1), atol=1e-4
    )


def test_people_who_were_never_seen_in_a_look_tell_it_better_than_their_colours(
    estimation: ColourEstimation,
) -> None:
    photos = [read_rgb(path, 256) for path in starter_photos()]
    rng = numpy_generator(0, 0, "test")
    others = sample_colours(photos[1::4], 5000, rng)
    truth = np.clip(warm(others), 0, 1)
    errors = []
    for first in (0, 2, 3):  # three sets of people: one may differ from the others by chance
        creator = [styled(photo) for photo in photos[first::4]]
        matrix, offset = linear_map(others, sample_colours(creator, 5000, rng))
        lut = estimation.lut([estimation.statistics(picture) for picture in creator])
        found = (apply_lut(others, lut), others @ matrix + offset, others)
        errors.append([np.mean((colours - truth) ** 2) for colours in found])
    estimated, linear, plain = np.mean(errors, 0)
    assert estimated < 0.5 * linear
    assert estimated < 0.1 * plain


def test_the_order_of_pictures_does_not_matter(estimation: ColourEstimation) -> None:
    found = [estimation.statistics(read_rgb(path, 128)) for path in starter_photos()[:5]]
    np.testing.assert_allclose(estimation.lut(found), estimation.lut(found[::-1]), atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (300, 3), (9, 700), (40, 50)])
def test_odd_pictures_are_counted(size: tuple[int, int], estimation: ColourEstimation) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    found = estimation.statistics(picture)
    assert np.isfinite(found).all()
    assert found[-1, -1] == pytest.approx(1, abs=1e-5)
    assert np.isfinite(estimation.lut([found])).all()


def haldclut(path: Path, size: int = 8) -> np.ndarray:
    """A HaldCLUT file of `warm`; returns its table."""
    table = np.clip(warm(lut_grid(size)), 0, 1).reshape(size, size, size, 3)
    pixels = (255 * table.transpose(2, 1, 0, 3) + 0.5).astype(np.uint8)
    Image.fromarray(pixels.reshape(size**2, size, 3)).save(path)
    return table


def test_a_film_table_is_read_as_the_look_that_it_holds(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    haldclut(tmp_path / "film.png", 16)
    for name, size in (("photo.png", (5, 5)), ("dot.png", (1, 1)), ("line.png", (4097, 4097))):
        Image.new("RGB", size).save(tmp_path / name)
    (film,) = colour_looks.read_films(tmp_path)
    wanted = np.clip(warm(lut_grid(colour_looks.LUT_SIZE)), 0, 1)
    assert np.abs(film - wanted).max() < 0.02
    assert caplog.text.count("not a HaldCLUT") == 3
    (tmp_path / "film.png").unlink()
    with pytest.raises(DataError, match="no film LUTs"):
        colour_looks.read_films(tmp_path)


def test_components_hold_looks_and_are_orthonormal_where_photos_have_colours(
    tmp_path: Path,
) -> None:
    haldclut(tmp_path / "film.png")
    looks = colour_looks.draw_prior(colour_looks.read_films(tmp_path), 40, 0)
    colours = np.random.default_rng(0).random((4000, 3), np.float32)
    mean, components, density = colour_looks.principal_components(looks, colours, 30)
    weighted = (components * np.sqrt(density)[:, None]).reshape(30, -1)
    np.testing.assert_allclose(weighted @ weighted.T, np.eye(30), atol=1e-3)
    moved = ((looks[0] - mean) * np.sqrt(density)[:, None]).ravel()
    assert np.square(moved - weighted.T @ (weighted @ moved)).sum() < 0.1 * np.square(moved).sum()


SMALL = {"looks": 40, "held_out": 2, "first": 6, "fresh": 1, "components": 8, "hidden": 16}
SMALL |= {"clusters": 4, "batch": 8, "workers": 0, "save_every": 2}


def words_of_a_small_run(folder: Path, **settings: int) -> list[str]:
    """The command line, with a film table and photos, and one of each that is damaged."""
    films, content = folder / "films", folder / "content"
    films.mkdir()
    content.mkdir()
    haldclut(films / "film.png")
    for path in starter_photos()[:6]:
        (content / path.name).write_bytes(path.read_bytes())
    for whole in (films / "film.png", content / starter_photos()[0].name):
        cut = whole.with_name(f"cut{whole.suffix}")
        cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (folder / "run.json").write_text(json.dumps(SMALL | settings))
    words = ["pretrain-colours", "--content", str(content), "--films", str(films)]
    words += ["--model", str(shipped_model()), "--out", str(folder / "run")]
    return [*words, "--config", str(folder / "run.json")]


def test_a_run_learns_resumes_and_leaves_a_model_with_its_estimator(
    tmp_path: Path, influ: Influ
) -> None:
    run, words = tmp_path / "run", words_of_a_small_run(tmp_path)
    for steps, more in (("4", ()), ("6", ("--resume",))):
        result = influ(*words, "--steps", steps, *more)
        assert result.returncode == 0, result.stderr
        assert result.stderr.count("left out: can't read") == 2
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert [row["step"] for row in rows] == ["2", "4", "6"]
    assert all(float(row["psnr_30"]) > 5 for row in rows)
    model = (run / "best.safetensors").read_bytes()
    found = read_model(run / "best.safetensors").base
    assert found.hash == read_model(shipped_model()).base.hash
    assert found.colour_estimator is not None
    assert found.colour_estimator.config.clusters == 4
    statistics = [np.zeros((5, 28), np.float32)]
    lut = ColourEstimation(found.colour_estimator, 1).lut(statistics)
    assert lut.shape == (17, 17, 17, 3)
    again = influ(*words, "--resume")
    assert again.returncode == 0
    assert "was finished already, after 6 steps" in again.stderr
    assert (run / "best.safetensors").read_bytes() == model
    paintings = tmp_path / "paintings"
    paintings.mkdir()
    for path in starter_photos()[6:8]:
        Image.fromarray(read_rgb(path, 128)).quantize(5).save(paintings / f"{path.stem}.png")
    told = influ(*words, "--resume", "--paintings", str(paintings))
    assert told.returncode == 0, told.stderr
    telling = read_model(run / "best.safetensors").base.colour_estimator
    assert telling is not None
    assert telling.config == dataclasses.replace(found.colour_estimator.config, tells_hands=True)
    for name, value in found.colour_estimator.tensors.items():
        np.testing.assert_array_equal(telling.tensors[name], value)

    more = [*words, "--from-model", "--lr", "1e-9", "--steps", "1", "--out"]
    done = influ(*more, str(tmp_path / "next"), "--model", str(run / "best.safetensors"))
    assert done.returncode == 0, done.stderr
    continued = read_model(tmp_path / "next" / "best.safetensors").base.colour_estimator
    assert continued is not None
    np.testing.assert_allclose(ColourEstimation(continued, 1).lut(statistics), lut, atol=2e-3)
    refused = influ(*more, str(tmp_path / "other"))
    assert "other sizes than this run" in refused.stderr
    assert not (tmp_path / "other").exists()


def test_a_stop_of_every_process_saves_a_colour_run_that_can_go_on(tmp_path: Path) -> None:
    run, words = tmp_path / "run", words_of_a_small_run(tmp_path, workers=2)
    process = subprocess.Popen(
        [sys.executable, "-m", "stylegan_cli", *words, "--steps", "9999999"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    limit_s = time.monotonic() + 600
    while not list(run.glob("checkpoint-*.pt")):
        assert process.poll() is None
        assert time.monotonic() < limit_s
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers as well
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "stopped and saved" in said


@pytest.mark.parametrize(
    "changes", [{"fixed": {}}, {"fixed": 1}, {"head": {}}, {"total_steps": "x"}, {"optimiser": []}]
)
def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    config = ColourTrainingConfig(clusters=2, hidden=4, components=1, looks=2)
    fixed = {"density": torch.ones(17**3), "mean": torch.zeros(17**3, 3)}
    fixed |= {"components": torch.ones(1, 17**3, 3), "clusters.weight": torch.zeros(152, 2)}
    fixed |= {"clusters.bias": torch.zeros(2)}
    state = {**ColourTrainer(config, fixed).state_dict(), "step": 3}
    assert _restored(tmp_path, state, config).step == 3
    with pytest.raises(TrainingError, match=r"newest checkpoint in .* does not fit its run"):
        _restored(tmp_path, state | changes, config)


def test_statistics_reach_the_head_as_they_are(tmp_path: Path) -> None:
    trainer = ColourTrainer(
        ColourTrainingConfig(clusters=2, hidden=4, components=1, looks=2),
        {"density": torch.ones(8), "mean": torch.zeros(8, 3), "components": torch.ones(1, 8, 3)},
    )
    statistics = torch.randn(3, 28)  # chroma may be below nothing
    statistics[:, -1] = torch.tensor([0.3, 0.7, 1.0])
    pictures = statistics.expand(colour_tasks.KEPT_PICTURES, 3, 28).half()
    task = colour_tasks.ColourTask(pictures, statistics, torch.zeros(3, 28), torch.zeros(8, 3))
    memory = TaskMemory(trainer, 5)
    memory.add(iter([task]), 1)
    inputs, _ = memory.all_of(colour_tasks.SET_PICTURES)
    np.testing.assert_allclose(inputs[0], head_inputs(statistics.numpy(), 96), atol=0.01)


def test_more_components_than_looks_are_refused() -> None:
    with pytest.raises(ConfigError, match="fewer than looks"):
        ColourTrainingConfig(looks=10, components=10)


@pytest.fixture(scope="module")
def balance(estimator: ColourEstimator) -> PhotoBalance:
    return PhotoBalance(estimator, 1)


def off(photo: np.ndarray, stops: float, warmth: float) -> np.ndarray:
    """A photo taken by a camera that is off by so many stops, and by so many in red and blue."""
    gains = np.exp2(np.array([stops + warmth, stops, stops - warmth]) / 2.2)
    return (255 * np.clip(gains * photo / 255, 0, 1) + 0.5).astype(np.uint8)


def test_photos_that_are_off_come_nearer_to_each_other(balance: PhotoBalance) -> None:
    photos = [read_rgb(path, 256) for path in starter_photos()[:40:5]]
    cameras = [
        (1, 0),
        (-1, 0),
        (0.5, 0.4),
        (-0.5, -0.4),
        (0, 0.5),
        (0, -0.5),
        (0.8, 0.2),
        (-1, 0.3),
    ]
    taken = [off(photo, *camera) for photo, camera in zip(photos, cameras, strict=True)]

    def shift(pictures: list[np.ndarray]) -> float:
        """Mean distance to the photos as they were, of the mean colour."""
        pairs = zip(pictures, photos, strict=True)
        return float(np.mean([np.abs(a.mean((0, 1)) - b.mean((0, 1))).mean() for a, b in pairs]))

    assert shift([balance.balanced(picture) for picture in taken]) < 0.7 * shift(taken)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_every_depth_is_balanced_alike(balance: PhotoBalance, dtype: type) -> None:
    photo = off(read_rgb(starter_photos()[2], 128), -1, 0.3)
    most = 1 if dtype is np.float32 else np.iinfo(dtype).max
    deep = (photo / 255 * most).astype(dtype)
    found = balance.balanced(deep)
    assert (found.dtype, found.shape) == (deep.dtype, deep.shape)
    assert np.abs(found / most - balance.balanced(photo) / 255).max() < 0.02


@pytest.mark.parametrize("gain", [0.6, 1.0, 1.01, 1.6])
def test_white_stays_white_and_no_level_is_lost(gain: float) -> None:
    levels = scaled(np.linspace(0, 1, 200), gain)
    assert (np.diff(levels) > 0).all()
    assert (levels[0], levels[-1]) == (0, pytest.approx(1))
    assert levels[60] == pytest.approx(gain * 60 / 199, rel=0.01)


def test_a_model_without_an_estimator_evens_nothing_out() -> None:
    model = small_model()
    with pytest.raises(UsageError, match="--even needs"):
        Stylizer(model.base, model.styles[0], open_backend(model.base), even=True)


def test_a_photo_is_evened_out_before_its_style(balance: PhotoBalance) -> None:
    model = read_model(shipped_model())
    backend = open_backend(model.base)
    photo = off(read_rgb(starter_photos()[4], 128), -1, 0)
    plain, even = (
        Stylizer(model.base, model.style("noir"), backend, even=on) for on in (False, True)
    )
    np.testing.assert_array_equal(even.stylize(photo), plain.stylize(balance.balanced(photo)))
    assert even.fingerprint != plain.fingerprint
