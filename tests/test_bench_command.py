"""Promises of `influ bench`, at sizes of a few pixels."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from in_process import in_process
from model_files import small_model, write_small_model

from stylegan_cli.backends import installed_backends
from stylegan_cli.commands.bench import bench as bench_command
from stylegan_cli.errors import StyleNotFoundError
from stylegan_cli.evaluation import throughput as speed
from stylegan_cli.runtime.timing import time_runs
from stylegan_cli.styles import Mode, write_model
from stylegan_cli.stylizer import StylizerConfig

bench = in_process(bench_command)

SIZES = ((8, 8), (24, 40))


# Sizes that take no time, and one start of a process instead of four.
SMALL = speed.ThroughputConfig(
    sizes=SIZES, cold_size=(16, 16), cold_starts=1, min_runs=1, max_runs=1
)


def model_of(path: Path, **modes: Mode) -> Path:
    """The small model with its styles of these kinds."""
    model = small_model()
    styles = tuple(
        dataclasses.replace(style, info=dataclasses.replace(style.info, mode=modes[style.name]))
        for style in model.styles
    )
    write_model(dataclasses.replace(model, styles=styles), path)
    return path


def test_the_default_and_a_drawn_creator_are_measured_at_each_size_on_each_backend(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_of(tmp_path / "m.safetensors", creatorA="photographic", toon="drawn")
    bench(model=model, config=SMALL, as_json=True)
    record = json.loads(capsys.readouterr().out)
    measured = [
        (row["height"], row["width"], row["style"], row["mode"], row["backend"])
        for row in record["stylizing"]
    ]
    looks = [("creatorA", "photographic"), ("toon", "drawn")]
    assert measured == [
        (*size, *look, backend)
        for size in SIZES
        for look in looks
        for backend in installed_backends()
    ]
    assert all(0 < row["min_ms"] <= row["ms"] for row in record["stylizing"])
    assert record["cold_start"]["style"] == "creatorA"
    assert record["cold_start"]["seconds"] > 0


def test_a_style_of_colour_alone_is_measured_once_and_names_no_backend(tmp_path: Path) -> None:
    model = model_of(tmp_path / "m.safetensors", creatorA="colour", toon="colour")
    stylizers = speed.open_stylizers(StylizerConfig(model=model))
    assert [stylizer.name for stylizer in stylizers] == ["creatorA"]
    assert {one.backend for one in speed.measure_throughput(stylizers[:1], SMALL)} == {None}


def test_a_style_that_is_named_is_measured_alone(tmp_path: Path) -> None:
    model = model_of(tmp_path / "m.safetensors", creatorA="photographic", toon="drawn")
    names = {
        stylizer.name
        for stylizer in speed.open_stylizers(StylizerConfig(style="creatorA", model=model))
    }
    assert names == {"creatorA"}
    with pytest.raises(StyleNotFoundError, match="nobody"):
        speed.open_stylizers(StylizerConfig(style="nobody", model=model))


def test_torch_is_loaded_only_where_it_is_asked_for(tmp_path: Path) -> None:
    model = write_small_model(tmp_path / "model.safetensors")
    script = (
        "import sys\nfrom pathlib import Path\n"
        "from stylegan_cli.commands.bench import bench\n"
        "from stylegan_cli.evaluation.throughput import ThroughputConfig\n"
        "from stylegan_cli.stylizer import StylizerConfig\n"
        f"small = ThroughputConfig(sizes={SIZES}, cold_size=(16, 16), cold_starts=1)\n"
        "bench(StylizerConfig(model=Path(sys.argv[1]), backend=sys.argv[2], device='cpu'), small)\n"
        "print('torch' in sys.modules, file=sys.stderr)\n"
    )
    for backend, is_loaded in (("auto", "False"), ("torch", "True")):
        done = subprocess.run(
            [sys.executable, "-c", script, str(model), backend],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr.split()[-1] == is_loaded
        assert "40x24" in done.stdout
        assert "one photo of 16x16, from start to end" in done.stdout


def test_what_a_slow_machine_has_no_time_for_is_left_out_and_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = model_of(tmp_path / "m.safetensors", creatorA="photographic", toon="photographic")
    no_time = dataclasses.replace(SMALL, limit_s=0)
    bench(model=model, backend="onnx", config=no_time, as_json=True)
    printed = capsys.readouterr()
    assert json.loads(printed.out)["stylizing"] == []
    assert "2 left out" in printed.err


@pytest.mark.parametrize("size", [(1, 1), (24, 40), (40, 24), (300, 16)])
def test_the_picture_has_any_size_and_is_the_same_each_time(size: tuple[int, int]) -> None:
    picture = speed.picture_of(size)
    assert (picture.shape, picture.dtype) == ((*size, 3), np.uint8)
    np.testing.assert_array_equal(picture, speed.picture_of(size))


def test_the_first_run_warms_up_and_runs_go_on_until_the_time_is_over() -> None:
    calls: list[int] = []
    timing = time_runs(lambda: calls.append(1), min_runs=2, max_runs=5, budget_s=60)
    assert (len(calls), len(timing.seconds)) == (6, 5)
    timing = time_runs(lambda: calls.append(1), min_runs=2, max_runs=5, budget_s=0)
    assert (len(calls), len(timing.seconds)) == (9, 2)
    assert 0 <= timing.min_s <= timing.median_s
