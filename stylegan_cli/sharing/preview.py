"""A sheet beside each style: a few starter photos before and after."""

from pathlib import Path

from stylegan_cli.backends import Backend
from stylegan_cli.pictures import Picture, contact_sheet, read_rgb, write_picture
from stylegan_cli.runtime.files import check_target
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import Base, Style, write_style
from stylegan_cli.stylizer import Stylizer

PREVIEW_PHOTOS = 6


def preview_path(style_path: Path) -> Path:
    """Where the preview of the style at `style_path` lies."""
    return style_path.with_suffix(".preview.jpg")


def draw_preview(base: Base, style: Style, backend: Backend) -> Picture:
    """The sheet of `style`. Raises StyleFileError where the style makes no picture."""
    stylizer = Stylizer(base, style, backend)
    photos = [read_rgb(path, 256) for path in starter_photos()[:PREVIEW_PHOTOS]]
    rows = [photos, [stylizer.stylize(photo) for photo in photos]]
    return Picture(pixels=contact_sheet(rows, row_labels=("before", "after")))


def write_with_preview(
    base: Base, style: Style, backend: Backend, path: Path, *, overwrite: bool = False
) -> Path:
    """Write a style and its preview, both or neither; returns the path of the preview.

    The preview is stylized first, so that a style which makes no picture is never kept, and the
    style is written last, so that what is found by name is whole. The caller has the claim on
    `path`, whose folder is there. Raises StyleFileError, OutputExistsError, WriteError.
    """
    sheet, target = draw_preview(base, style, backend), preview_path(path)
    check_target(path, overwrite=overwrite)
    is_new = not target.exists()
    try:
        write_picture(sheet, target, overwrite=True)
        write_style(style, path, overwrite=overwrite)
    except BaseException:
        if is_new:
            target.unlink(missing_ok=True)
        raise
    return target
