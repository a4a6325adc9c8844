"""Promises of learning/checkpoints.py."""

import logging
import os
import resource
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from stylegan_cli.errors import BusyError, OutputExistsError, TrainingError, WriteError
from stylegan_cli.learning.checkpoints import (
    has_checkpoint,
    load_config,
    load_latest_checkpoint,
    opened_run,
    restoring,
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


def test_later_checkpoints_that_are_damaged_do_not_push_out_good_ones(tmp_path: Path) -> None:
    names = ("checkpoint-00000098.pt", "checkpoint-00000099.pt", "checkpoint-best.pt")
    fill(tmp_path, *names)
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, step, {"weight": torch.zeros(2)})
        state = load_latest_checkpoint(tmp_path)
        assert state is not None
        assert state["step"] == step
    assert names_in(tmp_path) == {*names, "checkpoint-00000002.pt", "checkpoint-00000003.pt"}


def test_a_checkpoint_that_does_not_know_whether_it_is_whole_is_passed_over(tmp_path: Path) -> None:
    torch.save({"step": 7, "weight": torch.zeros(2)}, tmp_path / "checkpoint-00000007.pt")
    assert load_latest_checkpoint(tmp_path) is None


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


def _shows_one_number_often(path: Path) -> None:
    state = {"weight": torch.zeros(1).expand(1 << 28), "step": 2, "sum": "0"}
    torch.save(state, path)


def _unpacks_to_much(path: Path) -> None:
    whole = path.with_name("whole")
    torch.save({"weight": torch.zeros(1 << 24), "step": 2, "sum": "0"}, whole)
    with zipfile.ZipFile(whole) as read, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in read.namelist():
            packed.writestr(name, read.read(name))
    whole.unlink()


@pytest.mark.parametrize("make", [_shows_one_number_often, _unpacks_to_much, os.mkfifo])
def test_a_checkpoint_that_asks_for_more_than_it_holds_is_passed_over(
    tmp_path: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    save_checkpoint(tmp_path, 1, {"weight": torch.zeros(2)})
    make(tmp_path / "checkpoint-00000002.pt")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    state = load_latest_checkpoint(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert "checkpoint-00000002.pt can't be read" in caplog.text
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB


def test_whatever_a_foreign_checkpoint_breaks_is_one_sentence(tmp_path: Path) -> None:
    said = r"run does not fit its run \('head'\); begin"
    with pytest.raises(TrainingError, match=said), restoring(tmp_path / "run"):
        {}["head"]


def test_a_failed_write_leaves_the_last_checkpoint_alone(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"weight": torch.zeros(2)})
    with pytest.raises(Exception, match="pickle"):
        save_checkpoint(tmp_path, 2, {"not a tensor": (n for n in range(3))})
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]


def test_a_checkpoint_that_finds_no_room_is_one_sentence(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"weight": torch.zeros(2)})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(WriteError, match=r"checkpoint-00000002.*make room and try again"):
            save_checkpoint(tmp_path, 2, {"weight": torch.zeros(10_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint-00000001.pt"]


RUN_NAMES = (
    "checkpoint-00000001.pt",
    "config.json",
    "metrics.csv",
    "report.html",
    "start.safetensors",
    "best.safetensors",
    "samples/anna-000250.jpg",
    "tensorboard/events.out.tfevents.1.host.2.0",
)
NAMES_OF_THE_USER = ("notes.txt", "samples/holiday.txt", "best.safetensors.bak", "a/config.json")


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names_in(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_overwriting_a_run_removes_what_it_wrote_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with opened_run(folder):
        fill(folder, *RUN_NAMES, *NAMES_OF_THE_USER)
    (folder / "tensorboard" / "events.out.tfevents.2").symlink_to(tmp_path)
    with opened_run(folder, overwrite=True):
        assert names_in(folder) - {".influ-folder.json"} == {
            *NAMES_OF_THE_USER,
            *(str(path.relative_to(folder)) for path in folder.glob("*.claim")),
        }
    assert tmp_path.exists()


def test_overwriting_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    fill(folder, *RUN_NAMES, *NAMES_OF_THE_USER)
    before = names_in(folder)
    with (
        pytest.raises(OutputExistsError, match="not a training run"),
        opened_run(folder, overwrite=True),
    ):
        pass
    assert names_in(folder) == before


def test_a_run_that_wrote_nothing_leaves_no_folder(tmp_path: Path) -> None:
    with pytest.raises(TrainingError), opened_run(tmp_path / "runs" / "a"):
        raise TrainingError("no pictures")
    assert list(tmp_path.iterdir()) == []


def test_a_run_folder_has_one_process_at_a_time(tmp_path: Path) -> None:
    with (
        opened_run(tmp_path / "run"),
        pytest.raises(BusyError, match=f"process {os.getpid()}"),
        opened_run(tmp_path / "run", resume=True),
    ):
        pass


def test_an_empty_folder_has_nothing_to_resume(tmp_path: Path) -> None:
    assert load_latest_checkpoint(tmp_path) is None
    assert not has_checkpoint(tmp_path)


def test_config_comes_back_as_written(tmp_path: Path) -> None:
    save_config(tmp_path / "run", {"seed": 3, "penalty": "r1", "steps": None})
    assert load_config(tmp_path / "run") == {"seed": 3, "penalty": "r1", "steps": None}
    with pytest.raises(TrainingError, match=r"config\.json"):
        load_config(tmp_path)


def test_a_checkpoint_with_any_other_byte_is_passed_over(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, 1, {"weight": torch.arange(4.0), "best": [{"score": 0.5}]})
    newest = save_checkpoint(tmp_path, 2, {"weight": torch.arange(4.0), "best": [{"score": 0.5}]})
    whole = newest.read_bytes()
    for place in range(0, len(whole), 29):
        newest.write_bytes(whole[:place] + bytes([whole[place] ^ 16]) + whole[place + 1 :])
        state = load_latest_checkpoint(tmp_path)
        assert state is not None
        assert state["weight"].tolist() == [0, 1, 2, 3]
        assert state["best"] == [{"score": 0.5}]
        assert state["step"] in (1, 2)


@pytest.mark.parametrize("text", ["[]", "{", "[" * 99_999, "nul"])
def test_a_config_of_a_wrong_kind_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(TrainingError, match="damaged"):
        load_config(tmp_path)
