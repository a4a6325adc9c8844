"""Folders kept an eye on: what comes in is stylized, once it is all there."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from stylegan_cli.batches.outcomes import Outcome, Status
from stylegan_cli.batches.planning import Job, Planner
from stylegan_cli.runtime.interruption import StopRequest

Stamp = tuple[int, int]
"""Size in bytes and time of the last change in ns."""


def watch_folders(
    planner: Planner,
    run: Callable[[Sequence[Job]], list[Outcome]],
    stop: StopRequest,
    *,
    pause: Callable[[], object] = lambda: time.sleep(1),
) -> list[Outcome]:
    """Run the jobs of what is there and of what comes, until `stop` is requested.

    A file's turn comes when it is the same at two looks in a row: not while it is still growing.
    One that failed is tried again when it changes, one that another run has at the next look.
    Returns the outcomes of all runs.
    """
    outcomes: list[Outcome] = []
    last_stamps: dict[Path, Stamp | None] = {}
    tried: dict[Path, Stamp | None] = {}
    through: set[Path] = set()
    while True:
        jobs = [job for job in planner.jobs() if job.source not in through]
        stamps = {job.source: _stamp(job.source) for job in jobs}
        due = [
            job
            for job in jobs
            if stamps[job.source] is not None
            and stamps[job.source] == last_stamps.get(job.source)
            and stamps[job.source] != tried.get(job.source)
        ]
        last_stamps = stamps
        if due:
            settled = [outcome for outcome in run(due) if outcome.status is not Status.TAKEN]
            tried |= {outcome.job.source: stamps[outcome.job.source] for outcome in settled}
            through |= {o.job.source for o in settled if o.status is not Status.FAILED}
            outcomes += settled
        if stop.requested:
            return outcomes
        pause()


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns
