"""A planned run, from its folder to its last step."""

from collections.abc import Callable

from stylegan_cli.learning.checkpoints import opened_run
from stylegan_cli.pretraining.loop import pretrain
from stylegan_cli.pretraining.planning import PretrainPlan
from stylegan_cli.runtime.devices import resolve_device
from stylegan_cli.styles import read_model


def run_plan(plan: PretrainPlan, on_progress: Callable[[int, int], None]) -> bool:
    """The run that was planned, on its device; whether it reached its last step."""
    run = plan.run
    device = resolve_device(run.device, needs_torch=True)
    init = read_model(run.init).base.tensors if run.init else None
    with opened_run(run.out, resume=run.resume, overwrite=run.overwrite):
        return pretrain(
            plan.domains,
            run.out,
            plan.config,
            device=device,
            resume=run.resume,
            init=init,
            on_progress=on_progress,
        )
