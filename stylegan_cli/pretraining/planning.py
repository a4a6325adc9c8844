"""Before a run: its photos, its folder, its settings. Nothing here needs torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stylegan_cli.errors import OutputExistsError, UsageError, messages
from stylegan_cli.learning.checkpoints import check_run_folder, has_checkpoint, load_config
from stylegan_cli.learning.options import devices_option
from stylegan_cli.pretraining.colour_config import ColourRunConfig, ColourTrainingConfig
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.domains import pictures_by_domain
from stylegan_cli.runtime.config import DEVICE, OVERWRITE, Option, config_class
from stylegan_cli.runtime.mappings import read_settings, to_mapping


@config_class
class PretrainRunConfig:
    """What a run learns from, and where it goes."""

    content: Annotated[
        tuple[Path, ...], Option("Folder of photos; repeatable.", must_exist="folder")
    ]
    out: Annotated[Path, Option("Run folder.")] = Path("runs/base")
    init: Annotated[Path | None, Option("Model file to start from.", must_exist="file")] = None
    resume: Annotated[bool, Option("Continue the run.")] = False
    overwrite: Annotated[bool, OVERWRITE] = False
    device: Annotated[str, DEVICE] = "auto"
    devices: Annotated[int | None, devices_option("on the CPU one per core, else 1")] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainPlan:
    """A run that may begin. domains: its photos by folder."""

    run: PretrainRunConfig
    domains: dict[str, list[Path]]
    config: PretrainConfig

    @property
    def count(self) -> int:
        """How many photos there are."""
        return sum(map(len, self.domains.values()))

    def as_mapping(self) -> dict[str, Any]:
        """What would be done, for a reader."""
        counts = {name: len(paths) for name, paths in self.domains.items()}
        plan = {"run": str(self.run.out), "pictures": counts, "device": self.run.device}
        devices = {"devices": self.run.devices} if self.run.devices else {}
        return plan | devices | {"settings": to_mapping(self.config)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourPlan:
    """A run of the colour estimator that may begin. domains, paintings: its pictures by folder."""

    run: ColourRunConfig
    domains: dict[str, list[Path]]
    paintings: dict[str, list[Path]]
    config: ColourTrainingConfig

    @property
    def count(self) -> int:
        """How many photos there are."""
        return sum(map(len, self.domains.values()))

    def as_mapping(self) -> dict[str, Any]:
        """What would be done, for a reader."""
        counts = {name: len(paths) for name, paths in self.domains.items()}
        plan = {"run": str(self.run.out), "pictures": counts, "films": str(self.run.films)}
        if self.paintings:
            plan["paintings"] = {name: len(paths) for name, paths in self.paintings.items()}
        return plan | {"settings": to_mapping(self.config)}


def plan_run(
    run: PretrainRunConfig, typed: Mapping[str, Any], from_file: Mapping[str, Any] | None = None
) -> PretrainPlan:
    """Find the photos and the settings.

    What is typed goes before the file, that before what a resumed run had, that before defaults.
    Raises UsageError, ConfigError, DataError and OutputExistsError, each before anything is done.
    """
    config = PretrainConfig(**_settings(PretrainConfig, run, typed, from_file or {}))
    return PretrainPlan(run=run, domains=pictures_by_domain(list(run.content)), config=config)


def plan_colour_run(
    run: ColourRunConfig, typed: Mapping[str, Any], from_file: Mapping[str, Any] | None = None
) -> ColourPlan:
    """As `plan_run`, for the colour estimator."""
    config = ColourTrainingConfig(**_settings(ColourTrainingConfig, run, typed, from_file or {}))
    domains, paintings = map(pictures_by_domain, (list(run.content), list(run.paintings)))
    return ColourPlan(run=run, domains=domains, paintings=paintings, config=config)


def _settings(
    kind: type,
    run: PretrainRunConfig | ColourRunConfig,
    typed: Mapping[str, Any],
    from_file: Mapping[str, Any],
) -> dict[str, Any]:
    """The settings of a run whose folder may be used as asked for."""
    stored = load_config(run.out) if run.resume and has_checkpoint(run.out) else {}
    given = read_settings(kind, from_file) | dict(typed)
    if "steps" in typed and "time_limit_s" in typed:
        raise UsageError("a run ends after --steps or at its --time-limit: give one of them")
    if "time_limit_s" in given:
        stored = {name: value for name, value in stored.items() if name != "steps"}
    settings = read_settings(kind, stored) | given
    if run.resume and not has_checkpoint(run.out):
        raise UsageError(messages.cannot_read(run.out, "it contains no run", "leave out --resume"))
    if has_checkpoint(run.out) and not (run.resume or run.overwrite):
        remedy = "add --resume to continue it, or --overwrite to start again"
        raise OutputExistsError(messages.exists_already(f"a run in {run.out}", remedy))
    if not run.resume:
        check_run_folder(run.out)
    return settings
