"""One pre-training run: its state, its loop, and the processes that share its steps."""

import itertools
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning.checkpoints import (
    load_latest_checkpoint,
    save_checkpoint,
    save_config,
)
from stylegan_cli.learning.ema import Ema
from stylegan_cli.learning.logging import Metrics
from stylegan_cli.learning.schedules import TIMED_STEPS, is_due, learning_rate, steps_for
from stylegan_cli.networks.architecture import GeneratorConfig, StyleEncoderConfig
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.data import Batch, PairedLooks, seed_worker
from stylegan_cli.pretraining.domains import Domains, split_domains
from stylegan_cli.pretraining.model import (
    ERRORS,
    BaseNetworks,
    Learner,
    Painting,
    default_base,
    total_loss,
)
from stylegan_cli.pretraining.processes import ProcessTeam, lone, process_team
from stylegan_cli.pretraining.validation import (
    VALIDATION_COLUMNS,
    validate,
    validation_looks,
    write_samples,
)
from stylegan_cli.runtime.devices import resolve_threads, uses_bf16
from stylegan_cli.runtime.interruption import stop_between_steps
from stylegan_cli.runtime.randomness import torch_generator

log = logging.getLogger(__name__)

ECHO_WINDOW = 32  # batches that are told again together

COLUMNS = (
    *("loss", *ERRORS, "imitation", "parameters", "lr", "seconds"),
    *VALIDATION_COLUMNS,
)


class Pretraining:
    """What is trained, and one step of it."""

    def __init__(
        self, base: BaseNetworks, config: PretrainConfig, device: str, team: ProcessTeam
    ) -> None:
        self.config = config
        self.device = torch.device(device)
        self.learner = Learner(base, config).to(self.device)
        self.learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.base = base
        self.team = team
        self.optimizer = torch.optim.Adam(
            self.learner.parameters(), lr=config.lr, betas=(0.9, 0.99)
        )
        self.ema = Ema(base, config.ema)
        self.step = 0
        self.total_steps = config.steps
        self._shared: nn.Module = self.learner
        self._bf16 = uses_bf16(config.precision, self.device.type)

    def share(self) -> None:
        """From here on every process has the first one's weights, and all learn as one."""
        self._shared = self.team.share(self.learner)

    def run_step(self, batch: Mapping[str, Tensor]) -> dict[str, float]:
        """Learn from one batch, this process's part of the step's looks; returns the losses."""
        config = self.config
        rate = learning_rate(
            self.step, self.total_steps, config.lr, config.warmup, config.decay_from
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._settle_features()
        guidance = config.guidance(self.step, self.total_steps)
        taught = self._draw_taught(config.taught * guidance)
        with self._autocast():
            terms = self._shared(batch, taught, guidance)
        loss = total_loss(terms)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), config.clip_norm)
        self.optimizer.step()
        self.ema.update(self.step)
        self.step += 1
        values = {name: term.mean().item() for name, term in terms.items()}
        return {"loss": loss.item(), "lr": rate, **values}

    def _settle_features(self) -> None:
        """From `features_until` on the encoder's features stay as they are.

        They drift as long as they learn, a percent in a hundred steps; that is enough to mislead
        the head, and their average over steps says less than any of them.
        """
        features = self.base.encoder.features
        settled = self.step >= self.config.features_until * (self.total_steps or np.inf)
        if settled and any(parameter.requires_grad for parameter in features.parameters()):
            features.requires_grad_(False)
            self.share()

    def _draw_taught(self, share: float) -> Tensor:
        generator = torch_generator(self.config.seed, self.step, "prompted looks")
        drawn = torch.rand(self.config.looks, 2, generator=generator) < share
        return drawn[self.team.rank :: self.team.size].float().to(self.device)

    @torch.no_grad()
    def paint(self, batch: Mapping[str, Tensor]) -> Painting:
        """What the averaged weights read and paint."""
        self.base.eval()
        with self.ema.averaged(), self._autocast():
            painting = self.base.paint(batch, self.base.read(batch))
        self.base.train()
        return painting

    @torch.no_grad()
    def standardise(self, batches: Sequence[Mapping[str, Tensor]]) -> None:
        """Tell the encoder's head what usual sets look like, before the first step."""
        encoder, rows = self.base.encoder, []
        for batch in batches:
            pooled = self.base.moments(batch).flatten(0, 1)
            rows.append(encoder.head.describe(pooled, batch["statistics"].flatten(0, 1)))
        encoder.head.standardise(torch.cat(rows))

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, and what rebuilds the networks."""
        return {
            "base": self.base.state_dict(),
            "parameter_head": self.learner.parameter_head.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "total_steps": self.total_steps,
            "generator_config": asdict(self.base.generator.config),
            "encoder_config": asdict(self.base.encoder.config),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was saved."""
        self.base.load_state_dict(state["base"])
        self.learner.parameter_head.load_state_dict(state["parameter_head"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.total_steps = self.config.steps or state["total_steps"]

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self._bf16)


def pretrain(
    domains: Mapping[str, list[Path]],
    run_dir: Path,
    config: PretrainConfig,
    *,
    device: str = "cpu",
    resume: bool = False,
    init: Mapping[str, np.ndarray] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> bool:
    """Train a base into `run_dir`; returns whether it reached its last step.

    domains: pictures by kind, e.g. one entry per folder. init: tensors of a base to start from,
    named as in Base. Raises DataError where there are too few pictures, TrainingError where the
    loss is no longer a number.
    """
    state = load_latest_checkpoint(run_dir) if resume else None
    if state is not None and _is_finished(state, config):
        return True
    train, kept = split_domains(domains)
    torch.manual_seed(config.seed)
    base = default_base()
    if init is not None:
        _load(base, init)
    size = _processes(config, device)
    if size == 1:
        run = Pretraining(base, config, device, lone())
        return _lead(run, train, kept, run_dir, state, init is None, on_progress)
    networks = base.generator.config, base.encoder.config
    told = (networks, train, run_dir, config, device, state is not None)
    with process_team(size, _follow, told) as team:
        run = Pretraining(base, config, device, team)
        return _lead(run, train, kept, run_dir, state, init is None, on_progress)


def _lead(
    run: Pretraining,
    train: Domains,
    kept: Domains,
    run_dir: Path,
    state: Mapping[str, Any] | None,
    fresh: bool,
    on_progress: Callable[[int, int], None] | None,
) -> bool:
    """The first process: learns its share, decides when to stop, and writes everything down."""
    config = run.config
    validation = [_to_device(item, run.device) for item in validation_looks(kept, config)]
    if state is not None:
        run.load_state_dict(state)
    elif fresh:
        run.standardise(validation)
    run.share()
    save_config(run_dir, asdict(config))
    with Metrics(run_dir, COLUMNS, run.step) as metrics, stop_between_steps() as stop:
        batches = _batches(train, run)
        upcoming = next(batches)  # pictures are read now, which is no part of a step
        started, first = time.monotonic(), run.step
        for batch in itertools.chain([upcoming], batches):
            values = run.run_step(batch)
            if not np.isfinite(values["loss"]):
                raise TrainingError(
                    f"the loss is not a number at step {run.step}; resume with a lower --lr-g"
                )
            elapsed_s = time.monotonic() - started
            if run.total_steps is None and run.step - first >= TIMED_STEPS:
                run.total_steps = steps_for(config.time_limit_s, elapsed_s)
            last = run.step >= (run.total_steps or np.inf) or stop.requested
            run.team.broadcast(run.total_steps, last)
            if is_due(run.step, 20):
                metrics.write(run.step, {**values, "seconds": elapsed_s})
            if is_due(run.step, config.sample_every) or last:
                metrics.write(run.step, validate(run.paint, validation))
                write_samples(run.paint, validation[0], run_dir / "samples" / f"{run.step:08d}.png")
            if is_due(run.step, config.save_every) or last:
                save_checkpoint(run_dir, run.step, run.state_dict())
            if on_progress:
                on_progress(run.step, run.total_steps or 0)
            if last:
                break
    return not stop.requested


def _follow(
    team: ProcessTeam,
    networks: tuple[GeneratorConfig, StyleEncoderConfig],
    train: Domains,
    run_dir: Path,
    config: PretrainConfig,
    device: str,
    resumed: bool,
) -> None:
    """Another process: learns its share of each step until the first one says that it is over."""
    run = Pretraining(BaseNetworks(*networks), config, device, team)
    # Written before the first step, and not replaced while a process is still to come.
    state = load_latest_checkpoint(run_dir) if resumed else None
    if state is not None:
        run.load_state_dict(state)
    run.share()
    for batch in _batches(train, run):
        run.run_step(batch)
        run.total_steps, last = team.receive()
        if last:
            break


def _is_finished(state: Mapping[str, Any], config: PretrainConfig) -> bool:
    total = config.steps or state["total_steps"]
    return total is not None and state["step"] >= total


def _processes(config: PretrainConfig, device: str) -> int:
    """As many as asked for; else on a CPU one per core, as far as they share the looks evenly.

    Threads within a step wait for the slowest of them at every layer, processes once a step.
    """
    if config.processes or device != "cpu":
        return config.processes or 1
    cores = resolve_threads()
    return max(count for count in range(1, cores + 1) if config.looks % count == 0)


def _load(base: BaseNetworks, tensors: Mapping[str, np.ndarray]) -> None:
    """Raises TrainingError where the tensors are of another architecture."""
    try:
        base.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        raise TrainingError(
            "the model to start from has another architecture; leave --init out"
        ) from error


def _batches(domains: Domains, run: Pretraining) -> Iterator[dict[str, Tensor]]:
    """Batches from the run's step on, without end: the loop knows when to stop."""
    workers, echo_factor = run.config.workers, run.config.echo_factor
    looks = PairedLooks(domains, run.config.draws(), share=(run.team.rank, run.team.size))
    first, done = run.step, 0
    if echo_factor > 1:  # a run that goes on within a chapter needs all of it
        window, done = divmod(run.step, ECHO_WINDOW * echo_factor)
        first = window * ECHO_WINDOW
    loader: DataLoader[Batch] = DataLoader(
        looks,
        batch_size=None,
        sampler=range(first, 1 << 31),
        num_workers=workers,
        prefetch_factor=4 if workers else None,
        worker_init_fn=seed_worker,
        # A fork would inherit locks of thread pools that its threads do not.
        multiprocessing_context="spawn" if workers else None,
    )
    drawn = (_to_device(arrays, run.device) for arrays in loader)
    return itertools.islice(_echo(drawn, echo_factor), done, None)


def _echo(drawn: Iterator[dict[str, Tensor]], echo_factor: int) -> Iterator[dict[str, Tensor]]:
    """Chapter after chapter, each told `echo_factor` times."""
    if echo_factor == 1:
        yield from drawn
    while True:
        window = []
        for batch in itertools.islice(drawn, ECHO_WINDOW):
            yield batch
            window.append(batch)
        for _ in range(echo_factor - 1):
            yield from window


def _to_device(arrays: Mapping[str, Any], device: torch.device) -> dict[str, Tensor]:
    return {name: torch.as_tensor(value).to(device) for name, value in arrays.items()}
