"""What a run trains, and one step of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from stylegan_cli.learning.ema import Ema
from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.learning.schedules import ends_of, learning_rate, total_steps_now
from stylegan_cli.learning.shares import Share
from stylegan_cli.learning.whole_batch import WholeBatch
from stylegan_cli.training.batch import Batch, Creator, draw_batch
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import HistoryPool, PictureSet
from stylegan_cli.training.diagnostics import NotANumberError
from stylegan_cli.training.networks import Networks
from stylegan_cli.training.steps import (
    discriminator_terms,
    generator_terms,
    whole_batch_rows,
)

BETAS = (0.5, 0.99)


@dataclass(slots=True, kw_only=True)
class Trainer:
    """Networks, optimisers and averages: all that a step changes, alike in every process.

    total_steps: None as long as their number is not fixed. lr_scale: share of all learning rates;
    it falls after a loss was not a number.
    """

    networks: Networks
    creators: Sequence[Creator]
    content: PictureSet
    config: TrainingConfig
    team: ProcessTeam
    shares: Sequence[Share]
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
        batches = self.draw_batches(creator)
        fakes, of_generator = self.update_generator(batches)
        shown = self.pools[creator].swap(fakes, self.step)
        of_discriminator = self.update_discriminator(batches, shown)
        self.ema.update(self.step)
        self.step += 1
        values = {name: term.item() for name, term in (of_generator | of_discriminator).items()}
        if not (np.isfinite(list(values.values())).all() and self.is_finite()):
            raise NotANumberError(f"a loss is no number after {self.step} steps")
        return values

    def draw_batches(self, creator: int) -> list[Batch]:
        """The present step's batch of one creator: this process's shares of it."""
        device, picked = self.networks.generator.device, self.creators[creator]
        return [
            draw_batch(self.content, picked, creator, self.step, self.config, device, share)
            for share in self.shares
        ]

    def update_generator(self, batches: Sequence[Batch]) -> tuple[Tensor, dict[str, Tensor]]:
        """Update the adapter of the batches' creator.

        Returns the fakes of all processes (B, 3, S, S), and the loss terms of the whole batch.
        """
        creator, fakes = self.creators[batches[0].creator], []
        seen_by_all = (self.networks, creator, self.config)
        whole = WholeBatch(self.team, self.shares)
        if len(batches) > 1:
            whole.record([whole_batch_rows(batch, *seen_by_all) for batch in batches])

        def terms_of(batch: Batch) -> dict[str, Tensor]:
            fake, terms = generator_terms(batch, *seen_by_all, whole)
            fakes.append(fake.detach())
            return terms

        self.networks.discriminator.requires_grad_(False)
        share = creator.constraints.lr_share
        terms = self._update(self.generator_optimizer, batches, terms_of, share)
        return self.team.gather(self.shares, fakes), terms

    def update_discriminator(self, batches: Sequence[Batch], fakes: Tensor) -> dict[str, Tensor]:
        """Update the discriminators on fakes (B, 3, S, S), current and replayed, of all processes.

        Returns the loss terms of the whole batch.
        """
        creator = self.creators[batches[0].creator]

        def terms_of(batch: Batch) -> dict[str, Tensor]:
            own = fakes[batch.share.slice].contiguous(memory_format=torch.channels_last)
            return discriminator_terms(batch, own, self.networks, creator, self.config)

        self.networks.discriminator.requires_grad_(True)
        return self._update(self.discriminator_optimizer, batches, terms_of)

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
        batches: Sequence[Batch],
        terms_of: Callable[[Batch], Mapping[str, Tensor]],
        lr_share: float = 1.0,
    ) -> dict[str, Tensor]:
        """One update by the sum of all terms, at a share of the present step's learning rates.

        terms_of: the loss terms of one batch. Returns those of the batches of all processes.
        """
        config = self.config
        for group in optimizer.param_groups:
            rate = lr_share ** group["share_power"] * self.lr_scale * group["base_lr"]
            group["lr"] = learning_rate(
                self.step, self.total_steps, rate, config.warmup, config.decay_from
            )
        optimizer.zero_grad(set_to_none=True)
        sums: dict[str, Tensor] = {}
        # The spectral norm takes a step of its own with each call, by the weights alone.
        buffers = [(buffer, buffer.clone()) for buffer in self.networks.discriminator.buffers()]
        for batch in batches:
            for buffer, before in buffers:
                buffer.copy_(before)
            terms = terms_of(batch)
            (batch.share.weight * torch.stack(list(terms.values())).sum()).backward()
            for name, term in terms.items():
                sums[name] = sums.get(name, 0) + batch.share.weight * term.detach()
        self.team.add_up_gradients(p for group in optimizer.param_groups for p in group["params"])
        optimizer.step()
        added = self.team.add_up(torch.stack(list(sums.values())))
        return dict(zip(sums, added, strict=True))


def build_trainer(
    networks: Networks,
    creators: Sequence[Creator],
    content: PictureSet,
    config: TrainingConfig,
    team: ProcessTeam | None = None,
) -> Trainer:
    """A trainer before its first step, alone where `team` is None.

    creators: in the order of the networks' styles. Raises ConfigError where the team can't share a
    batch.
    """
    team = team or ProcessTeam()
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
        team=team,
        shares=team.shares(config.batch, config.accumulate),
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
