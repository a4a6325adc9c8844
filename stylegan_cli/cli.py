"""The `influ` command: a row per subcommand, and the only place that makes errors exit codes.

A subcommand is imported when it is called: the list of all of them comes at once. Exit codes:
0 done, 1 nothing could be done, 2 wrong use, 3 part of a batch failed, 130 interrupted.
"""

import ast
import functools
import importlib
import inspect
import logging
import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.exceptions import TyperException

from stylegan_cli.commands import common
from stylegan_cli.commands.options import with_config_options
from stylegan_cli.commands.streams import drop_output, prepare_streams
from stylegan_cli.errors import InfluError, InterruptedByUserError, messages
from stylegan_cli.runtime.packages import missing_package
from stylegan_cli.runtime.version import __version__

Command = Callable[..., None]

# Each row: the name a user types, and the plain function behind it.
COMMANDS = {
    "stylize": "stylize:stylize",
    "video": "video:video",
    "generate": "generate:generate",
    "sheet": "sheet:sheet",
    "compare": "compare:compare",
    "prep": "prep:prep",
    "train": "train:train",
    "pretrain": "pretrain:pretrain",
    "pretrain-colours": "pretrain_colours:pretrain_colours",
    "evaluate": "evaluate:evaluate",
    "export": "export:export",
    "ui": "ui:ui",
    "info": "info:info",
    "bench": "bench:bench",
}

# `influ styles` alone lists; its other verbs are rows of their own.
STYLES_COMMANDS = {
    "list": "styles:list_styles",
    "add": "styles_add:add",
    "code": "styles:code",
    "pack": "styles:pack",
    "install": "styles:install",
    "rename": "styles:rename",
    "remove": "styles:remove",
}

# Every command takes these, whether or not its function knows of them.
SHARED_OPTIONS: dict[str, tuple[Any, Any]] = {
    "threads": (common.Threads, None),
    "verbose": (common.Verbose, 0),
    "quiet": (common.Quiet, False),
    "debug": (common.Debug, False),
}


_SETTINGS: dict[str, Any] = {
    "context_settings": {"help_option_names": ["-h", "--help"]},
    "pretty_exceptions_enable": False,
}


@contextmanager
def exit_codes(debug: bool) -> Iterator[None]:
    """Turn any error of a command into one sentence on stderr and an exit code."""
    try:
        yield
        sys.stdout.flush()
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except BrokenPipeError:
        # The reader has left (`| head`); without this Python complains again when it closes stdout.
        drop_output()
        raise typer.Exit(1) from None
    except (Exception, KeyboardInterrupt) as error:
        if debug:
            common.console.print_exception()
        code, sentence = _describe(error)
        common.say_error(sentence)
        if isinstance(error, OSError):
            drop_output()  # it may be what failed
        raise typer.Exit(code) from None


def _describe(error: BaseException) -> tuple[int, str]:
    if isinstance(error, InfluError):
        return error.exit_code, str(error)
    if (missing := missing_package(error)) is not None:
        return missing.exit_code, str(missing)
    if isinstance(error, KeyboardInterrupt):
        return InterruptedByUserError.exit_code, "interrupted"
    if isinstance(error, ImportError) and "libGL" in str(error):
        remedy = "pip uninstall -y opencv-python && pip install opencv-python-headless"
        return InfluError.exit_code, f"OpenCV needs libGL, which is missing here; run: {remedy}"
    if isinstance(error, OSError) and error.strerror:
        path = error.filename or "the output"
        return InfluError.exit_code, messages.cannot_write(path, messages.why(error))
    detail = f"{type(error).__name__}: {error}".removesuffix(": ")
    return InfluError.exit_code, f"unexpected error: {detail}; run again with --debug"


def with_shared_options(function: Command) -> Command:
    """`function` with --threads, -v, -q and --debug in its signature, ending in an exit code."""

    @functools.wraps(function)
    def command(
        *args: Any,
        context: typer.Context,
        threads: int | None,
        verbose: int,
        quiet: bool,
        debug: bool,
        **options: Any,
    ) -> None:
        from stylegan_cli.runtime.devices import use_threads

        if takes_context:
            options["context"] = context
        # An option before the command counts as one after it.
        given = [context.params, *_params_before(context)]
        debug = any(params["debug"] for params in given)
        common.set_verbosity(
            sum(params["verbose"] for params in given),
            any(params["quiet"] for params in given),
            debug,
        )
        with exit_codes(debug):
            use_threads(next((p["threads"] for p in given if p["threads"] is not None), None))
            function(*args, **options)

    signature = inspect.signature(function, eval_str=True)
    takes_context = "context" in signature.parameters
    shared = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=option)
        for name, (option, default) in SHARED_OPTIONS.items()
    ]
    if not takes_context:
        keyword = inspect.Parameter.KEYWORD_ONLY
        shared.append(inspect.Parameter("context", keyword, annotation=typer.Context))
    parameters = [*signature.parameters.values(), *shared]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {item.name: item.annotation for item in parameters}
    command.__doc__ = _unwrap(inspect.getdoc(function) or "")
    return command


def _params_before(context: typer.Context) -> Iterator[dict[str, Any]]:
    """The shared options that stand before the command, from the inside out."""
    parent = context.parent
    while parent is not None:
        if parent.params.keys() >= SHARED_OPTIONS.keys():
            yield parent.params
        parent = parent.parent


def _unwrap(text: str) -> str:
    """Each paragraph on one line, so that the help wraps it to the terminal and not to the code."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def load_command(target: str) -> Command:
    """The function at `module:function`, ready to register."""
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(f"stylegan_cli.commands.{module}"), name)
    return with_shared_options(with_config_options(function))


def _summary(target: str) -> str:
    """The first paragraph of a command's docstring, read without importing the command."""
    module, _, name = target.partition(":")
    path = Path(common.__file__).with_name(f"{module}.py")
    tree = ast.parse(path.read_text(encoding="utf-8") if path.is_file() else "")
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _unwrap(ast.get_docstring(node) or "").partition("\n\n")[0]
    return ""


class _Rows(TyperGroup):
    """Subcommands that are imported when they are called."""

    rows: Mapping[str, str]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """As TyperGroup does, with the real command in place of its row in the list."""
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None and name in self.rows:
            with exit_codes("--debug" in args):
                command = _as_click(name, load_command(self.rows[name]))
        return name, command, rest


class _Commands(_Rows):
    rows = COMMANDS


class _StylesCommands(_Rows):
    rows = STYLES_COMMANDS


def _as_click(name: str, function: Command) -> Any:
    alone = typer.Typer(add_completion=False, **_SETTINGS)
    alone.command(name)(function)
    return typer.main.get_command(alone)


def _show_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"influ {__version__}\n")
        raise typer.Exit


def _about(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
    threads: common.Threads = None,
    verbose: common.Verbose = 0,
    quiet: common.Quiet = False,
    debug: common.Debug = False,
) -> None:
    """Learn a creator's style from a folder of pictures and apply it to photos and clips."""


def build_app(*, whole: bool = True) -> typer.Typer:
    """The Typer application with every row of the tables above.

    whole: with all commands in it, for who looks through them; else each is imported when called.
    """
    group = (TyperGroup, TyperGroup) if whole else (_Commands, _StylesCommands)
    app = typer.Typer(name="influ", no_args_is_help=True, cls=group[0], **_SETTINGS)
    app.callback()(_about)
    styles = typer.Typer(cls=group[1], **_SETTINGS)
    styles.callback(invoke_without_command=True)(_list_unless_told_otherwise())
    for typer_group, rows in ((app, COMMANDS), (styles, STYLES_COMMANDS)):
        for name, target in rows.items():
            if whole:
                typer_group.command(name)(load_command(target))
            else:
                typer_group.command(name, help=_summary(target))(_row)
    app.add_typer(styles, name="styles")
    return app


def _row() -> None:
    """Stands in the list for a command that is imported when it is called."""


def _list_unless_told_otherwise() -> Command:
    """The listing again, as what `influ styles` does without a further word."""
    listing = load_command(STYLES_COMMANDS["list"])

    @functools.wraps(listing)
    def styles(*, context: typer.Context, **options: Any) -> None:
        if context.invoked_subcommand is None:
            listing(context=context, **options)

    styles.__doc__ = "Styles: list them, add your own, share them."
    return styles


def _stop(signal_number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    """Run `influ` with the arguments of this process."""
    prepare_streams()
    # A service manager or a closing shell stops us as politely as Ctrl-C does.
    signal.signal(signal.SIGTERM, _stop)
    logging.captureWarnings(True)
    try:
        code = build_app(whole=False)(standalone_mode=False, prog_name="influ")
    except TyperException as error:
        if error.format_message():  # else it was the help, for who gave no command
            common.say_error(_wrong_use(error))
        code = error.exit_code
    except (typer.Abort, KeyboardInterrupt):
        code = InterruptedByUserError.exit_code
    except OSError as error:  # of a help or a version that found no room
        drop_output()
        code, sentence = _describe(error)
        common.say_error(sentence)
    try:
        sys.stdout.flush()
    except OSError:  # said before; Python would say it again
        drop_output()
        code = code or InfluError.exit_code
    sys.exit(code)


def _wrong_use(error: TyperException) -> str:
    """What Typer has to say of a command line, in the form of all other errors."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "influ"
    more = f"For help: {path} --help"
    if option := getattr(error, "option_name", None):
        known = getattr(error, "possibilities", None) or ()
        if known:
            return messages.unknown_name("option", option, known, more)
        return f"there is no option '{option}'; see {path} --help"
    sentence = error.format_message().replace("Value error, ", "").strip()
    if named := re.match(r"No such command '(.+?)'\.", sentence):
        commands = STYLES_COMMANDS if path.endswith(" styles") else {**COMMANDS, "styles": ""}
        return messages.unknown_name("command", named.group(1), commands, more)
    rejected = re.match(r"Invalid value for '(.+?)': (.+)", sentence)
    if rejected and (known_form := _rejected_value(*rejected.groups())):
        return known_form
    return f"{sentence[:1].lower()}{sentence[1:].rstrip('.')}; see {path} --help"


def _rejected_value(option: str, why: str) -> str | None:
    """The sentence for a value that is none of the choices, or a path that is not there."""
    path = r"(?i:file|dir|directory|path) '(.+)'"
    if choice := re.fullmatch(r"'(.*?)' is not one of (.+)\.", why):
        return messages.unknown_name(option, choice[1], re.findall(r"'(.+?)'", choice[2]))
    if missing := re.fullmatch(path + r" does not exist\.", why):
        return messages.does_not_exist(missing[1])
    if other := re.fullmatch(path + r" is a file\.", why):
        return messages.cannot_read(other[1], "it is a file", "name a folder")
    if other := re.fullmatch(path + r" is a directory\.", why):
        return messages.cannot_read(other[1], "it is a folder", "name a file")
    return None
