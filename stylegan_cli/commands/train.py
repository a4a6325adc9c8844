"""`influ train`: refine a creator's style from a folder of their pictures, and register it."""

import shlex
from typing import Annotated

from stylegan_cli.commands.common import (
    ConfigFile,
    DryRun,
    Json,
    console,
    emit,
    progress,
    say_content,
    say_hidden,
    say_refining,
)
from stylegan_cli.commands.options import Given, OptionsOf
from stylegan_cli.errors import InterruptedByUserError
from stylegan_cli.runtime.launch import is_first
from stylegan_cli.runtime.mappings import load_settings
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.planning import RunConfig, plan_run


def train(
    run: RunConfig,
    typed: Annotated[Given, OptionsOf(TrainingConfig)],
    config_file: ConfigFile = None,
    dry_run: DryRun = False,
    as_json: Json = False,
) -> None:
    """Make an instant style, refine it for some minutes, and register it.

    At the time limit, or after --steps, the best state is registered, and
    `influ stylize photo.jpg --style NAME` can use it. Ctrl-C saves the run; --resume continues it.
    """
    if not (dry_run or is_first()):
        from stylegan_cli.learning.processes import serve_first_process

        serve_first_process(run.device)
        return
    plan = plan_run(run, typed, load_settings(config_file) if config_file else {})
    if dry_run:
        emit(plan.as_mapping(), as_json)
        return
    say_content(plan.pictures.content, plan.pictures.content_from)
    from stylegan_cli.training.refining import notes_on_unrefined, register_styles, run_plan

    outcome = run_plan(plan, progress_of=progress, on_open=say_refining)
    if outcome.stopped:
        raise InterruptedByUserError(
            f"stopped and saved after {outcome.steps} steps; go on with: "
            f"{shlex.join(plan.words_to_go_on())}"
        )
    if outcome.began_at == outcome.steps:
        console.print(
            f"the run in {plan.folder} was finished already, after {outcome.steps} steps; "
            "to go on, give more --steps, a longer --time-limit or more --patience"
        )
    limit_s = plan.config.time_limit_s if plan.config.steps is None else None
    for note in notes_on_unrefined(outcome, limit_s, "--time-limit {}m"):
        console.print(note)
    registered = register_styles(outcome, plan.folder, overwrite=run.overwrite)
    for old, new in registered.renamed.items():
        console.print(f"you have a style {old} already; this one is called {new}")
    for name in registered.kept:
        console.print(f"your style {name} stays as it is, and nothing new is registered")
    if registered.model is None:
        say_hidden(registered.names)
    result = {"run": str(plan.folder), "steps": outcome.steps}
    emit(result | {"styles": list(registered.names), "next": registered.next_command}, as_json)
