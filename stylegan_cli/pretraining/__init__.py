"""Random looks → base."""

from stylegan_cli.pretraining.config import PretrainConfig
from stylegan_cli.pretraining.domains import pictures_by_domain
from stylegan_cli.pretraining.trainer import pretrain

__all__ = ["PretrainConfig", "pictures_by_domain", "pretrain"]
