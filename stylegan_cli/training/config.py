"""What a run of `influ train` can be told."""

from dataclasses import dataclass
from typing import Literal

from stylegan_cli.errors import ConfigError
from stylegan_cli.learning.losses import GanKind

_NOT_NEGATIVE = (
    *("lambda_pixels", "lambda_features", "lambda_content", "lambda_anchor", "lambda_grid"),
    *("lambda_drift", "lambda_texture"),
    *(
        "lambda_cycle",
        "lambda_identity",
        "r1_weight",
        "pool",
        "sample_every",
        "save_every",
        "patience",
    ),
)
_POSITIVE = (
    *("time_limit_s", "batch", "lr_g", "lr_code", "lr_d"),
    *("r1_every", "discriminator_channels", "z_dim", "validate_every"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """A refinement run; travels in the run folder and in every checkpoint."""

    init: str = "base"  # base, linear, none, or the path of a model
    steps: int | None = None  # fixed from the time limit where not given
    time_limit_s: float = 1800.0
    size: int = 128  # px, side of a crop
    working_size: int | None = (
        None  # px, short side that pictures are brought to; by their own size
    )
    scales: tuple[float, float] = (0.85, 1.15)  # of the working size, drawn for every step
    batch: int = 4
    lr_g: float = 3e-4  # of the low-rank deltas
    lr_code: float = 3e-3
    lr_d: float = 4e-4
    warmup: int = 100
    decay_from: float = 0.6
    gan: GanKind = "hinge"
    penalty: Literal["none", "r1"] = "none"
    r1_weight: float = 1.0
    r1_every: int = 8
    lambda_pixels: float = 1.0
    lambda_features: float = 1.0
    lambda_content: float = 4.0
    lambda_anchor: float = 5.0
    lambda_grid: float = 1000.0
    lambda_drift: float = 1.0
    lambda_texture: float = 10.0
    lambda_cycle: float = 0.0
    lambda_identity: float = 0.0
    face_weight: float = 2.0  # how much more a place in a face counts for content and anchor
    discriminator_channels: int = (
        32  # of the pixel discriminator's first layer; doubles at each downsampling
    )
    z_dim: int = 4  # directions of the creator's variety
    ema: float = 0.998
    pool: int = 50
    augment: Literal["auto", "on", "off"] = "auto"
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    seed: int = 0
    sample_every: int = 250
    save_every: int = 250
    validate_every: int = 250
    patience: int = 6  # judgings without a gain after which a creator is done; 0: never

    def __post_init__(self) -> None:
        for name in _NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        for name in _POSITIVE:
            if getattr(self, name) <= 0:
                raise ConfigError(f"{name} must be more than 0, got {getattr(self, name)}")
        if self.steps is not None and self.steps < 1:
            raise ConfigError(f"steps must be at least 1, got {self.steps}")
        if self.size % 8 or self.size < 64:
            raise ConfigError(f"size must be a multiple of 8 from 64 on, got {self.size}")
        if not 0 < self.scales[0] <= self.scales[1]:
            raise ConfigError(f"scales must be above 0 and rise, got {self.scales}")
        if self.working_size is not None and self.working_size * self.scales[0] < self.size:
            raise ConfigError(
                f"working_size {self.working_size} leaves less than a crop of {self.size} px"
            )
        if not 0 <= self.ema < 1:
            raise ConfigError(f"ema must be from 0 to below 1, got {self.ema}")
