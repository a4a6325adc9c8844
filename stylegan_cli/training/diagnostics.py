"""Problems of adversarial training, found from statistics, with what helps against each."""

import dataclasses
import logging
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from stylegan_cli.errors import TrainingError
from stylegan_cli.learning import GanKind
from stylegan_cli.networks.layers import luminance
from stylegan_cli.training.config import DiagnosticsConfig

log = logging.getLogger(__name__)

THUMBNAIL = 16  # px: small enough that only light, colour and layout are left
LOSS_AT_CHANCE: Mapping[GanKind, float] = {"hinge": 2.0, "lsgan": 0.25, "bce": 1.386}


class Problem(StrEnum):
    """What can be wrong with a run or with its pictures."""

    NOT_A_NUMBER = "not a number"
    INVERTED = "inverted colours"
    COLLAPSED = "collapse"
    FLAT = "flat pictures"
    IGNORED_Z = "ignored z"
    DISCRIMINATOR_WON = "a discriminator has won"


DISQUALIFYING = frozenset({Problem.INVERTED, Problem.COLLAPSED, Problem.FLAT})
"""Problems that no metric makes up for: a creator's best is never such a state."""

_ADVICE = {
    Problem.INVERTED: "light and dark, or opposite hues, have swapped against the instant style; "
    "begin again with half the --lr-g, or keep the tones more closely (lambda_anchor in --config)",
    Problem.COLLAPSED: "different photos come out alike; "
    "begin again with a higher --lambda-content or half the --lr-g",
    Problem.FLAT: "the results have lost their contrast; "
    "begin again with half the --lr-g, or with pictures that have more of it",
    Problem.IGNORED_Z: "seeds hardly change a picture any more; "
    "stop earlier (--steps) or begin again with half the --lr-g",
    Problem.DISCRIMINATOR_WON: "a discriminator tells every result from the creator's "
    "pictures and teaches nothing any more; begin again with half the --lr-d, with --penalty r1 "
    "or --augment on",
}


class NotANumberError(TrainingError):
    """A loss or a parameter is no longer a number: go back to the last good state."""


@dataclass(frozen=True, slots=True)
class Note:
    """What is wrong since when, and what helps, in one sentence."""

    step: int
    creator: str  # empty: the whole run
    problem: str
    sentence: str


@dataclass(frozen=True, slots=True)
class OutputStatistics:
    """Statistics of one creator's stylized photos.

    thumbnails: (N, 3, THUMBNAIL, THUMBNAIL). contrast: mean standard deviation of luma within a
    picture. response: mean absolute change of a picture between two opposite vectors z.
    """

    thumbnails: Tensor
    contrast: float
    response: float


def output_statistics(stylized: Sequence[Tensor], varied: Sequence[Tensor]) -> OutputStatistics:
    """stylized: photos, each (1, 3, H, W). varied: one of them at two opposite vectors z."""
    shown = [picture.clamp(-1, 1) for picture in stylized]
    thumbnails = [functional.adaptive_avg_pool2d(picture, THUMBNAIL) for picture in shown]
    contrast = torch.stack([luminance(picture).std() for picture in shown]).mean()
    one, other = (picture.clamp(-1, 1) for picture in varied)
    response = (one - other).abs().mean()
    return OutputStatistics(torch.cat(thumbnails), float(contrast), float(response))


def problems_of(
    now: OutputStatistics, instant: OutputStatistics, config: DiagnosticsConfig
) -> set[Problem]:
    """The problems of stylized photos, compared with the instant style on the same photos."""
    if now.contrast < config.min_contrast * instant.contrast:
        return {Problem.FLAT}
    found = set()
    if _difference(now) < config.min_diversity * _difference(instant):
        found.add(Problem.COLLAPSED)
    elif _is_inverted(now, instant, config):
        found.add(Problem.INVERTED)
    varies = instant.response > config.min_response
    if varies and now.response < config.min_z_response * instant.response:
        found.add(Problem.IGNORED_Z)
    return found


class Diagnostics:
    """Watches losses and statistics, and notes each problem of each creator once.

    instant: statistics of the instant styles, one per creator.
    """

    def __init__(
        self,
        names: Sequence[str],
        instant: Sequence[OutputStatistics],
        gan: GanKind,
        config: DiagnosticsConfig,
    ) -> None:
        self.notes: list[Note] = []
        self._names, self._instant, self._config = names, instant, config
        self._won_loss = config.won_loss * LOSS_AT_CHANCE[gan]
        self._losses: dict[tuple[int, str], deque[float]] = defaultdict(
            lambda: deque(maxlen=config.loss_window)
        )
        self._known: set[tuple[int, str]] = set()

    def watch(self, step: int, creator: int, terms: Mapping[str, float]) -> None:
        """Check the loss terms of one step, which showed the discriminators one creator."""
        discriminators = {
            name: value for name, value in terms.items() if name.startswith("discriminator_")
        }
        for name, value in discriminators.items():
            self._losses[creator, name].append(value)
        recent = [self._losses[creator, name] for name in discriminators]
        won = any(
            len(losses) == losses.maxlen and sum(losses) / len(losses) < self._won_loss
            for losses in recent
        )
        checked = frozenset({Problem.DISCRIMINATOR_WON})
        self._remember(step, creator, checked if won else frozenset(), checked)

    def examine(self, step: int, creator: int, now: OutputStatistics) -> set[Problem]:
        """Check a creator's stylized photos; returns the problems found."""
        found = problems_of(now, self._instant[creator], self._config)
        self._remember(step, creator, found, DISQUALIFYING | {Problem.IGNORED_Z})
        return found

    def note(self, step: int, problem: Problem, sentence: str, creator: str = "") -> None:
        """Keep a note and log it."""
        self.notes.append(Note(step, creator, str(problem), sentence))
        log.warning("step %d: %s", step, f"{creator}: {sentence}" if creator else sentence)

    def state_dict(self) -> dict[str, Any]:
        """The notes, the problems that last, and the losses that are watched."""
        return {
            "losses": [[*key, list(values)] for key, values in self._losses.items()],
            "notes": [dataclasses.asdict(note) for note in self.notes],
            "known": [list(item) for item in sorted(self._known)],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the notes of `state`."""
        self.notes = [Note(**note) for note in state["notes"]]
        self._known = {(creator, problem) for creator, problem in state["known"]}
        self._losses.clear()
        for creator, name, values in state["losses"]:
            self._losses[creator, name].extend(values)

    def _remember(
        self, step: int, creator: int, found: Set[Problem], checked: Set[Problem]
    ) -> None:
        for problem in sorted(checked):
            known = (creator, str(problem))
            if problem in found and known not in self._known:
                self.note(step, problem, _ADVICE[problem], self._names[creator])
                self._known.add(known)
            elif problem not in found:
                self._known.discard(known)


def _difference(statistics: OutputStatistics) -> float:
    """How much the pictures differ from each other; infinite for a single one."""
    if len(statistics.thumbnails) < 2:
        return float("inf")
    return float(statistics.thumbnails.std(dim=0).mean())


def _is_inverted(
    now: OutputStatistics, instant: OutputStatistics, config: DiagnosticsConfig
) -> bool:
    return any(
        float(present.std()) > minimum
        and float(initial.std()) > minimum
        and _correlation(present, initial) < config.inverted_correlation
        for present, initial, minimum in (
            (_light(now), _light(instant), 0.0),
            (_hue(now), _hue(instant), config.min_hue),
        )
    )


def _light(statistics: OutputStatistics) -> Tensor:
    """Luma without each picture's mean: a darker style is no negative."""
    luma = luminance(statistics.thumbnails)
    return luma - luma.mean(dim=(2, 3), keepdim=True)


def _hue(statistics: OutputStatistics) -> Tensor:
    """Chroma without each picture's mean."""
    chroma = statistics.thumbnails - luminance(statistics.thumbnails)
    return chroma - chroma.mean(dim=(2, 3), keepdim=True)


def _correlation(one: Tensor, other: Tensor) -> float:
    return float(functional.cosine_similarity(one.flatten(), other.flatten(), dim=0))
