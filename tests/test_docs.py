"""What the documents say is what the program does."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import typer.main

from stylegan_cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
sys.path.insert(0, str(ROOT / "docs" / "scripts"))

import make_commands  # noqa: E402


def shown_commands() -> list[tuple[str, str]]:
    """(page, line) for each `influ` line in a block of shell commands."""
    found = []
    for page in PAGES:
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
            lines = block.replace("\\\n", " ").splitlines()
            found += [(page.name, line) for line in lines if line.startswith("influ ")]
    return found


@pytest.mark.parametrize(("page", "line"), shown_commands())
def test_every_command_shown_exists_with_its_options(page: str, line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command = typer.main.get_command(cli.build_app())
    while words and words[0] in getattr(command, "commands", {}):
        command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
    assert not getattr(command, "no_args_is_help", False) or words[0].startswith("-"), line
    known = {option for parameter in command.params for option in parameter.opts}
    known |= {"--help", "-h"}
    asked = {word.split("=")[0] for word in words if re.match(r"--?[a-z]", word)}
    assert asked <= known, f"{page}: {asked - known} in: {line}"


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[>=<\[]", item)[0] for item in project["dependencies"]}
    section = (
        (ROOT / "docs/how-it-works.md").read_text().split("## Dependencies")[1].split("\n## ")[0]
    )
    assert set(re.findall(r"^\| ([\w.-]+) \| \w", section, re.MULTILINE)) - {"package"} == names


def test_the_page_of_commands_is_what_the_commands_say() -> None:
    page = (ROOT / "docs/commands.md").read_text()
    assert page == make_commands.page(), "run python docs/scripts/make_commands.py"
    for name in [*cli.COMMANDS, *(f"styles {name}" for name in cli.STYLES_COMMANDS)]:
        assert f"## `influ {name}`" in page, name


def test_the_site_builds_offline_with_every_link_and_picture_in_place(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    shutil.copy(ROOT / "zensical.toml", tmp_path)
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    index = (tmp_path / "build/site/index.html").read_text()
    assert not re.findall(r'(?:src|<link[^>]*href)="https?://[^"]*', index)


def test_every_picture_of_the_docs_is_made_by_a_script() -> None:
    made = (ROOT / "docs/scripts/make_doc_pictures.py").read_text()
    shown = {
        name for page in PAGES for name in re.findall(r"\]\(images/([^)]+)\)", page.read_text())
    }
    assert shown
    for name in shown:
        assert name in made, name
        assert (ROOT / "docs/images" / name).exists(), name
