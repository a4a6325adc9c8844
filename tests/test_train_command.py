"""Promises of `influ train`, on a small but real base in the place of the shipped one."""

import json
import shlex
import shutil
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from model_files import small_model
from PIL import Image
from typer.testing import CliRunner

from stylegan_cli.cli import build_app
from stylegan_cli.preparing.layout import hold_out
from stylegan_cli.sharing.preview import preview_path
from stylegan_cli.styles import (
    SHIPPED_MODEL,
    find_style,
    read_model,
    user_style_path,
    write_model,
)

SMALL = """
working_size = 80
precision = "fp32"
validate_every = 2
save_every = 2
texture = { crops = 16, kept = 2048 }
validation.patches = 1024
"""
IMPROVES = "validation.min_improvement = -100.0\n"  # whatever training makes is better
NEVER = "validation.min_improvement = 100.0\n"
ONE = ("--steps", "2", "--size", "64", "--batch", "1", "--config", "small.toml")


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / SHIPPED_MODEL
    write_model(small_model(), path)
    return path


@pytest.fixture
def place(tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder of a user who has a folder of faces and a few photos."""
    rng = np.random.default_rng(0)
    for name in ("faces", "photos"):
        (tmp_path / name).mkdir()
        for index in range(3):
            pixels = rng.integers(0, 256, (5, 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).resize((96, 80)).save(tmp_path / name / f"{index}.png")
    (tmp_path / "small.toml").write_text(SMALL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("stylegan_cli.styles.registry.weights_dir", lambda: shipped.parent)
    return tmp_path


def _influ(*arguments: str) -> Result:
    return CliRunner().invoke(build_app(), arguments)


def _train(*more: str) -> Result:
    return _influ("train", "--data", "faces", "--content", "photos", *ONE, *more)


def _told(result: Result) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(result.stdout)
    return told


def test_a_folder_of_faces_becomes_a_style_that_stylize_knows(place: Path) -> None:
    result = _train("--json")
    assert result.exit_code == 0, result.output
    assert _told(result) == {
        "run": "runs/faces",
        "steps": 2,
        "styles": ["faces"],
        "next": "influ stylize photo.jpg --style faces",
    }
    shutil.copy(place / "photos/0.png", place / "photo.png")
    assert _influ("stylize", "photo.png", "--style", "faces").exit_code == 0
    assert (place / "photo_faces.png").exists()
    assert _influ("export", "runs/faces", "-o", "faces.safetensors").exit_code == 0
    assert [style.name for style in read_model(place / "faces.safetensors").styles] == ["faces"]
    assert preview_path(user_style_path("faces")).exists()
    # The folder of pictures, which has the style's name, is not taken for a run.
    assert _influ("export", "faces", "-o", "again.safetensors").exit_code == 0
    assert _influ("export", "faces", "-o", "faces.cube").exit_code == 0
    assert (place / "faces.cube").exists()


def test_what_a_stopped_run_says_goes_on_with_it(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "my faces").mkdir()
    for path in (place / "faces").iterdir():
        shutil.copy(path, place / "my faces")
    with monkeypatch.context() as patched:
        at_once = SimpleNamespace(requested=True)
        patched.setattr(
            "stylegan_cli.training.loop.stop_between_steps", lambda: nullcontext(at_once)
        )
        stopped = _influ(
            *("train", "--data", "my faces", "--content", "photos", *ONE),
            *("--name", "anna", "--device", "cpu"),
        )
    assert stopped.exit_code == 130
    words = shlex.split(" ".join(stopped.stderr.split("go on with:")[1].split()))
    assert words[0] == "influ"
    result = _influ(*words[1:], "--json")
    assert result.exit_code == 0, result.output
    assert _told(result)["styles"] == ["anna"]
    assert "not the pictures" not in result.stderr
    shutil.copy(place / "photos/0.png", place / "my faces/3.png")
    assert "not the pictures" in " ".join(_influ(*words[1:]).stderr.split())
    other = _influ(*words[1:], "--name", "bertha")
    assert other.exit_code == 1
    assert "anna" in other.stderr


def test_a_style_that_hides_a_shipped_one_says_so(place: Path) -> None:
    shipped = small_model().styles[0].name
    result = _train("--name", shipped)
    assert f"influ styles remove {shipped}" in " ".join(result.stderr.split())


def test_a_folder_whose_name_can_be_no_styles_is_told_of_the_remedy(place: Path) -> None:
    (place / "faces").rename(place / "My Faces")
    refused = _influ("train", "--data", "My Faces", "--content", "photos", *ONE)
    assert refused.exit_code == 2
    assert "--name" in refused.stderr


def test_a_second_run_replaces_nothing_unless_told(place: Path) -> None:
    user_style_path("faces").parent.mkdir(parents=True)
    user_style_path("faces").write_bytes(b"mine")
    (place / "runs/faces").mkdir(parents=True)
    (place / "runs/faces/notes.txt").write_text("mine")
    with (place / "small.toml").open("a") as settings:
        settings.write(IMPROVES)
    result = _train("--json")
    assert result.exit_code == 0, result.output
    assert _told(result)["run"] == "runs/faces-2"
    assert _told(result)["styles"] == ["faces-2"]
    assert "faces-2" in result.stderr
    assert user_style_path("faces").read_bytes() == b"mine"
    refused = _train("--out", "runs/faces-2")
    assert refused.exit_code == 2
    assert "--overwrite" in refused.stderr
    assert _train("--overwrite", "--name", "faces").exit_code == 2  # runs/faces is no run
    (place / "runs/faces-2/notes.txt").write_text("mine")
    again = _train("--overwrite", "--json", "--name", "faces", "--out", "runs/faces-2")
    assert again.exit_code == 0, again.output
    assert user_style_path("faces").read_bytes() != b"mine"
    for folder in ("faces", "faces-2"):
        assert (place / "runs" / folder / "notes.txt").read_text() == "mine"


def test_a_run_that_improves_nothing_registers_no_copy(place: Path) -> None:
    assert _influ("styles", "add", "faces", "faces").exit_code == 0
    instant = user_style_path("faces").read_bytes()
    with (place / "small.toml").open("a") as settings:
        settings.write(NEVER)
    result = _train("--json")
    assert result.exit_code == 0, result.output
    assert _told(result)["styles"] == []
    assert _told(result)["next"] == "influ stylize photo.jpg --style faces"
    said = " ".join(result.stderr.split())
    assert "faces: nothing in 2 steps beat its instant style" in said
    assert "--steps 450" in said
    assert "your style faces stays as it is" in said
    assert user_style_path("faces").read_bytes() == instant
    assert not user_style_path("faces-2").exists()


def test_a_dry_run_says_what_it_would_do_and_does_nothing(place: Path) -> None:
    before = sorted(place.rglob("*"))
    told = _told(_train("--dry-run", "--json", "--gan", "lsgan", "--seed", "7"))
    assert told["creators"] == {"faces": 2}
    assert told["held_out"] == {"faces": 1}
    assert (told["settings"]["gan"], told["settings"]["seed"]) == ("lsgan", 7)
    assert told["settings"]["working_size"] == 80
    assert sorted(place.rglob("*")) == before


def test_a_finished_run_can_be_resumed_and_keeps_its_settings(place: Path) -> None:
    assert _train().exit_code == 0
    other = _train("--resume", "--seed", "3")
    assert other.exit_code == 2
    assert "seed 0" in other.stderr
    again = _train("--resume", "--json")
    assert again.exit_code == 0, again.output
    assert "was finished already, after 2 steps" in again.stderr
    assert "refining" not in again.stderr
    assert _told(again)["steps"] == 2
    assert _told(again)["styles"] == ["faces"]


def test_a_finished_run_goes_on_when_it_is_told_to_and_keeps_its_name(place: Path) -> None:
    assert _train().exit_code == 0
    told = ("train", "--data", "faces", "--content", "photos", "--resume", "--json")
    more = _influ(*told, "--steps", "3")
    assert more.exit_code == 0, more.output
    assert "finished already" not in more.stderr
    assert (_told(more)["steps"], _told(more)["styles"]) == (3, ["faces"])
    fewer = _influ(*told, "--steps", "2")
    assert fewer.exit_code == 2
    assert "steps 3" in fewer.stderr
    longer = _influ(*told, "--time-limit", "0.01s")
    assert longer.exit_code == 0, longer.output
    assert _told(longer)["steps"] > 3


def test_where_the_photos_come_from_is_said(place: Path) -> None:
    assert "2 of photos" in _train().stderr
    added = _influ("styles", "add", "anna", "faces")
    assert added.exit_code == 0, added.output
    assert "of the starter set" in added.stderr


@pytest.mark.parametrize("side", ["faces", "photos"])
def test_damaged_pictures_among_those_held_out_do_not_end_a_run(place: Path, side: str) -> None:
    held = hold_out(sorted((place / side).iterdir()))[1]
    for path in held:
        path.write_bytes(path.read_bytes()[:60])
    result = _train()
    assert result.exit_code == 0, result.output
    assert "held-out pictures can be read, so others validate" in result.stderr
    said = " ".join(result.stderr.split())
    assert [said.count(f"left out: can't read {side}/{path.name}") for path in held] == [1]


def test_a_style_that_could_not_be_kept_is_refused_before_the_work(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "a file").write_text("mine")
    monkeypatch.setenv("INFLU_STYLES", str(place / "a file" / "styles"))
    for words in (
        ("train", "--data", "faces", "--content", "photos", *ONE),
        ("styles", "add", "anna", "faces"),
    ):
        result = _influ(*words)
        assert result.exit_code == 1
        assert "no style can be kept there; name a folder of yours" in result.stderr
        assert result.stderr.count("\n") == 1
    assert not (place / "runs").exists()


def test_a_folder_that_is_no_run_is_refused_before_anything_is_said(place: Path) -> None:
    (place / "mine" / "samples").mkdir(parents=True)
    (place / "mine" / "samples" / "holiday.txt").write_text("mine")
    result = _train("--out", "mine", "--overwrite")
    assert result.exit_code == 2
    said = "mine exists already; it is not a training run of influ; move it away, or choose"
    assert " ".join(result.stderr.split()) == f"influ: {said} another name"
    assert [path.name for path in (place / "mine").rglob("*.*")] == ["holiday.txt"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--device", "cuda:0"), "CUDA"),
        (("--time-limit", "soon"), "no duration"),
        (("--time-limit", "1m"), "give one of them"),
        (("--resume",), "it contains no run"),
        (("--ema", "2"), "ema"),
        (("--name", "../up"), "can't be a style's name"),
        (("--init", "nowhere.safetensors"), "nowhere.safetensors"),
    ],
)
def test_wrong_use_is_said_and_nothing_is_left_behind(
    place: Path, options: tuple[str, ...], said: str
) -> None:
    result = _train(*options)
    assert result.exit_code in (1, 2), result.output
    assert said in " ".join(result.stderr.split())
    assert not user_style_path("faces").exists()
    assert not (place / "runs").exists()


def test_minutes_refine_a_style_in_a_run_of_its_own_and_the_better_one_is_kept(place: Path) -> None:
    (place / "faces/0 broken.jpg").write_bytes(b"no picture")
    asked = ("styles", "add", "anna", "faces", "--content", "photos", "--minutes", "0.02")
    made = _influ(*asked, "--run", "kept", "--licence", "CC0", "--json")
    assert made.exit_code == 0, made.output
    _, style = find_style("anna")
    (best,) = read_model(place / "kept/best.safetensors").styles
    assert (style.info.licence, style.info.pictures) == ("CC0", 3)
    assert style.info.refined == best.info.refined
    assert bool(style.deltas) == style.info.refined
    assert "anna" in (place / "kept/report.html").read_text()
    taken = _influ(*asked[:2], "bertha", *asked[3:], "--run", "kept")
    assert taken.exit_code == 2
    assert "--run" in taken.stderr
    assert not user_style_path("bertha").exists()


@pytest.mark.parametrize(
    "options",
    [("faces", "--minutes", "0"), ("faces", "--run", "kept"), ("--code", "x", "--minutes", "1")],
)
def test_minutes_that_make_no_sense_are_refused(place: Path, options: tuple[str, ...]) -> None:
    refused = _influ("styles", "add", "anna", *options)
    assert refused.exit_code == 2
    assert "--minutes" in refused.stderr


def test_a_model_of_ones_own_is_used_with_its_file(place: Path) -> None:
    result = _train("--init", "linear", "--json", "--precision", "fp32")
    assert result.exit_code == 0, result.output
    assert not user_style_path("faces").exists()
    shutil.copy(place / "photos/0.png", place / "photo.jpg")
    assert _influ(*_told(result)["next"].split()[1:]).exit_code == 0
