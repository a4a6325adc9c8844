"""`influ generate`: variations of one photo within a creator's own variety."""

import sys
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
    Overwrite,
    Precision,
    PreserveColour,
    Seed,
    Strength,
    Style,
    console,
    emit,
    progress,
)


def generate(
    photo: Annotated[
        Path, typer.Argument(metavar="PHOTO", show_default=False, help="The picture to vary.")
    ],
    style: Style = None,
    model: ModelFile = None,
    count: Annotated[int, typer.Option(min=1, max=999, help="How many variations.")] = 9,
    seed: Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            file_okay=False,
            show_default="STEM_STYLE_variations beside the photo",
            help="Folder for the pictures and their grid.",
        ),
    ] = None,
    strength: Strength = 1.0,
    preserve_colour: PreserveColour = False,
    detail: Detail = "auto",
    backend: Backend = "auto",
    precision: Precision = "auto",
    overwrite: Overwrite = False,
    no_ai_label: NoAiLabel = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Draw several versions of a photo, as different as the creator's own pictures are.

    Writes STEM_STYLE_SEED.EXT for each of the seeds from --seed on, and STEM_STYLE_grid.jpg with
    all of them. One seed gives the same picture every time.
    """
    from stylegan_cli.batches import ending_of, write_variations
    from stylegan_cli.pictures import Picture
    from stylegan_cli.stylizer import open_stylizer

    stylizer = open_stylizer(
        style,
        model=model,
        device=device,
        backend=backend,
        detail=detail,
        precision=precision,
        strength=strength,
        preserve_colour=preserve_colour,
    )
    if style is None:
        console.print(f"No --style given, using {stylizer.name}.")
    label = stylizer.ai_label if strength > 0 and not no_ai_label else None

    def paint(picture: Picture, seed: int) -> Picture:
        return stylizer.varied(seed).repaint(picture)

    with progress(f"varying {photo.name}") as on_progress:
        pictures, grid = write_variations(
            photo,
            paint,
            range(seed, seed + count),
            ending=ending_of(stylizer.name),
            folder=out,
            overwrite=overwrite,
            ai_label=label,
            on_progress=on_progress,
        )
    if as_json:
        seeds = range(seed, seed + count)
        made = [{"seed": n, "picture": str(path)} for n, path in zip(seeds, pictures, strict=True)]
        emit({"style": stylizer.name, "pictures": made, "grid": str(grid)}, as_json)
    else:
        sys.stdout.writelines(f"{path}\n" for path in (*pictures, grid))
