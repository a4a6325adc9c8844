"""Every command that the documents show is run, each on a desk with what it speaks of."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from clip_files import make_clip
from model_files import small_model
from picture_files import scene
from PIL import Image
from test_docs import shown_commands
from typer.testing import CliRunner

from stylegan_cli import cli
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import SHIPPED_MODEL, register, write_model, write_style
from stylegan_cli.training import refining

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
STYLES = ("creatorA", "noir", "pastel", "toon", "sketch", "vangogh")
PHOTOS = ("photo.jpg", "painting.jpg", "a.jpg", "b.jpg", "in.jpg")
FOLDERS = {"anna": 3, "faces": 3, "engravings": 3, "paintings": 3, "photos": 10, "shoot": 1}
# What waits, takes minutes, is cut short on the page, needs other machines, or continues what takes
# minutes to begin: of these only the options are checked, in test_docs.
NOT_RUN = re.compile(
    r"--watch|--code influ1|(train|pretrain) .*--resume|--device cuda|influ evaluate|influ ui"
    r"|export runs|--format web|base\.safetensors|--manifest"
)
RUN = sorted({line for _, line in shown_commands() if not NOT_RUN.search(line)})


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model with the names of shipped styles."""
    model = small_model()
    styles = tuple(model.styles[0].renamed(name) for name in STYLES)
    folder = tmp_path_factory.mktemp("weights")
    write_model(replace(model, styles=styles), folder / SHIPPED_MODEL)
    return folder


@pytest.fixture
def desk(tmp_path: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the photos, clips and pictures that the pages speak of."""
    for name in PHOTOS:
        Image.fromarray(scene(96, 128)).save(tmp_path / name)
    for folder, count in FOLDERS.items():
        (tmp_path / folder).mkdir()
        for path in starter_photos()[:count]:
            shutil.copy(path, tmp_path / folder)
    (tmp_path / "holiday" / "one").mkdir(parents=True)
    shutil.copy(tmp_path / "photo.jpg", tmp_path / "holiday" / "one")
    for side in ("content", "anna"):
        shutil.copytree(tmp_path / "anna", tmp_path / "data" / "train" / side)
    make_clip(tmp_path / "clip.mp4", times=range(0, 66_000, 1500), size=(64, 48))
    shutil.copy(tmp_path / "clip.mp4", tmp_path / "shoot")
    shutil.copy(EXAMPLES / "clip.mp4", tmp_path / "interview.mp4")
    monkeypatch.setattr("stylegan_cli.styles.registry.weights_dir", lambda: shipped)
    # What training itself promises is tested where it lives.
    monkeypatch.setattr(refining, "refine_style", lambda instant, *rest, **options: instant)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("line", RUN)
def test_a_command_on_a_page_runs(line: str, desk: Path) -> None:
    anna = small_model().styles[0].renamed("anna")
    if re.search(r"--style anna|(code|pack|export|rename|remove) anna", line):
        register(anna.renamed("anna_refined") if "anna_refined" in line else anna)
    if "remove portraits" in line:
        register(anna.renamed("portraits"))
    if "styles install" in line:
        write_style(anna, desk / "anna.safetensors")
    if "influ compare" in line:
        for name in ("photo_toon.jpg", "photo_toon_strength-60.jpg"):
            shutil.copy(desk / "photo.jpg", desk / name)
    command, _, source = line.partition("#")[0].partition(" > ")[0].partition(" < ")
    words = shlex.split(command)[1:]
    if words[0] in ("train", "pretrain"):
        words.append("--dry-run")
    data = Path(source.strip()).read_bytes() if source else None
    result = CliRunner().invoke(cli.build_app(), words, input=data)
    assert result.exit_code == 0, f"{line}\n{result.output}"
    assert result.stdout_bytes or words[0] == "styles", line
