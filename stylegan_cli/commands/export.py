"""`influ export`: a run or a style as one model file, or one style for other programs."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import Json, console, emit, progress
from stylegan_cli.sharing.export import ExportConfig, export_file


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
            help="File to write: .safetensors, .onnx or .cube; with --format web a folder.",
        ),
    ],
    config: ExportConfig,
    as_json: Json = False,
) -> None:
    """Export a style or a run for other programs, or as one complete model file.

    .safetensors: the base and its styles. .onnx: one style as a graph from pixels to pixels, at any
    size, for any ONNX runtime. .cube: the colours of one style, for Resolve, Premiere, OBS, and
    FFmpeg. --format web: a folder with the page of `influ ui` and the model, for any static host.
    With --verify, a file that differs from the style by more than its format allows is not written
    (exit code 1).
    """
    with progress("exporting") as on_progress:
        exported = export_file(source, out, config, on_progress)
    emit(exported.record, as_json)
    for note in exported.notes:
        console.print(note)
