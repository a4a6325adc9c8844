"""Before a run: its pictures, its folder, its settings. Nothing here needs torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from stylegan_cli.errors import ConfigError, OutputExistsError, UsageError, messages
from stylegan_cli.learning.checkpoints import (
    CONFIG_NAME,
    check_run_folder,
    has_checkpoint,
    load_config,
)
from stylegan_cli.learning.options import devices_option
from stylegan_cli.preparing.layout import TrainingData, find_training_data
from stylegan_cli.runtime.config import DEVICE, OVERWRITE, Option, config_class
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.mappings import from_mapping, read_settings, to_mapping
from stylegan_cli.runtime.resources import starter_dir
from stylegan_cli.styles import check_name, check_styles_folder
from stylegan_cli.training.config import TrainingConfig

# A resumed run keeps its settings; these do not change what is learned. Its end may move.
_FREE_ON_RESUME = ("time_limit_s", "sample_every", "save_every", "patience", "accumulate")


@config_class
class RunConfig:
    """What a run learns from, and where it goes."""

    data: Annotated[
        Path,
        Option(
            "A creator's pictures, a folder from prep, or content/ and a folder per creator.",
            must_exist="folder",
        ),
    ]
    content: Annotated[
        Path | None,
        Option(
            "Photos to stylize during training.",
            must_exist="folder",
            shown="the folder's own, or the starter photos",
        ),
    ] = None
    name: Annotated[str | None, Option("Name of the style.", shown="the folder's")] = None
    out: Annotated[Path | None, Option("Run folder.", shown="runs/NAME")] = None
    resume: Annotated[bool, Option("Continue the run in --out.")] = False
    overwrite: Annotated[bool, OVERWRITE] = False
    device: Annotated[str, DEVICE] = "auto"
    devices: Annotated[int | None, devices_option("1")] = None

    def words(self) -> list[str]:
        """The command with the pictures that it was given."""
        words = ["influ", "train", "--data", str(self.data)]
        words += ["--content", str(self.content)] if self.content else []
        words += ["--name", self.name] if self.name else []
        return words + (["--devices", str(self.devices)] if self.devices else [])


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """A run that may begin."""

    run: RunConfig
    folder: Path
    pictures: TrainingData
    config: TrainingConfig

    def as_mapping(self) -> dict[str, Any]:
        """What would be done, for a reader."""
        creators = self.pictures.creators
        return {
            "run": str(self.folder),
            "device": self.run.device,
            **({"devices": self.run.devices} if self.run.devices else {}),
            "content": len(self.pictures.content),
            "content_from": str(self.pictures.content_from),
            "creators": {creator.name: len(creator.pictures) for creator in creators},
            "held_out": {creator.name: len(creator.held_out) for creator in creators},
            "settings": to_mapping(self.config),
        }

    def words_to_repeat(self, device: str) -> list[str]:
        """The command that does the same again, but for its number of steps."""
        one = device if self.run.devices in (None, 1) else device.partition(":")[0]
        words = [*self.run.words(), "--device", one]
        words += ["--threads", str(resolve_threads(None))]
        return [*words, "--config", str(self.folder / CONFIG_NAME)]

    def words_to_go_on(self) -> list[str]:
        """The command that goes on where the run stopped."""
        words = [*self.run.words(), "--out", str(self.folder), "--resume"]
        words += ["--device", self.run.device] if self.run.device != "auto" else []
        words += ["--threads", str(resolve_threads(None))]
        return words + (["--overwrite"] if self.run.overwrite else [])


def plan_run(
    run: RunConfig, typed: Mapping[str, Any], from_file: Mapping[str, Any] | None = None
) -> RunPlan:
    """Find the pictures, the folder and the settings; those of a resumed run are what they were.

    typed: settings by field, which go before those of a config file.
    Raises UsageError, ConfigError, DataError and OutputExistsError, each before anything is done.
    """
    if "steps" in typed and "time_limit_s" in typed:
        raise UsageError("a run ends after --steps or at its --time-limit: give one of them")
    settings = read_settings(TrainingConfig, from_file or {}) | dict(typed)
    pictures = _find_pictures(run)
    folder = _run_folder(run, pictures)
    config = _resumed_config(folder, settings) if run.resume else TrainingConfig(**settings)
    check_styles_folder()
    return RunPlan(run=run, folder=folder, pictures=pictures, config=config)


def check_free(folder: Path, remedy: str, *, overwrite: bool) -> None:
    """Raise OutputExistsError for a run folder that is in use, or is no run's at all."""
    if is_used(folder) and not overwrite:
        raise OutputExistsError(messages.exists_already(folder, remedy))
    check_run_folder(folder)


def is_used(folder: Path) -> bool:
    """Whether there is anything in the way of a run."""
    return folder.exists() and (not folder.is_dir() or any(folder.iterdir()))


def _find_pictures(run: RunConfig) -> TrainingData:
    """The pictures to train on, and the creator's name."""
    pictures = find_training_data(run.data, run.content, starter_dir())
    if run.name is not None and len(pictures.creators) > 1:
        names = ", ".join(creator.name for creator in pictures.creators)
        raise UsageError(f"--name is for one creator, and {run.data} has several: {names}")
    if run.name is not None:
        pictures = replace(pictures, creators=(replace(pictures.creators[0], name=run.name),))
    for creator in pictures.creators:
        try:
            check_name(creator.name)
        except UsageError as error:
            remedy = "give the style one with --name" if run.name is None else "choose another"
            raise UsageError(f"{error}; {remedy}") from None
    return pictures


def _run_folder(run: RunConfig, pictures: TrainingData) -> Path:
    """Where the run goes: never into another run's folder without --overwrite."""
    one = len(pictures.creators) == 1
    named = Path("runs") / (pictures.creators[0].name if one else run.data.resolve().name)
    siblings = [named, *(named.with_name(f"{named.name}-{n}") for n in range(2, 1000))]
    if run.resume:
        return _folder_to_resume(run.out, named, siblings)
    if run.out is None and not run.overwrite:
        return next(folder for folder in siblings if not is_used(folder))
    chosen = run.out or named
    remedy = "add --resume or --overwrite, or choose another folder with --out"
    check_free(chosen, remedy, overwrite=run.overwrite)
    return chosen


def _folder_to_resume(out: Path | None, named: Path, siblings: Sequence[Path]) -> Path:
    candidates = [out] if out else [folder for folder in siblings if has_checkpoint(folder)]
    if not candidates or not has_checkpoint(candidates[-1]):
        raise UsageError(
            messages.cannot_read(out or named, "it contains no run", "leave out --resume")
        )
    return candidates[-1]


def _resumed_config(folder: Path, settings: Mapping[str, Any]) -> TrainingConfig:
    """The settings the run was started with, and where it is told to end.

    More steps or another time limit move its end. Raises ConfigError where other settings are
    asked for, fewer steps among them.
    """
    stored = from_mapping(TrainingConfig, load_config(folder))
    asked = TrainingConfig(**settings)
    free = {key: getattr(asked, key) for key in _FREE_ON_RESUME if key in settings}
    if asked.steps is not None and asked.steps > (stored.steps or 0):
        free["steps"] = asked.steps
    elif asked.steps is None and free.get("time_limit_s", stored.time_limit_s) != (
        stored.time_limit_s
    ):
        free["steps"] = None
    for key in settings:
        if key not in free and getattr(asked, key) != getattr(stored, key):
            raise ConfigError(
                f"the run in {folder} has {key} {getattr(stored, key)} and keeps it; "
                "leave the option out, or begin a new run"
            )
    return replace(stored, **free)
