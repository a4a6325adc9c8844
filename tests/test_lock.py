"""The lock files hold all that pyproject.toml asks for, with hashes."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


def locked(*names: str) -> dict[str, list[Version]]:
    found: dict[str, list[Version]] = {}
    for name in names:
        for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
            if match := re.match(r"([A-Za-z0-9._-]+)(?:\[.*\])?==(\S+)", line):
                found.setdefault(canonicalize_name(match[1]), []).append(Version(match[2]))
    return found


def asked(*extras: str) -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    texts = list(project["dependencies"])
    for extra in extras:
        for text in project["optional-dependencies"][extra]:
            own = Requirement(text)
            texts += asked_texts(own) if own.name == project["name"] else [text]
    return [Requirement(text) for text in texts]


def asked_texts(own: Requirement) -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [text for extra in own.extras for text in project["optional-dependencies"][extra]]


@pytest.mark.parametrize(("name", "extras"), [("run", ()), ("dev", ("dev",))])
def test_every_dependency_is_locked_in_its_range(name: str, extras: tuple[str, ...]) -> None:
    versions = locked("torch", name)
    for requirement in asked(*extras):
        known = versions.get(canonicalize_name(requirement.name))
        assert known, f"{requirement.name} is missing: run `make lock`"
        assert all(version in requirement.specifier for version in known)


@pytest.mark.parametrize("name", ["run", "dev", "torch", "cuda"])
def test_every_locked_file_has_a_hash(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())[1:]
    assert blocks
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}", block) for block in blocks)


def test_actions_of_workflows_are_pinned_by_commit() -> None:
    workflows = list((ROOT / ".github" / "workflows").glob("*.yml"))
    used = [u for path in workflows for u in re.findall(r"uses: (\S+)", path.read_text())]
    assert used
    assert all(re.search(r"@[0-9a-f]{40}$", action) for action in used)
