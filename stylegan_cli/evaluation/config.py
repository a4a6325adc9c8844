"""What a user may choose about an evaluation."""

from pathlib import Path
from typing import Annotated

from stylegan_cli.runtime.config import DEVICE, Option, config_class
from stylegan_cli.styles import DEFAULT_STYLE


@config_class
class EvaluationConfig:
    """Which styles to evaluate, and on what."""

    data: Annotated[
        Path,
        Option("A folder from `influ prep`, or folders as for train.", must_exist="folder"),
    ]
    style: Annotated[
        str | None,
        Option(
            "Name of a style.",
            names=("--style", "-s"),
            shown=f"all of --model, or {DEFAULT_STYLE}",
        ),
    ] = None
    model: Annotated[
        Path | None, Option("Model or style file.", metavar="FILE", must_exist="file")
    ] = None
    paired: Annotated[
        Path | None,
        Option(
            "The true results, with the names of their photos; in DIR/STYLE for several styles.",
            metavar="DIR",
            must_exist="folder",
        ),
    ] = None
    creator: Annotated[
        str | None,
        Option(
            "Creator in DATA to compare with.",
            metavar="NAME",
            shown="the one with the name of the style",
        ),
    ] = None
    size: Annotated[
        int,
        Option(
            "Short side of the results; never enlarged.", metavar="PX", at_least=64, at_most=4096
        ),
    ] = 512
    everything: Annotated[
        bool, Option("Use every picture, not only the held-out ones.", names=("--all",))
    ] = False
    device: Annotated[str, DEVICE] = "auto"
