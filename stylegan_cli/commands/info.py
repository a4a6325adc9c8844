"""`influ info`: what a model or style file is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from stylegan_cli.commands.common import Json, emit, emit_table


def info(
    model: Annotated[
        Path | None,
        typer.Argument(
            metavar="MODEL",
            help="Model or style file, or the name of a style. Default: the shipped model.",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Describe a model or style file: architecture, creators, sizes, metrics, hash."""
    from stylegan_cli.styles import list_styles, read_info, shipped_model

    path, name = model or shipped_model(), str(model)
    if not path.exists():
        path = next((style.path for style in list_styles() if style.name == name), path)
    described = read_info(path)
    document = {"file": str(path), "bytes": path.stat().st_size, **described}
    if as_json:
        emit(document, as_json)
        return
    document.pop("tensors_sha256", None)  # for machines
    creators = document.pop("creators", None) or [document.pop("creator")]
    creators = [creator for creator in creators if creator["name"] == name] or creators
    emit({name: value for name, value in document.items() if not isinstance(value, Mapping)}, False)
    rows = [
        (name, key.replace("_", " "), value)
        for name, part in document.items()
        if isinstance(part, Mapping)
        for key, value in part.items()
    ]
    if rows:
        emit_table(("part", "setting", "value"), rows)
    emit_table(("creator", "pictures", "kind", "metrics", "licence"), map(_row, creators))


def _row(creator: Mapping[str, Any]) -> tuple[object, ...]:
    made = "refined" if creator.get("refined") else "instant"
    kind = f"{creator.get('mode', '')}, {made}, {creator.get('working_size', '')} px"
    metrics = creator.get("metrics")
    return creator.get("name"), creator.get("pictures"), kind, metrics, creator.get("licence")
