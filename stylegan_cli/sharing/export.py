"""A run or a style, written as one model file, as an ONNX graph, as a .cube or as a page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from stylegan_cli.errors import UsageError, messages
from stylegan_cli.instant import pictures_in
from stylegan_cli.learning.checkpoints import BEST_NAME
from stylegan_cli.runtime.config import OVERWRITE, Option, config_class, file_option
from stylegan_cli.runtime.files import check_target, write_atomically
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing import verification
from stylegan_cli.sharing.cube_file import cube_text, measure_left_out, open_style
from stylegan_cli.sharing.model_export import export_model
from stylegan_cli.sharing.page_export import check_folder, page_model, write_page
from stylegan_cli.sharing.style_graph import OPSET, style_graph
from stylegan_cli.styles import SUFFIX, Model, Style, write_model
from stylegan_cli.stylizer import Stylizer

PHOTOS_MEASURED = 12


@config_class
class ExportConfig:
    """What goes into the file."""

    style: Annotated[
        str | None,
        Option("For .onnx and .cube: style of a run or model.", names=("--style", "-s")),
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
    verify: Annotated[
        bool,
        Option("Stylize photos by the file, too, and print the largest difference."),
    ] = False
    max_difference: Annotated[
        int | None,
        file_option("Levels of 255 that a verified file may differ; None: as its format allows."),
    ] = None
    overwrite: Annotated[bool, OVERWRITE] = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: a record of it, and sentences for people."""

    record: Mapping[str, object]
    notes: tuple[str, ...] = ()


def export_file(
    source: str, out: Path, config: ExportConfig, on_progress: verification.Progress | None = None
) -> Exported:
    """Write a run, style or model to `out`: as its suffix says, or as the page of a browser.

    Raises UsageError for a suffix that says nothing and for options that do not go with it,
    OutputExistsError before any work, and StyleFileError for a file that holds another style.
    """
    if config.format == "web":
        return _export_page(source, out, config, on_progress)
    suffix = out.suffix.lower()
    of_one_style = suffix in (".cube", ".onnx")
    if not of_one_style and suffix != SUFFIX:
        why = f"{out.suffix or 'no suffix'} is not a format for models, styles or colours"
        raise UsageError(messages.cannot_write(out, why, f"use {SUFFIX}, .onnx or .cube"))
    if of_one_style and (config.content or config.add):
        raise UsageError(f"{suffix} contains one style: leave out --content and --add")
    if not of_one_style and config.style is not None:
        raise UsageError("--style is for .cube and .onnx: leave it out here")
    if suffix != ".cube" and config.points is not None:
        raise UsageError("--points is for .cube: leave it out here")
    if of_one_style or out.parent.is_dir():  # the folder of a model is made
        check_target(out, overwrite=config.overwrite, inputs=(Path(source), *config.add))
    if not of_one_style:
        return _export_model(source, out, config, on_progress)
    best = Path(source) / BEST_NAME
    stylizer = open_style(str(best) if best.is_file() else source, config.style)
    if suffix == ".onnx":
        return _export_graph(stylizer, out, config, on_progress)
    return _export_cube(stylizer, out, config, on_progress)


def _export_page(
    source: str, folder: Path, config: ExportConfig, on_progress: verification.Progress | None
) -> Exported:
    if config.content or config.style:
        raise UsageError("the page contains all styles of a model: leave out --style and --content")
    check_folder(folder, overwrite=config.overwrite)
    model = export_model(source, None, config.add)
    files = page_model(model)
    verified = None
    if config.verify:
        verified = verification.verify_page(files, model, **_bound(config), on_progress=on_progress)
    written = write_page(files, folder, overwrite=config.overwrite)
    record = {"folder": str(folder), **_of_model(model), "bytes": written}
    tried = f"Try it: python3 -m http.server --directory {folder} --bind 127.0.0.1"
    return _with(verified, record, tried, *_on_film(model.styles))


def _export_model(
    source: str, out: Path, config: ExportConfig, on_progress: verification.Progress | None
) -> Exported:
    photos = pictures_in(config.content) if config.content else None
    model = export_model(source, photos, config.add)
    verified = None
    if config.verify:
        verified = verification.verify_model(model, **_bound(config), on_progress=on_progress)
    write_model(model, out, overwrite=config.overwrite)
    return _with(verified, {"model": str(out), **_of_model(model), "bytes": out.stat().st_size})


def _export_graph(
    stylizer: Stylizer, out: Path, config: ExportConfig, on_progress: verification.Progress | None
) -> Exported:
    graph = style_graph(stylizer)
    verified = None
    if config.verify:
        verified = verification.verify_graph(
            graph, stylizer.without_layers(), **_bound(config), on_progress=on_progress
        )
    write_atomically(out, graph, overwrite=config.overwrite)
    record = {"onnx": str(out), "style": stylizer.name, "opset": OPSET, "bytes": len(graph)}
    notes = ("The graph applies the style at full strength.", *_on_film([stylizer.style]))
    return _with(verified, record, *notes)


def _export_cube(
    stylizer: Stylizer, out: Path, config: ExportConfig, on_progress: verification.Progress | None
) -> Exported:
    left_out = measure_left_out(stylizer, starter_photos()[:PHOTOS_MEASURED], on_progress)
    lut = stylizer.lut_of(config.points)
    text = cube_text(stylizer.name, lut)
    verified = verification.verify_cube(text, stylizer, **_bound(config)) if config.verify else None
    write_atomically(out, text.encode(), overwrite=config.overwrite)
    record = {
        "cube": str(out),
        "style": stylizer.name,
        "points": len(lut),
        "left_out_share": left_out.share,
        "left_out_psnr_db": left_out.psnr_db,
        "photos": left_out.photos,
    }
    if left_out.psnr_db is None:
        note = "This style changes only colours, so the .cube contains all of it."
    else:
        note = (
            f"The .cube contains only colours. It leaves out {left_out.share:.0%} of the style's "
            f"change: glow, grain, and lines ({left_out.psnr_db:.1f} dB)."
        )
    return _with(verified, record, note)


def _bound(config: ExportConfig) -> dict[str, int]:
    """`at_most` for a verification; that of the format where the config has none."""
    return {} if config.max_difference is None else {"at_most": config.max_difference}


def _with(
    verified: verification.Verified | None, record: Mapping[str, object], *notes: str
) -> Exported:
    if verified is None:
        return Exported(record, notes)
    return Exported({**record, **verified.record()}, (*notes, verified.sentence()))


def _on_film(styles: Sequence[Style]) -> tuple[str, ...]:
    of_grain = [style.name for style in styles if style.info.grain]
    of_halation = [style.name for style in styles if style.info.halation]
    of_strokes = [style.name for style in styles if style.info.strokes]
    parts = (("film grain", of_grain), ("halation", of_halation), ("strokes", of_strokes))
    return tuple(
        f"It leaves out the {what} of {', '.join(names)}." for what, names in parts if names
    )


def _of_model(model: Model) -> dict[str, object]:
    return {"base": model.base.hash, "styles": [style.name for style in model.styles]}
