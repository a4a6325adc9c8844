"""`influ video`: a clip in a creator's look."""

import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer

from stylegan_cli.commands.common import (
    DEFAULT_STYLE,
    Backend,
    Device,
    Json,
    ModelFile,
    Overwrite,
    PreserveColour,
    References,
    Strength,
    Style,
    Variation,
    console,
    emit,
    progress,
)


def video(
    clip: Annotated[Path, typer.Argument(metavar="CLIP", show_default=False, help="The clip.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            show_default="STEM_STYLE.EXT beside the clip",
            help="File to write (.mp4, .mov, .mkv, .webm), or a folder for it.",
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
    steady: Annotated[
        float,
        typer.Option(min=0, max=1, help="Against flicker: 0 paints every frame for itself."),
    ] = 0.55,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Leave the sound out.")] = False,
    side_by_side: Annotated[
        bool, typer.Option("--side-by-side", help="Before on the left, after on the right.")
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
    backend: Backend = "auto",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Give a clip the look of a creator; size, times, orientation and sound stay as they are.

    Exit codes: 0 done, 3 the clip is damaged and what could be read was kept, 1 nothing could be
    done, 2 wrong use, 130 interrupted: nothing is left behind but what --resume goes on from.
    """
    from stylegan_cli.batches import ending_of
    from stylegan_cli.containers import EncoderOptions
    from stylegan_cli.errors import PartialFailureError, UsageError
    from stylegan_cli.mixing import name_of
    from stylegan_cli.stylizer import open_stylizer
    from stylegan_cli.video import VideoConfig, part_of, stylize_clip, target_of

    if reference and style is not None:
        raise UsageError("--style and --reference exclude each other: use one of them")
    start_s, end_s = part_of(start, end, preview)
    config = VideoConfig(
        start_s=start_s,
        end_s=end_s,
        sound=not no_audio,
        side_by_side=side_by_side,
        steady=steady,
        hdr=hdr,
        overwrite=overwrite,
        resume=resume,
        encoder=EncoderOptions(codec=codec, crf=crf, preset=preset, pix_fmt=pix_fmt),
    )
    if style is None and not reference:
        style = DEFAULT_STYLE
        console.print(f"No --style given, using {style}.")
    target = target_of(clip, out, ending_of("reference" if reference else name_of(style)))
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
    started_s = time.monotonic()
    with progress(f"painting in the look of {stylizer.name}") as on_progress:
        result = stylize_clip(clip, target, stylizer, config, on_progress)
    elapsed_s = time.monotonic() - started_s
    painted = result.frames - result.resumed_frames
    for note in result.notes:
        console.print(note)
    if as_json:
        emit(
            {
                "source": str(clip),
                "target": str(result.target),
                "style": stylizer.name,
                "codec": result.codec,
                "frames": result.frames,
                "resumed_frames": result.resumed_frames,
                "width": result.width,
                "height": result.height,
                "duration_s": round(result.duration_s, 3),
                "seconds": round(elapsed_s, 3),
                "frames_per_second": round(painted / max(elapsed_s, 1e-3), 2),
                "complete": result.shortfall is None,
                "shortfall": result.shortfall,
                "notes": list(result.notes),
            },
            as_json,
        )
    else:
        sys.stdout.write(f"{result.target}\n")
    if result.shortfall is not None:
        raise PartialFailureError(
            f"{clip} is damaged: {result.target} holds what could be read, {result.shortfall}"
        )
