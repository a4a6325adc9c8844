"""What the documents say is what the program does."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

from stylegan_cli import cli

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


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
    section = (ROOT / "docs/design.md").read_text().split("## Dependencies")[1].split("\n## ")[0]
    assert set(re.findall(r"^\| ([\w.-]+) \| \w", section, re.MULTILINE)) - {"package"} == names


def test_every_command_and_exit_code_is_documented() -> None:
    page = (ROOT / "docs/cli.md").read_text()
    for name in [*cli.COMMANDS, *(f"styles {name}" for name in cli.STYLES_COMMANDS)]:
        assert f"influ {name}" in page, name
    for code in (0, 1, 2, 3, 130):
        assert f"| {code} |" in page
