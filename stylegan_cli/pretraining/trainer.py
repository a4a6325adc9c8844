"""What a pre-training run trains, and one step of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning.ema import Ema
from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.learning.schedules import ends_of, learning_rate, total_steps_now
from stylegan_cli.learning.shares import Share
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.loading import split_looks
from stylegan_cli.pretraining.losses import Stylized, total_loss
from stylegan_cli.pretraining.model import BaseNetworks, Learner
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.runtime.randomness import torch_generator

BETAS = (0.9, 0.99)


@dataclass(slots=True, kw_only=True)
class Trainer:
    """Networks, optimiser and averages: all that a step changes, alike in every process.

    total_steps: None as long as their number is not fixed.
    """

    learner: Learner
    config: PretrainConfig
    team: ProcessTeam
    shares: Sequence[Share]
    optimizer: torch.optim.Optimizer
    ema: Ema
    bf16: bool
    step: int = 0
    total_steps: int | None = None

    @property
    def device(self) -> torch.device:
        """What this process computes on."""
        return self.team.device

    @property
    def base(self) -> BaseNetworks:
        """Generator and style encoder."""
        return self.learner.base

    def train_step(self, batch: Mapping[str, Tensor]) -> dict[str, float]:
        """Learn from this process's part of a step's looks; returns the losses of all looks."""
        config = self.config
        rate = learning_rate(
            self.step, self.total_steps, config.lr, config.warmup, config.decay_from
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._fix_features()
        self.optimizer.zero_grad(set_to_none=True)
        losses, deviations = self._add_gradients(batch)
        self.team.add_up_gradients(self.learner.parameters())
        nn.utils.clip_grad_norm_(self.learner.parameters(), config.clip_norm)
        self.optimizer.step()
        self.base.encoder.head.follow(self.team.add_up(deviations))
        self.ema.update(self.step)
        self.step += 1
        values = self.team.add_up(torch.stack(list(losses.values()))).tolist()
        return {"lr": rate, **dict(zip(losses, values, strict=True))}

    def _add_gradients(self, batch: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        """What this process's looks add to the gradients, the losses, and the head's deviations."""
        config = self.config
        guidance = config.guidance(self.step, self.total_steps)
        guided = self._draw_guided(config.teacher_share * guidance)
        losses: dict[str, Tensor] = {}
        deviations = torch.zeros(())
        for share, part in zip(self.shares, split_looks(batch, len(self.shares)), strict=True):
            with self._autocast():
                terms, of_share = self.learner(part, guided[share.slice], guidance)
            means = {"loss": total_loss(terms)} | {n: term.mean() for n, term in terms.items()}
            (share.weight * means["loss"]).backward()
            for name, mean in means.items():
                losses[name] = losses.get(name, 0) + share.weight * mean.detach()
            deviations = deviations.to(of_share) + share.weight * of_share
        return losses, deviations

    @torch.no_grad()
    def stylize(self, batch: Mapping[str, Tensor]) -> Stylized:
        """The batch's photos in its looks, by the averaged weights."""
        self.base.eval()
        with self.ema.averaged(), self._autocast():
            stylized = self.base.stylize(batch, self.base.encode(batch))
        self.base.train()
        return stylized

    @torch.no_grad()
    def standardise(self, batches: Sequence[Mapping[str, Tensor]]) -> None:
        """Fit the standardisation of the encoder's head to usual sets, before the first step."""
        rows = [self.base.describe(batch) for batch in batches]
        self.base.encoder.head.standardise(torch.cat(rows))

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs, and what rebuilds the networks."""
        return {
            "base": self.base.state_dict(),
            "parameter_head": self.learner.parameter_head.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "total_steps": self.total_steps,
            "ends": ends_of(self.config),
            "generator_config": asdict(self.base.generator.config),
            "encoder_config": asdict(self.base.encoder.config),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was saved, to the end that the config names now.

        state["step"] comes from the checkpoint.
        """
        self.base.load_state_dict(state["base"])
        self.learner.parameter_head.load_state_dict(state["parameter_head"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        self.total_steps = total_steps_now(self.config, state)

    def _fix_features(self) -> None:
        """From `features_until` on, stop training the encoder's features.

        They drift by a percent in a hundred steps. That misleads the head, and makes their average
        over steps worse than any of them.
        """
        features = self.base.encoder.features
        fixed = self.step >= self.config.features_until * (self.total_steps or np.inf)
        if fixed and any(parameter.requires_grad for parameter in features.parameters()):
            features.requires_grad_(False)

    def _draw_guided(self, share: float) -> Tensor:
        """Which sides of the looks the teacher leads in this step, (L, 2)."""
        generator = torch_generator(self.config.seed, self.step, "prompted looks")
        drawn = torch.rand(self.config.looks, 2, generator=generator) < share
        return drawn.to(self.device, torch.get_default_dtype())

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def build_trainer(base: BaseNetworks, config: PretrainConfig, team: ProcessTeam) -> Trainer:
    """A trainer before its first step."""
    learner = Learner(base, config).to(team.device)
    learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trainer(
        learner=learner,
        config=config,
        team=team,
        shares=team.shares(config.looks, config.accumulate),
        optimizer=torch.optim.Adam(learner.parameters(), lr=config.lr, betas=BETAS),
        ema=Ema(base, config.ema),
        bf16=uses_bf16(config.precision, team.device.type),
        total_steps=config.steps,
    )


def load_base(base: BaseNetworks, tensors: Mapping[str, np.ndarray]) -> None:
    """Start from a base's tensors. Raises TrainingError for those of another architecture."""
    try:
        base.load_state_dict({name: torch.from_numpy(value) for name, value in tensors.items()})
    except RuntimeError as error:
        raise TrainingError(
            "the model to start from has another architecture; leave --init out"
        ) from error
