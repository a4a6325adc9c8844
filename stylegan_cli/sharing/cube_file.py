"""The colour part of a style for other programs: a .cube file, and what it leaves out."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylegan_cli.errors import UsageError
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.rendering import look_up
from stylegan_cli.runtime.files import write_atomically
from stylegan_cli.runtime.version import __version__
from stylegan_cli.styles import list_styles
from stylegan_cli.stylizer import Stylizer, open_stylizer

SHORT_SIDE = 512  # px, of the photos a style is measured on


@dataclass(frozen=True, slots=True)
class LeftOut:
    """How far the colours of a style alone are from the whole of it, over some photos.

    share: of the change that the style makes, by root mean square; 0 for a style of colours alone.
    psnr_db: the colours alone against the whole style; None where they are the same.
    photos: how many it was measured on.
    """

    share: float
    psnr_db: float | None
    photos: int


def open_style(source: str, style: str | None = None) -> Stylizer:
    """The style of a name or mix, or of a style or model file.

    style: which creator of a file. Raises UsageError where there are several and none is named,
    StyleNotFoundError, StyleFileError.
    """
    path = Path(source)
    if not path.is_file():
        if style is not None:
            raise UsageError("--style picks a style out of a file or run: name it alone")
        return open_stylizer(source)
    names = [found.name for found in list_styles(path) if found.origin == "model"]
    if style is None and len(names) > 1:
        raise UsageError(
            f"{source} contains several styles: name one with --style {'|'.join(names)}"
        )
    return open_stylizer(style or (names[0] if names else None), model=path)


def write_cube(
    stylizer: Stylizer, target: Path, *, points: int | None = None, overwrite: bool = False
) -> int:
    """Write the style's LUT as Resolve, Premiere, OBS and ffmpeg read it (Cube LUT 1.0).

    points: on each axis; None takes the number that the style is stylized with, 33 or 65. Returns
    how many were written. Raises WriteError, and OutputExistsError for a file that exists.
    """
    lut = stylizer.lut_of(points)
    write_atomically(target, cube_text(stylizer.name, lut).encode(), overwrite=overwrite)
    return len(lut)


def cube_text(name: str, lut: np.ndarray) -> str:
    """The .cube file of a LUT (K, K, K, 3): red varies fastest, sRGB-encoded on both sides."""
    title = "".join(sign for sign in name if sign.isprintable() and sign != '"')
    lines = [
        f"# The colour part of a style by influ {__version__}: sRGB in, sRGB out",
        f'TITLE "{title}"',
        f"LUT_3D_SIZE {len(lut)}",
        "DOMAIN_MIN 0.0 0.0 0.0",
        "DOMAIN_MAX 1.0 1.0 1.0",
    ]
    rows = lut.transpose(2, 1, 0, 3).reshape(-1, 3)
    lines += [f"{red:.6f} {green:.6f} {blue:.6f}" for red, green, blue in rows.tolist()]
    return "\n".join(lines) + "\n"


def measure_left_out(
    stylizer: Stylizer,
    photos: Iterable[Path],
    on_progress: Callable[[int, int], None] | None = None,
) -> LeftOut:
    """What the LUT leaves out of the style on `photos`. Raises PictureError."""
    paths = list(photos)
    lost = changed = 0.0
    for done, path in enumerate(paths):
        if on_progress is not None:
            on_progress(done, len(paths))
        photo = read_rgb(path, SHORT_SIDE)
        before, whole = to_unit(photo), to_unit(stylizer.stylize(photo))
        colours = look_up(photo, stylizer.colours)
        lost += float(np.square(whole - colours).mean())
        changed += float(np.square(whole - before).mean())
    if on_progress is not None:
        on_progress(len(paths), len(paths))
    if lost == 0:
        return LeftOut(0.0, None, len(paths))
    return LeftOut((lost / changed) ** 0.5, -10 * math.log10(lost / len(paths)), len(paths))
