"""The page in the browser: its files, and the short path of its own tests."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from stylegan_cli.errors import OutputExistsError, StyleFileError, WriteError
from stylegan_cli.sharing import page_export
from stylegan_cli.sharing.page_export import page_model, write_page
from stylegan_cli.styles import read_model, read_style, shipped_model

WEB = Path(__file__).resolve().parents[1] / "web"
CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the built page."""
    page = tmp_path / "dist"
    page.mkdir()
    (page / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(page_export, "page_dir", lambda: page)
    return page


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model as the page reads it, with its first look alone."""
    folder = tmp_path_factory.mktemp("model")
    model = read_model(shipped_model())
    one = type(model)(base=model.base, styles=model.styles[:1])
    for name, data in page_model(one).items():
        (folder / name).write_bytes(data)
    return folder


def _told(path: Path) -> dict[str, object]:
    with safe_open(path, framework="numpy") as file:
        told: dict[str, object] = json.loads(file.metadata()["influ-page"])
    return told


def test_first_look_is_small(files: Path) -> None:
    size = (files / "stylize.safetensors").stat().st_size
    assert size < 4_000_000  # beside 3.7 MB of ONNX Runtime, of 8 MB


def test_creators_travel_as_style_files_of_the_command(files: Path, tmp_path: Path) -> None:
    model = read_model(shipped_model())
    with safe_open(files / "stylize.safetensors", framework="numpy") as file:
        data = file.get_tensor("creator/0").tobytes()
    path = tmp_path / "style.safetensors"
    path.write_bytes(data)
    assert read_style(path, model.base).name == model.styles[0].name


def test_graphs_name_a_place_for_every_weight(files: Path) -> None:
    told = _told(files / "stylize.safetensors")
    weights = told["generator"]["weights"]  # type: ignore[index]
    ends = [weight["offset"] + int(np.prod(weight["shape"])) for weight in weights]
    assert [weight["offset"] for weight in weights] == [0, *ends[:-1]]


def test_draws_of_the_command_are_told(files: Path) -> None:
    told = _told(files / "learn.safetensors")
    start = told["creator_colours"]
    generator = np.random.PCG64(page_export.derive_seed(0, 0, "creator colours"))
    assert start == {key: str(value) for key, value in generator.state["state"].items()}


def test_export_needs_a_built_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_export, "page_dir", lambda: tmp_path / "nothing")
    with pytest.raises(StyleFileError, match="make web"):
        page_export.built_page()


def test_another_model_is_another_page_to_keep(built: Path, tmp_path: Path) -> None:
    (built / "service.js").write_text('const CACHE = "influ-0-{model}";')
    kept = []
    for content in (b"one", b"two"):
        write_page({"a": content}, tmp_path / "site", overwrite=True)
        kept.append((tmp_path / "site" / "service.js").read_text())
    assert "{model}" not in "".join(kept)
    assert kept[0] != kept[1]


def test_export_overwrites_nothing(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "site"
    out.mkdir()
    (out / "mine.txt").write_text("kept")
    with pytest.raises(OutputExistsError):
        write_page({}, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_export_never_writes_through_a_link(built: Path, tmp_path: Path) -> None:
    (built / "service.js").write_text("")
    mine, out = tmp_path / "mine", tmp_path / "site"
    for folder in (mine, out):
        folder.mkdir()
    (mine / "index.html").write_text("kept")
    for name, to in (("index.html", "../mine/index.html"), ("model", "../mine")):
        (out / name).symlink_to(to)
        with pytest.raises(WriteError):
            write_page({"a": b"one"}, out, overwrite=True)
        (out / name).unlink()
    assert [path.name for path in mine.iterdir()] == ["index.html"]
    assert (mine / "index.html").read_text() == "kept"


def _missing() -> str | None:
    """What the page's own tests lack here, with its remedy."""
    if shutil.which("node") is None:
        return "Node.js is not installed: install Node.js 20 or newer"
    version = subprocess.run(["node", "--version"], capture_output=True, text=True, check=False)
    major, minor = map(int, version.stdout.strip().removeprefix("v").split(".")[:2])
    if (major, minor) < (20, 14):
        return "Node.js is older than 20.14, which the page's tests need: install a newer one"
    if not CHROMIUM.exists():
        return f"there is no {CHROMIUM}: apt install chromium"
    if not (WEB / "dist" / "index.html").exists():
        return "the page is not built: make web"
    return None


@pytest.mark.skipif(_missing() is not None, reason=_missing() or "")
def test_page_stylizes_what_the_command_stylizes_and_sends_nothing() -> None:
    """web/tests/short.test.mjs, in Chromium; all of the page's tests: make test-web."""
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(WEB.parent)}
    process = subprocess.Popen(
        ["npm", "run", "--silent", "test:short"],
        cwd=WEB,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=300)
    finally:
        with contextlib.suppress(ProcessLookupError):  # the browser too, whatever became of it
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, output
