"""`influ styles add`: a style from pictures or a code."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import (
    Json,
    console,
    emit,
    progress,
    say_content,
    say_hidden,
    say_lines,
    say_refining,
)
from stylegan_cli.sharing.adding import AddConfig, MadeStyle, keep_style, make_from, place_for


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the new style.")],
    config: AddConfig,
    folder: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            exists=True,
            show_default=False,
            help="The creator's pictures, or one picture.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Make a style from a folder of pictures or from a code, in seconds and without training.

    With --minutes, the style is then refined on the same pictures.
    """
    if config.run is not None:
        from stylegan_cli.training.planning import check_free

        check_free(config.run, "choose another folder with --run", overwrite=config.overwrite)
    with place_for(name, folder, config):
        made = _make(name, folder, config)
        kept = keep_style(made, out=config.out, model=config.model, overwrite=config.overwrite)
    if kept.is_registered:
        say_hidden([kept.style.name])
    if folder is not None:
        say_lines(kept.style)
    emit(kept.as_mapping(), as_json)


def _make(name: str, folder: Path | None, config: AddConfig) -> MadeStyle:
    """The instant style, refined with --minutes; says what is done."""
    with progress("reading") as on_progress:
        made = make_from(name, folder, config, on_progress)
    if folder is not None:
        say_content(made.photos, config.content)
    if config.minutes is None:
        return made
    from stylegan_cli.training.refining import refine_style

    style = refine_style(
        made.style,
        made.pictures,
        made.photos,
        minutes=config.minutes,
        model=config.model,
        run_dir=config.run,
        device=config.device,
        overwrite=config.overwrite,
        progress_of=progress,
        on_open=say_refining,
        on_note=console.print,
    )
    return replace(made, style=style.with_strokes_of(made.style))
