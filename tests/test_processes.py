"""Promises of learning/processes.py, shares.py and whole_batch.py, and of runtime/launch.py."""

import multiprocessing
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.errors import ConfigError, DeviceError, TrainingError, UsageError
from stylegan_cli.learning import processes
from stylegan_cli.learning.checkpoints import load_latest_checkpoint
from stylegan_cli.learning.processes import ProcessTeam, process_team
from stylegan_cli.learning.whole_batch import WholeBatch
from stylegan_cli.runtime.interruption import StopRequest
from stylegan_cli.runtime.launch import Launch, is_first, launched
from stylegan_cli.runtime.resources import starter_photos

TINY = f"""
looks = 4
pictures = 1
max_pictures = 2
size = 64
warmup = 0
precision = "fp64"
validation_batches = 1
sample_every = 0
decay_from = 1.0  # nothing may depend on how many steps there are to come
features_until = 1.0
teacher_share = 0.0
distillation_weight = 0.0
generator = {{ base_channels = 4, blocks = 1, colour_channels = 4 }}
encoder = {{ statistics_dim = {STATISTICS_DIM}, channels = [4, 4, 4, 4], hidden = 8 }}
"""


def set_launch(monkeypatch: pytest.MonkeyPatch, rank: str, size: str, local_rank: str) -> None:
    values = {"RANK": rank, "WORLD_SIZE": size, "LOCAL_RANK": local_rank}
    for name, value in {**values, "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(("count", "size", "parts"), [(8, 1, 1), (8, 2, 2), (7, 3, 2)])
def test_shares_have_each_sample_of_a_batch_once(count: int, size: int, parts: int) -> None:
    teams = [ProcessTeam(rank=rank, size=size) for rank in range(size)]
    shares = [share for team in teams for share in team.shares(count, parts)]
    samples = torch.arange(count)
    assert sorted(torch.cat([samples[share.slice] for share in shares]).tolist()) == list(
        range(count)
    )
    assert sum(share.weight for share in shares) == pytest.approx(1)


def test_a_batch_that_is_too_small_for_the_team_is_refused() -> None:
    with pytest.raises(ConfigError, match="--batch 3 can't be shared by 2 processes in 2 parts"):
        ProcessTeam(size=2).shares(3, 2)


def test_a_loss_of_the_whole_batch_has_the_same_gradient_in_parts() -> None:
    torch.manual_seed(0)
    inputs, wanted = torch.randn(7, 3, dtype=torch.float64), torch.randn(7, dtype=torch.float64)
    weight = torch.randn(3, dtype=torch.float64, requires_grad=True)

    def loss(rows: torch.Tensor) -> torch.Tensor:  # of ranks, and so of all samples at once
        return (rows.sort().values - wanted.sort().values).square().mean()

    loss(inputs.tanh() @ weight).backward()
    assert weight.grad is not None
    expected, weight.grad = weight.grad, None
    team = ProcessTeam()
    shares = team.shares(len(inputs), 3)
    whole = WholeBatch(team, shares)
    whole.record([{"rows": (inputs[s.slice].tanh() @ weight).detach()} for s in shares])
    for share in shares:
        rows = inputs[share.slice].tanh() @ weight
        (share.weight * loss(whole.collect("rows", share, rows))).backward()
    torch.testing.assert_close(weight.grad, expected)


def _report(team: ProcessTeam, stop: StopRequest, place: Path, factor: torch.Tensor) -> None:
    team.add_up(factor * team.rank)
    assert team.agree(team.rank, 0) == [1, 5]
    (place / str(team.rank)).write_text(str(team.device))


def test_others_do_what_the_first_one_calls_until_it_is_through(tmp_path: Path) -> None:
    with process_team("cpu", 2) as team:
        for _ in range(2):
            team.call(_report, tmp_path, torch.tensor([2.0, 3.0]))
            assert team.add_up(torch.ones(2)).tolist() == [3, 4]
            assert team.agree(0, 5) == [1, 5]
    assert (tmp_path / "1").read_text() == "cpu"
    assert multiprocessing.active_children() == []
    assert not torch.distributed.is_initialized()


END_OF_A_TEAM = """
from pathlib import Path
import torch
from stylegan_cli.learning.processes import process_team

if __name__ == "__main__":  # the other process imports this file
    with process_team("cpu", 2) as team:
        weight = torch.nn.Parameter(torch.ones(1))
        torch.optim.Adam([weight])
    print([path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")])
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are listed in /proc")
def test_no_thread_of_a_team_outlives_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(END_OF_A_TEAM)
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=True
    )
    assert "python" in done.stdout
    assert "gloo" not in done.stdout


def _die(team: ProcessTeam, stop: StopRequest) -> None:
    multiprocessing.current_process().kill()


def _work_with_one_that_dies() -> None:
    with process_team("cpu", 2) as team:
        team.call(_die)
        team.add_up(torch.ones(1))


def test_a_process_that_is_lost_ends_the_run_with_a_sentence() -> None:
    with pytest.raises(TrainingError, match=r"has ended.*--resume"):
        _work_with_one_that_dies()
    assert multiprocessing.active_children() == []


def _unused(device: str) -> int:
    raise AssertionError(device)


def test_a_launcher_s_variables_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    assert launched() is None
    assert is_first()
    set_launch(monkeypatch, "3", "4", "1")
    assert launched() == Launch(rank=3, size=4, local_rank=1)
    assert not is_first()
    with pytest.raises(UsageError, match="leave --devices out"), process_team("cpu", 3):
        pass
    for wrong in (("4", "4", "0"), ("x", "4", "0"), ("0", "0", "0")):
        set_launch(monkeypatch, *wrong)
        with pytest.raises(UsageError, match="RANK"):
            launched()
    set_launch(monkeypatch, "0", "1", "0")
    with process_team("cpu", usual=_unused) as team:
        assert (team.rank, team.size, team.device.type) == (0, 1, "cpu")


def test_each_process_gets_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = {"auto": "cuda:0", "cuda": "cuda:0", "cuda:0": "cuda:0", "cuda:1": "cuda:1"}
    monkeypatch.setattr(processes, "resolve_device", lambda name, **_: gpus[name])
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    with pytest.raises(DeviceError, match="the GPUs here are 2"), process_team("auto", 3):
        pass
    with pytest.raises(UsageError, match="--device cuda"), process_team("cuda:1", 2):
        pass
    with process_team("cuda:1") as team:
        assert str(team.device) == "cuda:1"
    met: list[Any] = []
    monkeypatch.setattr(processes, "_meet", lambda team, place: met.append((team, place)))
    monkeypatch.setattr(processes, "_serve", lambda team: None)
    monkeypatch.setattr(processes, "_leave_to_first", lambda: None)
    monkeypatch.setattr(processes.signal, "signal", lambda *_: None)
    set_launch(monkeypatch, "3", "4", "1")
    processes.serve_first_process("auto")
    ((team, place),) = met
    assert (team.rank, team.size, str(team.device), place) == (3, 4, "cuda:1", "env://")


def test_a_run_under_torchrun_goes_on_in_one_process_as_if_there_had_been_one(
    tmp_path: Path,
) -> None:
    (tmp_path / "content").mkdir()
    for path in starter_photos()[:12]:
        (tmp_path / "content" / path.name).write_bytes(path.read_bytes())
    (tmp_path / "tiny.toml").write_text(TINY)

    def pretrain(out: str, steps: int, *more: str, launcher: tuple[str, ...] = ()) -> None:
        words = ("--content", "content", "--out", out, "--steps", str(steps), "--device", "cpu")
        command = (*launcher, "-m", "stylegan_cli", "pretrain", *words)
        done = subprocess.run(
            [sys.executable, *command, "--config", "tiny.toml", *more],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("influ export") == 1  # the first process alone speaks

    two = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    pretrain("run", 2, launcher=two)
    pretrain("run", 3, "--resume", "--devices", "1")
    pretrain("alone", 3, "--devices", "1", "--accumulate", "2")
    found, wanted = (load_latest_checkpoint(tmp_path / name) for name in ("run", "alone"))
    assert found is not None
    assert wanted is not None
    assert found["step"] == wanted["step"] == 3
    torch.testing.assert_close(found["base"], wanted["base"], rtol=0, atol=1e-9)
