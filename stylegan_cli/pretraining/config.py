"""Settings of a pre-training run."""

from dataclasses import dataclass

from stylegan_cli.errors import ConfigError
from stylegan_cli.pretraining.data import DrawConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class PretrainConfig:
    """A run of `influ pretrain`; travels in every checkpoint."""

    steps: int | None = None  # fixed from the time limit where not given
    time_limit_s: float = 36000.0
    looks: int = 8
    pictures: int = 6  # crops to read, on each of a look's two sides
    max_pictures: int = 24  # of them where the set holds as many pictures
    targets: int = 1  # of them to paint, too
    echo_factor: int = 1  # each batch is learned from; a GPU learns faster than processors draw
    size: int = 96  # px
    lr: float = 1e-3
    warmup: int = 100
    decay_from: float = 0.6
    ema: float = 0.998
    features_until: float = 0.4  # share of the steps after which the encoder's features are fixed
    base_colour_weight: float = 0.4  # of the loss on the per-pixel part alone
    gradient_weight: float = 0.5
    coarse_weight: float = 0.5
    texture_weight: float = 2.0  # of the strength of detail, wherever it is
    grid_weight: float = 20.0  # of what repeats at the network's strides and should not
    quiet_weight: float = 1.0  # of a residual where the look is of colour alone
    taught: float = 1.0  # share of paintings led by the look's true description, at first
    teacher_fully: float = 0.2  # share of the steps after which it falls
    teacher_until: float = 0.6  # share of the steps after which none is
    imitation_weight: float = 0.3  # of the encoder's distance to the teacher; falls likewise
    parameter_weight: float = 0.2  # of the error of the description that a code tells
    clip_norm: float = 1.0
    precision: str = "auto"
    processes: int = 0  # that share each step's looks; 0 for one per core, on a GPU one
    workers: int = 0  # that draw looks ahead, for each process; 0 draws in the process itself
    seed: int = 0
    sample_every: int = 500
    save_every: int = 100

    def __post_init__(self) -> None:
        for name in ("looks", "pictures", "targets", "echo_factor"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.max_pictures < self.pictures:
            raise ConfigError(
                f"max_pictures must be at least pictures, got {self.max_pictures} and "
                f"{self.pictures}"
            )
        if self.targets > self.pictures:
            raise ConfigError(
                f"targets must be at most pictures, got {self.targets} and {self.pictures}"
            )
        for name in ("processes", "workers"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name} must not be negative, got {getattr(self, name)}")
        if self.processes and self.looks % self.processes:
            raise ConfigError(
                f"looks must be a multiple of processes, got {self.looks} and {self.processes}"
            )
        if self.size % 8 or self.size < 64:
            raise ConfigError(f"size must be a multiple of 8 from 64 on, got {self.size}")
        if self.precision not in ("auto", "fp32", "bf16"):
            raise ConfigError(f"precision must be auto, fp32 or bf16, got {self.precision}")

    def draws(self) -> DrawConfig:
        """The part of the config that decides what is drawn."""
        return DrawConfig(
            looks=self.looks,
            pictures=self.pictures,
            max_pictures=self.max_pictures,
            targets=self.targets,
            size=self.size,
            seed=self.seed,
        )

    def guidance(self, step: int, total_steps: int | None) -> float:
        """How much the true descriptions still help: 1 at first, 0 from `teacher_until` on."""
        if total_steps is None:
            return 1.0
        fall = max(1e-9, self.teacher_until - self.teacher_fully)
        return min(1.0, max(0.0, (self.teacher_until - step / total_steps) / fall))
