"""`influ pretrain-colours`: train what estimates the colours of a style from its pictures."""

from typing import Annotated

from stylegan_cli.commands.common import ConfigFile, DryRun, Json, console, emit, progress
from stylegan_cli.commands.options import Given, OptionsOf
from stylegan_cli.errors import InterruptedByUserError
from stylegan_cli.pretraining.colour_config import ColourRunConfig, ColourTrainingConfig
from stylegan_cli.pretraining.planning import plan_colour_run
from stylegan_cli.runtime.mappings import load_settings


def pretrain_colours(
    run: ColourRunConfig,
    typed: Annotated[Given, OptionsOf(ColourTrainingConfig)],
    config_file: ConfigFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train the colour estimator of a base on film tables, random looks and photos."""
    plan = plan_colour_run(run, typed, load_settings(config_file) if config_file else {})
    if dry_run:
        emit(plan.as_mapping(), as_json)
        return
    from stylegan_cli.pretraining.running import run_colour_plan

    console.print(f"Training on {plan.count} pictures into {run.out}")
    with progress("training") as on_progress:
        model = run_colour_plan(plan, on_progress)
    if model is None:
        raise InterruptedByUserError(f"stopped and saved; add --resume --out {run.out} to go on")
    emit({"run": str(run.out), "model": str(model)}, as_json)
