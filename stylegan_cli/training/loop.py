"""From a start to the best of each creator, whatever stops a run in between."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.config import to_mapping
from stylegan_cli.learning.checkpoints import (
    Metrics,
    load_latest_checkpoint,
    save_config,
)
from stylegan_cli.learning.schedules import is_due
from stylegan_cli.preparing.layout import TrainingData
from stylegan_cli.runtime.interruption import stop_between_steps
from stylegan_cli.styles import Model
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.diagnostics import NotANumberError, Note
from stylegan_cli.training.run import Progress, Run

LOG_EVERY = 10


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a run has come to."""

    model: Model  # the base and each creator's best
    steps: int
    total_steps: int | None
    stopped: bool  # before its end, by the user
    notes: tuple[Note, ...]  # the diagnostics'


def open_run(
    run_dir: Path,
    data: TrainingData,
    config: TrainingConfig,
    *,
    device: str = "cpu",
    resume: bool = False,
    again: Sequence[str] = (),
    on_progress: Progress = lambda done, total: None,
) -> Run:
    """Read the pictures, make the instant styles; with `resume`, go to the newest checkpoint.

    again: for the report, the words of a command that does the same but for the number of steps.
    Raises DataError where pictures are missing, StyleFileError where the base can't be read.
    """
    run = Run(run_dir, data, config, device, on_progress, again)
    if resume and (state := load_latest_checkpoint(run_dir)):
        run.resume(state)
    save_config(run_dir, to_mapping(config))
    return run


def refine(run: Run, on_progress: Progress = lambda done, total: None) -> TrainingResult:
    """Refine each creator until the run is over or the user asks to stop.

    The number of steps is fixed once, from the time limit and the time of the first ones. Where a
    loss is no number the run goes back to its last checkpoint and on at half the pace; raises
    TrainingError where that does not help.
    """
    config = run.config
    with (
        Metrics(run.folder, run.columns, run.players.step) as metrics,
        stop_between_steps() as stop,
    ):
        if run.players.step == 0:
            run.save()  # there is always a good state to go back to
        run.write_report("running")
        while not (run.is_over() or stop.requested):
            try:
                values = run.step()
            except NotANumberError:
                run.roll_back()
                metrics.rewind(run.players.step)
                continue
            step, over = run.players.step, run.is_over()
            # Not at a stop: a resumed run is judged where an uninterrupted one is.
            figures = run.validate() if is_due(step, config.validate_every) or over else {}
            over = over or not run.learning  # by now
            if is_due(step, LOG_EVERY) or figures:
                metrics.write(step, values | figures)
            if figures and not over:
                run.write_report("running")
            if is_due(step, config.sample_every) or over:
                run.write_sheet()
            if is_due(step, config.save_every) or over:
                run.save()
            on_progress(step, run.players.total_steps or 0)
        if stop.requested:
            run.save()
        run.write_report("finished" if run.is_over() else "stopped")
    return TrainingResult(
        run.best_model(),
        run.players.step,
        run.players.total_steps,
        stopped=not run.is_over(),
        notes=tuple(run.diagnostics.notes),
    )
