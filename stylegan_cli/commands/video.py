"""`influ video`: clips in a creator's style."""

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated

import typer

from stylegan_cli.batches import Job, Status, summary
from stylegan_cli.batches.clips import (
    ClipBatchConfig,
    ClipOutcome,
    open_clip_batch,
    raise_for_clips,
    run_clips,
)
from stylegan_cli.commands.common import (
    Json,
    console,
    emit,
    progress,
    say_error,
    say_style,
)
from stylegan_cli.commands.options import Without
from stylegan_cli.commands.streams import write_line
from stylegan_cli.stylizer import StylizerConfig


def video(
    inputs: Annotated[
        list[Path],
        typer.Argument(metavar="CLIP", show_default=False, help="Clips, or folders of clips."),
    ],
    # Frames that are each evened out flicker.
    style_config: Annotated[StylizerConfig, Without("even")],
    config: ClipBatchConfig,
    as_json: Json = False,
) -> None:
    """Stylize clips in a creator's style. Size, frame times, orientation, and sound stay the same.

    If a clip can't be used, the command names it and continues with the others. Exit codes: 0 all
    done, 3 some failed or are damaged, 1 all failed, 2 wrong use, 130 interrupted (--resume
    continues).
    """
    stylizer, jobs = open_clip_batch(inputs, style_config, config)
    say_style(style_config, stylizer.style)
    is_single = len(inputs) == 1 and not inputs[0].is_dir()

    def report(outcome: ClipOutcome) -> None:
        if outcome.error is not None and not is_single:
            say_error(str(outcome.error))
        if outcome.result is not None:
            about = "" if is_single else f"{outcome.job.source}: "
            for note in outcome.result.notes:
                console.print(about + note)
            if outcome.result.shortfall is not None and not is_single:
                say_error(f"{about}damaged, {outcome.result.shortfall} are kept")
            if not as_json:
                write_line(str(outcome.result.target))
                sys.stdout.flush()

    def progress_of(job: Job) -> AbstractContextManager[Callable[[int, int], None]]:
        name = "" if is_single else f"{job.source.name} "
        return progress(f"stylizing {name}with {stylizer.name}")

    outcomes = run_clips(
        jobs,
        stylizer,
        config.clip,
        skip_existing=config.skip_existing,
        on_outcome=report,
        progress_of=progress_of,
    )
    if as_json and is_single:
        emit({"style": stylizer.name} | outcomes[0].record(), as_json)
    elif as_json:
        emit({"style": stylizer.name} | summary(outcomes), as_json)
    elif skipped := sum(outcome.status is Status.SKIPPED for outcome in outcomes):
        console.print(f"{skipped} left out, their results are there already.")
    raise_for_clips(outcomes)
