"""Settings of a pre-training run."""

from dataclasses import field
from typing import Annotated

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.errors import ConfigError
from stylegan_cli.learning import Precision
from stylegan_cli.learning.options import (
    ACCUMULATE,
    DECAY_FROM,
    EMA,
    PRECISION,
    SAMPLE_EVERY,
    SAVE_EVERY,
    STEPS,
    WARMUP,
    time_limit,
)
from stylegan_cli.networks.architecture import GeneratorConfig, StyleEncoderConfig
from stylegan_cli.runtime.config import SEED, Option, config_class, file_option


@config_class
class DrawConfig:
    """How much one training step draws."""

    looks: int = 8  # per step
    pictures: int = 3  # crops to read, on each of a look's two sides
    max_pictures: int = 3  # of them if the set has as many pictures
    targets: int = 3  # of them that are targets, too
    size: int = 96  # px, of every target crop
    seed: int = 0


@config_class
class PretrainConfig:
    """A run of `influ pretrain`; travels in every checkpoint."""

    steps: Annotated[int | None, STEPS] = None  # fixed from the time limit where not given
    time_limit_s: Annotated[float, time_limit("Time for training: 90s, 30m, 10h.", "10h")] = 36000.0
    looks: Annotated[
        int, Option("Batch size: looks per step.", names=("--batch",), at_least=1, at_most=1024)
    ] = 8
    pictures: Annotated[
        int,
        file_option("Reference crops, on each of a look's two sides.", at_least=1, at_most=1024),
    ] = 6
    max_pictures: Annotated[
        int,
        file_option("The most of them, if the set has as many pictures.", at_least=1, at_most=1024),
    ] = 24
    targets: Annotated[
        int, file_option("How many of them are targets, too.", at_least=1, at_most=1024)
    ] = 1
    echo_factor: Annotated[
        int,
        file_option(
            "Times that each batch is learned from; a GPU learns faster than processors draw.",
            at_least=1,
            at_most=1000,
        ),
    ] = 1
    echo_window: Annotated[
        int, file_option("Batches that are repeated together.", at_least=1, at_most=1000)
    ] = 32
    size: Annotated[
        int, Option("Side of the training crops, px; a multiple of 8.", at_least=64, at_most=1024)
    ] = 96
    lr: Annotated[float, Option("Learning rate.", names=("--lr-g",), above=0, at_most=1)] = 1e-3
    warmup: Annotated[int, Option(WARMUP, at_least=0)] = 100
    decay_from: Annotated[
        float,
        Option(DECAY_FROM, at_least=0, at_most=1),
    ] = 0.6
    ema: Annotated[float, EMA] = 0.998
    features_until: Annotated[
        float,
        file_option(
            "Share of the steps after which the encoder's features are fixed.",
            at_least=0,
            at_most=1,
        ),
    ] = 0.4
    base_colour_weight: Annotated[
        float, file_option("Weight of the loss on the per-pixel part alone.", at_least=0)
    ] = 0.4
    gradient_weight: Annotated[
        float, file_option("Weight of the error of gradients.", at_least=0)
    ] = 0.5
    coarse_weight: Annotated[
        float, file_option("Weight of the error at coarse scales.", at_least=0)
    ] = 0.5
    texture_weight: Annotated[
        float, file_option("Weight of the strength of detail, wherever it is.", at_least=0)
    ] = 2.0
    grid_weight: Annotated[
        float,
        file_option("Weight of what repeats at the network's strides and should not.", at_least=0),
    ] = 20.0
    pointwise_weight: Annotated[
        float, file_option("Weight of a residual where the look is of colour alone.", at_least=0)
    ] = 1.0
    teacher_share: Annotated[
        float,
        file_option(
            "Share of results led by the look's true parameters, at first.",
            at_least=0,
            at_most=1,
        ),
    ] = 1.0
    teacher_fully: Annotated[
        float,
        file_option("Share of the steps until which it is that many.", at_least=0, at_most=1),
    ] = 0.2
    teacher_until: Annotated[
        float, file_option("Share of the steps after which none is.", at_least=0, at_most=1)
    ] = 0.6
    distillation_weight: Annotated[
        float,
        file_option("Weight of the encoder's distance to the teacher; falls likewise.", at_least=0),
    ] = 0.3
    parameter_weight: Annotated[
        float,
        file_option("Weight of the error of the parameters predicted from a code.", at_least=0),
    ] = 0.2
    clip_norm: Annotated[float, file_option("Largest norm of the gradients.", above=0)] = 1.0
    precision: Annotated[Precision, PRECISION] = "auto"
    accumulate: Annotated[int, ACCUMULATE] = 1
    workers: Annotated[
        int,
        file_option(
            "That draw looks ahead, for each process; 0 draws in the process itself.",
            at_least=0,
            at_most=1024,
        ),
    ] = 0
    seed: Annotated[int, SEED] = 0
    sample_every: Annotated[int, SAMPLE_EVERY] = 500
    save_every: Annotated[int, SAVE_EVERY] = 100
    validation_batches: Annotated[
        int, file_option("Held-out batches.", at_least=1, at_most=1000)
    ] = 4
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    encoder: StyleEncoderConfig = field(
        default_factory=lambda: StyleEncoderConfig(statistics_dim=STATISTICS_DIM)
    )

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        if self.max_pictures < self.pictures:
            raise ConfigError(
                f"max_pictures must be at least pictures, got {self.max_pictures} and "
                f"{self.pictures}"
            )
        if self.targets > self.pictures:
            raise ConfigError(
                f"targets must be at most pictures, got {self.targets} and {self.pictures}"
            )
        if self.size % 8 or self.size < 64:
            raise ConfigError(f"--size must be a multiple of 8 from 64 on, got {self.size}")

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
        """How much the teacher still helps: 1 at first, 0 from `teacher_until` on."""
        if total_steps is None:
            return 1.0
        fall = max(1e-9, self.teacher_until - self.teacher_fully)
        return min(1.0, max(0.0, (self.teacher_until - step / total_steps) / fall))
