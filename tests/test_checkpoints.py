"""Promises of learning/checkpoints.py."""

import logging
from pathlib import Path

import pytest
import torch

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning.checkpoints import (
    Metrics,
    has_checkpoint,
    load_config,
    load_latest_checkpoint,
    read_metrics,
    remove_drafts,
    save_checkpoint,
    save_config,
)


def test_newest_checkpoint_comes_back_and_old_ones_are_removed(tmp_path: Path) -> None:
    for step in (9, 10, 100):
        save_checkpoint(tmp_path, step, {"weight": torch.full((3,), float(step)), "total": None})
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "checkpoint-00000010.pt",
        "checkpoint-00000100.pt",
    ]
    state = load_latest_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 100
    assert state["weight"].eq(100).all()


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_torn_checkpoint_is_passed_over(
    tmp_path: Path, share: float, caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path, 1, {"weight": torch.arange(1000.0)})
    torn = save_checkpoint(tmp_path, 2, {"weight": torch.arange(1000.0)})
    torn.write_bytes(torn.read_bytes()[: int(torn.stat().st_size * share)])
    with caplog.at_level(logging.WARNING):
        state = load_latest_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert torn.name in caplog.text


def test_a_failed_write_leaves_the_last_checkpoint_alone(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"weight": torch.zeros(2)})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(tmp_path, 2, {"not a tensor": (n for n in range(3))})
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]


def test_the_drafts_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours = (".checkpoint-00000002.pt-x1", ".best.safetensors-x1", ".influ-ab.part")
    kept = ("checkpoint-00000001.pt", "best.safetensors", ".notes", "report.html")
    for name in (*ours, *kept):
        (tmp_path / name).write_bytes(b"")
    remove_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(kept)


def test_an_empty_folder_has_nothing_to_resume(tmp_path: Path) -> None:
    assert load_latest_checkpoint(tmp_path) is None
    assert not has_checkpoint(tmp_path)


def test_config_comes_back_as_written(tmp_path: Path) -> None:
    save_config(tmp_path / "run", {"seed": 3, "penalty": "r1", "steps": None})
    assert load_config(tmp_path / "run") == {"seed": 3, "penalty": "r1", "steps": None}
    with pytest.raises(TrainingError, match=r"config\.json"):
        load_config(tmp_path)


def test_metrics_of_steps_after_the_resumed_one_are_dropped(tmp_path: Path) -> None:
    with Metrics(tmp_path, ["loss", "score"]) as metrics:
        for step in range(1, 6):
            metrics.write(step, {"loss": step / 3})
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("6")  # torn
    with Metrics(tmp_path, ["loss", "score"], resumed_step=3) as metrics:
        metrics.write(4, {"loss": 40.0, "score": float("nan")})
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [row["step"] for row in rows] == ["1", "2", "3", "4"]
    assert rows[-1] == {"step": "4", "loss": "40", "score": "nan"}


def test_tensorboard_sees_the_resumed_curve(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with Metrics(tmp_path, ["loss"]) as metrics:
        for step in range(1, 6):
            metrics.write(step, {"loss": 1.0})
    with Metrics(tmp_path, ["loss"], resumed_step=3) as metrics:
        metrics.write(4, {"loss": 2.0})
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    curve = [(event.step, event.value) for event in events.Scalars("loss")]
    assert curve[-1] == (4, 2.0)
