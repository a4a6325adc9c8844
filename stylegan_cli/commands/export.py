"""`influ export`: a run or a style as one model file, or its colours for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import Json, console, emit, progress
from stylegan_cli.sharing.export import ExportConfig, export_file, model_for_page
from stylegan_cli.sharing.page_export import export_page
from stylegan_cli.styles import Model


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
    config: ExportConfig,
    as_json: Json = False,
) -> None:
    """Write one self-describing model: the base and its creators.

    As .cube: the colour part of one look, for Resolve, Premiere, OBS and ffmpeg. With --format
    web: a folder with the page of `influ ui` and the model, ready for any static host.
    """
    if config.format == "web":
        model = model_for_page(source, config)
        written = export_page(model, out, overwrite=config.overwrite)
        emit({"folder": str(out), **_record(model), "bytes": written}, as_json)
        console.print(f"Try it: python3 -m http.server --directory {out} --bind 127.0.0.1")
        return
    with progress("exporting") as on_progress:
        exported = export_file(source, out, config, on_progress)
    if isinstance(exported, Model):
        emit({"model": str(out), **_record(exported), "bytes": out.stat().st_size}, as_json)
        return
    left_out = exported.left_out
    emit(
        {
            "cube": str(out),
            "style": exported.style,
            "points": exported.points,
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


def _record(model: Model) -> dict[str, object]:
    return {"base": model.base.hash, "styles": [style.name for style in model.styles]}
