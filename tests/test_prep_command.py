"""`influ prep` as a user calls it."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from stylegan_cli.cli import build_app

STARTER = Path(__file__).parents[1] / "stylegan_cli" / "starter"


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder of four portraits."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for path in sorted(STARTER.glob("*-synthetic-*.jpg"))[:4]:
        shutil.copy(path, folder)
    return folder


def prep(*arguments: str | Path) -> tuple[int, str, str]:
    result = CliRunner().invoke(build_app(), ["prep", *map(str, arguments)])
    return result.exit_code, result.stdout, result.stderr


def test_a_folder_becomes_a_data_set_and_json_tells_about_it(faces: Path, tmp_path: Path) -> None:
    code, out, _ = prep(faces, "--out", tmp_path / "data", "--size", "128", "--as", "ink", "--json")
    told = json.loads(out)
    assert code == 0
    assert (told["name"], told["new"], told["train"] + told["val"]) == ("ink", 4, 4)
    assert Path(told["report"]).is_file()
    assert len(list((tmp_path / "data").glob("*/ink/*.jpg"))) == 4
    code, out, _ = prep(faces, "--out", tmp_path / "data", "--size", "128", "--as", "ink", "--json")
    assert (code, json.loads(out)["new"], json.loads(out)["already_there"]) == (0, 0, 4)


def test_rejected_by_a_rule_is_done_and_unreadable_is_part_failed(
    faces: Path, tmp_path: Path
) -> None:
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(faces / "tiny.png")
    code, out, _ = prep(faces, "--out", tmp_path / "data", "--size", "128")
    assert code == 0
    assert "too small 1" in out
    (faces / "broken.jpg").write_bytes(b"no picture")
    code, _, err = prep(faces, "--out", tmp_path / "data", "--size", "128")
    assert code == 3
    assert "1 of the files could not be read" in err.replace("\n", " ")
    assert len(list((tmp_path / "data").glob("*/content/*.jpg"))) == 4


def test_a_data_set_that_stays_empty_is_nothing_done(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((200, 200, 3), np.uint8)).save(tmp_path / "black.png")
    code, _, err = prep(tmp_path / "black.png", "--out", tmp_path / "data", "--size", "128")
    assert code == 1
    assert "no picture of 'content' is left to learn from" in err.replace("\n", " ")
    assert "blurred or empty (1)" in (tmp_path / "data" / "report.html").read_text()


@pytest.mark.parametrize(
    "wrong",
    [
        ["--faces", "perhaps"],
        ["--size", "0"],
        ["--every", "often"],
        ["--as", "a/b"],
        ["--val", "2"],
    ],
)
def test_wrong_use_exits_with_2_and_makes_nothing(
    wrong: list[str], faces: Path, tmp_path: Path
) -> None:
    code, _, _ = prep(faces, "--out", tmp_path / "data", *wrong)
    assert code == 2
    assert not (tmp_path / "data").exists()


def test_a_source_that_is_not_there_exits_with_2(tmp_path: Path) -> None:
    assert prep(tmp_path / "nowhere", "--out", tmp_path / "data")[0] == 2
