"""`influ video`: clips in a creator's look."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Literal

import typer

from stylegan_cli.commands.common import (
    DEFAULT_STYLE,
    Backend,
    Detail,
    Device,
    Json,
    ModelFile,
    Overwrite,
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


def video(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP", show_default=False, help="Clips, or folders of clips."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            show_default="STEM_STYLE.EXT beside the clip",
            help="File for one clip (.mp4, .mov, .mkv, .webm), folder for many.",
        ),
    ] = None,
    style: Style = None,
    reference: References = None,
    model: ModelFile = None,
    strength: Strength = 1.0,
    seed: Variation = None,
    preserve_colour: PreserveColour = False,
    start: Annotated[
        str | None, typer.Option(metavar="TIME", help="Begin here: 12.5, 90s, 1m.")
    ] = None,
    end: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop here, counted from the beginning.")
    ] = None,
    preview: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only this much, from --start on, like 5s.")
    ] = None,
    fps: Annotated[
        str | None,
        typer.Option(
            metavar="RATE",
            show_default="the clip's own",
            help="Frames a second: frames are left out or shown again.",
        ),
    ] = None,
    steady: Annotated[
        float,
        typer.Option(min=0, max=1, help="Against flicker: 0 paints every frame for itself."),
    ] = 0.55,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave the sound out.")] = False,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Before on the left, after on the right.")
    ] = False,
    faces_only: Annotated[
        bool, typer.Option("--faces-only", help="Paint faces, leave the rest as it is.")
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option("--recursive", "-r", help="Folders with the folders inside, mirrored in -o."),
    ] = False,
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out what has a result already.")
    ] = False,
    codec: Annotated[
        str | None,
        typer.Option(
            show_default="libx264, in .webm libvpx-vp9",
            help="Encoder: libx264, libx265, libsvtav1, libvpx-vp9, prores_ks, h264_nvenc...",
        ),
    ] = None,
    crf: Annotated[
        float | None,
        typer.Option(show_default="18 for libx264", help="Quality of the encoder; less is better."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(show_default="veryfast for libx264", help="Speed of the encoder."),
    ] = None,
    pix_fmt: Annotated[
        str | None,
        typer.Option("--pix-fmt", show_default="yuv420p", help="Pixel format of the encoder."),
    ] = None,
    hdr: Annotated[
        Literal["error", "tonemap"],
        typer.Option(help="HDR clips: refuse them, or bring them to ordinary range."),
    ] = "error",
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")
    ] = False,
    overwrite: Overwrite = False,
    detail: Detail = "auto",
    backend: Backend = "auto",
    precision: Precision = "auto",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Give clips the look of a creator; size, times, orientation and sound stay as they are.

    A clip that can't be used is named and the rest goes on. Exit codes: 0 all done, 3 some failed
    or are damaged and what could be read was kept, 1 nothing could be done, 2 wrong use, 130
    interrupted: nothing is left behind but what --resume goes on from.
    """
    from stylegan_cli.batches import Job, Naming, Status, ending_of, plan_batch, summary
    from stylegan_cli.batches.clips import CLIPS, ClipOutcome, raise_for_clips, run_clips
    from stylegan_cli.clips import EncoderOptions
    from stylegan_cli.errors import UsageError
    from stylegan_cli.styles.mixing import name_of
    from stylegan_cli.stylizer import open_stylizer
    from stylegan_cli.video import VideoConfig, parse_rate, part_of

    if reference and style is not None:
        raise UsageError("--style and --reference exclude each other: use one of them")
    if skip_existing and overwrite:
        raise UsageError("--skip-existing and --overwrite exclude each other: use one of them")
    start_s, end_s = part_of(start, end, preview)
    config = VideoConfig(
        start_s=start_s,
        end_s=end_s,
        fps=None if fps is None else parse_rate(fps),
        sound=not no_audio,
        side_by_side=side_by_side,
        faces_only=faces_only,
        steady=steady,
        hdr=hdr,
        overwrite=overwrite,
        resume=resume,
        encoder=EncoderOptions(codec=codec, crf=crf, preset=preset, pix_fmt=pix_fmt),
    )
    if style is None and not reference:
        style = DEFAULT_STYLE
        console.print(f"No --style given, using {style}.")
    ending = ending_of("reference" if reference else name_of(style))
    naming = Naming(
        kind=CLIPS,
        out=out,
        ending="" if out is not None else ending,
        endings_of_results=endings_of_results(ending, model),
    )
    jobs = plan_batch(inputs, naming, recursive=recursive)
    is_single = len(inputs) == 1 and not inputs[0].is_dir()
    stylizer = open_stylizer(
        style,
        model=model,
        references=reference or (),
        device=device,
        backend=backend,
        detail=detail,
        precision=precision,
        strength=strength,
        seed=seed,
        preserve_colour=preserve_colour,
    )

    def tell(outcome: ClipOutcome) -> None:
        if outcome.error is not None and not is_single:
            say_error(str(outcome.error))
        if outcome.result is not None:
            about = "" if is_single else f"{outcome.job.source}: "
            for note in outcome.result.notes:
                console.print(about + note)
            if outcome.result.shortfall is not None and not is_single:
                say_error(f"{about}damaged, {outcome.result.shortfall} are kept")
            if not as_json:
                sys.stdout.write(f"{outcome.result.target}\n")
                sys.stdout.flush()

    def progress_of(job: Job) -> AbstractContextManager[Callable[[int, int], None]]:
        name = "" if is_single else f"{job.source.name} "
        return progress(f"painting {name}in the look of {stylizer.name}")

    outcomes = run_clips(
        jobs,
        stylizer,
        config,
        skip_existing=skip_existing,
        on_outcome=tell,
        progress_of=progress_of,
    )
    if as_json and is_single:
        emit({"style": stylizer.name} | outcomes[0].record(), as_json)
    elif as_json:
        emit({"style": stylizer.name} | summary(outcomes), as_json)
    elif skipped := sum(outcome.status is Status.SKIPPED for outcome in outcomes):
        console.print(f"{skipped} left out, their results are there already.")
    raise_for_clips(outcomes)
