"""Two pictures, before and after: side by side in one, or one over the other on a page."""

from pathlib import Path

import numpy as np

from stylegan_cli.errors import PictureError, UsageError, messages
from stylegan_cli.pictures import (
    MAX_PIXELS,
    Metadata,
    Picture,
    Pixels,
    format_of,
    read_picture,
    read_rgb,
    resize,
    resize_within,
    side_by_side,
    write_picture,
)
from stylegan_cli.pictures.pages import jpeg_within, render_page
from stylegan_cli.runtime.files import check_target, write_atomically

_PAGE_SUFFIXES = (".html", ".htm")
_PAGE_PX = 1600  # longer side of a picture on a page at most
_ROUNDING = 0.01  # of a side: what rounding makes of one shape at two sizes


def write_comparison(before: Path, after: Path, target: Path, *, overwrite: bool = False) -> None:
    """Write a page with a slider (.html), or one picture of both, `after` at the right.

    `after` is brought to the size of `before` on a page and to its height in a picture, which keeps
    the XMP of `after`: what it says of a network is true of both together.
    Raises PictureError, WriteError, and UsageError before any work for a target that may not be
    written.
    """
    is_page = target.suffix.lower() in _PAGE_SUFFIXES
    if not is_page and format_of(target) is None:
        why = f"{target.suffix or 'no suffix'} is neither a page nor a picture"
        raise UsageError(messages.cannot_write(target, why, "use .html, .jpg or .png"))
    check_target(target, overwrite=overwrite, inputs=(before, after))
    left = read_rgb(before)
    if is_page:
        page = _page(before.name, left, after.name, read_rgb(after))
        # A file name may be no text at all.
        write_atomically(target, page.encode("utf-8", "backslashreplace"), overwrite=overwrite)
        return
    changed = read_picture(after)
    right = read_rgb(after)
    height = left.shape[0]
    if height * (left.shape[1] + right.shape[1] * height / right.shape[0]) > MAX_PIXELS:
        raise PictureError(
            messages.cannot_write(target, "it is too large for one picture", "use .html")
        )
    both = Picture(side_by_side(left, right), metadata=Metadata(xmp=changed.xmp))
    write_picture(both, target, overwrite=overwrite)


def _page(before_name: str, before: Pixels, after_name: str, after: Pixels) -> str:
    shown = before if max(before.shape[:2]) <= _PAGE_PX else resize_within(before, _PAGE_PX)
    return render_page(
        "compare.html",
        title="Before and after",
        before=jpeg_within(shown, _PAGE_PX),
        after=jpeg_within(_fitted(after, shown.shape[:2]), _PAGE_PX),
        before_name=f"before: {before_name}",
        after_name=f"after: {after_name}",
        height=shown.shape[0],
        width=shown.shape[1],
    )


def _fitted(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Pixels brought to `size` = (height, width); of another shape, whole and between white."""
    height, width = size
    scale = min(height / pixels.shape[0], width / pixels.shape[1])
    inner = [max(1, round(side * scale)) for side in pixels.shape[:2]]
    if all(side - own <= max(1, _ROUNDING * side) for side, own in zip(size, inner, strict=True)):
        return resize(pixels, size)
    paper = np.full((height, width, 3), 255, np.uint8)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    paper[top : top + inner[0], left : left + inner[1]] = resize(pixels, (inner[0], inner[1]))
    return paper
