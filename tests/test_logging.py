"""Promises of learning/logging.py."""

from pathlib import Path

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


def test_metrics_that_are_no_text_are_set_aside(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_bytes(b"step,loss\n1,\xff\n")
    with Metrics(tmp_path, ["loss"], resumed_step=1) as metrics:
        metrics.write(2, {"loss": 0.5})
    assert [row["step"] for row in read_metrics(tmp_path / "metrics.csv")] == ["2"]
    assert (tmp_path / "metrics.csv.damaged").read_bytes().endswith(b"\xff\n")
