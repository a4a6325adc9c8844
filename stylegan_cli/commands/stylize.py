"""`influ stylize`: pictures in a creator's look."""

import contextlib
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import (
    Backend,
    Detail,
    Device,
    Json,
    ModelFile,
    NoAiLabel,
    Precision,
    PreserveColour,
    References,
    Strength,
    Style,
    Variation,
    console,
    emit,
    endings_of_results,
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
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-j",
            min=1,
            show_default="cores and one more",
            help="Pictures in hand at a time.",
        ),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Stay, and paint what comes into the folders.")
    ] = False,
    log: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Append a line of JSON for each picture."),
    ] = None,
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
    detail: Detail = "auto",
    backend: Backend = "auto",
    precision: Precision = "auto",
    max_pixels: Annotated[
        float, typer.Option(min=0, metavar="MP", help="Refuse larger pictures; in million pixels.")
    ] = 250,
    allow_truncated: Annotated[
        bool, typer.Option("--allow-truncated", help="Use what is there of files cut short.")
    ] = False,
    keep_gps: Annotated[
        bool, typer.Option("--keep-gps", help="Leave the place in the metadata.")
    ] = False,
    no_ai_label: NoAiLabel = False,
    c2pa_cert: Annotated[
        Path | None,
        typer.Option(metavar="PEM", help="Sign results with this certificate chain (C2PA)."),
    ] = None,
    c2pa_key: Annotated[
        Path | None, typer.Option(metavar="PEM", help="The private key of --c2pa-cert.")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Give pictures the look of a creator, at full size, with their metadata.

    Nothing is ever written over unless --overwrite says so. A file that can't be used is named and
    the rest goes on. Exit codes: 0 all done, 3 some failed, 1 none could be done, 2 wrong use, 130
    interrupted.
    """
    from stylegan_cli.batches import (
        STREAM,
        FileOptions,
        IfThere,
        Job,
        Naming,
        Outcome,
        Planner,
        Status,
        count_outcomes,
        default_workers,
        ending_of,
        open_log,
        plan_batch,
        raise_for,
        run_batch,
        summary,
        watch_folders,
    )
    from stylegan_cli.errors import InterruptedByUserError, UsageError
    from stylegan_cli.pictures import require_format
    from stylegan_cli.pictures.credentials import read_credentials
    from stylegan_cli.runtime.devices import resolve_threads
    from stylegan_cli.runtime.interruption import stop_between_steps
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
    if watch and not all(path.is_dir() for path in inputs):
        raise UsageError("--watch keeps an eye on folders: name folders only")
    if_there = (
        IfThere.OVERWRITE
        if overwrite
        else IfThere.SKIP
        if skip_existing or watch
        else IfThere.REFUSE
    )
    if (c2pa_cert is None) != (c2pa_key is None):
        raise UsageError("--c2pa-cert and --c2pa-key go together: name both")
    if c2pa_cert is not None and (no_ai_label or strength == 0):
        raise UsageError(
            "C2PA credentials tell of the network: leave out --no-ai-label and --strength 0"
        )
    credentials = (
        None if c2pa_cert is None or c2pa_key is None else read_credentials(c2pa_cert, c2pa_key)
    )
    options = FileOptions(
        max_pixels=round(max_pixels * 1e6),
        allow_truncated=allow_truncated,
        keep_colours=strength == 0,
        format=kind,
        quality=quality,
        keep_gps=keep_gps,
        credentials=credentials,
        if_there=if_there,
        with_hash=log is not None,
    )
    many = len(inputs) > 1 or inputs[0].is_dir()
    workers = (jobs or default_workers()) if many else 1
    stylizer = open_stylizer(
        style,
        model=model,
        references=reference or (),
        device=device,
        backend=backend,
        threads=max(1, resolve_threads() // workers),
        detail=detail,
        precision=precision,
        strength=strength,
        seed=seed,
        preserve_colour=preserve_colour,
    )
    if not no_ai_label and strength > 0:
        options = replace(options, ai_label=stylizer.ai_label)
    if style is None and not reference:
        console.print(f"No --style given, using {stylizer.name}.")
    ending = ending_of(stylizer.name) if suffix is None else suffix
    naming = Naming(
        out=out,
        ending="" if suffix is None and out is not None else ending,
        format=kind,
        endings_of_results=endings_of_results(ending, model),
    )
    planner = Planner(inputs, naming, recursive=recursive) if watch else None
    planned = [] if planner is not None else plan_batch(inputs, naming, recursive=recursive)

    if watch:
        console.print(f"Watching {', '.join(map(str, inputs))}; Ctrl-C ends it.")
    with contextlib.ExitStack() as opened:
        about = {"style": stylizer.name, "model": stylizer.base.hash}
        record = None if log is None else opened.enter_context(open_log(log, about))
        stop = opened.enter_context(stop_between_steps())
        on_progress = opened.enter_context(progress(f"painting in the look of {stylizer.name}"))

        def tell(outcome: Outcome) -> None:
            if record is not None:
                record.add(outcome)
            if outcome.error is not None and many:
                say_error(str(outcome.error))
            if outcome.status is Status.DONE and not as_json and not to_stdout:
                sys.stdout.write(f"{outcome.job.target}\n")
                sys.stdout.flush()

        def run(batch: Sequence[Job]) -> list[Outcome]:
            return run_batch(
                batch,
                stylizer.repaint,
                options,
                workers=workers,
                stop=stop,
                on_outcome=tell,
                on_progress=on_progress,
            )

        outcomes = run(planned) if planner is None else watch_folders(planner, run, stop)
    counts = count_outcomes(outcomes)
    if as_json:
        emit({"style": stylizer.name} | summary(outcomes), as_json)
    elif left := counts[Status.SKIPPED] + counts[Status.TAKEN]:
        console.print(
            f"{left} left out, their results are there already or in another run's hands."
        )
    if stop.requested and (watch or len(outcomes) < len(planned)):
        ends = (
            ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none done"
        )
        hint = "" if watch else "; run it again with --skip-existing for the rest"
        raise InterruptedByUserError(f"stopped: {ends}{hint}")
    raise_for(outcomes)
