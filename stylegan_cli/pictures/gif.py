"""GIF animations with every frame kept: Pillow's writer merges neighbours that are alike."""

import io
import struct
from collections.abc import Sequence

import numpy as np
from PIL import Image

_CLEAR = 255
_EXTENSION, _IMAGE = 0x21, 0x2C
_XMP_HEAD = b"!\xff\x0bXMP DataXMP"
# Old readers take the text for blocks of bytes; from wherever they are, this leads them out.
_XMP_TAIL = bytes([1, *range(255, -1, -1), 0])


def gif_frame(image: Image.Image) -> Image.Image:
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


def encode_gif(frames: Sequence[Image.Image], ends_ms: Sequence[float], loop: int | None) -> bytes:
    """An animation of frames from `gif_frame`, all with a clear index or none (GIF89a).

    ends_ms: when each frame ends, from the start; kept to the hundredth of a second, without drift.
    loop: how often it plays, 0 for ever, None once.
    """
    clear = "transparency" in frames[0].info
    # With clear parts, each frame must first wipe away the one before (disposal method 2).
    flags = (2 << 2 | 1) if clear else (1 << 2)
    ends = np.rint(np.asarray(ends_ms) / 10).astype(int)
    blocks = [b"GIF89a", struct.pack("<HHBBB", *frames[0].size, 0x70, 0, 0)]
    if loop is not None:
        blocks.append(b"!\xff\x0bNETSCAPE2.0\x03\x01" + struct.pack("<HB", loop, 0))
    for frame, hundredths in zip(frames, np.diff(ends, prepend=0), strict=True):
        shown = min(int(hundredths), 65535)
        blocks.append(b"!\xf9\x04" + struct.pack("<BHBB", flags, shown, _CLEAR, 0))
        blocks.append(_as_block(frame))
    return b"".join((*blocks, b";"))


def with_gif_xmp(data: bytes, xmp: bytes | None) -> bytes:
    """A GIF with an XMP block before its first frame (XMP part 3, 1.1.2)."""
    if xmp is None:
        return data
    table = 3 << ((data[10] & 7) + 1) if data[10] & 0x80 else 0
    start = 13 + table
    return data[:start] + _XMP_HEAD + xmp + _XMP_TAIL + data[start:]


def gif_xmp(data: bytes) -> bytes | None:
    """The XMP block of a GIF, which Pillow's reader passes over."""
    _, head, rest = data.partition(_XMP_HEAD)
    xmp, tail, _ = rest.partition(_XMP_TAIL)
    return xmp if head and tail else None


def _in_colours(image: Image.Image, count: int) -> Image.Image:
    """An RGB image with a palette of its own: exact, or dithered where it has more colours."""
    frame = image.quantize(count)
    if image.getcolors(count) is not None:
        return frame
    return image.quantize(palette=frame, dither=Image.Dither.FLOYDSTEINBERG)


def _as_block(frame: Image.Image) -> bytes:
    """The image block of a frame, with its colour table, out of the GIF that Pillow makes of it."""
    stream = io.BytesIO()
    frame.save(stream, "GIF", optimize=False)
    data = stream.getvalue()
    size = data[10] & 7
    place = 13 + (3 << (size + 1))
    table = data[13:place]
    while data[place] == _EXTENSION:
        place += 2
        while data[place]:
            place += 1 + data[place]
        place += 1
    assert data[place] == _IMAGE
    inside = data[place + 9] & 0x40 | 0x80 | size  # keeps whether the rows are interlaced
    return data[place : place + 9] + bytes([inside]) + table + data[place + 10 : -1]
