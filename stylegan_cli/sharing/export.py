"""A run or a style, written as one model file or as a .cube."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from stylegan_cli.config import OVERWRITE, Option, check
from stylegan_cli.errors import OutputExistsError, UsageError, messages
from stylegan_cli.instant import pictures_in
from stylegan_cli.learning.checkpoints import BEST_NAME
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.cube_file import LeftOut, measure_left_out, open_style, write_cube
from stylegan_cli.sharing.model_export import export_model
from stylegan_cli.styles import SUFFIX, Model, write_model

PHOTOS_MEASURED = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportConfig:
    """What goes into the file."""

    style: Annotated[
        str | None,
        Option("For .cube: style of a run or model.", names=("--style", "-s")),
    ] = None
    content: Annotated[
        Path | None,
        Option(
            "For a pre-training run: photos whose colours the base keeps.",
            must_exist="folder",
        ),
    ] = None
    add: Annotated[
        tuple[Path, ...],
        Option("Style file to add; repeatable.", metavar="STYLE", must_exist="file"),
    ] = ()
    points: Annotated[
        int | None,
        Option(
            "For .cube: points on each axis.",
            at_least=2,
            at_most=129,
            shown="33, or 65 where that is not close enough",
        ),
    ] = None
    format: Annotated[
        Literal["web"] | None,
        Option(
            "web: the page for a browser, for any static host.",
            shown="by the suffix of --out",
        ),
    ] = None
    overwrite: Annotated[bool, OVERWRITE] = False

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        check(self)


@dataclass(frozen=True, slots=True)
class ExportedCube:
    """A .cube that was written. points: on each axis. left_out: what colours alone can't do."""

    style: str
    points: int
    left_out: LeftOut


def model_for_page(source: str, config: ExportConfig) -> Model:
    """The model that a page stylizes with. Raises UsageError for options that do not go with it."""
    if config.content or config.style:
        raise UsageError("the page holds all looks of a model: leave out --style and --content")
    return export_model(source, None, config.add)


def export_file(
    source: str,
    out: Path,
    config: ExportConfig,
    on_progress: Callable[[int, int], None] | None = None,
) -> Model | ExportedCube:
    """Write a run, style or model to `out`, as a model file or as a .cube.

    Raises UsageError for a suffix that says neither and for options that do not go with it,
    OutputExistsError before any work.
    """
    is_cube = out.suffix.lower() == ".cube"
    if not is_cube and out.suffix.lower() != SUFFIX:
        why = f"{out.suffix or 'no suffix'} is not a format for models or colours"
        raise UsageError(messages.cannot_write(out, why, f"use {SUFFIX} or .cube"))
    if is_cube and (config.content or config.add):
        raise UsageError("a .cube holds one look's colours: leave out --content and --add")
    if not is_cube and (config.style is not None or config.points is not None):
        raise UsageError("--style and --points are for a .cube: leave them out here")
    if out.exists() and not config.overwrite:
        raise OutputExistsError(messages.exists_already(out))
    if not is_cube:
        photos = pictures_in(config.content) if config.content else None
        model = export_model(source, photos, config.add)
        write_model(model, out, overwrite=config.overwrite)
        return model
    best = Path(source) / BEST_NAME
    stylizer = open_style(str(best) if best.is_file() else source, config.style)
    left_out = measure_left_out(stylizer, starter_photos()[:PHOTOS_MEASURED], on_progress)
    points = write_cube(stylizer, out, points=config.points, overwrite=config.overwrite)
    return ExportedCube(stylizer.name, points, left_out)
