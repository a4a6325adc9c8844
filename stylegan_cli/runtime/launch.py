"""What a launcher of many processes, such as torchrun, tells each of them in its environment."""

import os
from dataclasses import dataclass

from stylegan_cli.errors import UsageError

_NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True, slots=True)
class Launch:
    """Which of how many processes this is, and which of those on its machine."""

    rank: int
    size: int
    local_rank: int


def launched() -> Launch | None:
    """Which process a launcher made of this one; None where the user started it alone.

    Raises UsageError where the launcher's variables make no sense.
    """
    found = [os.environ.get(name) for name in _NAMES]
    if None in found:
        return None
    numbers = [int(text) if text and text.isdecimal() else -1 for text in found[:3]]
    launch = Launch(*numbers)
    if not 0 <= launch.rank < launch.size or launch.local_rank < 0:
        raise UsageError(
            f"RANK, WORLD_SIZE and LOCAL_RANK are {', '.join(map(repr, found[:3]))}, which no "
            "launcher sets; start influ by torchrun, or unset them"
        )
    return launch


def is_first() -> bool:
    """Whether this process is the one that a user hears from."""
    launch = launched()
    return launch is None or launch.rank == 0
