"""The old and simple formats: BMP and TGA by Pillow, PNM by OpenCV where it is deep."""

from typing import BinaryIO, Final

import cv2
import numpy as np

from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import (
    Contents,
    Header,
    PictureFormat,
    Wanted,
    frame_of,
    in_16_bits,
)
from stylegan_cli.pictures.metadata import Metadata

_BMP: Final = ("BMP", "DIB")


class Bmp:
    """BMP."""

    format = PictureFormat(name="BMP", suffixes=(".bmp", ".dib"), dpi=True)

    def recognises(self, head: bytes) -> bool:
        """By the signature."""
        return head.startswith(b"BM")

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, _BMP)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture."""
        return _decoded(stream, _BMP, wanted)

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture."""
        dpi = contents.metadata.dpi
        options = {} if dpi is None else {"dpi": dpi}
        return pillow.saved(pillow.image_of(contents.frames[0]), "BMP", **options)


class Tga:
    """TGA, which has no signature: asked last."""

    format = PictureFormat(name="TGA", suffixes=(".tga",), alpha=True, largest_side=65535)

    def recognises(self, head: bytes) -> bool:
        """By a header that makes sense."""
        kinds, depths = (1, 2, 3, 9, 10, 11), (1, 8, 15, 16, 24, 32)
        return len(head) >= 18 and head[1] <= 1 and head[2] in kinds and head[16] in depths

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, ("TGA",))

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture."""
        return _decoded(stream, ("TGA",), wanted)

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture."""
        return pillow.saved(pillow.image_of(contents.frames[0]), "TGA")


class Pnm:
    """PBM, PGM and PPM of 8 and 16 bits."""

    format = PictureFormat(name="PPM", suffixes=(".ppm", ".pgm", ".pnm", ".pbm"), deep=True)

    def recognises(self, head: bytes) -> bool:
        """By the letter and number."""
        return head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace()

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, ("PPM",))

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture."""
        contents = _decoded(stream, ("PPM",), wanted)
        stream.seek(0)
        data = stream.read()
        if data[:2] not in (b"P2", b"P3", b"P5", b"P6") or _max_value(data) < 256:
            return contents
        values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        if values is None or values.dtype != np.uint16:
            return contents
        pixels = np.asarray(values if values.ndim == 2 else values[..., ::-1])
        return Contents(frames=[frame_of(in_16_bits(pixels, _max_value(data)))])

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture as PPM."""
        pixels = contents.frames[0].pixels
        most = np.iinfo(pixels.dtype).max
        head = f"P6\n{pixels.shape[1]} {pixels.shape[0]}\n{most}\n".encode()
        return head + pixels.astype(pixels.dtype.newbyteorder(">")).tobytes()


def _max_value(data: bytes) -> int:
    """The value that stands for white."""
    lines = (line.partition(b"#")[0] for line in data[:4096].split(b"\n"))
    words = b" ".join(lines).split()
    return int(words[3]) if len(words) > 3 and words[3].isdigit() else 255


def _decoded(stream: BinaryIO, names: tuple[str, ...], wanted: Wanted) -> Contents:
    image = pillow.open_image(stream, names, wanted)
    dpi = image.info.get("dpi")
    metadata = Metadata(dpi=dpi if dpi and all(dpi) else None)
    return Contents(frames=[pillow.still(image, wanted)], metadata=metadata)
