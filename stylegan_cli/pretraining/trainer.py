"""What a pre-training run trains, and one step of it."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning.ema import Ema
from stylegan_cli.learning.schedules import ends_of, learning_rate, total_steps_now
from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.losses import Stylized, total_loss
from stylegan_cli.pretraining.model import BaseNetworks, Learner
from stylegan_cli.pretraining.processes import ProcessTeam
from stylegan_cli.runtime.devices import uses_bf16
from stylegan_cli.runtime.randomness import torch_generator

BETAS = (0.9, 0.99)


@dataclass(slots=True, kw_only=True)
class Trainer:
    """Networks, optimiser and averages: all that a step changes.

    shared: the learner, or its twin that averages gradients over all processes. total_steps: None
    as long as their number is not fixed.
    """

    learner: Learner
    shared: nn.Module
    config: PretrainConfig
    team: ProcessTeam
    device: torch.device
    optimizer: torch.optim.Optimizer
    ema: Ema
    bf16: bool
    step: int = 0
    total_steps: int | None = None

    @property
    def base(self) -> BaseNetworks:
        """Generator and style encoder."""
        return self.learner.base

    def share(self) -> None:
        """From here on every process has the first one's weights, and all train as one."""
        self.shared = self.team.share(self.learner)

    def train_step(self, batch: Mapping[str, Tensor]) -> dict[str, float]:
        """Learn from this process's part of a step's looks; returns the losses."""
        config = self.config
        rate = learning_rate(
            self.step, self.total_steps, config.lr, config.warmup, config.decay_from
        )
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._fix_features()
        guidance = config.guidance(self.step, self.total_steps)
        guided = self._draw_guided(config.teacher_share * guidance)
        with self._autocast():
            terms = self.shared(batch, guided, guidance)
        loss = total_loss(terms)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learner.parameters(), config.clip_norm)
        self.optimizer.step()
        self.ema.update(self.step)
        self.step += 1
        values = {name: term.mean().item() for name, term in terms.items()}
        return {"loss": loss.item(), "lr": rate, **values}

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
        head, rows = self.base.encoder.head, []
        for batch in batches:
            moments = self.base.moments(batch).flatten(0, 1)
            rows.append(head.describe(moments, batch["statistics"].flatten(0, 1)))
        head.standardise(torch.cat(rows))

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
            self.share()

    def _draw_guided(self, share: float) -> Tensor:
        """Which sides of the looks the teacher leads in this step, (L, 2)."""
        generator = torch_generator(self.config.seed, self.step, "prompted looks")
        drawn = torch.rand(self.config.looks, 2, generator=generator) < share
        return drawn[self.team.rank :: self.team.size].float().to(self.device)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)


def build_trainer(
    base: BaseNetworks, config: PretrainConfig, device: str, team: ProcessTeam
) -> Trainer:
    """A trainer before its first step."""
    torch_device = torch.device(device)
    learner = Learner(base, config).to(torch_device)
    learner.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Trainer(
        learner=learner,
        shared=learner,
        config=config,
        team=team,
        device=torch_device,
        optimizer=torch.optim.Adam(learner.parameters(), lr=config.lr, betas=BETAS),
        ema=Ema(base, config.ema),
        bf16=uses_bf16(config.precision, torch_device.type),
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
