import hashlib
import inspect
import json
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import closed_form  # noqa: E402
import look_recovery  # noqa: E402
import looks  # noqa: E402
import records  # noqa: E402
import splits  # noqa: E402


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 small photos in two sets: colour gradients with noise."""
    folder = tmp_path_factory.mktemp("content")
    rng = np.random.default_rng(0)
    for index in range(60):
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
        parts = divide(content)
        assert all(parts)
        together = [path for part in parts for path in part]
        assert len(set(together)) == len(together)
    creators = splits.mismatched_split(content)[1]
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
    table = closed_form.transfer_table(source, other @ matrix + 0.1)
    image = (np.clip(source[:100], 0, 1) * 255).round().astype(np.uint8).reshape(10, 10, 3)
    truth = image / 255 @ matrix + 0.1
    assert np.abs(image / 255 @ found + offset - truth).max() < 0.02
    assert np.abs(closed_form.apply_table(image, table) - truth).mean() < 0.02


def test_a_measured_cell_is_not_measured_again(
    content: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    results = tmp_path / "results.jsonl"
    monkeypatch.setitem(look_recovery.SPLITS, "people", partial(splits.split, test_count=6))

    def run(*methods: str) -> None:
        arguments = ["--content", str(content), "--results", str(results), "--looks", "noir"]
        arguments = ["look_recovery.py", "measure", *arguments, "--methods", *methods]
        monkeypatch.setattr(sys, "argv", arguments)
        look_recovery.main()

    run("nothing")
    run("nothing", "linear")
    first, second = records.read_records(results)
    assert (first["method"], second["method"]) == ("nothing", "linear")
    assert second["psnr_db"] > first["psnr_db"] + 5
    assert second["content"] == splits.content_hash(content)
    monkeypatch.setattr(sys, "argv", ["look_recovery.py", "show", "--results", str(results)])
    look_recovery.main()
    assert f"{second['psnr_db']:.2f}" in capsys.readouterr().out


def test_prepared_folders_hold_the_look_and_no_test_photo(
    content: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["prepare", "--content", str(content), "--looks", "noir", "--pictures", "3"]
    monkeypatch.setattr(sys, "argv", ["look_recovery.py", *arguments, "--out", str(tmp_path)])
    look_recovery.main()
    parts = splits.split(content)
    assert len(list((tmp_path / "content").iterdir())) == len(parts[0])
    styled = sorted((tmp_path / "noir").iterdir())
    assert len(styled) == 3
    truth = looks.noir(splits.load(parts[1][0]))
    np.testing.assert_array_equal(np.asarray(Image.open(styled[0])), truth)


def test_a_method_that_needs_a_model_asks_for_it(
    content: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["measure", "--content", str(content), "--methods", "instant"]
    monkeypatch.setattr(sys, "argv", ["look_recovery.py", *arguments])
    with pytest.raises(SystemExit):
        look_recovery.main()
    assert "--model" in capsys.readouterr().err
