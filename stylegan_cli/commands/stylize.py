"""`influ stylize`: pictures in a creator's look."""

import contextlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import (
    Backend,
    Device,
    Json,
    ModelFile,
    PreserveColour,
    References,
    Strength,
    Style,
    Variation,
    console,
    emit,
    progress,
    say_error,
)


def stylize(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="INPUT",
            show_default=False,
            help="Pictures, folders of pictures, or - for standard input.",
        ),
    ],
    style: Style = None,
    reference: References = None,
    model: ModelFile = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            show_default="STEM_STYLE.EXT beside the input",
            help="File for one result (picture suffix), folder for many, or - for standard output.",
        ),
    ] = None,
    strength: Strength = 1.0,
    seed: Variation = None,
    preserve_colour: PreserveColour = False,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Folders with the folders inside, mirrored in -o."),
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what has a result already.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace results that are there already.")
    ] = False,
    suffix: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            show_default="_STYLE beside the input, nothing in -o",
            help="Put between a result's name and its format.",
        ),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(show_default="the input's", help="jpg, png, webp, heic, avif, tiff, gif..."),
    ] = None,
    quality: Annotated[
        int, typer.Option(min=1, max=100, help="Of JPEG, WebP, AVIF and HEIC.")
    ] = 95,
    backend: Backend = "auto",
    max_pixels: Annotated[
        float, typer.Option(min=0, metavar="MP", help="Refuse larger pictures; in million pixels.")
    ] = 250,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Use what is there of files cut short.")
    ] = False,
    keep_gps: Annotated[
        bool, typer.Option("--keep-gps", help="Leave the place in the metadata.")
    ] = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Give pictures the look of a creator, at full size, with their metadata.

    Nothing is ever written over unless --overwrite says so. A file that can't be used is named and
    the rest goes on. Exit codes: 0 all done, 3 some failed, 1 none could be done, 2 wrong use.
    """
    from stylegan_cli.batches import (
        STREAM,
        FileOptions,
        IfThere,
        Naming,
        Outcome,
        Status,
        ending_of,
        plan_batch,
        raise_for,
        run_batch,
        summary,
    )
    from stylegan_cli.errors import InfluError, UsageError
    from stylegan_cli.pictures import require_format
    from stylegan_cli.style_file import list_styles
    from stylegan_cli.stylizer import open_stylizer

    if skip_existing and overwrite:
        raise UsageError("--skip-existing and --overwrite exclude each other: use one of them")
    if reference and style is not None:
        raise UsageError("--style and --reference exclude each other: use one of them")
    kind = None if format is None else require_format(format)
    to_stdout = out == STREAM or (out is None and inputs == [STREAM])
    if to_stdout and as_json:
        raise UsageError("the picture goes to standard output: name a file with -o to use --json")
    if to_stdout and sys.stdout.isatty():
        raise UsageError("a picture is no text for a terminal: add -o FILE, or > FILE")
    if suffix is not None and set(suffix) & set("/\\"):
        raise UsageError("--suffix is a part of a name: put folders into -o")
    if_there = IfThere.OVERWRITE if overwrite else IfThere.SKIP if skip_existing else IfThere.REFUSE
    options = FileOptions(
        max_pixels=round(max_pixels * 1e6),
        allow_truncated=allow_truncated,
        keep_colours=strength == 0,
        format=kind,
        quality=quality,
        keep_gps=keep_gps,
        if_there=if_there,
    )
    stylizer = open_stylizer(
        style,
        model=model,
        references=reference or (),
        device=device,
        backend=backend,
        strength=strength,
        seed=seed,
        preserve_colour=preserve_colour,
    )
    if style is None and not reference:
        console.print(f"No --style given, using {stylizer.name}.")
    ending = ending_of(stylizer.name) if suffix is None else suffix
    earlier = {ending}
    with contextlib.suppress(InfluError):  # without a shipped model there is only this ending
        earlier |= {ending_of(found.name) for found in list_styles(model)}
    naming = Naming(
        out=out,
        ending="" if suffix is None and out is not None else ending,
        format=kind,
        endings_of_results=earlier - {""},
    )
    jobs = plan_batch(inputs, naming, recursive=recursive)

    def tell(outcome: Outcome) -> None:
        if outcome.error is not None and len(jobs) > 1:
            say_error(str(outcome.error))

    with progress(f"painting in the look of {stylizer.name}") as on_progress:
        outcomes = run_batch(
            jobs, stylizer.repaint, options, on_outcome=tell, on_progress=on_progress
        )
    if as_json:
        emit({"style": stylizer.name} | summary(outcomes), as_json)
    elif not to_stdout:
        for outcome in outcomes:
            if outcome.status is Status.DONE:
                sys.stdout.write(f"{outcome.job.target}\n")
        skipped = sum(outcome.status is Status.SKIPPED for outcome in outcomes)
        if skipped:
            console.print(f"{skipped} left out, their results are there already.")
    raise_for(outcomes)
