"""What every command shares: option aliases, console, progress, results for people or machines."""

import json
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from stylegan_cli.commands.streams import one_line, printable
from stylegan_cli.runtime.config import DEVICE, EVERYWHERE, OVERWRITE
from stylegan_cli.runtime.progress_file import tell_progress

if TYPE_CHECKING:
    from stylegan_cli.styles import Style
    from stylegan_cli.stylizer import StylizerConfig

Json = Annotated[
    bool,
    typer.Option(
        "--json", help="Print the result as JSON, for machines.", rich_help_panel=EVERYWHERE
    ),
]
Device = Annotated[
    str,
    typer.Option("--device", metavar=DEVICE.metavar, help=DEVICE.help, rich_help_panel=EVERYWHERE),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help=OVERWRITE.help)]
ModelFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Model or style file to take the style from.")
]
ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config",
        exists=True,
        dir_okay=False,
        help="TOML file with settings, or a run's config.json.",
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check all settings, and train nothing.")]

Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        min=1,
        max=1024,
        show_default="physical cores",
        help="CPU threads.",
        rich_help_panel=EVERYWHERE,
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
        help="Show more messages; -vv shows all.",
        rich_help_panel=EVERYWHERE,
    ),
]
Quiet = Annotated[
    bool,
    typer.Option("-q", "--quiet", help="Show only errors.", rich_help_panel=EVERYWHERE),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of an error.", rich_help_panel=EVERYWHERE),
]


class SafeConsole(Console):
    """A console that prints no control characters which are part of a text."""

    def print(self, *objects: Any, **options: Any) -> None:
        """See Console.print."""
        texts = (printable(item) if isinstance(item, str) else item for item in objects)
        super().print(*texts, **options)


# Names may hold [brackets]. Lines are not wrapped: a terminal does that, and what is copied stays.
console = SafeConsole(stderr=True, highlight=False, markup=False, soft_wrap=True)
"""For people: progress, notes and errors. Results for pipes go to stdout through `emit`."""


class LogLines(logging.Handler):
    """The package's log as lines on the console, each warning once, whatever is quiet."""

    def __init__(self) -> None:
        super().__init__()
        self._warned: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """See logging.Handler."""
        line = f"{record.levelname.lower()}: {self.format(record)}"
        if record.levelno < logging.WARNING:
            say(line, "dim")
        elif line not in self._warned:  # several parts of a command read the same file
            self._warned.add(line)
            say(one_line(line), "yellow")


def set_verbosity(verbose: int, quiet: bool, debug: bool) -> None:
    """Send the package's log to stderr: warnings, more with -v, errors alone with -q."""
    level = logging.WARNING - 10 * verbose
    if debug:
        level = logging.DEBUG
    elif quiet:
        level = logging.ERROR
    handler = LogLines()
    if debug:
        handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
    # What libraries warn of is for developers: it takes a -v to see it.
    for name, least in (("stylegan_cli", level), ("py.warnings", level + 10)):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(max(least, logging.DEBUG))
    console.quiet = quiet


def say_style(style_config: "StylizerConfig", style: "Style") -> None:
    """Say which style is used where nobody said which, and what a reference does not give."""
    if style_config.is_default:
        console.print(f"No --style given, using {style.name}.")
    if style_config.references:
        say_lines(style)


def say_lines(style: "Style") -> None:
    """Say how to get strokes and lines where a style has none."""
    if style.info.mode != "drawn" and not style.info.strokes:
        console.print(
            f"The style '{style.name}' has no strokes or lines. "
            "To learn those of the pictures: influ train --data DIR"
        )


def say_content(photos: Sequence[Path], folder: Path | None) -> None:
    """Where the photos come from that a creator might have started from."""
    from stylegan_cli.runtime.resources import starter_dir

    where = "the starter set" if folder in (None, starter_dir()) else folder
    console.print(f"photos to start from: {len(photos)} of {where}")


def say_hidden(names: Sequence[str]) -> None:
    """Say so where styles that the user now has hide shipped ones."""
    from stylegan_cli.styles import list_styles

    for style in list_styles():
        if style.shadows and style.name in names:
            console.print(
                f"{style.name} is yours now; for the shipped one again: "
                f"influ styles remove {style.name}"
            )


def say_refining(folder: Path) -> None:
    """Where a run can be followed while it goes on."""
    from stylegan_cli.training.report import REPORT_NAME

    console.print(f"refining; follow it in {folder / REPORT_NAME}, Ctrl-C stops")


def say_error(sentence: str) -> None:
    """One sentence on stderr, even when the console is quiet."""
    say(one_line(f"influ: {sentence}"), "red")


def say(line: str, style: str) -> None:
    """A line on stderr, even when the console is quiet."""
    quiet, console.quiet = console.quiet, False
    try:
        # Through the one console: a bar that is drawn stays below.
        console.print(line, style=style)
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
            tell_progress(label, done, total)

        yield on_progress


def emit(result: Mapping[str, object], as_json: bool) -> None:
    """Print one result on stdout: a JSON object, or a line per entry."""
    if as_json:
        # ASCII, because a file name may be no text at all.
        sys.stdout.write(json.dumps(result, indent=2, default=str) + "\n")
        return
    width = max((len(name) for name in result), default=0)
    for name, value in result.items():
        lines = [_readable(value)]
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            lines = [_readable(item) for item in value]
        for heading, line in zip_longest([name.replace("_", " ")], lines, fillvalue=""):
            sys.stdout.write(f"{heading:<{width}}  {line}\n")


def emit_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under their headings on stdout, as wide as the terminal at most."""
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
            return ", ".join(
                f"{printable(str(name))} {_readable(item)}" for name, item in value.items()
            )
        case list() | tuple():
            return ", ".join(_readable(item) for item in value)
        case _:
            return printable(str(value))
