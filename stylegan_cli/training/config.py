"""Settings of a run of `influ train`."""

from dataclasses import field
from typing import Annotated, Literal

from stylegan_cli.errors import ConfigError
from stylegan_cli.instant.config import InstantConfig
from stylegan_cli.learning import GanKind, Precision
from stylegan_cli.learning.options import (
    ACCUMULATE,
    DECAY_FROM,
    EMA,
    PRECISION,
    SAMPLE_EVERY,
    SAVE_EVERY,
    WARMUP,
    time_limit,
)
from stylegan_cli.runtime.config import SEED, Option, config_class, file_option


@config_class
class ConstraintConfig:
    """How an instant style limits what training may change; see constraints.constraints_for.

    Residuals are root mean squares in [-1, 1]; texture is a TextureDistance.
    """

    full_rate_residual: Annotated[
        float, file_option("Up to this residual, a style learns at the full rate.", above=0)
    ] = 0.07
    full_rate_texture: Annotated[
        float,
        file_option("Texture distance from which a style learns at the full rate.", above=0),
    ] = 0.2
    drift_margin: Annotated[
        float,
        file_option("Drift that costs nothing, as a share of the texture distance.", at_least=0),
    ] = 0.5
    drawn_anchor: Annotated[
        float, file_option("Share of the anchor loss for a drawn style.", at_least=0, at_most=1)
    ] = 0.4
    dark_skin_luma: Annotated[
        float,
        file_option("Lighter skin of a drawn style has a weaker anchor, from 0 to 1.", above=0),
    ] = 0.3
    min_line_residual: Annotated[
        float, file_option("A weaker residual draws no lines.", at_least=0)
    ] = 0.02


@config_class
class TextureConfig:
    """How many patches the texture distance takes, in each of its maps."""

    crops: Annotated[int, file_option("Of a creator's pictures.", at_least=1, at_most=1024)] = 96
    kept: Annotated[
        int, file_option("Patches of a creator to compare with.", at_least=1, at_most=1_000_000)
    ] = 32_768
    compared: Annotated[
        int, file_option("Patches of either side in a step.", at_least=1, at_most=100_000)
    ] = 4096
    directions: Annotated[int, file_option("Projections in a step.", at_least=1, at_most=1024)] = 64


@config_class
class ValidationConfig:
    """What a state is validated on, and what counts as better."""

    photos: Annotated[int, file_option("Held-out photos, at most.", at_least=1, at_most=1000)] = 8
    pictures: Annotated[
        int, file_option("Held-out pictures of a creator.", at_least=1, at_most=1000)
    ] = 24
    patches: Annotated[
        int, file_option("Patches of either side, in each map.", at_least=1, at_most=100_000)
    ] = 8192
    directions: Annotated[int, file_option("Projections of patches.", at_least=1, at_most=1024)] = (
        128
    )
    min_kid: Annotated[
        float,
        file_option(
            "Floor of the KID that gains are relative to; smaller values are noise.", above=0
        ),
    ] = 0.1
    content_margin: Annotated[
        float,
        file_option(
            "Change of content that costs nothing: half of 120 random drawn looks.", at_least=0
        ),
    ] = 0.12
    content_weight: Annotated[
        float, file_option("Score per unit of change beyond that margin.", at_least=0)
    ] = 4.0
    min_improvement: Annotated[float, file_option("Of the score; less is noise.")] = 0.005


@config_class
class DiagnosticsConfig:
    """From where on a state counts as a problem; shares are of the instant style's value."""

    min_contrast: Annotated[
        float, file_option("Share of contrast below which pictures are flat.", at_least=0)
    ] = 0.25
    min_diversity: Annotated[
        float, file_option("Share of the difference between pictures: collapse.", at_least=0)
    ] = 0.25
    inverted_correlation: Annotated[
        float, file_option("Correlation of light or hue below which colours are inverted.")
    ] = -0.2
    min_hue: Annotated[
        float, file_option("Deviation of chroma below which a style has no hue.", at_least=0)
    ] = 0.02
    min_z_response: Annotated[
        float, file_option("Share of the response to z below which z is ignored.", at_least=0)
    ] = 0.2
    min_response: Annotated[
        float, file_option("Response of an instant style without variation.", at_least=0)
    ] = 0.5 / 127.5  # half a level of 8 bits
    loss_window: Annotated[
        int,
        file_option(
            "Steps of a creator over which losses are averaged.", at_least=1, at_most=1_000_000
        ),
    ] = 30
    won_loss: Annotated[
        float,
        file_option("Share of the loss at chance below which a discriminator has won.", at_least=0),
    ] = 0.05


@config_class
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
        Option(
            "Number of steps, instead of a time limit.",
            at_least=1,
            shown="what fits the time",
        ),
    ] = None  # fixed from the time limit where not given
    time_limit_s: Annotated[
        float,
        time_limit(
            "Time for the training steps: 90s, 2m, 0.5h. Reading pictures comes on top.", "30m"
        ),
    ] = 1800.0
    size: Annotated[int, Option("Side of the training crops, px.", at_least=64, at_most=1024)] = 128
    working_size: Annotated[
        int | None,
        file_option(
            "Short side in px that larger pictures are brought to; None: by their own.",
            at_least=64,
            at_most=4096,
        ),
    ] = None
    scales: Annotated[
        tuple[float, float],
        file_option("Of the working size, drawn for every step.", above=0, at_most=4),
    ] = (0.85, 1.0)
    batch: Annotated[int, Option("Batch size: crops per step.", at_least=1, at_most=1024)] = 4
    lr_g: Annotated[
        float, Option("Learning rate of the generator's low-rank deltas.", above=0, at_most=1)
    ] = 3e-4
    lr_code: Annotated[
        float, file_option("Learning rate of a style's code.", above=0, at_most=1)
    ] = 3e-3
    lr_d: Annotated[float, Option("Learning rate of the discriminators.", above=0, at_most=1)] = (
        4e-4
    )
    warmup: Annotated[int, file_option(WARMUP, at_least=0)] = 100
    decay_from: Annotated[
        float,
        file_option(DECAY_FROM, at_least=0, at_most=1),
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
    ] = 3000.0
    lambda_dots: Annotated[
        float, file_option("Weight of isolated dots that the photo does not have.", at_least=0)
    ] = 200.0
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
    face_dot_weight: Annotated[
        float, file_option("How much more a dot in a face counts.", at_least=0)
    ] = 9.0
    cycle_noise: Annotated[
        float,
        file_option(
            "Deviation of the noise on a result before its cycle, so that it can hide nothing.",
            at_least=0,
        ),
    ] = 0.02
    discriminator_channels: Annotated[
        int,
        file_option(
            "Of the pixel discriminator's first layer; doubles at each downsampling.",
            at_least=1,
            at_most=512,
        ),
    ] = 32
    z_dim: Annotated[int, Option("Number of code factors.", at_least=1, at_most=64)] = 4
    ema: Annotated[float, EMA] = 0.998
    pool: Annotated[
        int,
        Option(
            "Size of the pool of earlier results for the discriminator.", at_least=0, at_most=10_000
        ),
    ] = 50
    augment: Annotated[
        Literal["auto", "on", "off"],
        Option("Augmentation of what the discriminators see; auto: for small folders."),
    ] = "auto"
    augment_below: Annotated[
        int, file_option("A folder of fewer pictures is small.", at_least=0, at_most=1_000_000)
    ] = 100
    max_pictures: Annotated[
        int,
        file_option("Pictures of each side, kept in memory, at most.", at_least=1, at_most=100_000),
    ] = 400
    precision: Annotated[Precision, PRECISION] = "auto"
    accumulate: Annotated[int, ACCUMULATE] = 1
    seed: Annotated[int, SEED] = 0
    sample_every: Annotated[int, SAMPLE_EVERY] = 250
    save_every: Annotated[int, SAVE_EVERY] = 250
    validate_every: Annotated[int, file_option("Steps between validations.", at_least=1)] = 250
    patience: Annotated[
        int,
        Option(
            "Validations without a gain before training ends; 0: never.",
            at_least=0,
        ),
    ] = 6
    min_lr_scale: Annotated[
        float,
        file_option("Share of the learning rates below which a run can't be rescued.", at_least=0),
    ] = 1 / 8
    constraints: ConstraintConfig = ConstraintConfig()
    texture: TextureConfig = TextureConfig()
    validation: ValidationConfig = ValidationConfig()
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    instant: InstantConfig = field(default_factory=InstantConfig)

    @property
    def trains_base(self) -> bool:
        """Whether the generator itself is trained, from random weights."""
        return self.init in ("linear", "none")

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        if self.size % 8 or self.size < 64:
            raise ConfigError(f"--size must be a multiple of 8 from 64 on, got {self.size}")
        if not 0 < self.scales[0] <= self.scales[1]:
            raise ConfigError(f"scales must be above 0 and rise, got {self.scales}")
        if self.working_size is not None and self.working_size * self.scales[0] < self.size:
            raise ConfigError(
                f"working_size {self.working_size} leaves less than a crop of {self.size} px"
            )
