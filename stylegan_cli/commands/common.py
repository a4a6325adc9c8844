"""What every command shares: option aliases, console, progress, results for people or machines."""

import json
import logging
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

PANEL = "Everywhere"  # the help shows what every command has in common apart from its own

Json = Annotated[
    bool,
    typer.Option("--json", help="Print the result as JSON, for machines.", rich_help_panel=PANEL),
]
Device = Annotated[
    str,
    typer.Option(
        "--device",
        metavar="auto|cpu|cuda[:N]",
        help="Where the network runs.",
        rich_help_panel=PANEL,
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Every random draw depends on it.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what is already there.")]

DEFAULT_STYLE = "creatorA"

Style = Annotated[
    str | None,
    typer.Option(
        "--style",
        "-s",
        show_default=DEFAULT_STYLE,
        help="Whose look, by name, or a mix like toon:0.7,vangogh:0.3.",
    ),
]
References = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="PICTURE", help="Instead of a style, a picture with the look; repeatable."
    ),
]
ModelFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Model or style file to take it from.")
]
Strength = Annotated[float, typer.Option(min=0, max=1, help="How much of the look: 0 none, 1 all.")]
Variation = Annotated[
    int | None,
    typer.Option(
        "--seed",
        show_default="the look itself",
        help="A personal variation of the look, as `influ generate` draws it for this seed.",
    ),
]
PreserveColour = Annotated[
    bool,
    typer.Option(
        "--preserve-color", help="Keep the photo's own colours; take light and texture only."
    ),
]
Detail = Annotated[
    Literal["auto", "fast", "fine"],
    typer.Option(help="Where the network paints: at the style's size, small, or at every pixel."),
]
Backend = Annotated[
    Literal["auto", "onnx", "torch", "openvino"], typer.Option(help="What runs the network.")
]
Precision = Annotated[
    Literal["auto", "f32", "int8"],
    typer.Option(help="Of the network; auto is 8 bits where the picture hardly changes."),
]

NoAiLabel = Annotated[
    bool,
    typer.Option("--no-ai-label", help="Leave out of results that a trained network made part."),
]

Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        show_default="physical cores",
        help="CPU threads.",
        rich_help_panel=PANEL,
    ),
]
Verbose = Annotated[
    int,
    typer.Option(
        "-v",
        "--verbose",
        count=True,
        show_default=False,
        metavar="",
        help="Say more; twice for every detail.",
        rich_help_panel=PANEL,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Only errors, no progress.", rich_help_panel=PANEL),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=PANEL),
]

console = Console(stderr=True, highlight=False, markup=False)  # names may hold [brackets]
"""For people: progress, notes and errors. Results for pipes go to stdout through `emit`."""


def set_verbosity(verbose: int, quiet: bool, debug: bool) -> None:
    """Send the package's log to stderr: warnings, more with -v, errors alone with -q."""
    from rich.logging import RichHandler

    level = logging.WARNING - 10 * verbose
    if debug:
        level = logging.DEBUG
    elif quiet:
        level = logging.ERROR
    handler = RichHandler(
        console=Console(stderr=True), show_time=debug, show_path=debug, markup=False
    )
    # What libraries warn of is for developers: it takes a -v to see it.
    for name, least in (("stylegan_cli", level), ("py.warnings", level + 10)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(max(least, logging.DEBUG))
    console.quiet = quiet


def is_typed(context: typer.Context, parameter: str) -> bool:
    """Whether the user gave this option, rather than leaving it at its default."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def endings_of_results(ending: str, model: Path | None) -> set[str]:
    """`ending` and those of every style there is: what marks a file as an earlier result."""
    from stylegan_cli.batches import ending_of
    from stylegan_cli.errors import InfluError
    from stylegan_cli.styles import list_styles

    endings = {ending}
    with suppress(InfluError):  # without a shipped model there is only this ending
        endings |= {ending_of(found.name) for found in list_styles(model)}
    return endings - {""}


def say_hidden(name: str) -> None:
    """Say so where a style that the user now has hides a shipped one."""
    from stylegan_cli.styles import list_styles

    if any(style.shadows for style in list_styles() if style.name == name):
        console.print(f"{name} is yours now; for the shipped one again: influ styles remove {name}")


def say_error(sentence: str) -> None:
    """One sentence on stderr, even when the console is quiet."""
    quiet, console.quiet = console.quiet, False
    try:
        # Through the one console: a bar that is drawn stays below.
        console.print("influ:", sentence, style="red", soft_wrap=True)
    finally:
        console.quiet = quiet


@contextmanager
def progress(label: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with the time left, as the `on_progress(done, total)` that domain functions take."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    # Outside a terminal nobody watches, and the bar would leave an empty line.
    hidden = not console.is_terminal
    # Where results go to the same terminal they appear above the bar; a pipe gets them untouched.
    above = sys.stdout.isatty()
    with Progress(
        *columns, console=console, transient=True, disable=hidden, redirect_stdout=above
    ) as bar:
        task = bar.add_task(label, total=None)

        def on_progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total or None)  # 0: not known yet

        yield on_progress


def emit(result: Mapping[str, object], as_json: bool) -> None:
    """Print one result on stdout: a JSON object, or a line per entry."""
    if as_json:
        sys.stdout.write(json.dumps(result, ensure_ascii=False, indent=2, default=str) + "\n")
        return
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        lines = [_readable(value)]
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines = [_readable(item) for item in value]
        for heading, line in zip_longest([name.replace("_", " ")], lines, fillvalue=""):
            sys.stdout.write(f"{heading:<{width}}  {line}\n")


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print rows under their headings on stdout, as wide as the terminal."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_readable(value) for value in row))
    Console(highlight=False, markup=False).print(table)


def _readable(value: object) -> str:
    match value:
        case None | "" | [] | ():
            return "-"
        case Mapping() if not value:
            return "-"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.4g}"
        case Mapping():
            return ", ".join(f"{name} {_readable(item)}" for name, item in value.items())
        case list() | tuple():
            return ", ".join(_readable(item) for item in value)
        case _:
            return str(value)
