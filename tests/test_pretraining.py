"""Promises of pretraining.py, paired_data.py, looks/description.py and `influ pretrain`."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner, Result

from stylegan_cli import pretraining
from stylegan_cli.checkpoints import (
    load_config,
    load_latest_checkpoint,
    read_metrics,
    save_checkpoint,
)
from stylegan_cli.cli import build_app
from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.errors import ConfigError, DataError, TrainingError
from stylegan_cli.instant import starter_photos
from stylegan_cli.looks import DESCRIPTION_DIM, describe, draw_look
from stylegan_cli.networks.architecture import GeneratorConfig, LookEncoderConfig
from stylegan_cli.paired_data import DrawConfig, PairedLooks
from stylegan_cli.pretraining import (
    Base,
    PretrainConfig,
    default_base,
    description_loss,
    pair_losses,
    pictures_by_domain,
    pretrain,
)
from stylegan_cli.randomness import numpy_generator

TINY = {"looks": 1, "pictures": 1, "targets": 1, "size": 64, "precision": "fp32", "save_every": 2}


CONTENT = ("--content", starter_photos()[0].parent)


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command sends the package's log to its own stderr: only for as long as it runs."""
    logger = logging.getLogger("stylegan_cli")
    before = logger.handlers, logger.propagate, logger.level
    yield
    logger.handlers, logger.propagate = before[:2]
    logger.setLevel(before[2])


def influ_here(*arguments: str | Path) -> Result:
    """Run `influ` in this process, where a test may have chosen smaller networks."""
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


def tiny_base() -> Base:
    generator = GeneratorConfig(base_channels=4, blocks=1, colour_channels=4)
    return Base(
        generator,
        LookEncoderConfig(statistics_dim=STATISTICS_DIM, channels=(4, 4, 4, 4), hidden=8),
    )


@pytest.fixture(scope="module")
def domains() -> dict[str, list[Path]]:
    return {"people": starter_photos()[:6], "others": starter_photos()[6:12]}


@pytest.fixture(scope="module")
def batch(domains: dict[str, list[Path]]) -> dict[str, np.ndarray]:
    return PairedLooks(domains, DrawConfig(looks=3, pictures=2, targets=2, size=64), 5)[1]


def test_a_batch_has_the_shapes_it_tells(batch: dict[str, np.ndarray]) -> None:
    assert {name: value.shape for name, value in batch.items()} == {
        "references": (3, 2, 64, 64, 3),
        "statistics": (3, STATISTICS_DIM),
        "description": (3, DESCRIPTION_DIM),
        "matrix": (3, 3, 3),
        "offset": (3, 3),
        "photos": (3, 2, 64, 64, 3),
        "truths": (3, 2, 64, 64, 3),
        "short_side": (3, 2),
    }
    assert all(np.isfinite(value).all() for value in batch.values())
    assert not np.array_equal(batch["photos"], batch["truths"])


def test_a_batch_depends_on_seed_and_step_alone(domains: dict[str, list[Path]]) -> None:
    def drawn(step: int, seed: int = 0, purpose: str = "looks") -> bytes:
        config = DrawConfig(looks=1, pictures=1, targets=1, size=64, seed=seed)
        item = PairedLooks(domains, config, 9, purpose)[step]
        return b"".join(item[name].tobytes() for name in sorted(item))

    assert drawn(4) == drawn(4)
    assert len({drawn(4), drawn(5), drawn(4, seed=1), drawn(4, purpose="validation looks")}) == 4


def test_a_look_is_told_by_the_layers_it_has() -> None:
    looks = [draw_look(numpy_generator(5, k, "test")) for k in range(60)]
    told = np.stack([describe(look) for look in looks])
    assert told.shape == (60, DESCRIPTION_DIM)
    assert set(np.unique(told)) == {0, 1}
    assert [row.sum() for row in told] == [len(set(look.families)) for look in looks]


def test_losses_are_numbers_of_any_device_and_zero_at_the_truth() -> None:
    with torch.device("meta"):
        base = default_base()
        data = {
            "references": torch.empty(2, 3, 64, 64, 3, dtype=torch.uint8),
            "photos": torch.empty(2, 1, 64, 64, 3, dtype=torch.uint8),
            "statistics": torch.empty(2, STATISTICS_DIM),
            "matrix": torch.empty(2, 3, 3),
            "offset": torch.empty(2, 3),
            "short_side": torch.empty(2, 1),
        }
        result, toned, code = base(data)
        terms = pair_losses(result, toned, torch.empty(2, 3, 64, 64), PretrainConfig())
        terms["told"] = description_loss(code, torch.empty(2, DESCRIPTION_DIM))
    assert result.shape == toned.shape == (2, 3, 64, 64)
    assert {(term.shape, term.device.type) for term in terms.values()} == {((), "meta")}
    truth = torch.rand(2, 3, 16, 16)
    assert all(t == 0 for t in pair_losses(truth, truth, truth, PretrainConfig()).values())
    lines = truth.clone()
    lines[..., ::2] += 0.1
    assert pair_losses(lines, truth, truth, PretrainConfig())["gradient"] > 0.04


@pytest.mark.parametrize(
    "wrong", [{"size": 100}, {"size": 32}, {"looks": 0}, {"precision": "fp8"}], ids=str
)
def test_impossible_settings_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        PretrainConfig(**wrong)


def test_too_few_pictures_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="at least 10 pictures"):
        pretrain({"few": starter_photos()[:5]}, tmp_path, PretrainConfig(**TINY, steps=1))
    with pytest.raises(DataError, match="holds no pictures"):
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


def test_a_resumed_run_equals_an_unbroken_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domains = {"content": starter_photos()[:12]}
    content = tmp_path / "content"
    content.mkdir()
    for path in domains["content"]:
        shutil.copy(path, content)
    monkeypatch.setattr(pretraining, "default_base", tiny_base)
    monkeypatch.setattr(pretraining, "VALIDATION_STEPS", 2)
    config = PretrainConfig(**TINY, steps=6, sample_every=0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert pretrain(domains, tmp_path / "whole", config)

        def stop_after_3(done: int, total: int) -> None:
            if done == 3:
                signal.raise_signal(signal.SIGINT)

        broken = tmp_path / "broken"
        assert not pretrain(domains, broken, config, on_progress=stop_after_3)
        stopped = load_latest_checkpoint(broken)
        assert stopped is not None
        assert stopped["step"] in (3, 4)
        # Through the command, which takes size and all else from the run.
        resumed = influ_here(
            "pretrain", "--content", content, "--out", broken, "--resume", "--device", "cpu"
        )
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


def test_a_base_to_start_from_must_fit(domains: dict[str, list[Path]], tmp_path: Path) -> None:
    tensors = {name: value.numpy() for name, value in tiny_base().state_dict().items()}
    config = PretrainConfig(**TINY, steps=1)
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
    deadline = time.monotonic() + 120
    while not list(run.glob("checkpoint-*.pt")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.1)
    os.killpg(process.pid, number)  # as a terminal does on Ctrl-C: to the workers as well
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "--resume" in said
    assert "Traceback" not in said
    state = load_latest_checkpoint(run)
    assert state is not None
    assert load_config(run)["size"] == 64
    assert (run / "metrics.csv").read_text().count("\n") >= 2
    assert len(list((run / "samples").glob("*.png"))) == 1
