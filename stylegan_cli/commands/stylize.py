"""`influ stylize`: pictures in a creator's style."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.batches import (
    ManifestConfig,
    Outcome,
    PictureBatchConfig,
    Status,
    open_picture_batch,
    summary,
    writes_to_stdout,
)
from stylegan_cli.commands.common import (
    Json,
    console,
    emit,
    progress,
    say_error,
    say_style,
)
from stylegan_cli.commands.streams import write_line
from stylegan_cli.errors import UsageError
from stylegan_cli.stylizer import StylizerConfig


def stylize(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="Pictures, folders of pictures, or - for standard input.",
        ),
    ],
    style_config: StylizerConfig,
    config: PictureBatchConfig,
    large: ManifestConfig,
    as_json: Json = False,
) -> None:
    """Stylize pictures in a creator's style, at full size, with their metadata.

    Existing files are replaced only with --overwrite. If a file can't be used, the command names it
    and continues with the others. Exit codes: 0 all done, 3 some failed, 1 all failed, 2 wrong use,
    130 interrupted.
    """
    if large.manifest is not None:
        _stylize_many(inputs, style_config, config, large, as_json)
        return
    to_stdout = writes_to_stdout(inputs, config)
    if to_stdout and as_json:
        raise UsageError("the picture goes to standard output: name a file with -o to use --json")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a picture is no text for a terminal: add -o FILE, or > FILE")
    batch = open_picture_batch(inputs, style_config, config)
    say_style(style_config, batch.stylizer.style)
    if config.watch:
        console.print(f"Watching {', '.join(map(str, inputs))}; Ctrl-C ends it.")
    many = len(inputs) > 1 or inputs[0].is_dir()

    def report(outcome: Outcome) -> None:
        if outcome.error is not None and many:
            say_error(str(outcome.error))
        if outcome.status is Status.DONE and not as_json and not to_stdout:
            write_line(str(outcome.job.target))
            sys.stdout.flush()

    with progress(f"applying {batch.stylizer.name}") as on_progress:
        result = batch.run(on_outcome=report, on_progress=on_progress)
    if as_json:
        emit({"style": batch.stylizer.name} | summary(result.outcomes), as_json)
    elif result.left_out:
        console.print(
            f"{result.left_out} left out, their results are there already or in another run's "
            "hands."
        )
    result.raise_for_failures()


def _stylize_many(
    inputs: list[Path],
    style_config: StylizerConfig,
    config: PictureBatchConfig,
    large: ManifestConfig,
    as_json: bool,
) -> None:
    """A large batch: folder to folder, each picture once."""
    from stylegan_cli.batches.large import open_large_batch

    batch = open_large_batch(inputs, style_config, config, large)
    with progress("stylizing") as on_progress:
        result = batch.run(on_failure=say_error, on_progress=on_progress)
    emit(result.record(), as_json)
    result.raise_for_failures()
