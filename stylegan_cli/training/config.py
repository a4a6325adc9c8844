"""Settings of a run of `influ train`."""

from dataclasses import dataclass
from typing import Annotated, Literal

from stylegan_cli.config import SEED, Option, check, file_option, parse_duration
from stylegan_cli.errors import ConfigError
from stylegan_cli.learning import GanKind


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """A refinement run; travels in the run folder and in every checkpoint."""

    init: Annotated[
        str,
        Option(
            "Where to start: base, the instant style on the shipped base; MODEL, on another base; "
            "linear, a random network on the linear colour map; none, a random network alone.",
            metavar="base|MODEL|linear|none",
        ),
    ] = "base"
    steps: Annotated[
        int | None,
        Option("Number of steps, instead of a time limit.", at_least=1, shown="what fits the time"),
    ] = None  # fixed from the time limit where not given
    time_limit_s: Annotated[
        float,
        Option(
            "Time for training: 90s, 2m, 0.5h.",
            names=("--time-limit",),
            above=0,
            shown="30m",
            parse=parse_duration,
        ),
    ] = 1800.0
    size: Annotated[int, Option("Side of the training crops, px.")] = 128
    working_size: Annotated[
        int | None,
        file_option("Short side in px that pictures are brought to; None: by their own."),
    ] = None
    scales: Annotated[
        tuple[float, float], file_option("Of the working size, drawn for every step.")
    ] = (0.85, 1.15)
    batch: Annotated[int, Option("Batch size: crops per step.", at_least=1)] = 4
    lr_g: Annotated[float, Option("Learning rate of the generator's low-rank deltas.", above=0)] = (
        3e-4
    )
    lr_code: Annotated[float, file_option("Learning rate of a style's code.", above=0)] = 3e-3
    lr_d: Annotated[float, Option("Learning rate of the discriminators.", above=0)] = 4e-4
    warmup: Annotated[
        int, file_option("Number of steps with a rising learning rate.", at_least=0)
    ] = 100
    decay_from: Annotated[
        float,
        file_option(
            "Share of the steps after which the learning rate falls.", at_least=0, at_most=1
        ),
    ] = 0.6
    gan: Annotated[GanKind, Option("Adversarial loss.")] = "hinge"
    penalty: Annotated[
        Literal["none", "r1"], Option("Gradient penalty of the pixel discriminator.")
    ] = "none"
    r1_weight: Annotated[float, file_option("Weight of that penalty.", at_least=0)] = 1.0
    r1_every: Annotated[int, file_option("Steps between two penalties.", at_least=1)] = 8
    lambda_pixels: Annotated[
        float, file_option("Weight of the pixel discriminator.", at_least=0)
    ] = 1.0
    lambda_features: Annotated[
        float, file_option("Weight of the feature discriminator.", at_least=0)
    ] = 1.0
    lambda_content: Annotated[float, Option("Weight of the content loss.", at_least=0)] = 4.0
    lambda_anchor: Annotated[
        float, file_option("Weight of staying near the instant style.", at_least=0)
    ] = 5.0
    lambda_grid: Annotated[
        float, file_option("Weight of what repeats at the network's strides.", at_least=0)
    ] = 1000.0
    lambda_drift: Annotated[
        float, file_option("Weight of drifting from the instant style.", at_least=0)
    ] = 1.0
    lambda_texture: Annotated[float, file_option("Weight of the texture distance.", at_least=0)] = (
        10.0
    )
    lambda_cycle: Annotated[float, Option("Weight of the cycle loss.", at_least=0)] = 0.0
    lambda_identity: Annotated[float, Option("Weight of the identity loss.", at_least=0)] = 0.0
    face_weight: Annotated[
        float,
        file_option("How much more a pixel in a face counts for content and anchor.", at_least=0),
    ] = 2.0
    discriminator_channels: Annotated[
        int,
        file_option(
            "Of the pixel discriminator's first layer; doubles at each downsampling.", at_least=1
        ),
    ] = 32
    z_dim: Annotated[int, Option("Number of code factors.", at_least=1)] = 4
    ema: Annotated[
        float, Option("Decay of the moving average of the weights.", at_least=0, below=1)
    ] = 0.998
    pool: Annotated[
        int, Option("Size of the pool of earlier results for the discriminator.", at_least=0)
    ] = 50
    augment: Annotated[
        Literal["auto", "on", "off"],
        Option("Augmentation of what the discriminators see; auto: for small folders."),
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "bf16"], Option("bf16 where the processor has it.")
    ] = "auto"
    seed: Annotated[int, SEED] = 0
    sample_every: Annotated[int, Option("Steps between sample sheets.", at_least=0)] = 250
    save_every: Annotated[int, Option("Steps between checkpoints.", at_least=0)] = 250
    validate_every: Annotated[int, file_option("Steps between validations.", at_least=1)] = 250
    patience: Annotated[
        int, Option("Validations without a gain before training ends; 0: never.", at_least=0)
    ] = 6

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        check(self)
        if self.size % 8 or self.size < 64:
            raise ConfigError(f"--size must be a multiple of 8 from 64 on, got {self.size}")
        if not 0 < self.scales[0] <= self.scales[1]:
            raise ConfigError(f"scales must be above 0 and rise, got {self.scales}")
        if self.working_size is not None and self.working_size * self.scales[0] < self.size:
            raise ConfigError(
                f"working_size {self.working_size} leaves less than a crop of {self.size} px"
            )
