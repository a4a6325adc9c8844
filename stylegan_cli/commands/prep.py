"""`influ prep`: pictures, folders and clips → a data set to learn from."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from stylegan_cli.commands.common import Json, console, emit, progress


def prep(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SRC",
            exists=True,
            show_default=False,
            help="Pictures, clips, and folders of both, searched through and through.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", file_okay=False, metavar="DATA", help="Folder of the data set."
        ),
    ],
    name: Annotated[
        str, typer.Option("--as", metavar="content|CREATOR", help="Whose pictures these are.")
    ] = "content",
    size: Annotated[int, typer.Option(help="Side of the square results, px.")] = 512,
    faces: Annotated[
        Literal["required", "prefer", "off"],
        typer.Option(help="Without a face: reject the picture, or take its middle."),
    ] = "prefer",
    margin: Annotated[
        float, typer.Option(help="Room on each side of a face, in face heights.")
    ] = 0.6,
    every: Annotated[
        str, typer.Option(help="Time between two frames of a clip, at least, like 2s.")
    ] = "2s",
    val: Annotated[float, typer.Option(help="Share that is held out of training.")] = 0.1,
    min_size: Annotated[
        int | None,
        typer.Option(
            show_default="half of --size", help="Reject what is made from fewer px than this."
        ),
    ] = None,
    min_sharpness: Annotated[
        float, typer.Option(help="Reject what is more blurred; 0 takes everything.")
    ] = 0.6,
    as_json: Json = False,
) -> None:
    """Make a data set: find faces, level and crop them, and leave out what nothing can learn from.

    Writes DATA/{train,val}/NAME/*.jpg, manifest.jsonl and report.html. The sources are only read;
    running it again adds nothing twice. Exit codes: 0 also when pictures were rejected, 3 when some
    files could not be read, 1 when the data set stays empty.
    """
    from stylegan_cli.config import parse_duration
    from stylegan_cli.errors import DataError, PartialFailureError
    from stylegan_cli.preparing import FacesRule, PrepConfig, Reason, prepare

    config = PrepConfig(
        name=name,
        size=size,
        faces=FacesRule(faces),
        margin=margin,
        every_s=parse_duration(every),
        val_share=val,
        min_size=min_size,
        min_sharpness=min_sharpness,
    )
    with progress("preparing") as on_progress:
        summary = prepare(sources, out, config, on_progress=on_progress)
    emit(
        {
            "data": str(out),
            "name": name,
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
        raise DataError(f"no picture of '{name}' is left to learn from; {summary.report} says why")
    unreadable = summary.rejected.get(Reason.UNREADABLE, 0)
    if unreadable:
        console.print(f"The rest is in {out}.")
        raise PartialFailureError(
            f"{unreadable} of the files could not be read; {summary.report} names them"
        )
