"""The styles that can be used by name: the user's own folder, then the shipped model."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stylegan_cli.errors import (
    StyleFileError,
    StyleNotFoundError,
    UsageError,
    WriteError,
    messages,
)
from stylegan_cli.runtime.resources import in_a_home, weights_dir
from stylegan_cli.styles.file import (
    SUFFIX,
    read_info,
    read_model,
    read_style,
    rename_style,
    style_infos,
    write_style,
)
from stylegan_cli.styles.model import Base, Model, Style, StyleInfo, check_name

SHIPPED_MODEL = "influ-base.safetensors"
DEFAULT_STYLE = "creatorA"
STYLES_FOLDER_VARIABLE = "INFLU_STYLES"


@dataclass(frozen=True, slots=True)
class FoundStyle:
    """A style that can be used by name, and where it lies."""

    name: str
    path: Path
    origin: Literal["yours", "shipped", "model"]
    info: StyleInfo
    shadows: bool = False  # a shipped style has the same name
    fits: bool = True  # it was made on the base of the model that is asked


def shipped_model() -> Path:
    """The model that comes with the package. Raises StyleNotFoundError where it is missing."""
    path = weights_dir() / SHIPPED_MODEL
    if not path.exists():
        remedy = "reinstall stylegan-cli, or name a model with --model"
        raise StyleNotFoundError(messages.cannot_read(path, "it does not exist", remedy))
    return path


def user_styles_dir() -> Path:
    """Where the user's own styles lie; the environment variable INFLU_STYLES moves it."""
    if folder := os.environ.get(STYLES_FOLDER_VARIABLE):
        return Path(folder)
    from platformdirs import user_data_path

    return in_a_home(lambda: user_data_path("influ", appauthor=False)) / "styles"


def user_style_path(name: str) -> Path:
    """The file of the user's own style `name`. Raises UsageError for a name that can't be one."""
    check_name(name)
    return user_styles_dir() / f"{name}{SUFFIX}"


def check_styles_folder() -> None:
    """Raise WriteError where the user's folder can hold no style, before any work for one."""
    folder = user_styles_dir()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        remedy = f"name a folder of yours with the environment variable {STYLES_FOLDER_VARIABLE}"
        raise WriteError(messages.cannot_write(folder, "no style can be kept there", remedy))


def register(style: Style, *, overwrite: bool = False) -> Path:
    """Put a style into the user's folder, where it is found by name.

    Raises OutputExistsError where the user has one of that name already.
    """
    path = user_style_path(style.name)
    write_style(style, path, overwrite=overwrite)
    return path


def with_model(style: Style, model: Path) -> Style:
    """`style` remembering the name of `model`, where that has another base than the shipped one."""
    shipped = weights_dir() / SHIPPED_MODEL
    same = shipped.exists() and read_info(shipped).get("base_hash") == style.base_hash
    return style if same else style.with_info(model=model.name)


def rename_own(old: str, new: str, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Give one of the user's styles another name; its file before and after.

    The base is not needed, so that a style of any model can be renamed. Raises StyleNotFoundError
    where there is none, OutputExistsError where the new name is taken.
    """
    before, after = own_style_path(old), user_style_path(new)
    if before != after:
        rename_style(before, after, new, overwrite=overwrite)
        before.unlink()
    return before, after


def own_style_path(name: str) -> Path:
    """The file of a style that the user has. Raises StyleNotFoundError where there is none."""
    path = user_style_path(name)
    if not path.exists():
        yours = [found.name for found in list_styles() if found.origin == "yours"]
        raise StyleNotFoundError(messages.unknown_name("style of yours", name, yours))
    return path


def free_name(name: str) -> str:
    """`name`, or NAME-2, NAME-3, … where the user has styles of that name already."""
    candidates = (name if n == 1 else f"{name}-{n}" for n in range(1, 10_000))
    return next(c for c in candidates if not user_style_path(c).exists())


def list_styles(model: Path | None = None) -> list[FoundStyle]:
    """Every style that can be used by name: the user's own, then the model's."""
    path = model or shipped_model()
    document = read_info(path) if path.exists() else {}
    of_model = {info.name: info for info in style_infos(document, path)}
    found = []
    for file in sorted(user_styles_dir().glob(f"*{SUFFIX}")):
        own, infos = {}, []
        with contextlib.suppress(StyleFileError):
            own = read_info(file)
            infos = style_infos(own, file)
        if own.get("kind") != "style" or not infos:
            continue  # not a style: reading it by name says what is wrong with it
        fits = own.get("base_hash") == document.get("base_hash")
        found.append(FoundStyle(file.stem, file, "yours", infos[0], file.stem in of_model, fits))
    names = {style.name for style in found}
    origin: Literal["model", "shipped"] = "model" if model else "shipped"
    return found + [FoundStyle(n, path, origin, i) for n, i in of_model.items() if n not in names]


def usable_names(model: Path | None = None) -> tuple[list[str], list[str]]:
    """The styles that can be used by name with that model, and those that need another base.

    Raises StyleNotFoundError where none can be used.
    """
    found = list_styles(model)
    alone = model is not None and model.exists() and read_info(model).get("kind") == "style"
    usable = [
        item.name
        for item in found
        if item.origin == "model"
        or (item.shadows and model is not None)
        or (item.fits and not alone)
    ]
    if not usable:
        raise StyleNotFoundError(
            "there are no styles to show; make one with: influ styles add NAME FOLDER"
        )
    return usable, [item.name for item in found if item.name not in usable and not item.fits]


def find_style(name: str | None, model: Path | None = None) -> tuple[Base, Style]:
    """The style called `name` and its base.

    Looked for among the creators of `model`, then among the user's own made on its base. Without
    a model: among the user's own, then the shipped. A style file, or a model of one creator, needs
    no name. Raises StyleNotFoundError, and StyleFileError for a style of another base.
    """
    base, styles = find_styles([name], model)
    return base, styles[0]


def find_styles(names: Sequence[str | None], model: Path | None = None) -> tuple[Base, list[Style]]:
    """Several styles of one base, each found as by `find_style`."""
    if model is None:
        shipped = read_model(shipped_model())
        return shipped.base, [_own_or_shipped(name or DEFAULT_STYLE, shipped) for name in names]
    if not model.exists():
        raise StyleNotFoundError(messages.does_not_exist(model))
    if read_info(model).get("kind") == "style":
        base = read_model(shipped_model()).base
        style = read_style(model, base)
        for name in names:
            if name not in (None, style.name):
                raise StyleNotFoundError(f"{model} contains the style '{style.name}', not '{name}'")
        return base, [style for _ in names]
    read = read_model(model)
    return read.base, [_in_model_or_own(name, read) for name in names]


def _own_or_shipped(name: str, shipped: Model) -> Style:
    if name.endswith(SUFFIX) and Path(name).is_file():
        words = ("influ", "stylize", "photo.jpg", "--model", name)
        raise UsageError(messages.wrong_kind(Path(name), "a file", "the name of a style", *words))
    own = user_style_path(name)
    if own.exists():
        return read_style(own, shipped.base)
    if all(style.name != name for style in shipped.styles):
        known = [style.name for style in list_styles()]
        more = f"Make one with: influ styles add {name} FOLDER"
        raise StyleNotFoundError(messages.unknown_name("style", name, known, more))
    return shipped.style(name)


def _in_model_or_own(name: str | None, model: Model) -> Style:
    if name is None and len(model.styles) == 1:
        return model.styles[0]
    name = name or DEFAULT_STYLE
    has_it = any(style.name == name for style in model.styles)
    own = user_style_path(name)
    return read_style(own, model.base) if not has_it and own.exists() else model.style(name)
