"""What the user may choose about a data set."""

from typing import Annotated, Literal

from stylegan_cli.errors import ConfigError
from stylegan_cli.runtime.config import Option, config_class, parse_duration

LARGEST_ENLARGEMENT = 2  # more would teach blur


@config_class
class PrepConfig:
    """How pictures become a data set."""

    name: Annotated[
        str, Option("Whose pictures these are.", names=("--as",), metavar="content|CREATOR")
    ] = "content"
    size: Annotated[int, Option("Side of the square results, px.", at_least=32, at_most=4096)] = 512
    faces: Annotated[
        Literal["required", "prefer", "off"],
        Option(
            "A picture without a face is cut to its middle (prefer) or rejected (required). "
            "off: no faces are looked for."
        ),
    ] = "prefer"
    margin: Annotated[
        float,
        Option("Margin around a face, in face heights.", at_least=0, at_most=10),
    ] = 0.6
    every_s: Annotated[
        float,
        Option(
            "Shortest time between two frames of a clip, like 2s.",
            names=("--every",),
            above=0,
            shown="2s",
            parse=parse_duration,
        ),
    ] = 2.0
    val_share: Annotated[
        float,
        Option(
            "Share of the pictures that is held out of training.",
            names=("--val",),
            at_least=0,
            at_most=0.9,
        ),
    ] = 0.1
    min_size: Annotated[
        int | None,
        Option("Reject pictures from fewer px than this.", at_least=1, shown="half of --size"),
    ] = None
    min_sharpness: Annotated[
        float, Option("Reject pictures that are less sharp; 0 accepts all.", at_least=0)
    ] = 0.6  # see quality.sharpness

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        if not self.name or self.name.startswith(".") or set(self.name) & set('/\\:*?"<>|\0'):
            raise ConfigError(
                f"'{self.name}' can't be the name of a folder; give --as another name"
            )

    @property
    def min_side(self) -> int:
        """px of the source that a result is made from, at least."""
        return self.min_size or -(-self.size // LARGEST_ENLARGEMENT)
