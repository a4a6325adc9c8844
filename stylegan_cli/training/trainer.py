"""What a run trains, and one step of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.learning.ema import Ema
from stylegan_cli.learning.schedules import ends_of, learning_rate, total_steps_now
from stylegan_cli.training.batch import Batch, Creator, draw_batch
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import HistoryPool, PictureSet
from stylegan_cli.training.diagnostics import NotANumberError
from stylegan_cli.training.networks import Networks
from stylegan_cli.training.steps import (
    discriminator_terms,
    generator_terms,
)

BETAS = (0.5, 0.99)


@dataclass(slots=True, kw_only=True)
class Trainer:
    """Networks, optimisers and averages: all that a step changes.

    total_steps: None as long as their number is not fixed. lr_scale: share of all learning rates;
    it falls after a loss was not a number.
    """

    networks: Networks
    creators: Sequence[Creator]
    content: PictureSet
    config: TrainingConfig
    generator_optimizer: torch.optim.Optimizer
    discriminator_optimizer: torch.optim.Optimizer
    ema: Ema
    pools: Sequence[HistoryPool]
    step: int = 0
    total_steps: int | None = None
    lr_scale: float = 1.0

    def train_step(self, creator: int) -> dict[str, float]:
        """One update of the creator's adapter and of the discriminators; returns the loss terms.

        Raises NotANumberError where a term or a trained parameter is not finite.
        """
        batch = self.draw_batch(creator)
        fakes, of_generator = self.update_generator(batch)
        shown = self.pools[creator].swap(fakes, self.step)
        of_discriminator = self.update_discriminator(batch, shown)
        self.ema.update(self.step)
        self.step += 1
        values = {name: term.item() for name, term in (of_generator | of_discriminator).items()}
        if not (np.isfinite(list(values.values())).all() and self.is_finite()):
            raise NotANumberError(f"a loss is no number after {self.step} steps")
        return values

    def draw_batch(self, creator: int) -> Batch:
        """The present step's batch of one creator."""
        device = self.networks.generator.device
        picked = self.creators[creator]
        return draw_batch(self.content, picked, creator, self.step, self.config, device)

    def update_generator(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """Update the adapter of the batch's creator; returns fakes (B, 3, S, S) and loss terms."""
        creator = self.creators[batch.creator]
        self.networks.discriminator.requires_grad_(False)
        fake, terms = generator_terms(batch, self.networks, creator, self.config)
        self._update(self.generator_optimizer, terms, creator.constraints.lr_share)
        return fake.detach(), {name: term.detach() for name, term in terms.items()}

    def update_discriminator(self, batch: Batch, fakes: Tensor) -> dict[str, Tensor]:
        """Update the discriminators on fakes (B, 3, S, S) of now and before; returns loss terms."""
        creator = self.creators[batch.creator]
        self.networks.discriminator.requires_grad_(True)
        terms = discriminator_terms(batch, fakes, self.networks, creator, self.config)
        self._update(self.discriminator_optimizer, terms)
        return {name: term.detach() for name, term in terms.items()}

    @torch.no_grad()
    def stylize(self, creator: int, photo: Tensor, shift: Tensor | float = 0.0) -> Tensor:
        """One photo (1, 3, H, W) by the averaged adapter; sides are multiples of 8.

        shift: (code_dim,) added to the code.
        """
        generator = self.networks.generator
        short_side = self._short_side(creator)
        with self.ema.averaged(), generator.autocast():
            return generator.stylize(creator, photo, short_side, shift)

    @torch.no_grad()
    def stylize_instant(self, creator: int, photo: Tensor) -> Tensor:
        """One photo (1, 3, H, W) in the instant style; sides are multiples of 8."""
        generator = self.networks.generator
        with generator.autocast():
            return generator.stylize_instant(creator, photo, self._short_side(creator))

    def is_finite(self) -> bool:
        """Whether every trained parameter is finite."""
        modules = (self.networks.generator.adapters, self.networks.discriminator)
        trained = [value for module in modules for value in _trained(module).values()]
        return bool(nn.utils.get_total_norm(trained).isfinite())

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed run needs beside its config and the model that it started from."""
        return {
            "adapters": _trained(self.networks.generator.adapters),
            "discriminator": self.networks.discriminator.state_dict(),
            "generator_optimizer": self.generator_optimizer.state_dict(),
            "discriminator_optimizer": self.discriminator_optimizer.state_dict(),
            "ema": self.ema.state_dict(),
            "pools": [pool.state_dict() for pool in self.pools],
            "total_steps": self.total_steps,
            "ends": ends_of(self.config),
            "lr_scale": self.lr_scale,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was saved, to the end that the config names now.

        state["step"] comes from the checkpoint.
        """
        self.networks.generator.adapters.load_state_dict(state["adapters"], strict=False)
        self.networks.discriminator.load_state_dict(state["discriminator"])
        self.generator_optimizer.load_state_dict(state["generator_optimizer"])
        self.discriminator_optimizer.load_state_dict(state["discriminator_optimizer"])
        self.ema.load_state_dict(state["ema"])
        for pool, saved in zip(self.pools, state["pools"], strict=True):
            pool.load_state_dict(saved)
        self.step, self.total_steps = state["step"], total_steps_now(self.config, state)
        self.lr_scale = float(state["lr_scale"])

    def _short_side(self, creator: int) -> Tensor:
        size = torch.tensor([float(self.creators[creator].working_size)])
        return size.to(self.networks.generator.device)

    def _update(
        self,
        optimizer: torch.optim.Optimizer,
        terms: Mapping[str, Tensor],
        lr_share: float = 1.0,
    ) -> None:
        """One update by the sum of `terms`, at a share of the present step's learning rates."""
        config, loss = self.config, torch.stack(list(terms.values())).sum()
        for group in optimizer.param_groups:
            rate = lr_share ** group["share_power"] * self.lr_scale * group["base_lr"]
            group["lr"] = learning_rate(
                self.step, self.total_steps, rate, config.warmup, config.decay_from
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()


def build_trainer(
    networks: Networks, creators: Sequence[Creator], content: PictureSet, config: TrainingConfig
) -> Trainer:
    """A trainer before its first step. creators: in the order of the networks' styles."""
    adapters = networks.generator.adapters
    codes = [creator.code for creator in networks.generator.creators]
    others = [
        parameter
        for name, parameter in adapters.named_parameters()
        if parameter.requires_grad and not name.endswith(".code")
    ]
    # A code changes the whole style at once: its rate goes by the square of a creator's share.
    generator_groups = [
        {"params": others, "base_lr": config.lr_g, "share_power": 1},
        {"params": codes, "base_lr": config.lr_code, "share_power": 2},
    ]
    discriminator_group = {
        "params": list(networks.discriminator.parameters()),
        "base_lr": config.lr_d,
        "share_power": 0,
    }
    return Trainer(
        networks=networks,
        creators=creators,
        content=content,
        config=config,
        generator_optimizer=torch.optim.Adam(generator_groups, betas=BETAS),
        discriminator_optimizer=torch.optim.Adam([discriminator_group], betas=BETAS),
        ema=Ema(adapters, config.ema),
        pools=[HistoryPool(config.pool, config.seed + index) for index in range(len(creators))],
        total_steps=config.steps,
    )


def _trained(module: nn.Module) -> dict[str, Tensor]:
    """The parameters that learn; the others come from the model that the run started from."""
    return {
        name: value.detach() for name, value in module.named_parameters() if value.requires_grad
    }
