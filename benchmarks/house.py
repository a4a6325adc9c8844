"""How the house is built, in numbers: rooms, arrows, lengths of functions, doubled defaults.

    python benchmarks/house.py [--repo FOLDER] [--list]

A *room* is a folder or a top-level module of the package; benchmarks/, and any other top-level
folder whose Python files import the package, is one more. Tests, examples and docs are none,
nor is the front door, the package's own __init__.py. An *arrow* is a pair of rooms of which the
first imports from the second, anywhere in a file, but for type checkers alone.
*Upward* is an arrow to a room of a higher layer in the contract of pyproject.toml; a *circle* is a
set of rooms of which each leads to every other.

A function's *length* is that of all its lines, decorators and docstring included; a *command* is a
function that cli.py lists. A *doubled default* is an option whose default stands in a command, as a
value or as text, while a field of that name in a config has the same.

Beside the numbers stand those of the tree before its rooms were built, counted the same way.
"""

import argparse
import ast
import tomllib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

PACKAGE = "stylegan_cli"
NOT_ROOMS = ("tests", "examples", "docs")
FRONT_DOOR = "__init__"
BEFORE: Mapping[str, int] = {
    "rooms": 46,
    "arrows": 224,
    "of them inside the package": 199,
    "upward": 0,
    "rooms in a circle": 0,
    "lines of the longest function": 234,
    "functions over 80 lines": 7,
    "functions over 60 lines": 14,
    "lines of the longest command": 234,
    "commands over 120 lines": 3,
    "doubled defaults": 35,
}

Rooms = dict[tuple[str, str], list[str]]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def room_of(file: Path, repo: Path) -> str:
    inside = file.relative_to(repo).parts
    if inside[0] != PACKAGE:
        return inside[0]
    return inside[1] if len(inside) > 2 else file.stem


def sources(repo: Path) -> list[Path]:
    found = sorted((repo / PACKAGE).rglob("*.py"))
    for folder in sorted(repo.iterdir()):
        if folder.is_dir() and folder.name not in (PACKAGE, *NOT_ROOMS) and folder.name[0] != ".":
            files = (path for path in sorted(folder.rglob("*.py")) if "tests" not in path.parts)
            found += [path for path in files if f"{PACKAGE}." in path.read_text()]
    return found


def for_checkers(tree: ast.Module) -> set[int]:
    """The nodes under `if TYPE_CHECKING`."""
    guards = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )
    return {id(node) for guard in guards for line in guard.body for node in ast.walk(line)}


def imported(tree: ast.Module, modules: Mapping[str, Path]) -> Iterator[Path]:
    """The files of the package that a file imports from."""
    skipped = for_checkers(tree)
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(PACKAGE):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name.startswith(PACKAGE)]
        for name in names:
            found = modules.get(name) or modules.get(name.rpartition(".")[0])
            if found is not None:
                yield found


def arrows_of(repo: Path) -> Rooms:
    """(importing room, imported room) → the importing files."""
    modules = {}
    for file in sorted((repo / PACKAGE).rglob("*.py")):
        parts = file.relative_to(repo).with_suffix("").parts
        modules[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    arrows: Rooms = defaultdict(list)
    for file in sources(repo):
        here = room_of(file, repo)
        for target in imported(ast.parse(file.read_text()), modules):
            there = room_of(target, repo)
            if there != here and FRONT_DOOR not in (here, there):
                arrows[here, there].append(file.name)
    return arrows


def rooms_of(repo: Path) -> set[str]:
    return {room_of(file, repo) for file in sources(repo)} - {FRONT_DOOR}


def layers_of(repo: Path) -> dict[str, int]:
    """Each room's layer in the contract, 0 the highest; nothing where there is none."""
    contracts = tomllib.loads((repo / "pyproject.toml").read_text())["tool"]["importlinter"]
    for contract in contracts["contracts"]:
        if contract["type"] == "layers":
            rows = enumerate(contract["layers"])
            return {room.strip(): i for i, row in rows for room in row.split("|")}
    return {}


def circle_in(arrows: Rooms) -> list[str]:
    graph: dict[str, set[str]] = defaultdict(set)
    for here, there in arrows:
        graph[here].add(there)
    try:
        list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return [str(room) for room in error.args[1]]
    return []


def functions_of(repo: Path) -> list[tuple[int, str, str]]:
    """(lines, file, name) of every function of the package, the longest first."""
    found = []
    for file in sorted((repo / PACKAGE).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, Function):
                first = min([node.lineno, *(item.lineno for item in node.decorator_list)])
                lines = (node.end_lineno or first) - first + 1
                found.append((lines, str(file.relative_to(repo / PACKAGE)), node.name))
    return sorted(found, reverse=True)


def commands_of(repo: Path) -> set[tuple[str, str]]:
    """(file, function) of every row of the tables in cli.py."""
    tree = ast.parse((repo / PACKAGE / "cli.py").read_text())
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    places = (text.partition(":") for text in texts if isinstance(text, str) and ":" in text)
    return {(f"commands/{module}.py", name) for module, _, name in places}


def config_defaults(repo: Path) -> dict[str, set[str]]:
    """The defaults, as text, of the fields of configs by their names."""
    defaults: dict[str, set[str]] = defaultdict(set)
    for file in (repo / PACKAGE).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.endswith(("Config", "Options")):
                for line in node.body:
                    if isinstance(line, ast.AnnAssign) and isinstance(line.value, ast.Constant):
                        defaults[ast.unparse(line.target)].add(_plain(line.value.value))
    return defaults


def doubled_defaults(repo: Path) -> list[str]:
    """`command option` for each option whose default a command states beside a config."""
    defaults, doubled = config_defaults(repo), []
    for file, name in sorted(commands_of(repo)):
        path = repo / PACKAGE / file
        for node in ast.walk(ast.parse(path.read_text())) if path.is_file() else ():
            if isinstance(node, Function) and node.name == name:
                stated = _stated(node)
                doubled += [f"{name} {option}" for option, v in stated if v in defaults[option]]
    return doubled


def _stated(function: Function) -> Iterator[tuple[str, str]]:
    """The parameters whose default says something, as a value or in the help, and what it says."""
    arguments, defaults = function.args.args, function.args.defaults
    for argument, default in zip(reversed(arguments), reversed(defaults), strict=False):
        if isinstance(default, ast.Constant) and default.value not in (None, False):
            yield argument.arg, _plain(default.value)
        for node in ast.walk(argument.annotation) if argument.annotation else ():
            is_text = isinstance(node, ast.keyword) and node.arg == "show_default"
            if is_text and isinstance(node.value, ast.Constant):
                yield argument.arg, _plain(node.value.value)


def _plain(value: Any) -> str:
    try:
        return f"{float(value):g}"
    except (TypeError, ValueError):
        return str(value)


def measured(repo: Path) -> dict[str, int]:
    arrows, functions = arrows_of(repo), functions_of(repo)
    layers, commands = layers_of(repo), commands_of(repo)
    lengths = [lines for lines, *place in functions if tuple(place) in commands]
    return {
        "rooms": len(rooms_of(repo)),
        "arrows": len(arrows),
        "of them inside the package": sum(here in layers for here, _ in arrows),
        "upward": sum(
            here in layers and there in layers and layers[there] < layers[here]
            for here, there in arrows
        ),
        "rooms in a circle": len(set(circle_in(arrows))),
        "lines of the longest function": functions[0][0],
        "functions over 80 lines": sum(lines > 80 for lines, *_ in functions),
        "functions over 60 lines": sum(lines > 60 for lines, *_ in functions),
        "lines of the longest command": max(lengths),
        "commands over 120 lines": sum(lines > 120 for lines in lengths),
        "doubled defaults": len(doubled_defaults(repo)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--repo", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--list", action="store_true", help="Name arrows and long functions.")
    asked = parser.parse_args()
    print(f"{'':<32}{'before':>8}{'now':>8}")
    for name, value in measured(asked.repo).items():
        print(f"{name:<32}{BEFORE.get(name, ''):>8}{value:>8}")
    if not asked.list:
        return
    for (here, there), files in sorted(arrows_of(asked.repo).items()):
        print(f"{here} -> {there}: {', '.join(sorted(set(files)))}")
    for lines, file, name in functions_of(asked.repo):
        if lines > 60:
            print(f"{lines} lines: {file} {name}")
    for option in doubled_defaults(asked.repo):
        print(f"doubled: {option}")


if __name__ == "__main__":
    main()
