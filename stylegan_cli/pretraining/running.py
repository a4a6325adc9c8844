"""A planned run, from its folder to its last step."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np

from stylegan_cli.errors import ConfigError, DataError
from stylegan_cli.learning.checkpoints import BEST_NAME, opened_run
from stylegan_cli.learning.processes import process_team
from stylegan_cli.networks.architecture import READ_SHORT_SIDE
from stylegan_cli.pictures import read_rgb_or_warn
from stylegan_cli.pretraining.colour_looks import read_films
from stylegan_cli.pretraining.colour_training import train_colours
from stylegan_cli.pretraining.domains import Domains
from stylegan_cli.pretraining.hand_training import with_hand_classifier
from stylegan_cli.pretraining.loop import pretrain, usual_process_count
from stylegan_cli.pretraining.planning import ColourPlan, PretrainPlan
from stylegan_cli.runtime.mappings import to_mapping
from stylegan_cli.styles import ColourEstimator, Model, read_model, write_model


def run_plan(plan: PretrainPlan, on_progress: Callable[[int, int], None]) -> bool:
    """The run that was planned, on its device; whether it reached its last step."""
    run = plan.run
    init = read_model(run.init).base.tensors if run.init else None
    usual = partial(usual_process_count, plan.config)
    with (
        opened_run(run.out, resume=run.resume, overwrite=run.overwrite),
        process_team(run.device, run.devices, usual=usual) as team,
    ):
        return pretrain(
            plan.domains,
            run.out,
            plan.config,
            team=team,
            resume=run.resume,
            init=init,
            on_progress=on_progress,
        )


def run_colour_plan(plan: ColourPlan, on_progress: Callable[[int, int], None]) -> Path | None:
    """The run that was planned: the model with its estimator, or None where the user stopped it."""
    run = plan.run
    model, films = read_model(run.model), read_films(run.films)
    init = _estimator_to_start_from(model, plan) if run.from_model else None
    photos = _read_photos(plan.domains)
    with opened_run(run.out, resume=run.resume, overwrite=run.overwrite):
        estimator = train_colours(
            photos,
            films,
            run.out,
            plan.config,
            init=init,
            resume=run.resume,
            on_progress=on_progress,
        )
        if estimator is None:
            return None
        if plan.paintings:
            seed = plan.config.seed
            estimator = with_hand_classifier(estimator, plan.domains, plan.paintings, seed)
        base = dataclasses.replace(model.base, colour_estimator=estimator)
        whole, path = dataclasses.replace(model, base=base), run.out / BEST_NAME
        write_model(whole, path, overwrite=True)
    return path


def _read_photos(domains: Domains) -> dict[str, list[np.ndarray]]:
    """The photos of each domain that can be read. Raises DataError where there are none."""
    photos = {}
    for name, paths in domains.items():
        read = (read_rgb_or_warn(path, READ_SHORT_SIDE) for path in paths)
        if found := [pixels for pixels in read if pixels is not None]:
            photos[name] = found
    if not photos:
        raise DataError("none of the photos can be read; see the warnings above")
    return photos


def _estimator_to_start_from(model: Model, plan: ColourPlan) -> ColourEstimator:
    found, wanted = model.base.colour_estimator, plan.config.estimator()
    if found is None:
        raise DataError(f"{plan.run.model} has no colour estimator; leave out --from-model")
    sizes = dataclasses.replace(found.config, photos=0, samples=wanted.samples, tells_hands=False)
    if sizes != wanted:
        raise ConfigError(
            f"the estimator in {plan.run.model} has other sizes than this run; "
            f"set {', '.join(f'{k} {v}' for k, v in to_mapping(found.config).items())}"
        )
    return found
