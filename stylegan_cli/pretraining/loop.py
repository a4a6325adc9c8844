"""The pre-training loop, and the processes that share its steps."""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning.checkpoints import (
    load_latest_checkpoint,
    restoring,
    save_checkpoint,
    save_config,
)
from stylegan_cli.learning.logging import Metrics
from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.learning.schedules import FINISHED, StepClock, is_due, total_steps_now
from stylegan_cli.networks.precision import computing_in
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.domains import Domains, split_domains
from stylegan_cli.pretraining.loading import load_batches, to_device
from stylegan_cli.pretraining.losses import ERRORS
from stylegan_cli.pretraining.model import BaseNetworks
from stylegan_cli.pretraining.trainer import Trainer, build_trainer, load_base
from stylegan_cli.pretraining.validation import (
    VALIDATION_COLUMNS,
    validate,
    validation_looks,
    write_samples,
)
from stylegan_cli.runtime.devices import resolve_threads
from stylegan_cli.runtime.interruption import StopRequest, stop_between_steps

log = logging.getLogger(__name__)

LOG_EVERY = 20  # steps
COLUMNS = (
    *("loss", *ERRORS, "distillation", "parameters", "lr", "seconds"),
    *VALIDATION_COLUMNS,
)

Progress = Callable[[int, int], None]  # done, total


def pretrain(
    domains: Domains,
    run_dir: Path,
    config: PretrainConfig,
    *,
    team: ProcessTeam | None = None,
    resume: bool = False,
    init: Mapping[str, np.ndarray] | None = None,
    on_progress: Progress = lambda done, total: None,
) -> bool:
    """Train a base into `run_dir`; returns whether it reached its last step.

    domains: pictures by kind, e.g. one entry per folder. team: this process as the first of it;
    alone on the CPU where None. init: tensors of a base to start from, named as in Base.
    Raises DataError where there are too few pictures, TrainingError where the loss is no longer a
    number, ConfigError where the team can't share a batch.
    """
    state = load_latest_checkpoint(run_dir) if resume else None
    if state is not None and _is_finished(run_dir, state, config):
        return True
    train, held_out = split_domains(domains)
    with computing_in(config.precision):
        torch.manual_seed(config.seed)
        base = BaseNetworks(config.generator, config.encoder)
        if init is not None:
            load_base(base, init)
        trainer = build_trainer(base, config, team or ProcessTeam())
        return _lead(trainer, train, held_out, run_dir, state, init is None, on_progress)


def _lead(
    trainer: Trainer,
    train: Domains,
    held_out: Domains,
    run_dir: Path,
    state: Mapping[str, Any] | None,
    fresh: bool,
    on_progress: Progress,
) -> bool:
    """The first process: trains its share, decides when to stop, and writes all files."""
    config = trainer.config
    validation = [to_device(item, trainer.device) for item in validation_looks(held_out, config)]
    if state is not None:
        with restoring(run_dir):
            trainer.load_state_dict(state)
    elif fresh:
        trainer.standardise(validation)
    trainer.team.call(_follow, train, config, trainer.state_dict() | {"step": trainer.step})
    save_config(run_dir, asdict(config))
    with Metrics(run_dir, COLUMNS, trainer.step) as metrics, stop_between_steps() as stop:
        batches = _batches(train, trainer)
        first = next(batches)  # reads the pictures, which is no part of a step
        clock = StepClock()
        for batch in itertools.chain([first], batches):
            values = trainer.train_step(batch)
            if not np.isfinite(values["loss"]):
                raise TrainingError(
                    f"the loss is not a number at step {trainer.step}; resume with a lower --lr-g"
                )
            clock.count_step()
            if trainer.total_steps is None:
                trainer.total_steps = clock.steps_within(config.time_limit_s)
            last = is_over(trainer) or stop.requested
            trainer.total_steps, last = _agree(trainer, last)
            values["seconds"] = clock.here_s
            _follow_up(trainer, values, metrics, validation, run_dir, last)
            on_progress(trainer.step, trainer.total_steps or 0)
            if last:
                break
    return is_over(trainer)


def is_over(trainer: Trainer) -> bool:
    """Whether a run has done all of its steps."""
    return trainer.step >= (trainer.total_steps or np.inf)


def _follow_up(
    trainer: Trainer,
    values: Mapping[str, float],
    metrics: Metrics,
    validation: Sequence[Mapping[str, Tensor]],
    run_dir: Path,
    last: bool,
) -> None:
    """Do what is due after a step: metrics, validation, a sample sheet, a checkpoint."""
    config, step = trainer.config, trainer.step
    if is_due(step, LOG_EVERY):
        metrics.write(step, values)
    if is_due(step, config.sample_every) or last:
        metrics.write(step, validate(trainer.stylize, validation))
        write_samples(trainer.stylize, validation[0], run_dir / "samples" / f"{step:08d}.png")
    if is_due(step, config.save_every) or last:
        save_checkpoint(run_dir, step, trainer.state_dict())


def _follow(
    team: ProcessTeam,
    stop: StopRequest,
    train: Domains,
    config: PretrainConfig,
    state: Mapping[str, Any],
) -> None:
    """Another process: trains its share of each step until the first one ends the run."""
    with computing_in(config.precision):
        trainer = build_trainer(BaseNetworks(config.generator, config.encoder), config, team)
        trainer.load_state_dict(state)
        for batch in _batches(train, trainer):
            trainer.train_step(batch)
            trainer.total_steps, last = _agree(trainer, stop.requested)
            if last:
                break


def _agree(trainer: Trainer, last: bool) -> tuple[int | None, bool]:
    """The number of steps, which the first process knows, and whether any says it is over."""
    known = trainer.total_steps if trainer.team.rank == 0 else None
    total, is_last = trainer.team.agree(known or 0, int(last))
    return total or None, bool(is_last)


def _is_finished(run_dir: Path, state: Mapping[str, Any], config: PretrainConfig) -> bool:
    with restoring(run_dir):
        total = total_steps_now(config, state)
    is_finished = total is not None and state["step"] >= total
    if is_finished:
        log.warning(FINISHED, run_dir, state["step"])
    return is_finished


def usual_process_count(config: PretrainConfig, device: str) -> int:
    """On a CPU one per core, if they share the looks evenly; on a GPU one.

    Threads within a step wait for the slowest of them at every layer, processes once per step.
    """
    if device != "cpu":
        return 1
    counts = range(1, resolve_threads() + 1)
    return max(n for n in counts if n == 1 or config.looks % (n * config.accumulate) == 0)


def _batches(domains: Domains, trainer: Trainer) -> Iterator[dict[str, Tensor]]:
    """This process's share of each batch from the trainer's step on, without end."""
    team = trainer.team
    share = (team.rank, team.size)
    return load_batches(domains, trainer.config, trainer.step, share, trainer.device)
