"""`influ pretrain`: make the base from photos and random looks."""

from typing import Annotated

from stylegan_cli.commands.common import ConfigFile, DryRun, Json, console, emit, progress
from stylegan_cli.commands.options import Given, OptionsOf
from stylegan_cli.errors import InterruptedByUserError
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.planning import PretrainRunConfig, plan_run
from stylegan_cli.runtime.launch import is_first
from stylegan_cli.runtime.mappings import load_settings


def pretrain(
    run: PretrainRunConfig,
    typed: Annotated[Given, OptionsOf(PretrainConfig)],
    config_file: ConfigFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Train a base: one network that reads a style from pictures and applies it."""
    if not (dry_run or is_first()):
        from stylegan_cli.learning.processes import serve_first_process

        serve_first_process(run.device)
        return
    plan = plan_run(run, typed, load_settings(config_file) if config_file else {})
    if dry_run:
        emit(plan.as_mapping(), as_json)
        return
    from stylegan_cli.pretraining.running import run_plan

    console.print(f"Pre-training on {plan.count} pictures into {run.out}")
    with progress("pre-training") as on_progress:
        done = run_plan(plan, on_progress)
    if not done:
        raise InterruptedByUserError(f"stopped and saved; add --resume --out {run.out} to go on")
    emit({"run": str(run.out), "next": f"influ export {run.out} -o base.safetensors"}, as_json)
