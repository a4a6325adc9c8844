"""Promises of pretraining/ and `influ pretrain`."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from stylegan_cli.cli import build_app
from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.errors import ConfigError, DataError, TrainingError
from stylegan_cli.learning.checkpoints import (
    load_config,
    load_latest_checkpoint,
    save_checkpoint,
)
from stylegan_cli.learning.logging import read_metrics
from stylegan_cli.learning.processes import process_team
from stylegan_cli.networks.architecture import (
    GeneratorConfig,
    StyleEncoderConfig,
)
from stylegan_cli.pretraining.config import DrawConfig, PretrainConfig
from stylegan_cli.pretraining.data import PairedLooks
from stylegan_cli.pretraining.domains import pictures_by_domain
from stylegan_cli.pretraining.looks import PARAMETERS_DIM, describe, draw_look
from stylegan_cli.pretraining.loop import pretrain
from stylegan_cli.pretraining.losses import (
    ERRORS,
    total_loss,
)
from stylegan_cli.pretraining.model import (
    BaseNetworks,
    Learner,
    PrivilegedTeacher,
    signed,
)
from stylegan_cli.pretraining.validation import linearly_mapped
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos

DRAWS = DrawConfig(looks=3, pictures=3, max_pictures=5, targets=2, size=64)
NETWORKS = {
    "generator": GeneratorConfig(base_channels=4, blocks=1, colour_channels=4),
    "encoder": StyleEncoderConfig(statistics_dim=STATISTICS_DIM, channels=(4, 4, 4, 4), hidden=8),
}
TINY = {
    "looks": 2,
    "pictures": 1,
    "targets": 1,
    "size": 64,
    "precision": "fp32",
    "save_every": 2,
    "validation_batches": 1,
    **NETWORKS,
}

CONTENT = ("--content", starter_photos()[0].parent)


def influ_here(*arguments: str | Path) -> Result:
    """Run `influ` in this process, where a test may have chosen smaller networks."""
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def pretrain_by(processes: int, *arguments: Any, **named: Any) -> bool:
    """As `pretrain`, by as many processes on this machine."""
    with process_team("cpu", processes) as team:
        return pretrain(*arguments, team=team, **named)


def tiny_base() -> BaseNetworks:
    return BaseNetworks(*NETWORKS.values())


@pytest.fixture(scope="module")
def domains() -> dict[str, list[Path]]:
    return {"people": starter_photos()[:6], "others": starter_photos()[6:12]}


@pytest.fixture(scope="module")
def batch(domains: dict[str, list[Path]]) -> dict[str, np.ndarray]:
    return PairedLooks(domains, DRAWS)[1]


def test_every_setting_of_a_draw_reaches_it() -> None:
    settings = {"looks": 2, "pictures": 5, "max_pictures": 7, "targets": 4, "size": 128, "seed": 3}
    assert PretrainConfig(**settings).draws() == DrawConfig(**settings)


def test_each_side_is_read_from_its_own_pictures(batch: dict[str, np.ndarray]) -> None:
    base, data = tiny_base(), {name: torch.from_numpy(value) for name, value in batch.items()}
    rows = base.encoder.features(signed(data["references"]))
    start = int(data["shown"][:2].sum())
    mine = rows[start : start + int(data["shown"][2, 0])]
    torch.testing.assert_close(base.moments(data)[2, 0], mine.mean(0))


def test_the_style_of_one_side_is_applied_to_the_other(batch: dict[str, np.ndarray]) -> None:
    base, data = tiny_base(), {name: torch.from_numpy(value) for name, value in batch.items()}
    codes = base.encode(data)
    result, base_colour, truth = base.stylize(data, codes)
    torch.testing.assert_close(truth, signed(data["truths"].flip(1)))
    look, side = 2, 0
    alone, _ = base.generator(
        signed(data["photos"][look, 1]),
        data["matrix"][look, side][None],
        data["offset"][look, side][None],
        codes[look, side][None],
        data["short_side"][look][None],
    )
    torch.testing.assert_close(result[8:10], alone)
    # A fresh residual is small, and so is what the network does to colours: near the linear map.
    assert (base_colour - linearly_mapped(data)).abs().mean() < 0.2


def test_the_parameters_of_a_look_tell_it_from_any_other() -> None:
    drawn = [draw_look(numpy_generator(5, k, "test")) for k in range(300)]
    looks = [look for look in drawn if not look.pointwise]
    parameters = np.stack([describe(look) for look in looks])
    assert parameters.shape == (len(looks), PARAMETERS_DIM)
    assert np.isfinite(parameters).all()
    same = np.all(parameters[:, None] == parameters[None], axis=2)
    assert same.sum() == len(looks)  # no two looks have the same
    assert np.abs(parameters).max() <= 3
    np.testing.assert_array_equal(describe(looks[0]), parameters[0])


def test_losses_are_numbers_of_any_device_and_zero_at_the_truth() -> None:
    config = PretrainConfig()
    with torch.device("meta"):
        learner = Learner(BaseNetworks(config.generator, config.encoder), config)
        data = {
            "references": torch.empty(7, 64, 64, 3, dtype=torch.uint8),
            "shown": torch.empty(1, 2, dtype=torch.int64),
            "photos": torch.empty(1, 2, 3, 64, 64, 3, dtype=torch.uint8),
            "truths": torch.empty(1, 2, 3, 64, 64, 3, dtype=torch.uint8),
            "statistics": torch.empty(1, 2, STATISTICS_DIM),
            "matrix": torch.empty(1, 2, 3, 3),
            "offset": torch.empty(1, 2, 3),
            "short_side": torch.empty(1),
            "parameters": torch.empty(1, PARAMETERS_DIM),
            "pointwise": torch.empty(1),
        }
        terms, _ = learner(data, torch.empty(1, 2), 1.0)
        stylized = learner.base.stylize(data, learner.base.encode(data))
    assert {part.shape for part in stylized} == {(6, 3, 64, 64)}
    assert {name: tuple(term.shape) for name, term in terms.items()} == {
        **dict.fromkeys(ERRORS, (6,)),
        "distillation": (),
        "parameters": (),
    }
    assert {term.device.type for term in (*terms.values(), total_loss(terms))} == {"meta"}


def test_the_teacher_leads_and_the_encoder_follows(batch: dict[str, np.ndarray]) -> None:
    learner = Learner(tiny_base(), PretrainConfig())
    data = {name: torch.from_numpy(value) for name, value in batch.items()}
    alone, led = torch.zeros(3, 2), torch.ones(3, 2)

    def moved_by(guided: torch.Tensor, term: str) -> set[str]:
        learner.zero_grad()
        learner(data, guided, 1.0)[0][term].sum().backward()
        return {
            name.removeprefix("base.").partition(".")[0]
            for name, parameter in learner.named_parameters()
            if parameter.grad is not None and parameter.grad.abs().max() > 0
        }

    assert moved_by(led, "residual") == {"generator"}
    assert moved_by(alone, "residual") == {"encoder", "generator"}
    assert moved_by(led, "distillation") == {"encoder"}
    assert moved_by(led, "parameters") == {"encoder", "parameter_head"}
    assert learner(data, led, 0.0)[0]["distillation"] == 0


def test_the_teacher_s_codes_differ_from_look_to_look_in_every_number() -> None:
    parameters = np.stack([describe(draw_look(numpy_generator(6, k, "test"))) for k in range(400)])
    codes = PrivilegedTeacher(128)(torch.from_numpy(parameters))
    assert codes.mean(0).abs().max() < 0.5  # what all have in common says nothing
    assert 0.8 < codes.std(0).min() < codes.std(0).max() < 2
    np.testing.assert_array_equal(PrivilegedTeacher(128).rotation, PrivilegedTeacher(128).rotation)


def test_guidance_ends_where_it_is_set_to() -> None:
    config = PretrainConfig(teacher_fully=0.25, teacher_until=0.75)
    assert config.guidance(7, None) == 1
    assert [config.guidance(step, 100) for step in (0, 25, 50, 75, 99)] == [1, 1, 0.5, 0, 0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 100},
        {"size": 32},
        {"looks": 0},
        {"targets": 7},
        {"echo_factor": 0},
        {"max_pictures": 5},
        {"accumulate": 0},
        {"precision": "fp8"},
    ],
    ids=str,
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(
        ConfigError, match=next(iter(wrong)).replace("looks", "batch").replace("_", "[-_]")
    ):
        PretrainConfig(**wrong)


def test_too_few_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 10 pictures"):
        pretrain({"few": starter_photos()[:5]}, tmp_path, PretrainConfig(**TINY, steps=1))
    with pytest.raises(DataError, match="contains no pictures"):
        pictures_by_domain([tmp_path])


def test_a_folder_of_folders_is_a_domain_each(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "b/deep/2.jpg", "3.jpg"):
        path = tmp_path / "all" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    found = pictures_by_domain([tmp_path / "all"])
    assert {name: [p.name for p in paths] for name, paths in found.items()} == {
        "all/a": ["1.jpg"],
        "all/b": ["2.jpg"],
        "all": ["3.jpg"],
    }


@pytest.mark.parametrize("processes", [1, 2])
def test_a_resumed_run_equals_an_unbroken_one(processes: int, tmp_path: Path) -> None:
    domains = {"content": starter_photos()[:12]}
    content = tmp_path / "content"
    content.mkdir()
    for path in domains["content"]:
        shutil.copy(path, content)
    echo_factor = 2 if processes == 1 else 1  # step 3 is in the middle of the window's echo
    config = PretrainConfig(
        **(TINY | {"validation_batches": 2}),
        steps=6,
        echo_factor=echo_factor,
        echo_window=2,
        sample_every=0,
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert pretrain_by(processes, domains, tmp_path / "whole", config)

        def stop_after_3(done: int, total: int) -> None:
            if done == 3:
                signal.raise_signal(signal.SIGINT)

        broken = tmp_path / "broken"
        assert not pretrain_by(processes, domains, broken, config, on_progress=stop_after_3)
        stopped = load_latest_checkpoint(broken)
        assert stopped is not None
        assert stopped["step"] in (3, 4)
        # Through the command, which takes size and all else from the run.
        words = ("--content", content, "--out", broken, "--device", "cpu")
        resumed = influ_here("pretrain", *words, "--resume", "--devices", str(processes))
        assert resumed.exit_code == 0, resumed.output
        found, wanted = (load_latest_checkpoint(tmp_path / n) for n in ("broken", "whole"))
        assert found is not None
        assert wanted is not None
        assert found["step"] == wanted["step"] == 6
        for part in ("base", "ema"):
            for name, value in wanted[part].items():
                torch.testing.assert_close(found[part][name], value, rtol=0, atol=0)
        moved = [(wanted["base"][n] - stopped["base"][n]).abs().max() for n in wanted["ema"]]
        assert max(moved) > 0
        # A finished run stays as it is.
        before = (broken / "checkpoint-00000006.pt").read_bytes()
        assert pretrain(domains, broken, config, resume=True)
        assert (broken / "checkpoint-00000006.pt").read_bytes() == before
        steps = [row["step"] for row in read_metrics(broken / "metrics.csv")]
        assert steps == sorted(steps, key=int)
        assert steps[-1] == "6"
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize(("processes", "accumulate"), [(2, 1), (1, 3), (2, 2)], ids=str)
def test_parts_of_a_batch_teach_what_the_whole_does(
    processes: int, accumulate: int, domains: dict[str, list[Path]], tmp_path: Path
) -> None:
    tensors = {name: value.numpy().copy() for name, value in tiny_base().state_dict().items()}
    settings = TINY | {"looks": 5, "precision": "fp64", "steps": 4, "warmup": 0, "sample_every": 0}
    ends = []
    for place, count, parts in (("whole", 1, 1), ("parts", processes, accumulate)):
        config = PretrainConfig(**settings, accumulate=parts)
        assert pretrain_by(count, domains, tmp_path / place, config, init=tensors)
        state = load_latest_checkpoint(tmp_path / place)
        assert state is not None
        ends.append(state["base"] | {f"ema.{name}": value for name, value in state["ema"].items()})
    for name, value in ends[0].items():
        torch.testing.assert_close(ends[1][name], value, rtol=0, atol=1e-9, msg=name)
    moved = [(ends[0][n] - torch.from_numpy(old)).abs().max() for n, old in tensors.items()]
    assert max(moved) > 1e-3
    rows = [read_metrics(tmp_path / place / "metrics.csv") for place in ("whole", "parts")]
    assert [row | {"seconds": ""} for row in rows[0]] == [row | {"seconds": ""} for row in rows[1]]


def test_a_stop_of_any_process_ends_all_after_one_step_and_saves_once(
    domains: dict[str, list[Path]], tmp_path: Path
) -> None:
    settings = {"steps": 500, "save_every": 0, "sample_every": 0}
    config = PretrainConfig(**(TINY | settings))

    def stop_the_other(done: int, total: int) -> None:
        if done == 3:
            (other,) = multiprocessing.active_children()
            assert other.pid is not None
            os.kill(other.pid, signal.SIGTERM)

    assert not pretrain_by(2, domains, tmp_path, config, on_progress=stop_the_other)
    (saved,) = tmp_path.glob("checkpoint-*.pt")
    state = load_latest_checkpoint(tmp_path)
    assert state is not None
    assert saved.name == f"checkpoint-{state['step']:08d}.pt"
    assert 3 <= state["step"] < 500


@pytest.mark.parametrize("processes", [1, 2])
def test_features_are_settled_when_their_share_of_the_steps_is_over(
    domains: dict[str, list[Path]],
    tmp_path: Path,
    processes: int,
) -> None:
    config = PretrainConfig(**TINY, steps=4, warmup=0, sample_every=0, features_until=0.5)
    first = tiny_base().state_dict()
    tensors = {name: value.numpy().copy() for name, value in first.items()}
    assert pretrain_by(processes, domains, tmp_path, config, init=tensors)
    half, whole = (
        torch.load(tmp_path / f"checkpoint-{step:08d}.pt", weights_only=True)["base"]
        for step in (2, 4)
    )
    learned = dict(tiny_base().named_parameters())
    features = {name for name in learned if name.startswith("encoder.features.")}
    assert all(torch.equal(half[name], whole[name]) for name in features)
    assert not any(torch.equal(half[name], first[name]) for name in features)
    assert not torch.equal(
        half["encoder.head.layers.0.weight"], whole["encoder.head.layers.0.weight"]
    )


def test_a_base_to_start_from_must_fit(domains: dict[str, list[Path]], tmp_path: Path) -> None:
    tensors = {name: value.numpy() for name, value in tiny_base().state_dict().items()}
    wider = {"generator": GeneratorConfig(base_channels=8, blocks=1, colour_channels=4)}
    config = PretrainConfig(**TINY | wider, steps=1)
    with pytest.raises(TrainingError, match="--init"):
        pretrain(domains, tmp_path, config, init=tensors)
    assert list(tmp_path.iterdir()) == []


def test_the_command_checks_first(tmp_path: Path) -> None:
    run = tmp_path / "run"
    planned = influ_here("pretrain", *CONTENT, "--out", run, "--dry-run", "--device", "cpu")
    assert planned.exit_code == 0, planned.output
    assert "starter" in planned.stdout
    assert not run.exists()
    save_checkpoint(run, 3, {})
    refused = influ_here("pretrain", *CONTENT, "--out", run, "--device", "cpu")
    assert refused.exit_code == 2
    assert "--resume" in refused.output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_of_every_process_saves_a_run_that_can_go_on(
    tmp_path: Path, number: signal.Signals
) -> None:
    content = tmp_path / "content"
    content.mkdir()
    for path in starter_photos()[:12]:
        (content / path.name).write_bytes(path.read_bytes())
    run = tmp_path / "run"
    options = ["--batch", "1", "--size", "64", "--save-every", "1", "--device", "cpu"]
    command = [sys.executable, "-m", "stylegan_cli", "pretrain", "--content", str(content)]
    process = subprocess.Popen(
        [*command, "--out", str(run), "--steps", "9999", *options],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    limit_s = time.monotonic() + 600
    while not list(run.glob("checkpoint-*.pt")):
        assert process.poll() is None
        assert time.monotonic() < limit_s
        time.sleep(0.1)
    os.killpg(process.pid, number)  # as a terminal does on Ctrl-C: to the workers as well
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    state = load_latest_checkpoint(run)
    assert state is not None
    assert load_config(run)["size"] == 64
    assert (run / "metrics.csv").read_text().count("\n") >= 2
    assert len(list((run / "samples").glob("*.png"))) == 1
