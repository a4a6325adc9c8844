"""Promises of benchmarks/full_size.py."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import full_size
import records
import splits

SIDE = 128


def photo(seed: int) -> np.ndarray:
    """Smooth colours, as in a photo out of focus."""
    corners = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(corners).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def painting(seed: int) -> np.ndarray:
    """Coarse strokes in ochre."""
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE)).astype(np.float32)
    strokes = cv2.GaussianBlur(noise, (0, 0), sigmaX=4, sigmaY=1)
    tone = 0.5 + 0.4 * np.tanh(6 * strokes)[..., None]
    return (tone * np.array([230, 180, 90])).astype(np.uint8)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"SHORT_SIDE": SIDE, "CROP": 32, "HALVINGS": 2, "PATCHES": 1024}.items():
        monkeypatch.setattr(full_size, name, value)
    monkeypatch.setattr(full_size, "split", partial(splits.split, test_count=4))


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Run a command on four test photos and a shipped style; returns what it printed."""
    for place, draw, count in (("photos/people", photo, 8), ("creators/toon", painting, 12)):
        (tmp_path / place).mkdir(parents=True)
        for seed in range(count):
            Image.fromarray(draw(seed)).save(tmp_path / place / f"{seed}.jpg", quality=95)

    def command(name: str, *arguments: str) -> str:
        places = [] if name == "sheets" else ["--results", str(tmp_path / "results.jsonl")]
        if name != "show":
            places += ["--photos", str(tmp_path / "photos"), "--styles", "toon"]
            places += ["--creators", str(tmp_path / "creators")]
        monkeypatch.setattr(sys, "argv", ["full_size.py", name, *places, *arguments])
        full_size.main()
        return capsys.readouterr().out

    return command


def test_the_way_begins_at_the_photos_and_ends_at_the_creator() -> None:
    photos, held_out, more = (
        full_size.Crops([draw(seed) for seed in seeds])
        for draw, seeds in (
            (photo, range(4)),
            (painting, range(10, 18)),
            (painting, range(20, 24)),
        )
    )
    scale = full_size.Scale(photos, held_out)
    untouched, alike = scale.place(photos), scale.place(more)
    assert untouched["way_lite0"] == untouched["way_lite1"] == 0
    assert alike["way_lite0"] == pytest.approx(1, abs=0.2)
    assert alike["patch_swd"] < untouched["patch_swd"] / 3


def test_crops_fill_the_middle_of_a_picture_and_know_whose_they_are() -> None:
    picture = np.arange(70 * 100 * 3).reshape(70, 100, 3)
    crops = full_size.crops_of(picture)
    assert [crop.shape for crop in crops] == [(32, 32, 3)] * 6
    assert np.array_equal(np.concatenate(crops[:3], axis=1), picture[3:35, 2:98])
    seen = full_size.Crops([photo(0), painting(0)[:64]])
    assert [len(seen.of([k])) for k in (0, 1)] == [16, 8]


@pytest.mark.parametrize("stride", [2, 4, 8])
def test_a_weave_of_the_network_stands_out_and_strokes_do_not(stride: int) -> None:
    working = 96
    position = np.arange(SIDE) * working / SIDE
    # Finer strokes are fainter, and so may be the weave that shows among them.
    weave = 8 * stride * np.cos(2 * np.pi * position / stride)[:, None, None]
    pictures = [painting(seed) for seed in range(4)]
    woven = [np.clip(picture + weave, 0, 255).astype(np.uint8) for picture in pictures]
    assert full_size.stride_peak(pictures, working) < 3
    assert full_size.stride_peak(woven, working) > 10


def test_a_style_is_measured_and_shown(run: Callable[..., str], tmp_path: Path) -> None:
    printed = run("measure")
    (record,) = records.read_records(tmp_path / "results.jsonl")
    assert record["style"] == "toon"
    assert record["crops"] == 64
    assert record["luminance_ssim"] < 1
    assert record["creator_dots"] is None  # nobody is in these pictures
    assert run("show") == printed


def test_sheets_show_crops_at_full_size(run: Callable[..., str], tmp_path: Path) -> None:
    path = Path(run("sheets", "--out", str(tmp_path / "out"), "--count", "2").strip())
    assert path.parent == tmp_path / "out"
    with Image.open(path) as sheet:
        assert sheet.width > 3 * 64
