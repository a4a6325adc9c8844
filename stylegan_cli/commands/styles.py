"""`influ styles`: what can be used by name; make a style, hand it on, take it away."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.commands.common import (
    Json,
    ModelFile,
    Overwrite,
    console,
    emit,
    emit_table,
    say_hidden,
)

if TYPE_CHECKING:
    from stylegan_cli.styles import FoundStyle, StyleInfo


def list_styles(
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="List this model's styles instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List all styles."""
    from stylegan_cli.styles import list_styles as find_styles

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
                "strokes": style.info.strokes,
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
        ("style", "from", "pictures", "kind"),
        [
            (
                style.name,
                _origin(style),
                style.info.pictures,
                _kind(style.info),
            )
            for style in found
        ],
    )


def _kind(info: "StyleInfo") -> str:
    made = "refined" if info.refined else "instant"
    return f"{info.mode}, {made}, with strokes" if info.strokes else f"{info.mode}, {made}"


def _origin(style: "FoundStyle") -> str:
    if not style.fits:
        needed = style.info.model or "an earlier shipped model"
        return f"{style.origin}, for {needed} alone"
    return "yours, instead of the shipped one" if style.shadows else style.origin


def code(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An instant style, or a mix.")],
    model: ModelFile = None,
    as_json: Json = False,
) -> None:
    """Print an instant style as one line of text, for a message.

    To make the style from the line: `influ styles add NAME --code TEXT`.
    """
    from stylegan_cli.sharing.style_code import code_of

    style, line = code_of(name, model)
    if as_json:
        record = {"style": style.name, "code": line.text, "psnr_db": round(line.psnr_db, 2)}
        emit(record | {"characters": len(line.text)}, as_json)
        return
    sys.stdout.write(f"{line.text}\n")
    console.print(
        f"{len(line.text)} characters, within {line.psnr_db:.1f} dB of the style. "
        "The other side runs: influ styles add NAME --code TEXT"
    )
    info = style.info
    layers = {"film grain": info.grain, "halation": info.halation, "strokes": info.strokes}
    for what in (name for name, part in layers.items() if part):
        console.print(f"It leaves out the {what}, which `influ styles pack` keeps.")


def pack(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of a style, or a mix.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", show_default="NAME.safetensors here", help="File to write."),
    ] = None,
    model: ModelFile = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a style, instant or refined, to one file.

    To use the file elsewhere: `influ styles install FILE`. If the style was made on another base,
    the file is a model that contains the base; use it with --model FILE.
    """
    from stylegan_cli.styles import (
        SUFFIX,
        Model,
        read_info,
        shipped_model,
        write_model,
        write_style,
    )
    from stylegan_cli.styles.mixing import find_style_or_mix

    base, style = find_style_or_mix(name, model)
    target = out or Path(f"{style.name}{SUFFIX}")
    at_home = read_info(shipped_model()).get("base_hash") == base.hash
    if at_home:
        write_style(style, target, overwrite=overwrite)
    else:
        write_model(Model(base=base, styles=(style,)), target, overwrite=overwrite)
    emit(
        {
            "style": style.name,
            "file": str(target),
            "bytes": target.stat().st_size,
            "licence": style.info.licence,
            "use": f"influ styles install {target}" if at_home else f"--model {target}",
        },
        as_json,
    )


def install(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="File from `influ styles pack` or from `add -o`.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--as", metavar="NAME", show_default="its own", help="Name to register it under."
        ),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Model that the style was made on.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Check a style file and register it."""
    from stylegan_cli.sharing.adding import install_style

    kept = install_style(file, name, model, overwrite=overwrite)
    say_hidden([kept.style.name])
    emit(kept.as_mapping(), as_json)


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="One of your own styles.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="New name.")],
    overwrite: Overwrite = False,
) -> None:
    """Give one of your own styles another name."""
    from stylegan_cli.sharing.preview import preview_path
    from stylegan_cli.styles import rename_own

    before, after = rename_own(old, new, overwrite=overwrite)
    if preview_path(before).exists():
        preview_path(before).replace(preview_path(after))
    console.print(f"{old} is now {new}: {after}")


def remove(
    name: Annotated[str, typer.Argument(metavar="NAME", help="One of your own styles.")],
) -> None:
    """Remove one of your own styles."""
    from stylegan_cli.sharing.preview import preview_path
    from stylegan_cli.styles import own_style_path

    path = own_style_path(name)
    path.unlink()
    preview_path(path).unlink(missing_ok=True)
    console.print(f"Removed {path}")
