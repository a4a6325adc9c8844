"""A style from pictures, a code or a file, and its place among the user's own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.errors import ConfigError, OutputExistsError, UsageError, messages
from stylegan_cli.instant import make_style, pictures_in
from stylegan_cli.runtime.config import DEVICE, OVERWRITE, Option, config_class
from stylegan_cli.runtime.devices import resolve_device
from stylegan_cli.runtime.files import check_target, claimed, make_folder
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.preview import preview_path, write_with_preview
from stylegan_cli.sharing.style_code import read_line
from stylegan_cli.styles import (
    Base,
    Style,
    check_styles_folder,
    read_info,
    read_model,
    read_style,
    shipped_model,
    user_style_path,
    with_model,
)
from stylegan_cli.styles.naming import endings_of_results


@config_class
class AddConfig:
    """What a style is made from, and where it goes."""

    code: Annotated[
        str | None, Option("Make the style from this code instead of pictures.", metavar="TEXT")
    ] = None
    content: Annotated[
        Path | None,
        Option(
            "Photos the creator might have started from. Default: the shipped ones.",
            metavar="DIR",
            must_exist="folder",
        ),
    ] = None
    out: Annotated[
        Path | None,
        Option("Write a style file instead of registering the style.", names=("--out", "-o")),
    ] = None
    model: Annotated[Path | None, Option("Model with the base to use.", metavar="FILE")] = None
    licence: Annotated[str, Option("Consent or licence of the pictures; it stays in the file.")] = (
        ""
    )
    strokes: Annotated[
        Literal["auto", "yes", "no"],
        Option("Paint photos with strokes of the pictures. auto: if they are made by hand."),
    ] = "auto"
    minutes: Annotated[
        float | None,
        Option(
            "Refine the style with training steps for this long. The better style is kept.",
            metavar="MINUTES",
            above=0,
        ),
    ] = None
    run: Annotated[
        Path | None,
        Option("With --minutes: folder to keep the run and its report in.", metavar="DIR"),
    ] = None
    device: Annotated[str, DEVICE] = "auto"
    overwrite: Annotated[bool, OVERWRITE] = False

    def __post_init__(self) -> None:
        """Raises ConfigError for options that contradict each other."""
        if self.code is not None and (self.content is not None or self.licence):
            raise ConfigError(
                "a code needs no photos and has its licence: leave out --content and --licence"
            )
        if self.code is not None and self.strokes == "yes":
            raise ConfigError("a code has no strokes: leave out --strokes, or name the pictures")
        if self.minutes is not None and self.code is not None:
            raise ConfigError("--minutes is how long to train on the pictures of DIR")
        if self.run is not None and self.minutes is None:
            raise ConfigError("--run keeps what --minutes did: add --minutes, or leave it out")


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeStyle:
    """A style that is not kept yet. pictures, photos: what it was made from."""

    style: Style
    base: Base
    backend: Backend
    pictures: Sequence[Path] = ()
    photos: Sequence[Path] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptStyle:
    """A style in its file. use: what to type to use it."""

    style: Style
    file: Path
    preview: Path
    use: str
    is_registered: bool

    def as_mapping(self) -> dict[str, object]:
        """What to say of it."""
        return {
            "style": self.style.name,
            "file": str(self.file),
            "preview": str(self.preview),
            "pictures": self.style.info.pictures,
            "kind": self.style.info.mode,
            "use": self.use,
        }


@contextmanager
def place_for(name: str, folder: Path | None, config: AddConfig) -> Iterator[None]:
    """The file that the style will go to, for this process alone from before any work.

    Raises UsageError where both a folder and a code are given, or none, DataError for a folder
    without pictures, OutputExistsError for a name that is taken, BusyError where another process
    makes a style of that name.
    """
    if (folder is None) == (config.code is None):
        raise UsageError("a style is made from pictures or from a code: give DIR or --code TEXT")
    if config.out is None:
        check_styles_folder()
    target = config.out or user_style_path(name)
    paths = (target, preview_path(target)) if config.out else (target,)
    _refuse_taken(paths, messages.OVERWRITE, config.overwrite)
    if folder is not None:
        _refuse_inputs(config, _pictures(folder, config))
    make_folder(target.parent)
    with claimed(target):
        _refuse_taken(paths, messages.OVERWRITE, config.overwrite)
        yield


def make_from(
    name: str,
    folder: Path | None,
    config: AddConfig,
    on_progress: Callable[[int, int], None] | None = None,
) -> MadeStyle:
    """The style of a folder's pictures, or of a code.

    Raises what `make_style` and `read_line` raise.
    """
    if folder is None:
        base = read_model(config.model or shipped_model()).base
        style = read_line(str(config.code), name, base)
        return MadeStyle(style=style, base=base, backend=_backend(base, config.device))
    return make_from_pictures(
        name,
        _pictures(folder, config),
        content=config.content,
        model=config.model,
        licence=config.licence,
        strokes={"yes": True, "no": False}.get(config.strokes),
        device=config.device,
        on_progress=on_progress,
    )


def _pictures(folder: Path, config: AddConfig) -> Sequence[Path]:
    """The creator's pictures. Results of styles of the same name are none."""
    return pictures_in(folder, endings_of_results(model=config.model))


def _refuse_inputs(config: AddConfig, pictures: Sequence[Path]) -> None:
    """Raise UsageError where the file to write, or its preview, is something that goes in."""
    if config.out is None or not config.out.parent.is_dir():
        return
    photos = pictures_in(config.content) if config.content else ()
    inputs = [*pictures, *photos, *([config.model] if config.model else ())]
    for path in (config.out, preview_path(config.out)):
        check_target(path, overwrite=config.overwrite, inputs=inputs)


def make_from_pictures(
    name: str,
    pictures: Path | Sequence[Path],
    *,
    content: Path | None = None,
    model: Path | None = None,
    licence: str = "",
    strokes: bool | None = None,
    device: str = "auto",
    on_progress: Callable[[int, int], None] | None = None,
) -> MadeStyle:
    """The instant style of a creator's pictures.

    pictures: their files, or a folder. content: a folder of photos that the creator might have
    started from. model: a file with the base to use. The shipped ones where None. strokes: as for
    `make_style`.
    Raises DataError where there is no picture to read, DeviceError, and StyleFileError.
    """
    paths = pictures_in(pictures) if isinstance(pictures, Path) else pictures
    photos = pictures_in(content) if content else None
    base = read_model(model or shipped_model()).base
    backend = _backend(base, device)
    style = make_style(
        name,
        paths,
        base,
        backend,
        content=photos,
        licence=licence,
        strokes=strokes,
        on_progress=on_progress,
    )
    return MadeStyle(
        style=style,
        base=base,
        backend=backend,
        pictures=paths,
        photos=photos or starter_photos(),
    )


def install_style(
    file: Path, name: str | None, model: Path | None, *, overwrite: bool
) -> KeptStyle:
    """Register the style of a file that somebody handed on, under its own name or another.

    Raises UsageError for a model, OutputExistsError for a name that is taken, BusyError where
    another process makes a style of that name, StyleFileError.
    """
    if read_info(file).get("kind") == "model":
        words = ("influ", "stylize", "photo.jpg", "--model", str(file))
        raise UsageError(messages.wrong_kind(file, "a model with its own base", "a style", *words))
    base = read_model(model or shipped_model()).base
    style = read_style(file, base)
    if name is not None:
        style = style.renamed(name)
    check_styles_folder()
    target = user_style_path(style.name)
    taken = "add --overwrite to replace it, or choose another name with --as"
    _refuse_taken([target], taken, overwrite)
    made = MadeStyle(style=style, base=base, backend=open_backend(base))
    make_folder(target.parent)
    with claimed(target):
        return keep_style(made, model=model, overwrite=overwrite)


def keep_style(
    made: MadeStyle, *, out: Path | None = None, model: Path | None = None, overwrite: bool = False
) -> KeptStyle:
    """Write the style to `out` or register it, with a preview. The caller has the file's claim."""
    style = with_model(made.style, model) if model else made.style
    target = out or user_style_path(style.name)
    preview = write_with_preview(made.base, style, made.backend, target, overwrite=overwrite)
    used = f"--model {out}" if out else f"influ stylize photo.jpg --style {style.name}"
    if style.info.model:  # a style of another base is found by name, with that base's model
        used = f"influ styles install {out} --model {model}" if out else f"{used} --model {model}"
    return KeptStyle(style=style, file=target, preview=preview, use=used, is_registered=out is None)


def _refuse_taken(targets: Sequence[Path], remedy: str, overwrite: bool) -> None:
    """Before any work."""
    for target in targets:
        if target.exists() and not overwrite:
            raise OutputExistsError(messages.exists_already(target, remedy))


def _backend(base: Base, device: str) -> Backend:
    return open_backend(base, device=resolve_device(device))
