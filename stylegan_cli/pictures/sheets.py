"""Contact sheets: pictures in rows and columns, labelled."""

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from stylegan_cli.pictures.pixels import Pixels, change_depth
from stylegan_cli.pictures.resizing import resize, resize_within

_PAPER = 255
_INK = (32, 32, 32)
_BETWEEN = 8  # px between two pictures side by side


def contact_sheet(
    rows: Sequence[Sequence[Pixels]],
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    tile_labels: Sequence[Sequence[str]] = (),
    tile: int = 256,
    gap: int = 4,
) -> npt.NDArray[np.uint8]:
    """All pictures on one white sheet, (H, W, 3) uint8.

    rows: pictures (H, W, 3) of any size and pixel type; each fits into a square of `tile` px, and
    a row is as high as its tallest picture.
    row_labels, column_labels: one short text per row (left) or column (top), or none at all.
    tile_labels: one short text below each picture, in the order of `rows`, or none at all.
    """
    columns = max((len(row) for row in rows), default=0)
    if columns == 0:
        raise ValueError("a contact sheet needs at least one picture")
    font_px = max(10, tile // 14)
    font = ImageFont.load_default(font_px)
    left = max((int(font.getlength(label)) + 2 * gap for label in row_labels), default=0)
    top = font_px + 3 * gap if column_labels else 0
    step = tile + gap
    fitted = [
        [change_depth(resize_within(pixels, tile), np.uint8) for pixels in row] for row in rows
    ]
    heights = [max((pixels.shape[0] for pixels in row), default=0) for row in fitted]
    below = font_px + 3 * gap if tile_labels else 0
    steps = (height + below + gap for height in heights)
    *tops, bottom = accumulate(steps, initial=top + gap)
    sheet = np.full((bottom, left + gap + step * columns, 3), _PAPER, np.uint8)
    for row, y, height in zip(fitted, tops, heights, strict=True):
        for across, pixels in enumerate(row):
            start = y + (height - pixels.shape[0]) // 2
            x = left + gap + step * across + (tile - pixels.shape[1]) // 2
            sheet[start : start + pixels.shape[0], x : x + pixels.shape[1]] = pixels
    canvas = Image.fromarray(sheet)
    draw = ImageDraw.Draw(canvas)
    for across, label in enumerate(column_labels[:columns]):
        middle = left + gap + step * across + tile / 2
        draw.text((middle, gap), _shortened(label, font, tile), _INK, font, anchor="ma")
    for y, height, label in zip(tops, heights, row_labels, strict=False):
        draw.text((gap, y + height / 2), label, _INK, font, anchor="lm")
    for y, height, labels in zip(tops, heights, tile_labels, strict=False):
        for across, label in enumerate(labels[:columns]):
            position = (left + gap + step * across + tile / 2, y + height + gap)
            draw.text(position, _shortened(label, font, tile), _INK, font, anchor="ma")
    return np.asarray(canvas)


def side_by_side(left: Pixels, right: Pixels) -> npt.NDArray[np.uint8]:
    """Two pictures (H, W, 3) of any size on white, the right one brought to the left one's height.

    Returns (H, W, 3) uint8, H that of `left`.
    """
    height = left.shape[0]
    width = max(1, round(right.shape[1] * height / right.shape[0]))
    left, right = (change_depth(p, np.uint8) for p in (left, resize(right, (height, width))))
    paper = np.full((height, _BETWEEN, 3), _PAPER, np.uint8)
    return np.concatenate([left, paper, right], axis=1)


def _shortened(label: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    while len(label) > 1 and font.getlength(label) > width:
        label = label.rstrip("…")[:-1] + "…"
    return label
