"""`influ export`: a run or a style as one model file."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import Json, Overwrite, emit


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN|NAME|MODEL", help="Folder of a run, style's name, or model."),
    ],
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="Model to write; .safetensors.")
    ],
    content: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="For a pre-training run: photos whose colours the base remembers.",
        ),
    ] = None,
    add: Annotated[
        list[Path] | None,
        typer.Option(
            "--add",
            exists=True,
            dir_okay=False,
            metavar="STYLE",
            help="Style file to put in; repeatable.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write one self-describing model: the base and its creators."""
    from stylegan_cli.errors import OutputExistsError, UsageError
    from stylegan_cli.exporting import export_model
    from stylegan_cli.instant import pictures_in
    from stylegan_cli.style_file import SUFFIX, write_model

    if out.suffix.lower() != SUFFIX:
        raise UsageError(
            f"the suffix picks the format, and {out.suffix or 'none'} is not known; use {SUFFIX}"
        )
    if out.exists() and not overwrite:
        raise OutputExistsError(f"{out} is there already; add --overwrite to replace it")
    model = export_model(source, pictures_in(content) if content else None, add or [])
    write_model(model, out, overwrite=overwrite)
    emit(
        {
            "model": str(out),
            "base": model.base.hash,
            "styles": [style.name for style in model.styles],
            "bytes": out.stat().st_size,
        },
        as_json,
    )
