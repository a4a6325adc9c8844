import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import painters
import records
import splits


def photo(seed: int) -> np.ndarray:
    """Smooth colours, as in a photo out of focus."""
    corners = np.random.default_rng(seed).integers(0, 256, (3, 3, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(corners).resize((64, 64), Image.Resampling.BICUBIC))


def painting(seed: int) -> np.ndarray:
    """Coarse strokes in ochre."""
    noise = np.random.default_rng(seed).normal(size=(64, 64)).astype(np.float32)
    strokes = cv2.GaussianBlur(noise, (0, 0), sigmaX=4, sigmaY=1)
    tone = 0.5 + 0.4 * np.tanh(6 * strokes)[..., None]
    return (tone * np.array([230, 180, 90])).astype(np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """content/people with 14 photos, styles/ochre with 20 paintings."""
    root = tmp_path_factory.mktemp("painters")
    for place, draw, count in (("content/people", photo, 14), ("styles/ochre", painting, 20)):
        (root / place).mkdir(parents=True)
        for seed in range(count):
            Image.fromarray(draw(seed)).save(root / place / f"{seed}.jpg", quality=95)
    return root


Run = Callable[..., str]


@pytest.fixture
def run(
    folders: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run a command on four test photos at two strengths; returns what it printed."""
    monkeypatch.setattr(painters, "split", partial(splits.split, test_count=4))
    monkeypatch.setattr(painters, "HALVINGS", 2)
    monkeypatch.setattr(painters, "PATCHES", 1024)
    monkeypatch.setattr(painters, "STRENGTHS", (0.5, 1.0))

    def command(name: str, *arguments: str) -> str:
        places = ["--results", str(tmp_path / "results.jsonl")] if name != "sheets" else []
        if name != "table":
            places += ["--content", str(folders / "content"), "--styles", str(folders / "styles")]
            places += ["--painters", "ochre", "--runs", str(tmp_path / "runs")]
        monkeypatch.setattr(sys, "argv", ["painters.py", name, *places, *arguments])
        painters.main()
        return capsys.readouterr().out

    return command


@pytest.fixture(scope="module")
def scale() -> painters.Scale:
    """Eight photos against sixteen held-out paintings, halved twice."""
    with pytest.MonkeyPatch.context() as changed:
        changed.setattr(painters, "HALVINGS", 2)
        changed.setattr(painters, "PATCHES", 1024)
        photos = painters.Seen([photo(n) for n in range(8)])
        return painters.Scale(photos, painters.Seen([painting(n) for n in range(20, 36)]))


def test_the_way_begins_at_the_photos_and_ends_at_the_painter(
    scale: painters.Scale, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(painters, "PATCHES", 1024)
    untouched, painted = (
        scale.place(painters.Seen([draw(n) for n in range(8)])) for draw in (photo, painting)
    )
    assert untouched["compared"] == painted["judged"] == 8
    for network in painters.NETWORKS:
        assert untouched[f"way_{network}"] == 0
        assert painted[f"way_{network}"] == pytest.approx(1, abs=0.1)
        assert painted[f"kid_{network}"] < untouched[f"kid_{network}"] / 5
    assert untouched["patch_swd"] == untouched["ceiling_patch_swd"] > 2 * painted["patch_swd"]


def test_the_two_halves_share_no_painting_and_are_equal_in_number(scale: painters.Scale) -> None:
    for (one, other), (shown, theirs) in zip(scale.floor_pairs, scale.pairs, strict=True):
        assert len(one) == len(other) == len(shown) == 8
        assert not set(one) & set(other)
        assert (theirs == other).all()


def test_strength_leads_from_the_photo_to_the_painted_one() -> None:
    source, styled = photo(0), painting(0) / np.float32(255)
    np.testing.assert_array_equal(painters.mixed(source, styled, 0), source)
    np.testing.assert_array_equal(painters.mixed(source, styled, 1), painting(0))
    half = painters.mixed(source, styled, 0.5).astype(int)
    assert np.abs(half - (source.astype(int) + painting(0)) / 2).max() <= 0.51


def test_every_strength_is_measured_once_and_shown(run: Run, tmp_path: Path) -> None:
    assert run("measure", "--methods", "linear").startswith("1 to learn")
    half, full = records.read_records(tmp_path / "results.jsonl")
    assert (half["strength"], full["strength"]) == (0.5, 1.0)
    assert full["patch_swd"] < half["patch_swd"] < half["ceiling_patch_swd"]
    assert run("measure", "--methods", "linear").startswith("0 to learn")
    table = run("table")
    assert "| linear, strength 0.5 |" in table
    assert "| their own other pictures |" in table
    rows = [line for line in table.splitlines() if line.startswith("|")]
    assert len({row.count("|") for row in rows}) == 1


def test_sheets_show_what_each_method_makes(run: Run, tmp_path: Path) -> None:
    run("sheets", "--methods", "linear", "--photos", "2", "--out", str(tmp_path / "sheets"))
    sheet = np.asarray(Image.open(tmp_path / "sheets" / "ochre.png"))
    assert sheet.shape[0] > 2 * 320
    assert 2 * 320 < sheet.shape[1] < 3 * 320
