"""Base and two unpaired sets → refined styles."""

from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.loop import BEST_NAME, Outcome, best_of_run, clear_run, open_run, refine

__all__ = [
    "BEST_NAME",
    "Outcome",
    "TrainingConfig",
    "best_of_run",
    "clear_run",
    "open_run",
    "refine",
]
