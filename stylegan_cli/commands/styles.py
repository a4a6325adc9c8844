"""`influ styles`: what can be used by name; make a style from a folder, take one away."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.commands.common import (
    Device,
    Json,
    Overwrite,
    console,
    emit,
    emit_table,
    progress,
)

if TYPE_CHECKING:
    from stylegan_cli.style_file import FoundStyle


def list_styles(
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="List this model's styles instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the styles that can be used by name, and where they come from."""
    from stylegan_cli.style_file import list_styles as find_styles

    found = find_styles(model)
    if as_json:
        rows = [
            {
                "name": style.name,
                "origin": style.origin,
                "file": str(style.path),
                "pictures": style.info.pictures,
                "refined": style.info.refined,
                "mode": style.info.mode,
                "shadows": style.shadows,
                "fits": style.fits,
            }
            for style in found
        ]
        emit({"styles": rows}, as_json)
        return
    if not found:
        console.print("There are no styles yet; make one with: influ styles add NAME FOLDER")
        return
    emit_table(
        ("style", "from", "pictures", "kind", "file"),
        [
            (
                style.name,
                _origin(style),
                style.info.pictures,
                f"{style.info.mode}, {'refined' if style.info.refined else 'instant'}",
                style.path,
            )
            for style in found
        ],
    )


def _origin(style: "FoundStyle") -> str:
    if not style.fits:
        needed = style.info.model or "an earlier shipped model"
        return f"{style.origin}, for {needed} alone"
    return "yours, instead of the shipped one" if style.shadows else style.origin


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What to call the style.")],
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", exists=True, help="The creator's pictures, or one picture."),
    ],
    content: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="Photos the creator might have started from; the shipped ones if not given.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write this style file; register nothing.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Model whose base to use.")
    ] = None,
    licence: Annotated[
        str, typer.Option(help="Consent or licence of the pictures, kept in the file.")
    ] = "",
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make a style from a folder of pictures, in seconds and without training."""
    from stylegan_cli.backends import open_backend
    from stylegan_cli.devices import resolve_device
    from stylegan_cli.errors import OutputExistsError
    from stylegan_cli.instant import make_style, pictures_in
    from stylegan_cli.previews import write_preview
    from stylegan_cli.style_file import (
        read_model,
        register,
        shipped_model,
        user_style_path,
        with_model,
        write_style,
    )

    target = out or user_style_path(name)
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"{target} is there already; choose another name or add --overwrite"
        )
    pictures = pictures_in(folder)
    photos = pictures_in(content) if content else None
    base = read_model(model or shipped_model()).base
    backend = open_backend(base, device=resolve_device(device))
    with progress("reading") as on_progress:
        style = make_style(
            name, pictures, base, backend, content=photos, licence=licence, on_progress=on_progress
        )
    if model:
        style = with_model(style, model)
    if out:
        write_style(style, out, overwrite=overwrite)
    else:
        register(style, overwrite=overwrite)
    preview = write_preview(base, style, backend, target)
    used = f"influ stylize photo.jpg --style {name}" if out is None else f"--model {out}"
    emit(
        {
            "style": name,
            "file": str(target),
            "preview": str(preview),
            "pictures": style.info.pictures,
            "kind": style.info.mode,
            "use": used,
        },
        as_json,
    )


def remove(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The style to remove; only your own can be.")
    ],
) -> None:
    """Remove one of your own styles."""
    from stylegan_cli.errors import StyleNotFoundError
    from stylegan_cli.previews import preview_path
    from stylegan_cli.style_file import user_style_path

    path = user_style_path(name)
    if not path.exists():
        raise StyleNotFoundError(f"you have no style '{name}'; list yours with: influ styles")
    path.unlink()
    preview_path(path).unlink(missing_ok=True)
    console.print(f"Removed {path}")
