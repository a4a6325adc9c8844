"""A whole run: from an open folder to styles registered by name, or one style made better."""

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from stylegan_cli.backends import open_backend
from stylegan_cli.errors import (
    InterruptedByUserError,
    TrainingError,
    UsageError,
)
from stylegan_cli.learning.checkpoints import BEST_NAME, opened_run
from stylegan_cli.learning.processes import ProcessTeam, process_team
from stylegan_cli.networks.precision import computing_in
from stylegan_cli.preparing.layout import TrainingData, data_of_one
from stylegan_cli.runtime.devices import resolve_device
from stylegan_cli.runtime.files import (
    claimed,
    make_folder,
    read_sealed,
    sealed,
    tidy,
    write_atomically,
)
from stylegan_cli.sharing.preview import write_with_preview
from stylegan_cli.styles import (
    Style,
    free_name,
    read_model,
    shipped_model,
    user_style_path,
    user_styles_dir,
)
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.initialisation import open_run
from stylegan_cli.training.loop import TrainingResult, is_over, refine
from stylegan_cli.training.planning import RunPlan

REGISTERED_NAME = "registered.json"

ProgressOf = Callable[[str], AbstractContextManager[Callable[[int, int], None]]]
"""A label → a context for one part of the work, with its `on_progress(done, total)`."""

USEFUL_STEPS = 450  # for each style: most of what one gains, it gains in these


def refine_in(
    folder: Path,
    pictures: TrainingData,
    config: TrainingConfig,
    *,
    team: ProcessTeam,
    resume: bool = False,
    overwrite: bool = False,
    again: Sequence[str] = (),
    progress_of: ProgressOf,
    on_open: Callable[[Path], None],
) -> TrainingResult:
    """One run in its folder, from the pictures to the best of each creator.

    again: as in `open_run`. on_open: gets the folder once pictures are read and training begins;
    a run that is finished already does not begin.
    """
    with (
        opened_run(folder, resume=resume, overwrite=overwrite),
        computing_in(config.precision),
    ):
        with progress_of("reading pictures") as on_progress:
            run = open_run(
                folder,
                pictures,
                config,
                team=team,
                resume=resume,
                again=again,
                on_progress=on_progress,
            )
        if not is_over(run):
            on_open(folder)
        with progress_of("refining") as on_progress:
            return refine(run, on_progress)


def run_plan(
    plan: RunPlan, *, progress_of: ProgressOf, on_open: Callable[[Path], None]
) -> TrainingResult:
    """The run that was planned, on its device; as `refine_in`."""
    with process_team(plan.run.device, plan.run.devices) as team:
        return refine_in(
            plan.folder,
            plan.pictures,
            plan.config,
            team=team,
            resume=plan.run.resume,
            overwrite=plan.run.overwrite,
            again=plan.words_to_repeat(str(team.device)),
            progress_of=progress_of,
            on_open=on_open,
        )


@dataclass(frozen=True, slots=True)
class Registered:
    """What a run leaves with the user.

    names: of its styles, as they are asked for. renamed: those that had to give way, old to new.
    kept: styles of the user that stay, because the run did not improve its own of that name.
    model: where the styles have a base of their own, the model they are used from.
    """

    names: Sequence[str]
    renamed: dict[str, str]
    kept: Sequence[str] = ()
    model: Path | None = None

    @property
    def next_command(self) -> str:
        """What to type next."""
        where = f" --model {self.model}" if self.model else ""
        name = [*self.names, *self.kept][0]
        return f"influ stylize photo.jpg{where} --style {name}"


def register_styles(outcome: TrainingResult, folder: Path, *, overwrite: bool) -> Registered:
    """Put each style of a run into the user's folder, with a preview.

    Styles are found by name for the shipped base alone; those of another stay in the run's model.
    A run that goes on replaces what it has registered before, as long as that is unchanged. A style
    that training did not improve is registered only where its name is free: beside the user's
    instant style of that name, it would be a copy.
    """
    styles, base = outcome.model.styles, outcome.model.base
    if base.hash != read_model(shipped_model()).base.hash:
        return Registered([style.name for style in styles], {}, model=folder / BEST_NAME)
    tidy(user_styles_dir())  # of a run that was killed here, even where all stays as it is
    names, renamed, hashes, unchanged = [], {}, {}, []
    backend, before = open_backend(base), _registered_before(folder)
    for style in styles:
        own = before.get(style.name)
        is_taken = own is None and not overwrite and user_style_path(style.name).exists()
        if is_taken and not style.info.refined:
            unchanged.append(style.name)
            continue
        name = own or (style.name if overwrite else free_name(style.name))
        if name != style.name:
            renamed[style.name] = name
        path, kept = user_style_path(name), style.renamed(name)
        make_folder(path.parent)
        with claimed(path):
            write_with_preview(base, kept, backend, path, overwrite=overwrite or own is not None)
        names.append(name)
        hashes[style.name] = {"name": name, "sha256": _sum_of(path)}
    write_atomically(folder / REGISTERED_NAME, sealed(hashes, indent=1).encode())
    return Registered(names, renamed, unchanged)


def _registered_before(folder: Path) -> dict[str, str]:
    """By a style's name in the run: the name it was registered by, where its file is as it was."""
    names = {}
    with suppress(TrainingError, FileNotFoundError):
        for style, entry in read_sealed(folder / REGISTERED_NAME, TrainingError, "").items():
            with suppress(UsageError, OSError, TypeError, KeyError):
                if _sum_of(user_style_path(entry["name"])) == entry["sha256"]:
                    names[style] = str(entry["name"])
    return names


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def notes_on_unrefined(
    outcome: TrainingResult, time_limit_s: float | None, option: str
) -> list[str]:
    """A sentence for each style that training did not improve, with what to type for more steps.

    time_limit_s: of the run; None where a number of steps ended it. option: takes minutes in {}.
    """
    styles = outcome.model.styles
    steps = "1 step" if outcome.steps == 1 else f"{outcome.steps} steps"
    useful = USEFUL_STEPS * len(styles)
    more = ""
    if outcome.steps < useful:
        more = f" That is few; give it {useful} steps: --steps {useful}"
        if time_limit_s is not None:
            minutes = math.ceil(time_limit_s * useful / max(1, outcome.steps) / 60)
            more = f" That is few; give it time for {useful}: {option.format(minutes)}"
    return [
        f"{style.name}: nothing in {steps} beat its instant style, which is kept.{more}"
        for style in styles
        if not style.info.refined
    ]


def refine_style(
    instant: Style,
    pictures: Sequence[Path],
    photos: Sequence[Path],
    *,
    minutes: float,
    model: Path | None,
    run_dir: Path | None,
    device: str,
    overwrite: bool,
    progress_of: ProgressOf,
    on_open: Callable[[Path], None],
    on_note: Callable[[str], None],
) -> Style:
    """`instant` after some minutes of training, or itself where they did not make it better.

    run_dir: where the run stays, with its report; a temporary folder where None. progress_of,
    on_open: as in `refine_in`. on_note: gets a sentence where the instant style is kept.
    Raises OutputExistsError for a folder of something else, InterruptedByUserError after Ctrl-C.
    """
    config = TrainingConfig(init=str(model) if model else "base", time_limit_s=60 * minutes)
    data = data_of_one(instant.name, pictures, photos)
    with TemporaryDirectory(prefix="influ-") as temporary:
        outcome = refine_in(
            run_dir or Path(temporary),
            data,
            config,
            team=ProcessTeam(device=torch.device(resolve_device(device, needs_torch=True))),
            overwrite=overwrite,
            progress_of=progress_of,
            on_open=on_open,
        )
    if outcome.stopped:
        kept = f"; the run is kept in {run_dir}" if run_dir else ""
        raise InterruptedByUserError(
            f"stopped after {outcome.steps} steps, no style was added{kept}; "
            "run it again without --minutes for the instant style"
        )
    (style,) = outcome.model.styles
    if not style.info.refined:
        for note in notes_on_unrefined(outcome, config.time_limit_s, "--minutes {}"):
            on_note(note)
        return instant
    info = replace(style.info, pictures=instant.info.pictures, licence=instant.info.licence)
    return replace(style, info=info)
