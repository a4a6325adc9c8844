"""What `from stylegan_cli import …` gives: styles, pictures and clips in a few lines of Python.

from stylegan_cli import load_style, write_picture

toon = load_style("toon")
write_picture(toon("photo.jpg"), "photo_toon.jpg")
"""

import dataclasses
import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

import numpy as np
import numpy.typing as npt

from stylegan_cli import pictures
from stylegan_cli.errors import (
    DataError,
    PictureError,
    StyleNotFoundError,
    UsageError,
    messages,
)
from stylegan_cli.errors.in_python import speaks_python
from stylegan_cli.pictures import Picture
from stylegan_cli.styles import list_styles, read_info, register, write_style
from stylegan_cli.stylizer import Detail, Stylizer

if TYPE_CHECKING:
    from PIL import Image

    from stylegan_cli.sharing.adding import MadeStyle
    from stylegan_cli.video import VideoResult

Pixels = npt.NDArray[Any]
OnProgress = Callable[[int, int], None]
"""Gets the steps done, and the number of all steps; 0 where that is not known yet."""
_One = TypeVar("_One")
Many = list[_One] | tuple[_One, ...]
_Kind = TypeVar("_Kind", "Picture", "Image.Image", Pixels)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class LoadedStyle:
    """A style, ready to stylize.

    Calling it stylizes one picture, or a sequence of them. A path gives a `Picture`, with the
    metadata of its file, for `write_picture`; a `Picture`, a PIL image or an array gives its own
    kind, in the same size and depth.
    """

    stylizer: Stylizer

    @property
    def name(self) -> str:
        """The style's name; a mix has one as well."""
        return self.stylizer.name

    @property
    def is_refined(self) -> bool:
        """Whether training has changed the network for this style."""
        return self.stylizer.style.info.refined

    @overload
    def __call__(self, picture: str | os.PathLike[str]) -> Picture: ...
    @overload
    def __call__(self, picture: _Kind) -> _Kind: ...
    @overload
    def __call__(self, picture: Many[str | os.PathLike[str]]) -> list[Picture]: ...
    @overload
    def __call__(self, picture: Many[_Kind]) -> list[_Kind]: ...

    @speaks_python
    def __call__(self, picture: Any) -> Any:
        """The picture in this style.

        picture: a path, a `Picture`, a PIL image, an array (H, W, 3) of uint8, uint16 or floating
        point in [0, 1], or a list or tuple of these.
        Raises PictureError for a file that can't be read, and for an array of another shape or
        type; UsageError for anything else.
        """
        if isinstance(picture, (list, tuple)):
            return [self(one) for one in picture]
        if isinstance(picture, (str, os.PathLike)):
            return self.stylizer.stylize_picture(pictures.read_picture(Path(picture)))
        if isinstance(picture, Picture):
            return self.stylizer.stylize_picture(picture)
        if isinstance(picture, np.ndarray):
            return _stylized_array(self.stylizer, picture)
        return _stylized_image(self.stylizer, picture)

    @speaks_python
    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the style to a file, for `load_style` and `influ styles install`."""
        write_style(self.stylizer.style, Path(path), overwrite=overwrite)
        return Path(path)

    @speaks_python
    def register(self, name: str | None = None, *, overwrite: bool = False) -> Path:
        """Add the style to your own, so that it is found by name. Returns its file."""
        style = self.stylizer.style
        return register(style.renamed(name) if name else style, overwrite=overwrite)

    @speaks_python
    def write_cube(
        self, path: str | os.PathLike[str], *, points: int | None = None, overwrite: bool = False
    ) -> Path:
        """Write the style's colours as a .cube file, with `points` on each axis."""
        from stylegan_cli.sharing.cube_file import write_cube

        write_cube(self.stylizer, Path(path), points=points, overwrite=overwrite)
        return Path(path)


@speaks_python
def load_style(
    style: str | os.PathLike[str],
    *,
    model: str | os.PathLike[str] | None = None,
    strength: float = 1.0,
    grain: float = 1.0,
    halation: float = 1.0,
    strokes: float = 1.0,
    seed: int | None = None,
    preserve_colour: bool = False,
    even: bool = False,
    detail: Detail = "auto",
    device: str = "auto",
) -> LoadedStyle:
    """Load a style that exists: a shipped one, one of your own, or one in a file.

    To make a style from a folder of pictures, use `make_style`.

    style: a name ("toon"), a mix ("toon:0.7,vangogh:0.3"), or the path of a style file, or of a
    model file with one style in it. model: a model file with the style of that name.
    strength: 0 keeps the photo, 1 is the whole style. grain, halation, strokes: how much of the
    style's film grain, halation and strokes is painted, if it has any. seed: a variation of the
    style.
    preserve_colour: keep the photo's own colours. even: bring its exposure and white balance to
    the average first.
    Raises StyleNotFoundError, StyleFileError, DeviceError and UsageError.
    """
    from stylegan_cli.stylizer import StylizerConfig, open_configured_stylizer

    path = Path(style)
    is_file = isinstance(style, os.PathLike) or path.suffix == ".safetensors"
    if path.is_dir() and all(found.name != str(style) for found in list_styles()):
        raise StyleNotFoundError(
            f"{path} is a folder, not a style; to make a style of its pictures use: "
            f"make_style('{path}')"
        )
    if is_file and model is not None:
        raise UsageError("a style is loaded from its own file or from a model: name one of them")
    if is_file:
        read_info(path)
    config = StylizerConfig(
        style=None if is_file else str(style),
        model=path if is_file else None if model is None else Path(model),
        strength=strength,
        grain=grain,
        halation=halation,
        strokes=strokes,
        seed=seed,
        preserve_colour=preserve_colour,
        even=even,
        detail=detail,
        device=device,
    )
    return LoadedStyle(open_configured_stylizer(config))


@speaks_python
def make_style(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    name: str = "style",
    content: str | os.PathLike[str] | None = None,
    licence: str = "",
    strokes: bool | None = None,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> LoadedStyle:
    """Make a new style from a creator's pictures, in seconds and without training.

    To load a style by its name, use `load_style`.

    source: the path of a folder or of one picture, or several paths. content: a folder of photos
    that the creator might have started from; the shipped ones where None. licence: consent or
    licence of the pictures. strokes: whether photos are painted with strokes of the pictures; where
    None, if these are made by hand.
    Raises DataError where there is no picture to read.
    """
    return _loaded(_made(source, name, content, licence, device, on_progress, strokes))


@speaks_python
def train(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    minutes: float = 30.0,
    name: str = "style",
    content: str | os.PathLike[str] | None = None,
    licence: str = "",
    run: str | os.PathLike[str] | None = None,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> LoadedStyle:
    """Make a style as `make_style` does and refine it for some minutes. The better one is returned.

    run: a folder to keep the run and its report in. The style is not registered: see
    `LoadedStyle.register`. Needs PyTorch: `pip install 'stylegan-cli[train]'`.
    Raises DataError, TrainingError, OutputExistsError for a run folder that is in use, and
    InterruptedByUserError after Ctrl-C.
    """
    from stylegan_cli.training.refining import refine_style

    made = _made(source, name, content, licence, device, None)
    style = refine_style(
        made.style,
        made.pictures,
        made.photos,
        minutes=minutes,
        model=None,
        run_dir=None if run is None else Path(run),
        device=device,
        overwrite=False,
        progress_of=lambda label: _progress(on_progress),
        on_open=lambda folder: None,
        on_note=lambda note: None,
    )
    return _loaded(dataclasses.replace(made, style=style.with_strokes_of(made.style)))


def _names_of_video_config() -> list[str]:
    from stylegan_cli.video import VideoConfig

    return [field.name for field in dataclasses.fields(VideoConfig)]


@partial(speaks_python, more=_names_of_video_config)
def stylize_video(
    clip: str | os.PathLike[str],
    out: str | os.PathLike[str],
    style: str | LoadedStyle,
    *,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> "VideoResult":
    """Stylize a clip in a style; size, times, orientation and sound stay as they are.

    style: a loaded style, or what `load_style` takes. options: the fields of
    `stylegan_cli.video.VideoConfig`, such as start_s, end_s, fps, faces_only and overwrite.
    Raises ClipError, UsageError and OutputExistsError.
    """
    from stylegan_cli.video import VideoConfig, stylize_clip

    loaded = style if isinstance(style, LoadedStyle) else load_style(style)
    config = VideoConfig(**options)
    return stylize_clip(Path(clip), Path(out), loaded.stylizer, config, on_progress)


@speaks_python
def read_picture(source: str | os.PathLike[str] | bytes) -> Picture:
    """Read a picture file, or the bytes of one: upright, with all its bits and metadata.

    Raises PictureError, which names the file and says why it can't be used.
    """
    return pictures.read_picture(source if isinstance(source, bytes) else Path(source))


@speaks_python
def write_picture(
    picture: Picture,
    path: str | os.PathLike[str],
    *,
    style: LoadedStyle | None = None,
    quality: int = pictures.JPEG_QUALITY,
    overwrite: bool = False,
) -> Path:
    """Write a picture in the format of the path's suffix, whole or not at all.

    style: what stylized it; the metadata then say so, as those of `influ stylize` do.
    quality: 1 to 100, for JPEG, WebP, AVIF and HEIF.
    Raises PictureError, WriteError, and OutputExistsError for a file that exists.
    """
    pictures.write_picture(
        picture,
        Path(path),
        quality=quality,
        overwrite=overwrite,
        ai_label=None if style is None else style.stylizer.ai_label,
    )
    return Path(path)


def _made(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    name: str,
    content: str | os.PathLike[str] | None,
    licence: str,
    device: str,
    on_progress: OnProgress | None,
    strokes: bool | None = None,
) -> "MadeStyle":
    """An instant style, and the pictures it was made from."""
    from stylegan_cli.sharing.adding import make_from_pictures

    if isinstance(source, (str, os.PathLike)):
        pictures: Path | list[Path] = _existing(Path(source))
    else:
        pictures = [Path(path) for path in source]
    return make_from_pictures(
        name,
        pictures,
        content=None if content is None else Path(content),
        licence=licence,
        strokes=strokes,
        device=device,
        on_progress=on_progress,
    )


def _existing(source: Path) -> Path:
    """The pictures to learn from. Raises DataError where nothing is there."""
    if source.exists():
        return source
    if any(style.name == str(source) for style in list_styles()):
        raise DataError(
            f"can't read {source}: it does not exist; for the style of that name use: "
            f"load_style('{source}')"
        )
    raise DataError(messages.does_not_exist(source))


def _loaded(made: "MadeStyle") -> LoadedStyle:
    return LoadedStyle(Stylizer(made.base, made.style, made.backend))


def _progress(on_progress: OnProgress | None) -> AbstractContextManager[OnProgress]:
    return nullcontext(on_progress or (lambda done, total: None))


def _stylized_array(stylizer: Stylizer, pixels: Pixels) -> Pixels:
    if pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise PictureError(
            f"an array must have the shape (height, width, 3), this one has {pixels.shape}; "
            "put red, green and blue last, repeat a grey plane three times, and take pictures of "
            "a batch one by one"
        )
    if pixels.dtype in (np.uint8, np.uint16):
        return stylizer.stylize(np.ascontiguousarray(pixels))
    if not np.issubdtype(pixels.dtype, np.floating):
        raise PictureError(
            f"an array must be uint8, uint16 or floating point, this one is {pixels.dtype}; "
            "convert it first"
        )
    if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
        raise PictureError(
            "a floating-point array must lie between 0 and 1; divide levels of 0 to 255 by 255"
        )
    stylized = stylizer.stylize(np.ascontiguousarray(pixels, np.float32))
    return stylized.astype(pixels.dtype)


def _stylized_image(stylizer: Stylizer, image: Any) -> "Image.Image":
    """A PIL image, its transparency and metadata kept."""
    from PIL import Image

    if not isinstance(image, Image.Image):
        raise UsageError(
            f"a style stylizes paths, pictures, PIL images and arrays, not {type(image).__name__}"
        )
    if image.mode.startswith(("I", "F")):
        raise PictureError(
            f"a PIL image of mode {image.mode} has no colours to stylize; use an array, or the path"
        )
    has_alpha = image.has_transparency_data
    whole = np.asarray(image.convert("RGBA" if has_alpha else "RGB"))
    pixels = stylizer.stylize(np.ascontiguousarray(whole[..., :3]))
    if has_alpha:
        pixels = np.dstack([pixels, whole[..., 3]])
    stylized = Image.fromarray(pixels)
    stylized.info = {key: image.info[key] for key in ("exif", "dpi") if key in image.info}
    return stylized
