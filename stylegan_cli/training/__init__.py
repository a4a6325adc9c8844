"""Base and two unpaired sets → refined styles."""

from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.loop import TrainingResult, open_run, refine
from stylegan_cli.training.report import REPORT_NAME

__all__ = [
    "REPORT_NAME",
    "TrainingConfig",
    "TrainingResult",
    "open_run",
    "refine",
]
