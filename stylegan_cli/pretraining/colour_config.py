"""Settings of a training run of the colour estimator."""

from pathlib import Path
from typing import Annotated

from stylegan_cli.errors import ConfigError
from stylegan_cli.learning.options import STEPS, time_limit
from stylegan_cli.networks.architecture import MAX_CLUSTERS, ColourEstimatorConfig
from stylegan_cli.runtime.config import OVERWRITE, SEED, Option, config_class, file_option


@config_class
class ColourRunConfig:
    """What a run of `influ pretrain-colours` learns from, and where it goes."""

    content: Annotated[
        tuple[Path, ...], Option("Folder of photos; repeatable.", must_exist="folder")
    ]
    films: Annotated[Path, Option("Folder of film LUTs (HaldCLUT).", must_exist="folder")]
    paintings: Annotated[
        tuple[Path, ...],
        Option(
            "Folder of one hand's paintings or prints, to tell them from photos; repeatable.",
            must_exist="folder",
        ),
    ] = ()
    model: Annotated[
        Path, Option("Model file that gets the estimator; it is not changed.", must_exist="file")
    ]
    from_model: Annotated[
        bool, Option("Start from the estimator of --model, not from random weights.")
    ] = False
    out: Annotated[Path, Option("Run folder.")] = Path("runs/colours")
    resume: Annotated[bool, Option("Continue the run.")] = False
    overwrite: Annotated[bool, OVERWRITE] = False


@config_class
class ColourTrainingConfig:
    """A run of `influ pretrain-colours`."""

    steps: Annotated[int | None, STEPS] = None
    time_limit_s: Annotated[float, time_limit("Time for training: 90s, 30m, 10h.", "1h")] = 3600.0
    batch: Annotated[
        int, Option("Batch size: simulated creators per step.", at_least=1, at_most=100_000)
    ] = 256
    looks: Annotated[
        int,
        file_option("Random looks that creators have, or mix two of.", at_least=2, at_most=100_000),
    ] = 6000
    held_out: Annotated[
        int, file_option("Simulated creators that are only measured.", at_least=1, at_most=10_000)
    ] = 200
    fresh: Annotated[
        int,
        file_option(
            "New simulated creators per step; the rest repeat.", at_least=1, at_most=10_000
        ),
    ] = 4
    first: Annotated[
        int, file_option("Simulated creators before the first step.", at_least=1, at_most=100_000)
    ] = 2000
    kept: Annotated[
        int,
        file_option(
            "Simulated creators in memory at most, 100 kB each.", at_least=1, at_most=200_000
        ),
    ] = 24000
    lr: Annotated[float, Option("Learning rate.", above=0, at_most=1)] = 1e-3
    warmup: Annotated[int, Option("Number of steps with a rising learning rate.", at_least=0)] = 200
    weight_decay: Annotated[float, file_option("Weight decay of AdamW.", at_least=0, at_most=1)] = (
        0.05
    )
    clusters: Annotated[
        int, file_option("Clusters of image content.", at_least=1, at_most=MAX_CLUSTERS)
    ] = 48
    hidden: Annotated[int, file_option("Width of the head.", at_least=1, at_most=8192)] = 768
    components: Annotated[
        int, file_option("Principal components of looks.", at_least=1, at_most=1024)
    ] = 96
    workers: Annotated[
        int, Option("Processes that simulate creators; 0: in this one.", at_least=0, at_most=1024)
    ] = 2
    seed: Annotated[int, SEED] = 0
    save_every: Annotated[int, Option("Steps between checkpoints.", at_least=0)] = 500

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        if self.components >= self.looks:
            raise ConfigError(
                f"components must be fewer than looks, got {self.components} and {self.looks}"
            )

    def estimator(self) -> ColourEstimatorConfig:
        """The network that is trained."""
        return ColourEstimatorConfig(
            clusters=self.clusters, hidden=self.hidden, components=self.components
        )
