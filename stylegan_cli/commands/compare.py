"""`influ compare`: a picture before and after."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import Json, Overwrite, emit
from stylegan_cli.commands.streams import write_line


def compare(
    before: Annotated[
        Path, typer.Argument(metavar="BEFORE", show_default=False, help="The picture before.")
    ],
    after: Annotated[
        Path, typer.Argument(metavar="AFTER", show_default=False, help="The picture after.")
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            show_default="BEFORE_compare.html beside AFTER",
            help="Page (.html) with a slider, or picture with both side by side.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Show a picture before and after, on a page with a slider or side by side in one picture.

    The page contains both pictures and works offline.
    """
    from stylegan_cli.pictures.pages.comparison import write_comparison

    target = out or after.parent / f"{before.stem}_compare.html"
    write_comparison(before, after, target, overwrite=overwrite)
    if as_json:
        emit({"before": str(before), "after": str(after), "comparison": str(target)}, as_json)
    else:
        write_line(str(target))
