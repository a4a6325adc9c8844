"""Promises of learning/logging.py."""

import resource
from pathlib import Path

import pytest

from stylegan_cli.errors import WriteError
from stylegan_cli.learning.logging import Metrics, read_metrics


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


def test_lines_that_are_no_numbers_are_left_out(tmp_path: Path) -> None:
    lines = (
        "1,0.5",
        f"{'9' * 5000},1",
        "-2,1",
        "3,abc",
        "1e1,1",
        "٣,1",
        ",1",
        "4,-inf",
        '5,"a\nb"',
    )
    (tmp_path / "metrics.csv").write_text("\n".join(("step,loss", *lines)) + "\n")
    with Metrics(tmp_path, ["loss"], resumed_step=9):
        pass
    rows = read_metrics(tmp_path / "metrics.csv")
    assert [(row["step"], row["loss"]) for row in rows] == [("1", "0.5"), ("4", "-inf")]


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    columns = [f"loss {number}" for number in range(100)]
    with Metrics(tmp_path, columns) as metrics:
        size = (tmp_path / "metrics.csv").stat().st_size
        resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, before[1]))
        try:
            with pytest.raises(WriteError, match="make room and try again"):
                metrics.write(1, dict.fromkeys(columns, 1.0))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_metrics_that_are_no_text_are_set_aside_each_time(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "metrics.csv").write_bytes(b"step,loss\n%d,\xff\n" % number)
        with Metrics(tmp_path, ["loss"], resumed_step=1) as metrics:
            metrics.write(2, {"loss": 0.5})
        assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == ["2"]
    for number in (1, 2):
        aside = tmp_path / f"metrics.csv.damaged-{number}"
        assert aside.read_bytes().endswith(b"%d,\xff\n" % number)
