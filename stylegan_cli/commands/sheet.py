"""`influ sheet`: photos in every style there is, side by side."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.batches import Outcome, SheetConfig, raise_for, summary, write_style_sheet
from stylegan_cli.commands.common import Json, console, emit, progress, say_error
from stylegan_cli.commands.options import Without
from stylegan_cli.commands.streams import write_line
from stylegan_cli.errors import UsageError, messages
from stylegan_cli.pictures import AiLabel, format_of
from stylegan_cli.styles import usable_names
from stylegan_cli.stylizer import StylizerConfig, open_configured_stylizers


def sheet(
    photos: Annotated[
        list[Path], typer.Argument(metavar="PHOTO", show_default=False, help="Photos to show.")
    ],
    config: SheetConfig,
    style_config: Annotated[
        StylizerConfig, Without("style", "references", "seed", "even", "detail", "precision")
    ],
    as_json: Json = False,
) -> None:
    """Show photos in every style on one sheet, with the names of the styles.

    One photo fills a grid; with several, each photo has a row. If a photo can't be used, the
    command names it and continues with the others.
    """
    target = config.out or photos[0].parent / f"{photos[0].stem}_sheet.jpg"
    if format_of(target) is None:
        why = f"{target.suffix or 'no suffix'} is not a picture format"
        raise UsageError(messages.cannot_write(target, why, "use .jpg or .png"))
    names = list(dict.fromkeys(config.styles))
    if not names:
        names, left_out = usable_names(style_config.model)
        if left_out:
            console.print(f"Left out, as made on another base: {', '.join(left_out)}")
    stylizers = open_configured_stylizers(names, style_config)
    labels = [stylizer.ai_label for stylizer in stylizers]
    label = AiLabel("; ".join(label.system for label in labels), labels[0].version)

    def report(outcome: Outcome) -> None:
        if outcome.error is not None and len(photos) > 1:
            say_error(str(outcome.error))

    with progress("stylizing") as on_progress:
        outcomes = write_style_sheet(
            photos,
            {name: stylizer.stylize for name, stylizer in zip(names, stylizers, strict=True)},
            target,
            overwrite=config.overwrite,
            ai_label=label if style_config.strength > 0 and config.ai_label else None,
            on_outcome=report,
            on_progress=on_progress,
        )
    if as_json:
        emit({"sheet": str(target), "styles": names} | summary(outcomes), as_json)
    elif any(outcome.error is None for outcome in outcomes):
        write_line(str(target))
    raise_for(outcomes)
