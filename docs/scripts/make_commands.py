"""Write commands.md from the commands themselves: `python docs/scripts/make_commands.py`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer.main

from stylegan_cli import cli

PAGE = Path(__file__).resolve().parents[2] / "docs" / "commands.md"
HEAD = """# Commands

This page is generated from the commands themselves. `influ COMMAND --help` shows the same.

## Exit codes

| code | meaning |
|---|---|
| 0 | done |
| 1 | nothing could be done: one sentence on stderr says what happened and what to do |
| 2 | wrong use: an option, a name, a device, or an output that exists already |
| 3 | part of a batch failed; the failures are named, and the rest is done |
| 130 | interrupted by Ctrl-C or SIGTERM; what could be saved is saved |

An error shows a traceback only with `--debug`. Results for pipes go to stdout. Progress, notes, and
errors go to stderr.
"""
SHARED = ("--threads", "--verbose", "--quiet", "--debug", "--json", "--device", "--help")


def page() -> str:
    """The page as Markdown."""
    group = typer.main.get_command(cli.build_app())
    commands = list(_commands(group, "influ"))
    parts = [HEAD, _everywhere([command for _, command in commands])]
    parts += [_section(name, command) for name, command in commands]
    return "\n".join(parts)


def _commands(group: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _everywhere(commands: list[Any]) -> str:
    known = {}
    for command in commands:
        for option in command.params:
            known.update(dict.fromkeys(option.opts, option))
    rows = [_row(known[name]) for name in SHARED if name in known]
    head = "## Common options\n\nNot every command has `--json` and `--device`.\n"
    return "\n".join([head, *_table("option", rows)])


def _section(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [
        p
        for p in command.params
        if p.param_type_name != "argument" and not set(SHARED) & set(p.opts) and not _hidden(p)
    ]
    usage = " ".join([name, *("[OPTIONS]" for _ in options[:1]), *map(_metavar, arguments)])
    text = inspect.cleandoc(command.help or "").replace("\f", "")
    parts = [f"## `{name}`\n", f"```text\n{usage}\n```\n", f"{text}\n"]
    if arguments:
        rows = [(f"`{_metavar(p)}`", _help(p)) for p in arguments]
        parts += [*_table("argument", rows)]
    if options:
        parts += [*_table("option", [_row(p) for p in options])]
    return "\n".join(parts)


def _table(kind: str, rows: list[tuple[str, str]]) -> list[str]:
    body = [f"| {_cell(name)} | {_cell(text)} |" for name, text in rows]
    return [f"| {kind} | meaning |", "|---|---|", *body, ""]


def _row(parameter: Any) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in sorted(parameter.opts, key=len, reverse=True))
    if getattr(parameter, "is_flag", False) or getattr(parameter, "count", False):
        return names, _help(parameter)
    value = re.sub(r"<(\w+)>", lambda kind: kind[1].upper(), parameter.metavar or _kind(parameter))
    return f"{names} `{value}`", _help(parameter)


def _kind(parameter: Any) -> str:
    annotation = parameter.type_descriptor.annotation
    if get_origin(annotation) is Literal:
        return "|".join(map(str, get_args(annotation)))
    inner = get_args(annotation)
    return str(getattr(inner[0] if inner else annotation, "__name__", annotation)).upper()


def _help(parameter: Any) -> str:
    text = getattr(parameter, "help", None) or ""
    shown = getattr(parameter, "show_default", None)
    default = shown if isinstance(shown, str) else parameter.default
    if shown is False or default in (None, False, (), []) or callable(default):
        return text
    return f"{text} Default: {default}."


def _metavar(parameter: Any) -> str:
    name = parameter.metavar or (parameter.name or "").upper()
    return f"{name}..." if parameter.nargs == -1 and not name.endswith("...") else name


def _hidden(parameter: Any) -> bool:
    return bool(getattr(parameter, "hidden", False))


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
