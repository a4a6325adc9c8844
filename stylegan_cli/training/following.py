"""The other processes of a run: each computes its share of every step, until the first one ends."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.networks.frozen_features import load_features
from stylegan_cli.networks.precision import computing_in
from stylegan_cli.runtime.interruption import StopRequest
from stylegan_cli.styles import Model
from stylegan_cli.training.batch import Creator
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import PictureSet
from stylegan_cli.training.diagnostics import NotANumberError
from stylegan_cli.training.start import start_networks
from stylegan_cli.training.trainer import Trainer, build_trainer


def call_others(trainer: Trainer, start: Model) -> None:
    """In the first process: have all others train along; `start` is what the run began with."""
    parts = (trainer.creators, trainer.content, trainer.config)
    trainer.team.call(_follow, start, *parts, resumable(trainer))


def resumable(trainer: Trainer) -> dict[str, Any]:
    """The state of a trainer as from a checkpoint."""
    return trainer.state_dict() | {"step": trainer.step}


def next_creator(trainer: Trainer, over: bool, creator: int = 0) -> int | None:
    """Whose turn it is, which the first process knows; None where any says that it is over.

    All processes ask this before each step, and get the same.
    """
    known = trainer.total_steps if trainer.team.rank == 0 else None
    is_over, total, chosen = trainer.team.agree(int(over), known or 0, creator)
    trainer.total_steps = total or None
    return None if is_over else chosen


def _follow(
    team: ProcessTeam,
    stop: StopRequest,
    start: Model,
    creators: Sequence[Creator],
    content: PictureSet,
    config: TrainingConfig,
    state: Mapping[str, Any],
) -> None:
    with computing_in(config.precision):
        features = load_features("lite0").to(team.device)
        networks = start_networks(start, features, config, team.device)
        placed = [
            dataclasses.replace(one, texture=one.texture.unpacked(features, team.device))
            for one in creators
        ]
        trainer = build_trainer(networks, placed, content, config, team)
        trainer.load_state_dict(state)
        while (creator := next_creator(trainer, stop.requested)) is not None:
            try:
                trainer.train_step(creator)
            except NotANumberError:  # in every process; the first one goes back
                trainer.load_state_dict(team.broadcast())
