"""Promises of training/: refinement on a small but real model and small pictures."""

import dataclasses
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from model_files import small_model
from PIL import Image
from small_training import FEW_PATCHES, picture
from torch import Tensor

from stylegan_cli.backends import open_backend
from stylegan_cli.errors import ConfigError, TrainingError
from stylegan_cli.learning.checkpoints import (
    BEST_NAME,
    load_latest_checkpoint,
)
from stylegan_cli.learning.logging import read_metrics
from stylegan_cli.learning.processes import process_team
from stylegan_cli.learning.shares import whole
from stylegan_cli.networks.folding import merge_deltas
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.precision import computing_in
from stylegan_cli.preparing.layout import TrainingData, find_training_data
from stylegan_cli.runtime.mappings import from_mapping
from stylegan_cli.styles import SHIPPED_MODEL, read_model, write_model
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.training import loop
from stylegan_cli.training.adapters import StyleTensors
from stylegan_cli.training.batch import Batch, Creator
from stylegan_cli.training.config import ConstraintConfig, TrainingConfig, ValidationConfig
from stylegan_cli.training.constraints import Constraints, constraints_for
from stylegan_cli.training.data import PictureSet, to_pixels
from stylegan_cli.training.initialisation import open_run
from stylegan_cli.training.loop import Run, refine
from stylegan_cli.training.networks import build_networks
from stylegan_cli.training.run_folder import START_NAME
from stylegan_cli.training.start import load_generator, style_tensors
from stylegan_cli.training.texture_distance import TextureDistance
from stylegan_cli.training.trainer import Trainer, build_trainer
from stylegan_cli.training.validation import Validation, ValidationMetrics

KILLS = 10
SETTINGS: dict[str, Any] = {
    "size": 64,
    "working_size": 80,
    "batch": 2,
    "precision": "fp32",
    "steps": 4,
    "validate_every": 2,
    "save_every": 2,
    "sample_every": 4,
    "pool": 3,
    **FEW_PATCHES,
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingData:
    """Photos, and two creators: one hatches, one does nothing."""
    root, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for name in ("content", "hatcher", "nobody"):
        (root / name).mkdir()
        for index in range(4):
            Image.fromarray(picture(rng, name == "hatcher")).save(root / name / f"{index}.png")
    return find_training_data(root)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    write_model(dataclasses.replace(small_model(), styles=()), path)
    return path


def _config(base: Path, **changes: Any) -> TrainingConfig:
    return from_mapping(TrainingConfig, SETTINGS | {"init": str(base)} | changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, data: TrainingData, base: Path) -> Path:
    """The folder of a run that went through without a stop."""
    folder = tmp_path_factory.mktemp("runs") / "whole"
    refine(open_run(folder, data, _config(base)))
    return folder


@pytest.fixture
def folder(tmp_path: Path, finished: Path) -> Path:
    """A run's folder in which the instant styles are made already."""
    shutil.copy(finished / START_NAME, tmp_path)
    return tmp_path


def _same(first: Any, second: Any) -> bool:
    if isinstance(first, Tensor):
        return torch.equal(first, second)
    if isinstance(first, Mapping):
        return first.keys() == second.keys() and all(_same(first[k], second[k]) for k in first)
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


def _learnt(folder: Path) -> dict[str, Any]:
    state = load_latest_checkpoint(folder)
    assert state is not None
    return {name: value for name, value in state.items() if name != "elapsed_s"}


def _train_by(processes: int, folder: Path, data: TrainingData, config: TrainingConfig) -> Path:
    """As `refine`, by as many processes on this machine."""
    with process_team("cpu", processes) as team, computing_in(config.precision):
        refine(open_run(folder, data, config, team=team, resume=True))
    return folder


def _with_every_loss(base: Path, accumulate: int) -> TrainingConfig:
    losses = {"lambda_cycle": 1.0, "lambda_identity": 1.0, "penalty": "r1", "r1_every": 2}
    steps = {"steps": 3, "validate_every": 3, "sample_every": 0, "warmup": 0}
    settings = {"batch": 5, "precision": "fp64", "augment": "on", **losses, **steps}
    return _config(base, **settings, accumulate=accumulate)


@pytest.fixture(scope="module")
def undivided(
    tmp_path_factory: pytest.TempPathFactory, finished: Path, data: TrainingData, base: Path
) -> Path:
    """The folder of a run with every loss, by one process that computes whole batches."""
    folder = tmp_path_factory.mktemp("undivided")
    shutil.copy(finished / START_NAME, folder)
    return _train_by(1, folder, data, _with_every_loss(base, 1))


@pytest.mark.parametrize(("processes", "accumulate"), [(2, 1), (1, 3), (2, 2)], ids=str)
def test_parts_of_a_batch_teach_what_the_whole_does(
    processes: int, accumulate: int, undivided: Path, folder: Path, data: TrainingData, base: Path
) -> None:
    _train_by(processes, folder, data, _with_every_loss(base, accumulate))
    found, wanted = _learnt(folder), _learnt(undivided)
    for name in ("adapters", "discriminator", "ema"):
        torch.testing.assert_close(found[name], wanted[name], rtol=0, atol=1e-9)
    start = open_run(folder, data, _config(base)).trainer.state_dict()["adapters"]
    assert max((wanted["adapters"][n] - v).abs().max() for n, v in start.items()) > 1e-4
    rows = [read_metrics(place / "metrics.csv") for place in (folder, undivided)]
    assert [row | {"seconds": ""} for row in rows[0]] == [row | {"seconds": ""} for row in rows[1]]


def test_resumed_run_equals_uninterrupted_run(
    finished: Path, folder: Path, data: TrainingData, base: Path
) -> None:
    run = open_run(folder, data, _config(base))
    for _ in range(2):
        loop.train_step(run)
    loop.validate(run)
    loop.save(run)
    loop.train_step(run)  # lost: the process is killed after its checkpoint
    refine(open_run(folder, data, _config(base), resume=True))
    assert _learnt(folder)["step"] == 4
    assert _same(_learnt(folder), _learnt(finished))
    curves = [read_metrics(folder / "metrics.csv")[-1] for folder in (folder, finished)]
    assert curves[0]["content"] == curves[1]["content"]


def test_a_run_killed_at_random_moments_ends_as_an_uninterrupted_one(
    folder: Path, data: TrainingData, base: Path
) -> None:
    # Saved at every step, so that many moments fall into writing; one step more than kills.
    settings = {"save_every": 1, "validate_every": 4, "steps": KILLS + 1}
    whole = folder / "whole"
    whole.mkdir()
    shutil.copy(folder / START_NAME, whole)
    refine(open_run(whole, data, _config(base, **settings)))
    script = Path(__file__).with_name("killed_training.py")
    finished_process = subprocess.run(
        [
            *(sys.executable, script, folder, data.content[0].parent.parent, base),
            *(json.dumps(SETTINGS | settings), str(torch.get_num_threads()), str(KILLS), "0"),
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=900,
    )
    ended, newest = json.loads(finished_process.stdout).values()
    assert ended == [signal.SIGKILL] * KILLS + [0]
    assert newest[-2] < newest[-1]  # none of them came too late
    assert _learnt(folder)["step"] == KILLS + 1
    assert _same(_learnt(folder), _learnt(whole))
    assert not list(folder.glob(".*"))  # nothing half-written
    model = [read_model(device / BEST_NAME).styles[0] for device in (folder, whole)]
    np.testing.assert_array_equal(model[0].code, model[1].code)


def test_a_run_folder_holds_what_people_look_for(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert {"config.json", "metrics.csv", "tensorboard", "samples", "best.safetensors"} <= names
    assert not list(finished.glob("checkpoint-00000000.pt"))  # two are kept
    assert {"checkpoint-00000002.pt", "checkpoint-00000004.pt"} <= names
    assert [path.suffix for path in (finished / "samples").iterdir()] == [".jpg"] * 2
    rows = read_metrics(finished / "metrics.csv")
    assert float(rows[-1]["hatcher/score"]) > 0
    page = (finished / "report.html").read_text()
    assert "Finished: step 4 of 4" in page
    # Figures of two creators, and losses: those that a run has without options.
    assert page.count("<polyline") == 2 * 5 + 10


def test_it_never_ends_worse_than_it_began(folder: Path, data: TrainingData, base: Path) -> None:
    run = open_run(folder, data, _config(base))
    with torch.no_grad():
        for creator in run.trainer.networks.generator.creators:
            creator.code.add_(30)  # far from anything that was ever learnt
    for _ in range(300):
        run.trainer.ema.update(10**6)
    loop.validate(run)
    model = run.selection.best_model(0)
    for style, start in zip(model.styles, run.selection.start.styles, strict=True):
        assert not style.info.refined
        np.testing.assert_array_equal(style.code, start.code)
        assert not style.deltas


@pytest.mark.parametrize(("strength", "texture"), [(0.28, 1.0), (0.01, 0.05)])
def test_a_style_that_draws_much_or_is_near_its_creator_learns_in_smaller_steps(
    folder: Path, data: TrainingData, base: Path, strength: float, texture: float
) -> None:
    def first_step(constraints: Constraints) -> tuple[float, float, float]:
        trainer = open_run(folder, data, _config(base)).trainer
        free = dataclasses.replace(constraints, max_drift=1e9)
        trainer.creators = [
            dataclasses.replace(creator, constraints=free) for creator in trainer.creators
        ]
        trainer.train_step(0)
        creator = trainer.networks.generator.creators[0]
        deltas = max(delta.up.abs().max().item() for delta in creator.deltas)
        return free.lr_share, deltas, trainer.generator_optimizer.param_groups[1]["lr"]

    share, deltas, rate = first_step(
        constraints_for(0.01, 1.0, "photographic", ConstraintConfig(), is_fresh=False)
    )
    small_share, small_deltas, small_rate = first_step(
        constraints_for(strength, texture, "photographic", ConstraintConfig(), is_fresh=False)
    )
    calmer = small_share / share
    assert calmer < 0.5
    assert small_deltas == pytest.approx(deltas * calmer, rel=0.05)
    assert small_rate == pytest.approx(rate * calmer**2)


def test_a_style_is_held_near_an_instant_style_that_is_near_its_creator(
    folder: Path, data: TrainingData, base: Path
) -> None:
    trainer = open_run(folder, data, _config(base)).trainer

    def price_of_a_move(texture: float, *, is_fresh: bool = False) -> float:
        constraints = constraints_for(
            0.01, texture, "photographic", ConstraintConfig(), is_fresh=is_fresh
        )
        trainer.creators = [
            dataclasses.replace(creator, constraints=constraints) for creator in trainer.creators
        ]
        with torch.no_grad():
            trainer.networks.generator.creators[0].code.add_(1)
        return trainer.update_generator(trainer.draw_batches(0))[1]["drift"].item()

    assert price_of_a_move(texture=1e-4) > 1
    assert price_of_a_move(texture=10.0) == 0
    assert price_of_a_move(texture=1e-4, is_fresh=True) == 0  # it has all its way to go


def test_refining_is_held_to_an_instant_style_without_the_lines_that_it_leaves_out(
    folder: Path, data: TrainingData, base: Path
) -> None:
    start = read_model(folder / START_NAME)
    plain = dataclasses.replace(start.style("hatcher").info, mode="colour")
    styles = [
        dataclasses.replace(style, info=plain) if style.info.name == "hatcher" else style
        for style in start.styles
    ]
    write_model(dataclasses.replace(start, styles=styles), folder / START_NAME, overwrite=True)
    run = open_run(folder, data, _config(base))
    photo = run.validator.held_out[0].photos[0]
    pixels = to_pixels(photo)[0]
    shown = to_pixels(run.trainer.stylize_instant(0, photo))[0]
    start = run.selection.start
    stylizer = Stylizer(start.base, start.styles[0], open_backend(start.base))
    np.testing.assert_allclose(shown.astype(int), stylizer.stylize(pixels), atol=2)
    drawn = to_pixels(run.trainer.stylize(0, photo))[0]
    assert np.abs(drawn.astype(int) - shown).max() > 10


def _measures(run: Run, monkeypatch: pytest.MonkeyPatch, *scores: ValidationMetrics) -> None:
    """From here on, validation finds `scores`, one per creator."""

    def validate(trainer: Trainer, creator: int) -> Validation:
        held_out, now = run.validator.held_out[creator], scores[creator]
        statistics = run.validator.statistics(trainer, creator, held_out.instant)
        return Validation(
            held_out.instant, now, now.score(held_out.start, ValidationConfig()), statistics
        )

    monkeypatch.setattr(run.validator, "validate", validate)


def test_the_best_is_kept_when_later_states_are_worse(
    folder: Path, data: TrainingData, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(folder, data, _config(base))
    start, other = (held_out.start for held_out in run.validator.held_out)
    better = dataclasses.replace(start, texture=start.texture / 2)
    for measured in (better, start):
        loop.train_step(run)
        _measures(run, monkeypatch, measured, other)
        loop.validate(run)
    assert [best.step for best in run.selection.best] == [1, 0]
    hatcher, nobody = run.selection.best_model(2).styles
    assert (hatcher.info.refined, nobody.info.refined) == (True, False)
    assert hatcher.info.metrics["steps"] == 1
    assert hatcher.deltas


def test_a_creator_without_a_gain_gives_its_turns_away_and_then_the_run_ends(
    folder: Path, data: TrainingData, base: Path
) -> None:
    run = open_run(folder, data, _config(base, steps=100, patience=2, validate_every=1))
    run.selection.best[0].score = -9.0  # nothing the first creator does is a gain
    run.selection.best[1].stale = -3
    steps, learning = [], []

    def note(done: int, total: int) -> None:
        steps.append(done)
        learning.append(run.selection.active)

    outcome = refine(run, note)
    assert learning[:3] == [[0, 1], [1], [1]]
    assert learning[-1] == []
    assert not outcome.stopped
    assert outcome.steps == steps[-1] < 100
    resumed = open_run(folder, data, _config(base, steps=100, patience=2), resume=True)
    assert loop.is_over(resumed)
    patient = open_run(folder, data, _config(base, steps=100, patience=0), resume=True)
    assert not loop.is_over(patient)


def test_the_style_file_stylizes_what_training_stylized(
    folder: Path, data: TrainingData, base: Path
) -> None:
    run = open_run(folder, data, _config(base, lr_g=0.02))
    for _ in range(4):
        loop.train_step(run)
    run.selection.best[0].score = 9.0  # whatever it is, take it
    loop.validate(run)
    loop.save(run)
    model = read_model(folder / BEST_NAME)
    style = model.style("hatcher")
    assert style.info.refined
    photo = run.validator.held_out[0].photos[0]
    weights = merge_deltas(model.base.generator_tensors, style.deltas)
    merged = dataclasses.replace(
        model.base, tensors={f"generator.{n}": v for n, v in weights.items()}
    )
    tensors = style_tensors(style, torch.device("cpu"))
    with torch.no_grad():
        result, base_colour = load_generator(merged, torch.device("cpu"))(
            photo, tensors.matrix, tensors.offset, tensors.code[None], torch.tensor([80.0])
        )
        stylized = tensors.calibrate(base_colour) + result - base_colour.clamp(-1, 1)
    expected = run.trainer.stylize(0, photo)
    torch.testing.assert_close(stylized, expected, atol=2e-2, rtol=0)  # the file is fp16
    assert (expected - run.trainer.stylize_instant(0, photo)).abs().max() > 1e-3


def test_refining_one_creator_leaves_the_base_and_the_others_alone(
    folder: Path, data: TrainingData, base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(folder, data, _config(base))
    generator = run.trainer.networks.generator
    before = {name: value.clone() for name, value in generator.generator.state_dict().items()}
    loop.train_step(run)
    loop.train_step(run)  # the other's turn: its optimiser has a momentum now
    nobody = {n: v.clone() for n, v in generator.creators[1].state_dict().items()}
    loop.train_step(run)
    assert _same(dict(generator.generator.state_dict()), before)
    assert _same(dict(generator.creators[1].state_dict()), nobody)
    start, other = (held_out.start for held_out in run.validator.held_out)
    better = dataclasses.replace(start, texture=start.texture / 2, kid=start.kid / 2)
    _measures(run, monkeypatch, better, other)
    loop.validate(run)
    model = run.selection.best_model(3)
    assert model.base.hash == small_model().base.hash
    assert [style.info.refined for style in model.styles] == [True, False]
    photo = np.random.default_rng(0).integers(0, 256, (80, 64, 3), dtype=np.uint8)
    stylized = [
        Stylizer(known.base, known.styles[1], open_backend(known.base)).stylize(photo)
        for known in (run.selection.start, model)
    ]
    np.testing.assert_array_equal(*stylized)


@pytest.mark.parametrize("init", ["linear", "none"])
def test_a_fresh_network_begins_at_the_closed_form_and_learns(
    tmp_path: Path, data: TrainingData, base: Path, init: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "weights").mkdir()
    shutil.copy(base, tmp_path / "weights" / SHIPPED_MODEL)
    monkeypatch.setattr("stylegan_cli.styles.registry.weights_dir", lambda: tmp_path / "weights")
    run = open_run(tmp_path, data, _config(base, init=init, gan="lsgan"))
    photo = run.validator.held_out[1].photos[0]
    if init == "none":
        torch.testing.assert_close(run.trainer.stylize_instant(1, photo), photo, atol=1e-5, rtol=0)
    loop.train_step(run)
    run.selection.best[0].score = 9.0
    loop.validate(run)
    model = run.selection.best_model(1)
    assert model.base.hash != run.selection.start.base.hash
    assert {style.base_hash for style in model.styles} == {model.base.hash}


def test_a_run_without_a_number_of_steps_ends_with_its_time(
    folder: Path, data: TrainingData, base: Path
) -> None:
    run = open_run(folder, data, _config(base, steps=None, time_limit_s=100.0))
    for _ in range(20):
        run.clock.count_step(0.5)
    loop.train_step(run)
    assert run.trainer.total_steps == 180
    assert not loop.is_over(run)
    run.clock.here_s = 101.0  # a slower machine than it was timed on
    assert loop.is_over(run)


def test_a_stop_is_saved_and_reported(folder: Path, data: TrainingData, base: Path) -> None:
    run = open_run(folder, data, _config(base, steps=1000, validate_every=1000, sample_every=0))

    def stop_soon() -> None:
        while run.trainer.step < 2:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=stop_soon)
    thread.start()
    outcome = refine(run)
    thread.join()
    assert outcome.stopped
    assert 2 <= outcome.steps < 1000
    assert _learnt(folder)["step"] == outcome.steps
    # Not validated: a resumed run validates where an uninterrupted one does.
    assert all(row["hatcher/score"] == "" for row in read_metrics(folder / "metrics.csv"))


def test_after_a_loss_that_is_no_number_it_goes_back_and_on_slower(
    folder: Path, data: TrainingData, base: Path
) -> None:
    run = open_run(folder, data, _config(base, steps=6))
    poisoned = []

    def poison(done: int, total: int) -> None:
        if done == 3 and not poisoned:
            poisoned.append(done)
            with torch.no_grad():
                run.trainer.networks.generator.creators[1].code.fill_(float("nan"))

    outcome = refine(run, poison)
    (note,) = outcome.notes
    assert (note.step, note.problem) == (4, "not a number")
    assert "went back to step 2" in note.sentence
    assert "--lr-g" in note.sentence
    assert outcome.steps == 6
    assert run.trainer.lr_scale == 0.5
    assert run.trainer.is_finite()
    state = load_latest_checkpoint(folder)
    assert state is not None
    assert state["lr_scale"] == 0.5
    steps = [int(row["step"]) for row in read_metrics(folder / "metrics.csv")]
    assert steps == sorted(set(steps))


def test_a_run_that_can_not_be_helped_stops_with_a_remedy(
    folder: Path, data: TrainingData, base: Path
) -> None:
    config = _config(base, warmup=0)
    object.__setattr__(config, "lr_code", 1e38)  # no setting is as bad as this
    run = open_run(folder, data, config)
    with pytest.raises(TrainingError, match="--lr-g"):
        refine(run)
    assert len(run.diagnostics.notes) == 3
    assert not read_model(folder / BEST_NAME).styles[0].info.refined


@pytest.fixture
def patient(folder: Path, data: TrainingData, base: Path) -> Run:
    return open_run(folder, data, _config(base, lr_d=0.01, warmup=0))


def _recolour(run: Run, matrix: Tensor, offset: float) -> None:
    """Give the first creator another colour map than its instant style has."""
    generator = run.trainer.networks.generator
    first, *others = generator.styles
    moved = torch.full_like(first.offset, offset)
    other = dataclasses.replace(first, matrix=matrix[None], offset=moved, lut=None)
    generator.styles = [other, *others]


def test_inverted_colours_are_named_once_and_never_the_best(patient: Run) -> None:
    _recolour(patient, -torch.eye(3), 1.0)
    patient.selection.best[0].score = 99.0  # any score would win
    loop.validate(patient)
    loop.validate(patient)
    (note,) = patient.diagnostics.notes
    assert (note.creator, note.problem) == ("hatcher", "inverted colours")
    assert "--lr-g" in note.sentence
    assert patient.selection.best[0].step == 0
    assert not patient.selection.best[0].tensors


def test_flat_pictures_are_named(patient: Run) -> None:
    _recolour(patient, 0.02 * torch.eye(3), 0.5)
    with torch.no_grad():
        for name, weight in patient.trainer.networks.generator.weights.items():
            if ".conv_out." in name:
                weight.zero_()
    loop.validate(patient)
    assert ("hatcher", "flat pictures") in [
        (x.creator, x.problem) for x in patient.diagnostics.notes
    ]


def test_an_ignored_z_is_named(patient: Run) -> None:
    with torch.no_grad():
        for name, weight in patient.trainer.networks.generator.weights.items():
            if ".style." in name or "gate" in name:
                weight.zero_()
    loop.validate(patient)
    assert {note.problem for note in patient.diagnostics.notes} == {"ignored z"}


def test_a_discriminator_that_has_won_is_named(patient: Run) -> None:
    reals = torch.sign(torch.randn(2, 3, 64, 64))
    batch = Batch(0, 0, reals, reals[:, :1], reals, torch.tensor([80.0]), whole(2))
    for step in range(80):
        terms = patient.trainer.update_discriminator([batch], torch.zeros_like(reals))
        patient.diagnostics.watch(step, 0, {name: float(term) for name, term in terms.items()})
        if patient.diagnostics.notes:
            break
    assert [note.problem for note in patient.diagnostics.notes] == ["a discriminator has won"]
    assert "--lr-d" in patient.diagnostics.notes[0].sentence


def _meta_trainer(config: TrainingConfig, pictures: PictureSet) -> tuple[Trainer, Batch]:
    meta = torch.device("meta")
    style = StyleTensors(
        torch.empty(1, 3, 3, device=meta),
        torch.empty(1, 3, device=meta),
        torch.empty(8, device=meta),
        torch.empty(1, 3, 2, 2, 2, device=meta),
    )
    generator = Generator(small_model().base.generator).to(meta)
    features = load_features("lite0").to(meta)
    networks = build_networks(generator, [style], torch.empty(8, device=meta), features, config)
    texture = TextureDistance(
        [torch.empty(2, 3, 64, 64, device=meta)], features, config.texture, seed=config.seed
    )
    creator = Creator(pictures=pictures, working_size=80, augmented=True, texture=texture)
    images = [torch.empty(2, channels, 64, 64, device=meta) for channels in (3, 1, 3)]
    trainer = build_trainer(networks, [creator], pictures, config)
    return trainer, Batch(0, 0, *images, torch.empty(1, device=meta), whole(2))


def test_one_step_runs_on_the_meta_device(data: TrainingData) -> None:
    extra = {"lambda_cycle": 1.0, "lambda_identity": 1.0, "penalty": "r1"}
    config = from_mapping(TrainingConfig, SETTINGS | extra)
    trainer, batch = _meta_trainer(config, PictureSet(data.content, 80))
    fakes, terms = trainer.update_generator([batch])
    terms |= trainer.update_discriminator([batch], trainer.pools[0].swap(fakes, 0))
    assert {"cycle", "identity", "r1"} <= terms.keys()
    assert {term.device.type for term in terms.values()} == {"meta"}


def test_noise_on_the_fake_barely_changes_its_cycle(
    folder: Path, data: TrainingData, base: Path
) -> None:
    run = open_run(folder, data, _config(base, lambda_cycle=3.0, lambda_identity=1.0))
    assert {"cycle", "identity"} <= loop.train_step(run).keys()
    generator, size = run.trainer.networks.generator, torch.tensor([80.0])
    photo = run.validator.held_out[1].photos[0][..., :64, :64]
    with torch.no_grad():
        fake = generator.stylize(1, photo, size)
        noise = torch.randn(fake.shape, generator=torch.Generator().manual_seed(0)) * 2 / 127.5
        cycled = [generator.reconstruct_cycle(1, x, size) for x in (fake + noise, fake)]
    assert (cycled[0] - cycled[1]).abs().mean() < 0.03


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 100},
        {"ema": 1.0},
        {"lr_g": 0.0},
        {"steps": 0},
        {"scales": (1.2, 0.8)},
        {"lambda_cycle": -1.0},
    ],
)
def test_settings_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong)).replace("_", "[-_]")):
        TrainingConfig(**wrong)


def test_sigterm_to_any_process_saves_once_and_another_number_goes_on(
    folder: Path, data: TrainingData, base: Path
) -> None:
    config = _config(base, steps=50, validate_every=1000, save_every=0, sample_every=0)

    def stop_the_other(done: int, total: int) -> None:
        if done == 2:
            (other,) = multiprocessing.active_children()
            assert other.pid is not None
            os.kill(other.pid, signal.SIGTERM)

    with process_team("cpu", 2) as team:
        outcome = refine(open_run(folder, data, config, team=team), stop_the_other)
    assert outcome.stopped
    assert 2 <= outcome.steps < 50
    saved = sorted(path.name for path in folder.glob("checkpoint-*.pt"))
    assert saved == ["checkpoint-00000000.pt", f"checkpoint-{outcome.steps:08d}.pt"]
    run = open_run(folder, data, config, resume=True)
    assert run.trainer.step == outcome.steps
    loop.train_step(run)


def test_all_processes_go_back_together_after_a_loss_that_is_no_number(
    folder: Path, data: TrainingData, base: Path
) -> None:
    with process_team("cpu", 2) as team:
        run = open_run(folder, data, _config(base, steps=4), team=team)
        poisoned: list[int] = []

        def poison(done: int, total: int) -> None:
            if done == 3 and not poisoned:
                poisoned.append(done)
                with torch.no_grad():
                    run.trainer.networks.generator.creators[1].code.fill_(float("nan"))

        outcome = refine(run, poison)
    assert (outcome.steps, outcome.stopped) == (4, False)
    assert "not a number" in {note.problem for note in outcome.notes}
