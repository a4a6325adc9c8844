"""`influ sheet`: photos in every look there is, side by side."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import (
    Backend,
    Device,
    Json,
    ModelFile,
    NoAiLabel,
    Overwrite,
    PreserveColour,
    Strength,
    console,
    emit,
    progress,
    say_error,
)


def sheet(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", show_default=False, help="Pictures to try on.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            show_default="STEM_sheet.jpg beside the first",
            help="Picture file to write.",
        ),
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(
            "--style",
            "-s",
            show_default="all there are",
            help="A look by name, or a mix like toon:0.7,vangogh:0.3; repeatable.",
        ),
    ] = None,
    model: ModelFile = None,
    strength: Strength = 1.0,
    preserve_colour: PreserveColour = False,
    backend: Backend = "auto",
    overwrite: Overwrite = False,
    no_ai_label: NoAiLabel = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show photos in every look that can be used by name, on one sheet with the names below.

    One photo fills a grid; several have a row each. A photo that can't be used is named and the
    rest goes on.
    """
    from stylegan_cli.batches import Outcome, raise_for, summary, write_style_sheet
    from stylegan_cli.errors import UsageError
    from stylegan_cli.pictures import AiLabel, format_of
    from stylegan_cli.stylizer import open_stylizers

    target = out or photos[0].with_name(f"{photos[0].stem}_sheet.jpg")
    if format_of(target) is None:
        raise UsageError(f"a sheet is a picture, and {target} names none: use .jpg or .png")
    names = list(dict.fromkeys(style or _usable_names(model)))
    stylizers = open_stylizers(
        names,
        model=model,
        device=device,
        backend=backend,
        strength=strength,
        preserve_colour=preserve_colour,
    )
    labels = [stylizer.ai_label for stylizer in stylizers]
    label = AiLabel("; ".join(label.system for label in labels), labels[0].version)

    def tell(outcome: Outcome) -> None:
        if outcome.error is not None and len(photos) > 1:
            say_error(str(outcome.error))

    with progress("painting") as on_progress:
        outcomes = write_style_sheet(
            photos,
            {name: stylizer.paint for name, stylizer in zip(names, stylizers, strict=True)},
            target,
            overwrite=overwrite,
            ai_label=label if strength > 0 and not no_ai_label else None,
            on_outcome=tell,
            on_progress=on_progress,
        )
    if as_json:
        emit({"sheet": str(target), "styles": names} | summary(outcomes), as_json)
    elif any(outcome.error is None for outcome in outcomes):
        sys.stdout.write(f"{target}\n")
    raise_for(outcomes)


def _usable_names(model: Path | None) -> list[str]:
    """The styles that can be used by name; those of another base are left out, and told of."""
    from stylegan_cli.errors import StyleNotFoundError
    from stylegan_cli.styles import list_styles, read_info

    found = list_styles(model)
    alone = model is not None and model.exists() and read_info(model).get("kind") == "style"
    usable = [
        item.name
        for item in found
        if item.origin == "model"
        or (item.shadows and model is not None)
        or (item.fits and not alone)
    ]
    if not usable:
        raise StyleNotFoundError(
            "there are no styles to show; make one with: influ styles add NAME FOLDER"
        )
    if left_out := [item.name for item in found if item.name not in usable and not item.fits]:
        console.print(f"Left out, as made on another base: {', '.join(left_out)}")
    return usable
