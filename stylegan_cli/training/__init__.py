"""Base and two unpaired sets → refined styles."""

from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.loop import Outcome, clear_run, open_run, refine

__all__ = [
    "Outcome",
    "TrainingConfig",
    "clear_run",
    "open_run",
    "refine",
]
