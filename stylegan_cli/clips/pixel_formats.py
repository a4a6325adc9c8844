"""The pixel format of a new clip: as near as can be to that of the old one."""

from collections.abc import Sequence
from dataclasses import dataclass

from av.video.format import VideoFormat

_SIZE = 16  # px of the frame by which formats are measured

_NAMES = {
    (1, 1): "4:4:4", (2, 1): "4:2:2", (2, 2): "4:2:0", (1, 2): "4:4:0", (4, 1): "4:1:1",
    (4, 4): "4:1:0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PixelShape:
    """What a pixel format keeps of a picture.

    bits: of each number. columns, rows: pixels that share one colour. is_rgb: has no luma.
    """

    bits: int
    columns: int
    rows: int
    is_rgb: bool

    @classmethod
    def of(cls, name: str) -> "PixelShape":
        """Of the format of that name in FFmpeg."""
        pixel_format = VideoFormat(name, _SIZE, _SIZE)
        bits = max(component.bits for component in pixel_format.components)
        if pixel_format.is_rgb or pixel_format.has_palette:
            return cls(bits, 1, 1, is_rgb=True)
        if len([c for c in pixel_format.components if not c.is_alpha]) == 1:
            return cls(bits, 2, 2, is_rgb=False)  # Grey has no colour to lose.
        wide, high = pixel_format.chroma_width(_SIZE), pixel_format.chroma_height(_SIZE)
        return cls(bits, _SIZE // max(1, wide), _SIZE // max(1, high), is_rgb=False)

    def __str__(self) -> str:
        chroma = "RGB" if self.is_rgb else _NAMES[self.columns, self.rows]
        return f"{chroma} in {self.bits} bits"


def nearest_format(
    available: Sequence[str],
    source: str,
    *,
    whole_colour: bool,
    min_bits: int = 8,
    max_bits: int = 10,
) -> str:
    """The format of `available` that keeps most of `source`, and of those the smallest.

    RGB and 4:1:1 are written as 4:2:0, which every player takes, where there is a choice.
    whole_colour: only formats with a colour of its own for each pixel, if there are any.
    min_bits, max_bits: of each number.
    """
    wanted = PixelShape.of(source)
    is_usual = not wanted.is_rgb and (wanted.columns, wanted.rows) in ((1, 1), (2, 1))
    columns, rows = (wanted.columns, wanted.rows) if is_usual else (2, 2)
    shapes = {name: PixelShape.of(name) for name in available if not _is_odd(name)}
    usable = {name: shape for name, shape in shapes.items() if not shape.is_rgb} or shapes
    if whole_colour:
        whole = {n: shape for n, shape in usable.items() if shape.columns == shape.rows == 1}
        usable = whole or usable

    def cost(name: str) -> tuple[int, ...]:
        shape, bits = usable[name], max(min_bits, min(wanted.bits, max_bits))
        lost = max(0, shape.columns - columns) + max(0, shape.rows - rows)
        more = max(0, columns - shape.columns) + max(0, rows - shape.rows)
        return max(0, bits - shape.bits), lost, max(0, shape.bits - bits), more

    return min(usable, key=cost, default="yuv420p")


def words_on_format(codec: str, source: str, written: str) -> str | None:
    """A sentence where the new clip keeps less of a pixel than the old, or more than some play."""
    old, new = PixelShape.of(source), PixelShape.of(written)
    is_less_colour = new.columns > old.columns or new.rows > old.rows
    if min(old.bits, 8) > new.bits or (old.bits > new.bits) or (is_less_colour and not new.is_rgb):
        return f"The clip is {old} and is written with {codec} as {new}."
    if not new.is_rgb and (new.columns, new.rows) != (2, 2):
        return (
            f"The clip stays {new}, which some phones and browsers don't play; "
            "--pix-fmt yuv420p is for them."
        )
    return None


def _is_odd(name: str) -> bool:
    """Whether a format is another's with a range of its own, has no colour, or an alpha plane."""
    pixel_format = VideoFormat(name, _SIZE, _SIZE)
    has_alpha = any(component.is_alpha for component in pixel_format.components)
    return name.startswith(("yuvj", "gray", "mono")) or has_alpha
