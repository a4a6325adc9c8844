"""What works where PyTorch is not installed, and what the rest says."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from clip_files import make_clip
from model_files import write_small_model
from picture_files import put, saved, scene

from stylegan_cli.runtime.packages import EXTRAS
from stylegan_cli.runtime.resources import starter_dir

# A process that finds none of these packages, and runs one call of influ per line of stdin.
SCRIPT = """
import json, sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "torchvision", "timm", "tensorboard"):
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Nothing())
from typer.testing import CliRunner
from stylegan_cli import cli

for line in sys.stdin:
    result = CliRunner().invoke(cli.build_app(whole=False), json.loads(line))
    print(json.dumps([result.exit_code, result.output]), flush=True)
"""

REMEDY = "pip install 'stylegan-cli[train]'"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model, a photo, a clip and pictures of a creator with their true results."""
    folder = tmp_path_factory.mktemp("bare")
    write_small_model(folder / "model.safetensors")
    put(folder / "photo.png", saved(scene(), "PNG"))
    make_clip(folder / "clip.mp4", times=(0, 100, 200))
    photos = sorted(starter_dir().glob("*.jpg"))[:4]
    for name in ("content", "toon", "truth"):
        (folder / name).mkdir()
        for photo in photos:
            put(folder / name / photo.name, photo.read_bytes())
    return folder


def run_all(place: Path, calls: list[str]) -> list[tuple[int, str]]:
    """Exit code and output of each call, in one process without the packages of learning."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input="".join(json.dumps(call.split()) + "\n" for call in calls),
        capture_output=True,
        text=True,
        check=True,
        cwd=place,
        env=os.environ | {"INFLU_STYLES": str(place / "styles")},
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]


def test_all_but_learning_works(place: Path) -> None:
    model = "--model model.safetensors"
    reference = next((place / "content").iterdir()).relative_to(place)
    calls = [
        f"stylize photo.png --style toon {model}",
        f"stylize photo.png --reference {reference} {model} -o r.png",
        f"video clip.mp4 --style toon {model}",
        f"generate photo.png --style toon --count 2 {model}",
        f"sheet photo.png {model}",
        "compare photo.png photo_toon.png",
        "prep content -o data --size 64 --min-sharpness 0 --faces off",
        "styles add anna toon",
        "styles list",
        "styles code anna",
        "styles pack anna -o anna.safetensors",
        "styles install anna.safetensors --as berta",
        "styles rename berta carla",
        "styles remove carla",
        "export anna -o anna.cube",
        "info model.safetensors",
        f"evaluate --data . --style toon {model} --paired truth",
        "train --data toon --dry-run",
        "pretrain --content content --dry-run",
    ]
    for call, (code, output) in zip(calls, run_all(place, calls), strict=True):
        assert code == 0, (call, output)


def test_what_learns_says_what_to_install(place: Path) -> None:
    calls = [
        "train --data toon",
        "pretrain --content content --out base",
        "styles add dora toon --minutes 1",
        "evaluate --data . --style toon --model model.safetensors",
        "stylize photo.png --backend torch -o t.png",
        "stylize photo.png --device cuda -o t.png",
    ]
    before = sorted(place.rglob("*"))
    for call, (code, output) in zip(calls, run_all(place, calls), strict=True):
        assert (code, output.count("influ: ")) == (1, 1), (call, output)
        assert REMEDY in " ".join(output.split()), call
    assert sorted(place.rglob("*")) == before


def test_the_extra_names_what_only_learning_needs() -> None:
    project = tomllib.loads(
        (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    )["project"]
    extra = project["optional-dependencies"]["train"]
    assert set(extra) <= set(project["dependencies"])
    assert sorted(entry.partition(">=")[0] for entry in extra) == list(EXTRAS["train"])
