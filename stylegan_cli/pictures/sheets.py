"""Contact sheets: pictures in rows and columns, labelled."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from stylegan_cli.pictures.picture import Pixels, change_depth
from stylegan_cli.pictures.resizing import resize_within

_PAPER = 255
_INK = (32, 32, 32)


def contact_sheet(
    rows: Sequence[Sequence[Pixels]],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    tile: int = 256,
    gap: int = 4,
) -> npt.NDArray[np.uint8]:
    """All pictures on one white sheet, (H, W, 3) uint8.

    rows: pictures (H, W, 3) of any size and pixel type; each fits into a square of `tile` px.
    row_labels, column_labels: one short text per row (left) or column (top), or none at all.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("a contact sheet needs at least one picture")
    font_px = max(10, tile // 14)
    font = ImageFont.load_default(font_px)
    left = max((int(font.getlength(label)) + 2 * gap for label in row_labels), default=0)
    top = font_px + 3 * gap if column_labels else 0
    step = tile + gap
    sheet = np.full(
        (top + gap + step * len(rows), left + gap + step * columns, 3), _PAPER, np.uint8
    )
    for down, row in enumerate(rows):
        for across, pixels in enumerate(row):
            fitted = change_depth(resize_within(pixels, tile), np.uint8)
            y = top + gap + step * down + (tile - fitted.shape[0]) // 2
            x = left + gap + step * across + (tile - fitted.shape[1]) // 2
            sheet[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    canvas = Image.fromarray(sheet)
    draw = ImageDraw.Draw(canvas)
    for across, label in enumerate(column_labels[:columns]):
        middle = left + gap + step * across + tile / 2
        draw.text((middle, gap), _shortened(label, font, tile), _INK, font, anchor="ma")
    for down, label in enumerate(row_labels[: len(rows)]):
        draw.text((gap, top + gap + step * down + tile / 2), label, _INK, font, anchor="lm")
    return np.asarray(canvas)


def _shortened(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while len(label) > 1 and font.getlength(label) > width:
        label = label.rstrip("…")[:-1] + "…"
    return label
