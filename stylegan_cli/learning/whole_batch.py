"""What a loss that is no mean over samples sees: the rows of the whole batch."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.learning.shares import Share


class WholeBatch:
    """Puts the rows of one share, with their gradients, among those of all others.

    Every share then has the same loss, and the gradient of its own rows; the sum over the shares is
    the gradient of the whole batch. Where a process has several shares, only one of them has a
    graph at a time: the rows of all are computed once before, without gradients (gradient caching,
    Gao et al. 2021).
    """

    def __init__(self, team: ProcessTeam, shares: Sequence[Share]) -> None:
        self._team, self._shares = team, shares
        self._known: dict[str, Tensor] = {}

    def record(self, rows: Sequence[Mapping[str, Tensor]]) -> None:
        """Take note of named rows, for each of this process's shares."""
        self._known = {
            name: self._team.gather(self._shares, [one[name] for one in rows]) for name in rows[0]
        }

    def collect(self, name: str, share: Share, rows: Tensor) -> Tensor:
        """The rows of the whole batch (count, ...) from those of one share (n, ...).

        Gradients of `rows` are divided by the share's weight, which its loss is multiplied by.
        """
        if len(rows) == share.count:
            return rows
        if len(self._shares) == 1:
            known = self._team.gather(self._shares, [rows.detach()])
        else:
            known = self._known[name]
        own = rows.view_as(rows)
        if own.requires_grad:
            own.register_hook(lambda gradient: gradient / share.weight)
        index = torch.arange(share.count, device=rows.device)[share.slice]
        return known.index_copy(0, index, own)
