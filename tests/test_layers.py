"""Who may need what: stylizing comes without PyTorch, and every module has its layer."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from model_files import write_small_model

ROOT = Path(__file__).resolve().parents[1]
TORCH = ("torch", "torchvision", "timm")

# Run `influ` in this process, then say which of the heavy modules it has loaded.
WATCHED = f"""
import sys
from stylegan_cli.cli import main
try:
    main()
finally:
    print("loaded:", *[name for name in {TORCH} if name in sys.modules], file=sys.stderr)
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.mark.parametrize(
    "arguments",
    [
        ["stylize", "photo.jpg", "--style", "toon", "-o", "out"],
        ["stylize", "photo.jpg", "--reference", "photo.jpg", "-o", "out"],
        ["generate", "photo.jpg", "--style", "toon", "--count", "2", "-o", "out"],
    ],
    ids=["style", "reference", "generate"],
)
def test_stylizing_comes_without_pytorch(
    arguments: list[str], model: Path, photo: Path, tmp_path: Path
) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WATCHED, *arguments, "--model", model, "--device", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert any((tmp_path / "out").iterdir())
    assert result.stderr.splitlines()[-1].strip() == "loaded:"


def test_the_watch_would_see_pytorch() -> None:
    script = "import sys, types\nsys.modules['torch'] = types.ModuleType('torch')\n" + WATCHED
    result = subprocess.run(
        [sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=True
    )
    assert result.stderr.strip() == "loaded: torch"


def test_every_module_has_its_layer_and_none_is_optional() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
    layers = settings["contracts"][0]
    listed = {name.strip() for row in layers["layers"] for name in row.split("|")}
    found = {path.stem for path in (ROOT / "stylegan_cli").glob("*.py")}
    found |= {path.parent.name for path in (ROOT / "stylegan_cli").glob("*/__init__.py")}
    assert listed == found - {"__init__"}
    assert layers["exhaustive"] is True
