"""The best state of each creator, and the model that consists of them."""

import dataclasses
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from torch import Tensor

from stylegan_cli.instant import with_mode_of_residual
from stylegan_cli.instant.config import RenderModeConfig
from stylegan_cli.styles import Base, Model, Style


@dataclass(slots=True)
class BestState:
    """The best state so far of a group of creators that are chosen together.

    score: 1 for the instant style. tensors: averaged parameters by name; empty for the instant
    style. stale: validations since then.
    """

    score: float = 1.0
    step: int = 0
    tensors: dict[str, Tensor] = field(default_factory=dict)
    stale: int = 0


class Selection:
    """Keeps the best state of each creator, and ends creators that no longer improve.

    start: the model that the run began with, its styles the creators' instant styles.
    working_sizes: px, one per creator. delta_names: see AdaptedGenerator. shares_generator: the
    creators share a generator that is trained, too, so that one state is chosen for all of them.
    patience: validations without an improvement after which a creator is done; 0: never.
    min_improvement: of the score; less is noise. render_mode: how that of a style is chosen.
    """

    def __init__(
        self,
        start: Model,
        working_sizes: Sequence[int],
        delta_names: Sequence[str],
        *,
        shares_generator: bool,
        patience: int,
        min_improvement: float,
        render_mode: RenderModeConfig,
    ) -> None:
        self.start = start
        self._working_sizes, self._delta_names = working_sizes, delta_names
        self._patience, self._min_improvement = patience, min_improvement
        self._render_mode = render_mode
        indices = list(range(len(start.styles)))
        self.groups = [indices] if shares_generator else [[index] for index in indices]
        self.best = [BestState() for _ in self.groups]
        self._refined: dict[tuple[int, int], Style] = {}  # by creator and step

    @property
    def active(self) -> list[int]:
        """The creators that still improve, or whose patience is not used up."""
        return [
            index
            for best, members in zip(self.best, self.groups, strict=True)
            if not self._patience or best.stale < self._patience
            for index in members
        ]

    def best_of(self, creator: int) -> BestState:
        """The best state of the group that the creator belongs to."""
        return next(
            best for best, members in zip(self.best, self.groups, strict=True) if creator in members
        )

    def update(
        self,
        step: int,
        scores: Mapping[int, float],
        disqualified: Set[int],
        average: Mapping[str, Tensor],
    ) -> list[int]:
        """Choose the state of `step` where it is better; returns the creators it was chosen for.

        scores: of each validated creator. disqualified: creators whose state must not be chosen.
        average: the averaged parameters by name.
        """
        chosen = []
        for best, members in zip(self.best, self.groups, strict=True):
            if members[0] not in scores:
                continue
            score = float(np.mean([scores[index] for index in members]))
            best.stale += 1
            if score < best.score - self._min_improvement and disqualified.isdisjoint(members):
                prefixes = ("generator.", *(f"creators.{index}." for index in members))
                best.score, best.step, best.stale = score, step, 0
                best.tensors = {n: v.clone() for n, v in average.items() if n.startswith(prefixes)}
                chosen += members
        return chosen

    def best_model(self, steps: int) -> Model:
        """The base and each creator's best; the instant style of one that never improved.

        steps: trained so far, for the model's description.
        """
        base, styles = self.start.base, list(self.start.styles)
        for best, members in zip(self.best, self.groups, strict=True):
            if best.tensors:
                base = _with_weights(base, best.tensors)
                for index in members:
                    styles[index] = self._style(index, best)
        styles = [dataclasses.replace(style, base_hash=base.hash) for style in styles]
        return Model(base=base, styles=tuple(styles), info={"steps": steps})

    def state_dict(self) -> list[dict[str, Any]]:
        """All that a resumed run needs."""
        return [dataclasses.asdict(best) for best in self.best]

    def load_state_dict(self, state: Sequence[Mapping[str, Any]]) -> None:
        """Go on where `state` was saved."""
        self.best = [BestState(**best) for best in state]
        self._refined.clear()

    def _style(self, index: int, best: BestState) -> Style:
        """A creator's refined style; choosing its render mode takes seconds, so it happens once."""
        if (index, best.step) not in self._refined:
            start = self.start.styles[index]
            info = dataclasses.replace(
                start.info,
                refined=True,
                working_size=self._working_sizes[index],
                metrics={"score": round(best.score, 4), "steps": best.step},
            )
            code = _single(best.tensors[f"creators.{index}.code"])
            deltas = self._deltas(index, best.tensors)
            style = dataclasses.replace(start, info=info, code=code, deltas=deltas)
            base = _with_weights(self.start.base, best.tensors)
            self._refined[index, best.step] = with_mode_of_residual(style, base, self._render_mode)
        return self._refined[index, best.step]

    def _deltas(self, index: int, tensors: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        """A creator's deltas, named as in the style file."""
        return {
            f"{name}.{part}": _single(tensors[f"creators.{index}.deltas.{position}.{part}"])
            for position, name in enumerate(self._delta_names)
            for part in ("down", "up")
        }


def _single(values: Tensor) -> np.ndarray:
    """As float32, which files are made of."""
    single: np.ndarray = values.cpu().float().numpy()
    return single


def _with_weights(base: Base, tensors: Mapping[str, Tensor]) -> Base:
    """The base with the generator's weights among `tensors`, rounded as in its file."""
    trained = {
        name: value.cpu().numpy().astype(np.float16).astype(np.float32)
        for name, value in tensors.items()
        if name.startswith("generator.")
    }
    return dataclasses.replace(base, tensors={**base.tensors, **trained}) if trained else base
