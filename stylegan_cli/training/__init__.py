"""Base and two unpaired sets → refined styles."""

from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.loop import Outcome, train

__all__ = ["Outcome", "TrainingConfig", "train"]
