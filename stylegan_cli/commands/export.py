"""`influ export`: a run or a style as one model file, or its colours for other programs."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stylegan_cli import messages
from stylegan_cli.commands.common import Json, Overwrite, console, emit, progress

PHOTOS_MEASURED = 12


def export(
    source: Annotated[
        str,
        typer.Argument(metavar="RUN|NAME|MODEL", help="Folder of a run, style's name, or model."),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "-o",
            "--out",
            metavar="FILE",
            help="Model to write, .safetensors, or .cube; with --format web a folder.",
        ),
    ],
    format: Annotated[
        Literal["web"] | None,
        typer.Option(
            show_default="by the suffix of --out",
            help="web: the page that learns and paints in a browser, for any static host.",
        ),
    ] = None,
    style: Annotated[
        str | None,
        typer.Option("--style", "-s", help="For .cube: which creator of a run or model."),
    ] = None,
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
    points: Annotated[
        int | None,
        typer.Option(
            min=2,
            max=129,
            show_default="33, or 65 where that is not close enough",
            help="For .cube: points on each axis of the table.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write one self-describing model: the base and its creators.

    As .cube: the colour part of one look, for Resolve, Premiere, OBS and ffmpeg. With --format
    web: a folder with the page of `influ ui` and the model, ready for any static host.
    """
    if format == "web":
        _export_page(source, style, content, add or [], out, overwrite, as_json)
        return
    from stylegan_cli.errors import OutputExistsError, UsageError
    from stylegan_cli.instant import pictures_in
    from stylegan_cli.styles import SUFFIX, write_model

    to_cube = out.suffix.lower() == ".cube"
    if not to_cube and out.suffix.lower() != SUFFIX:
        why = f"{out.suffix or 'no suffix'} is not a format for models or colours"
        raise UsageError(messages.cannot_write(out, why, f"use {SUFFIX} or .cube"))
    if to_cube and (content or add):
        raise UsageError("a .cube holds one look's colours: leave out --content and --add")
    if not to_cube and (style is not None or points is not None):
        raise UsageError("--style and --points are for a .cube: leave them out here")
    if out.exists() and not overwrite:
        raise OutputExistsError(messages.exists_already(out))
    if to_cube:
        _export_cube(source, style, out, points, overwrite, as_json)
        return
    from stylegan_cli.sharing.model_export import export_model

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


def _export_page(
    source: str,
    style: str | None,
    content: Path | None,
    add: list[Path],
    out: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    from stylegan_cli.errors import UsageError
    from stylegan_cli.sharing.model_export import export_model
    from stylegan_cli.web import export_page

    if content or style:
        raise UsageError("the page holds all looks of a model: leave out --style and --content")
    model = export_model(source, None, add)
    written = export_page(model, out, overwrite=overwrite)
    emit(
        {
            "folder": str(out),
            "base": model.base.hash,
            "styles": [style.name for style in model.styles],
            "bytes": written,
        },
        as_json,
    )
    console.print(f"Try it: python3 -m http.server --directory {out} --bind 127.0.0.1")


def _export_cube(
    source: str,
    style: str | None,
    out: Path,
    points: int | None,
    overwrite: bool,
    as_json: bool,
) -> None:
    from stylegan_cli.instant import starter_photos
    from stylegan_cli.learning.checkpoints import BEST_NAME
    from stylegan_cli.sharing.cube_file import measure_left_out, open_style, write_cube

    if (best := Path(source) / BEST_NAME).is_file():
        source = str(best)
    stylizer = open_style(source, style)
    with progress("measuring what colours leave out") as on_progress:
        left_out = measure_left_out(stylizer, starter_photos()[:PHOTOS_MEASURED], on_progress)
    written = write_cube(stylizer, out, points=points, overwrite=overwrite)
    emit(
        {
            "cube": str(out),
            "style": stylizer.name,
            "points": written,
            "left_out_share": left_out.share,
            "left_out_psnr_db": left_out.psnr_db,
            "photos": left_out.photos,
        },
        as_json,
    )
    if left_out.psnr_db is None:
        console.print("This look is colour alone: the .cube holds all of it.")
    else:
        console.print(
            f"The .cube leaves out {left_out.share:.0%} of the change that the look makes: "
            f"what it does in space, like glow, grain and lines ({left_out.psnr_db:.1f} dB)."
        )
