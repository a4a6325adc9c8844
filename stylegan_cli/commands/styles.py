"""`influ styles`: what can be used by name; make a style, hand it on, take it away."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stylegan_cli.commands.common import (
    Device,
    Json,
    ModelFile,
    Overwrite,
    console,
    emit,
    emit_table,
    progress,
    say_hidden,
)

if TYPE_CHECKING:
    from stylegan_cli.backends import Backend
    from stylegan_cli.styles import Base, FoundStyle, Style


def list_styles(
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="List this model's styles instead.")
    ] = None,
    as_json: Json = False,
) -> None:
    """List the styles that can be used by name, and where they come from."""
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
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            exists=True,
            show_default=False,
            help="The creator's pictures, or one picture.",
        ),
    ] = None,
    code: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Instead of pictures, what `influ styles code` wrote."),
    ] = None,
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
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="MINUTES", help="Refine it for so long, as train does; the better one is kept."
        ),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="With --minutes: keep the run and its report here."),
    ] = None,
    device: Device = "auto",
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Make a style from a folder of pictures or from a code, in seconds and without training.

    With --minutes it is then refined on the same pictures.
    """
    from stylegan_cli.backends import open_backend
    from stylegan_cli.errors import UsageError
    from stylegan_cli.instant import make_style, pictures_in, starter_photos
    from stylegan_cli.runtime.devices import resolve_device
    from stylegan_cli.sharing.preview import preview_path
    from stylegan_cli.sharing.style_code import read_line
    from stylegan_cli.styles import read_model, shipped_model, user_style_path, with_model

    if (folder is None) == (code is None):
        raise UsageError("a style is made from pictures or from a code: give DIR or --code TEXT")
    if code is not None and (content is not None or licence):
        raise UsageError("a code holds all there is to know: leave out --content and --licence")
    if minutes is not None and (code is not None or minutes <= 0):
        raise UsageError("--minutes is how long to train on the pictures of DIR, more than 0")
    if run is not None and minutes is None:
        raise UsageError("--run keeps what --minutes did: add --minutes, or leave it out")
    target = out or user_style_path(name)
    for path in (target, preview_path(target)) if out else (target,):
        _refuse_taken(path, "choose another name or add --overwrite", overwrite)
    pictures = pictures_in(folder) if folder else []
    photos = pictures_in(content) if content else None
    base = read_model(model or shipped_model()).base
    backend = open_backend(base, device=resolve_device(device))
    if code is not None:
        style = read_line(code, name, base)
    else:
        with progress("reading") as on_progress:
            style = make_style(
                name,
                pictures,
                base,
                backend,
                content=photos,
                licence=licence,
                on_progress=on_progress,
            )
    if minutes is not None:
        from stylegan_cli.commands.train import refined

        style = refined(
            style,
            pictures,
            photos or starter_photos(),
            minutes=minutes,
            model=model,
            run_dir=run,
            device=device,
            overwrite=overwrite,
        )
    if model:
        style = with_model(style, model)
    emit(_keep(style, base, backend, out, model, overwrite), as_json)


def code(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An instant style, or a mix.")],
    model: ModelFile = None,
    as_json: Json = False,
) -> None:
    """Print an instant style as one line of text, to be pasted into a message.

    The other side makes the style of it with `influ styles add NAME --code TEXT`.
    """
    from stylegan_cli.backends import open_backend
    from stylegan_cli.sharing.style_code import write_line
    from stylegan_cli.styles.mixing import find_style_or_mix

    base, style = find_style_or_mix(name, model)
    line = write_line(style, base, open_backend(base))
    if as_json:
        record = {"style": style.name, "code": line.text, "psnr_db": round(line.psnr_db, 2)}
        emit(record | {"characters": len(line.text)}, as_json)
        return
    sys.stdout.write(f"{line.text}\n")
    console.print(
        f"{len(line.text)} characters, within {line.psnr_db:.1f} dB of the style. "
        "The other side runs: influ styles add NAME --code TEXT"
    )


def pack(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The style, or a mix of several.")],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", show_default="NAME.safetensors here", help="File to write."),
    ] = None,
    model: ModelFile = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write a style, instant or refined, to one file to hand to a friend.

    The other side runs `influ styles install FILE`. A style of another base than the shipped one
    is packed as a model, with that base, and is used as it is: --model FILE.
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
        Path, typer.Argument(metavar="FILE", help="What `influ styles pack` wrote, or -o of add.")
    ],
    name: Annotated[
        str | None,
        typer.Option("--as", metavar="NAME", show_default="its own", help="What to call it."),
    ] = None,
    model: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The model it was made on.")
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Check a style file that somebody handed you, and register it under its name."""
    from stylegan_cli.backends import open_backend
    from stylegan_cli.errors import UsageError
    from stylegan_cli.styles import (
        read_info,
        read_model,
        read_style,
        shipped_model,
        user_style_path,
        with_model,
    )

    if read_info(file).get("kind") == "model":
        raise UsageError(f"{file} is a model with a base of its own: use it with --model {file}")
    base = read_model(model or shipped_model()).base
    style = read_style(file, base)
    if name is not None:
        style = style.renamed(name)
    taken = f"choose another name with --as, or replace '{style.name}' with --overwrite"
    _refuse_taken(user_style_path(style.name), taken, overwrite)
    if model:
        style = with_model(style, model)
    emit(_keep(style, base, open_backend(base), None, model, overwrite), as_json)


def rename(
    old: Annotated[str, typer.Argument(metavar="OLD", help="One of your own styles.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="What to call it from now on.")],
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
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The style to remove; only your own can be.")
    ],
) -> None:
    """Remove one of your own styles."""
    from stylegan_cli.sharing.preview import preview_path
    from stylegan_cli.styles import own_style_path

    path = own_style_path(name)
    path.unlink()
    preview_path(path).unlink(missing_ok=True)
    console.print(f"Removed {path}")


def _refuse_taken(target: Path, remedy: str, overwrite: bool) -> None:
    """Before any work."""
    from stylegan_cli.errors import OutputExistsError

    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} is there already; {remedy}")


def _keep(
    style: "Style",
    base: "Base",
    backend: "Backend",
    out: Path | None,
    model: Path | None,
    overwrite: bool,
) -> dict[str, object]:
    """Write the style to `out` or register it, with a preview; returns what to say of it."""
    from stylegan_cli.sharing.preview import write_preview
    from stylegan_cli.styles import register, user_style_path, write_style

    if out:
        write_style(style, out, overwrite=overwrite)
    else:
        register(style, overwrite=overwrite)
        say_hidden(style.name)
    target = out or user_style_path(style.name)
    used = f"--model {out}" if out else f"influ stylize photo.jpg --style {style.name}"
    if style.info.model:  # a style of another base is found by name, with that base's model
        used = f"influ styles install {out} --model {model}" if out else f"{used} --model {model}"
    return {
        "style": style.name,
        "file": str(target),
        "preview": str(write_preview(base, style, backend, target)),
        "pictures": style.info.pictures,
        "kind": style.info.mode,
        "use": used,
    }
