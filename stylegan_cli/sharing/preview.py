"""A sheet beside each style: a few starter photos before and after."""

from pathlib import Path

from stylegan_cli.backends import Backend
from stylegan_cli.instant import starter_photos
from stylegan_cli.pictures import Picture, contact_sheet, read_rgb, write_picture
from stylegan_cli.styles import Base, Style
from stylegan_cli.stylizer import Stylizer

PREVIEW_PHOTOS = 6


def preview_path(style_path: Path) -> Path:
    """Where the preview of the style at `style_path` lies."""
    return style_path.with_suffix(".preview.jpg")


def write_preview(base: Base, style: Style, backend: Backend, style_path: Path) -> Path:
    """Write the preview of `style` beside its file and return its path."""
    stylizer = Stylizer(base, style, backend)
    photos = [read_rgb(path, 256) for path in starter_photos()[:PREVIEW_PHOTOS]]
    rows = [photos, [stylizer.paint(photo) for photo in photos]]
    target = preview_path(style_path)
    sheet = contact_sheet(rows, row_labels=("before", "after"))
    write_picture(Picture(pixels=sheet), target, overwrite=True)
    return target
