"""The training loop: from instant styles to each creator's best, however often it is stopped."""

import dataclasses
import logging
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning.checkpoints import restoring
from stylegan_cli.learning.logging import Metrics
from stylegan_cli.learning.schedules import StepClock, is_due
from stylegan_cli.runtime.interruption import stop_between_steps
from stylegan_cli.runtime.mappings import to_mapping
from stylegan_cli.styles import Model
from stylegan_cli.training.diagnostics import (
    DISQUALIFYING,
    Diagnostics,
    NotANumberError,
    Note,
    Problem,
)
from stylegan_cli.training.following import call_others, next_creator, resumable
from stylegan_cli.training.losses import LOSSES
from stylegan_cli.training.report import Album, CreatorReport, RunReport, State
from stylegan_cli.training.run_folder import RunFolder
from stylegan_cli.training.selection import Selection
from stylegan_cli.training.trainer import Trainer
from stylegan_cli.training.validation import ValidationMetrics, Validator

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]  # done, total

LOG_EVERY = 10  # steps
SHEET_PHOTOS = 4
VALIDATION_COLUMNS = (*(field.name for field in fields(ValidationMetrics)), "score")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The parts of a run, ready to train; see initialisation.open_run.

    names: of the creators. albums: pictures for the report, one per creator. pictures_digest: of
    the names and sizes of all pictures. start: what the run began with, see make_start. command:
    words that repeat the run, but for its steps.
    """

    names: Sequence[str]
    trainer: Trainer
    validator: Validator
    diagnostics: Diagnostics
    selection: Selection
    folder: RunFolder
    albums: Sequence[Album]
    clock: StepClock
    pictures_digest: str
    start: Model
    command: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """How a run ended."""

    model: Model  # the base and each creator's best
    steps: int
    total_steps: int | None
    stopped: bool  # by the user, before its end
    began_at: int  # step; that of the end where a finished run was resumed
    notes: tuple[Note, ...]  # from the diagnostics


def refine(run: Run, on_progress: Progress = lambda done, total: None) -> TrainingResult:
    """Train until the run is over or the user asks to stop.

    The number of steps is fixed once, from the time limit and the duration of the first steps.
    After a loss that is not a number, the run goes back to its last checkpoint and on at half the
    learning rates. Raises TrainingError where that does not help.
    """
    trainer, began_at = run.trainer, run.trainer.step
    with (
        run.folder.open_metrics(columns(run.names), trainer.step) as metrics,
        stop_between_steps() as stop,
    ):
        if trainer.step == 0:
            save(run)  # there is always a good state to go back to
        report(run, "running")
        call_others(trainer, run.start)
        while next_creator(trainer, is_over(run) or stop.requested, turn(run)) is not None:
            try:
                values = train_step(run)
            except NotANumberError:
                roll_back(run)
                metrics.rewind(trainer.step)
                continue
            follow_up(run, values, metrics)
            on_progress(trainer.step, trainer.total_steps or 0)
        if not is_over(run):
            save(run)
        report(run, "finished" if is_over(run) else "stopped")
    return TrainingResult(
        run.selection.best_model(trainer.step),
        trainer.step,
        trainer.total_steps,
        stopped=not is_over(run),
        began_at=began_at,
        notes=tuple(run.diagnostics.notes),
    )


def columns(names: Sequence[str]) -> tuple[str, ...]:
    """The columns of metrics.csv for creators of these names."""
    return (*LOSSES, "seconds", *(f"{n}/{column}" for n in names for column in VALIDATION_COLUMNS))


def train_step(run: Run) -> dict[str, float]:
    """One step for the creator whose turn it is; returns the loss terms and the seconds so far.

    Raises NotANumberError where the step went wrong.
    """
    trainer, started_s = run.trainer, time.monotonic()
    creator = turn(run)
    values = trainer.train_step(creator)
    run.diagnostics.watch(trainer.step, creator, values)
    run.clock.count_step(time.monotonic() - started_s)
    if trainer.total_steps is None:
        trainer.total_steps = run.clock.steps_within(trainer.config.time_limit_s)
    return {**values, "seconds": run.clock.elapsed_s}


def turn(run: Run) -> int:
    """The creator of the next step."""
    active = run.selection.active or [0]
    return active[run.trainer.step % len(active)]


def follow_up(run: Run, values: Mapping[str, float], metrics: Metrics) -> None:
    """Do what is due after a step: validation, metrics, report, sample sheets, checkpoint.

    A stop makes nothing due: a resumed run is validated where an uninterrupted one is.
    """
    config, step, over = run.trainer.config, run.trainer.step, is_over(run)
    validated = validate(run) if is_due(step, config.validate_every) or over else {}
    over = over or not run.selection.active
    if is_due(step, LOG_EVERY) or validated:
        metrics.write(step, {**values, **validated})
    if validated and not over:
        report(run, "running")
    if is_due(step, config.sample_every) or over:
        write_samples(run)
    if is_due(step, config.save_every) or over:
        save(run)


def validate(run: Run) -> dict[str, float]:
    """Validate each active creator and keep what is better than before; returns named metrics.

    A state with a problem that disqualifies it is never chosen.
    """
    step = run.trainer.step
    scores: dict[int, float] = {}
    values: dict[str, float] = {}
    disqualified: set[int] = set()
    for index in run.selection.active:
        validation = run.validator.validate(run.trainer, index)
        run.albums[index].show(step, validation.stylized)
        scores[index] = validation.score
        named = dataclasses.asdict(validation.metrics) | {"score": validation.score}
        values |= {f"{run.names[index]}/{name}": value for name, value in named.items()}
        if run.diagnostics.examine(step, index, validation.statistics) & DISQUALIFYING:
            disqualified.add(index)
    average = run.trainer.ema.state_dict()
    for index in run.selection.update(step, scores, disqualified, average):
        run.albums[index].choose_latest()
    return values


def is_over(run: Run) -> bool:
    """Whether all steps are done, no creator improves, or a slow machine's time is up."""
    trainer = run.trainer
    late = trainer.config.steps is None and run.clock.here_s > trainer.config.time_limit_s
    done = trainer.total_steps is not None and trainer.step >= trainer.total_steps
    return late or done or not run.selection.active


def roll_back(run: Run) -> None:
    """Go back to the last checkpoint, and on at half the learning rates.

    Raises TrainingError where that has been done too often.
    """
    trainer = run.trainer
    failed_step, lr_scale, elapsed_s = trainer.step, trainer.lr_scale / 2, run.clock.elapsed_s
    diagnosed = run.diagnostics.state_dict()
    state = run.folder.load_checkpoint()
    if lr_scale < trainer.config.min_lr_scale or state is None:
        raise TrainingError(
            f"a loss is no number after {failed_step} steps, again, at every learning rate; "
            "begin again with lower learning rates (--lr-g, --lr-d)"
        )
    resume(run, state)
    trainer.lr_scale, run.clock.elapsed_s = lr_scale, elapsed_s
    run.diagnostics.load_state_dict(diagnosed)
    run.diagnostics.note(
        failed_step,
        Problem.NOT_A_NUMBER,
        f"a loss was no number; went back to step {trainer.step} and on at "
        f"{100 * lr_scale:g} % of the learning rates: lower --lr-g and --lr-d next time",
    )
    trainer.team.broadcast(resumable(trainer))
    save(run)


def save(run: Run) -> None:
    """Write a checkpoint and the best model so far."""
    state = {
        **run.trainer.state_dict(),
        "pictures": run.pictures_digest,
        "best": run.selection.state_dict(),
        "elapsed_s": run.clock.elapsed_s,
        "diagnostics": run.diagnostics.state_dict(),
        "albums": [album.state_dict() for album in run.albums],
    }
    step = run.trainer.step
    run.folder.save_checkpoint(step, state, run.selection.best_model(step))


def resume(run: Run, state: Mapping[str, Any]) -> None:
    """Go on where `state` was saved, to the end that the config names now."""
    with restoring(run.folder.path):
        run.trainer.load_state_dict(state)
        if state["pictures"] != run.pictures_digest:
            log.warning("these are not the pictures that the run began with; it goes on with them")
        run.selection.load_state_dict(state["best"])
        run.clock.elapsed_s = float(state["elapsed_s"])
        run.diagnostics.load_state_dict(state["diagnostics"])
        for album, saved in zip(run.albums, state["albums"], strict=True):
            album.load_state_dict(saved)


def write_samples(run: Run) -> None:
    """A sheet per creator: its pictures, photos, the instant style and the present one."""
    trainer = run.trainer
    for index, name in enumerate(run.names):
        held_out = run.validator.held_out[index]
        photos = held_out.photos[:SHEET_PHOTOS]
        rows = {
            name: held_out.reals[:SHEET_PHOTOS],
            "photo": photos,
            "instant": [trainer.stylize_instant(index, photo) for photo in photos],
            f"{trainer.step} steps": [trainer.stylize(index, photo) for photo in photos],
        }
        run.folder.write_samples(name, trainer.step, rows)


def report(run: Run, state: State) -> None:
    """Write report.html as things are now."""
    trainer, total = run.trainer, run.trainer.total_steps
    with_steps = [*run.command, "--steps", str(total)] if run.command and total else run.command
    active = run.selection.active
    creators = [
        CreatorReport(
            name=name,
            album=run.albums[index],
            best_step=run.selection.best_of(index).step,
            best_score=run.selection.best_of(index).score,
            counts=(
                len(trainer.creators[index].pictures),
                len(run.validator.held_out[index].reals),
            ),
            working_size=trainer.creators[index].working_size,
            done=index not in active,
        )
        for index, name in enumerate(run.names)
    ]
    run.folder.write_report(
        RunReport(
            state=state,
            step=trainer.step,
            total_steps=total,
            elapsed_s=run.clock.elapsed_s,
            creators=creators,
            content=(len(trainer.content), len(run.validator.held_out[0].photos)),
            notes=run.diagnostics.notes,
            metrics=run.folder.read_metrics(),
            losses=LOSSES,
            columns=VALIDATION_COLUMNS,
            command=shlex.join(with_steps),
            settings=to_mapping(trainer.config),
        )
    )
