"""`influ info`: what a model or style file is."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import Json, emit


def info(
    model: Annotated[
        Path | None,
        typer.Argument(metavar="MODEL", help="Model or style file; the shipped one if not given."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a model or style file: architecture, creators, sizes, metrics, hash."""
    from stylegan_cli.styles import read_info, shipped_model

    path = model or shipped_model()
    document = read_info(path)
    emit({"file": str(path), "bytes": path.stat().st_size, **document}, as_json)
