"""`influ prep`: pictures, folders and clips → a data set to learn from."""

from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.commands.common import Json, console, emit, progress
from stylegan_cli.errors import DataError, PartialFailureError
from stylegan_cli.preparing import PrepConfig, Reason, prepare


def prep(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC",
            exists=True,
            show_default=False,
            help="Pictures, clips, and folders of both, with the folders inside.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", file_okay=False, metavar="DATA", help="Folder of the data set."
        ),
    ],
    config: PrepConfig,
    as_json: Json = False,
) -> None:
    """Make a data set: find, level, and crop faces, and leave out bad pictures.

    Writes DATA/{train,val}/NAME/*.jpg, manifest.jsonl, and report.html. The sources are not
    changed. A second run adds only new pictures. Exit codes: 0 done, even if pictures were
    rejected; 3 some files could not be read; 1 the data set is empty.
    """
    with progress("preparing") as on_progress:
        summary = prepare(sources, out, config, on_progress=on_progress)
    emit(
        {
            "data": str(out),
            "name": config.name,
            "new": summary.new,
            "already_there": summary.present,
            "removed_by_you": summary.removed,
            "rejected": summary.rejected,
            "train": summary.train,
            "val": summary.val,
            "report": str(summary.report),
        },
        as_json,
    )
    if not summary.train + summary.val:
        raise DataError(
            f"no picture of '{config.name}' is left to learn from; {summary.report} says why"
        )
    unreadable = summary.rejected.get(Reason.UNREADABLE, 0)
    if unreadable:
        console.print(f"The rest is in {out}.")
        raise PartialFailureError(
            f"{unreadable} of the files could not be read; {summary.report} names them"
        )
