"""GIF by Pillow, in 256 colours a frame; XMP in a block of its own."""

from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import numpy as np
from PIL import Image

from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import Contents, Header, PictureFormat, Wanted
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata import Metadata

_CLEAR: Final = 255
_XMP_HEAD: Final = b"!\xff\x0bXMP DataXMP"
# Old readers take the text for blocks of bytes; from wherever they are, this leads them out.
_XMP_TAIL: Final = bytes([1, *range(255, -1, -1), 0])


class Gif:
    """GIF, still or moving."""

    format = PictureFormat(
        name="GIF",
        suffixes=(".gif",),
        alpha=True,
        animation=True,
        xmp=True,
        comment=True,
        largest_side=65535,
    )

    def recognises(self, head: bytes) -> bool:
        """By the signature."""
        return head[:6] in (b"GIF87a", b"GIF89a")

    def probe(self, stream: BinaryIO) -> Header:
        """By the header, and the heads of all frames."""
        return pillow.probe_image(stream, ("GIF",), moving=True)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture, or the frames of an animation."""
        image = pillow.open_image(stream, ("GIF",), wanted)
        loop = image.info.get("loop")
        if getattr(image, "n_frames", 1) > 1 and not wanted.still:
            frames = pillow.animation(image, wanted, on_seek=_dispose_to_background)
        else:
            with pillow.held(wanted):  # its reader looks at the limit while it decodes
                image.load()
            frames = [Frame(*pillow.planes(image), 0)]
        comment = image.info.get("comment")
        stream.seek(0)
        metadata = Metadata(
            xmp=_xmp_of(stream.read()), comment=comment if isinstance(comment, bytes) else None
        )
        return Contents(frames=frames, metadata=metadata, loop=loop)

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture, or the animation; equal neighbours become one frame, shown as long."""
        images = [_in_palette(pillow.image_of(frame)) for frame in contents.frames]
        options: dict[str, Any] = {}
        if contents.metadata.comment is not None:
            options["comment"] = contents.metadata.comment
        if len(images) > 1:
            options |= {
                "save_all": True,
                "append_images": images[1:],
                "duration": _durations(contents.frames),
                # With clear parts, each frame must first wipe away the one before.
                "disposal": 2 if "transparency" in images[0].info else 1,
            }
            if contents.loop is not None:
                options["loop"] = contents.loop
        return _with_xmp(
            pillow.saved(images[0], "GIF", optimize=False, **options), contents.metadata.xmp
        )


def _dispose_to_background(image: Any) -> None:
    """Let a frame give way to the background's colour in the palette of the file (GIF89a, 18, 23).

    Pillow takes the colour of that number from the palette of the frame.
    """
    disposed, palette = image.dispose, image.global_palette
    if image.disposal_method == 2 and palette and getattr(disposed, "mode", None) == "RGB":
        at = 3 * int(image.info.get("background", 0))
        colour = tuple(palette.palette[at : at + 3])
        if len(colour) == 3:
            image.dispose = Image.new("RGB", disposed.size, colour).im


def _durations(frames: Sequence[Frame]) -> list[int]:
    """Milliseconds, whole hundredths of a second on the time line, so that nothing drifts."""
    ends = np.rint(np.cumsum([frame.duration_ms for frame in frames]) / 10).astype(int)
    return [10 * min(int(shown), 65535) for shown in np.diff(ends, prepend=0)]


def _in_palette(image: Image.Image) -> Image.Image:
    """An RGB or RGBA image in 256 colours; of RGBA, index 255 is clear: alpha below a half."""
    if image.mode != "RGBA":
        return _in_colours(image, 256)
    clear = np.asarray(image.getchannel("A")) < 128
    frame = _in_colours(image.convert("RGB"), 255)
    indices = np.asarray(frame).copy()
    indices[clear] = _CLEAR
    result = Image.fromarray(indices, "P")
    palette = frame.getpalette() or []
    result.putpalette(palette + [0] * (768 - len(palette)))
    result.info["transparency"] = _CLEAR
    return result


def _in_colours(image: Image.Image, count: int) -> Image.Image:
    """An RGB image with a palette of its own: exact, or dithered where it has more colours."""
    frame = image.quantize(count)
    if image.getcolors(count) is not None:
        return frame
    return image.quantize(palette=frame, dither=Image.Dither.FLOYDSTEINBERG)


def _with_xmp(data: bytes, xmp: bytes | None) -> bytes:
    """A GIF with an XMP block before its first frame (XMP Part 3, 1.1.2)."""
    if xmp is None:
        return data
    table = 3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    start = 13 + table
    # With an extension a GIF is of 1989.
    return b"GIF89a" + data[6:start] + _XMP_HEAD + xmp + _XMP_TAIL + data[start:]


def _xmp_of(data: bytes) -> bytes | None:
    """The XMP block of a GIF, which Pillow's reader passes over."""
    _, head, rest = data.partition(_XMP_HEAD)
    xmp, tail, _ = rest.partition(_XMP_TAIL)
    return xmp if head and tail else None
