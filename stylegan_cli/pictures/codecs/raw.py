"""Camera RAW by LibRaw (rawpy, an extra): the full picture, never the preview in the file."""

import io
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs.codec import Contents, Header, PictureFormat, Wanted
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.metadata.directories import fields_of_file
from stylegan_cli.pictures.metadata.exif import exif_of_tiff

# What files begin with that are no TIFF: Olympus, Panasonic, Fujifilm, Sigma, Minolta.
_HEADS: Final = (b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FUJIFILMCCD-RAW", b"FOVb", b"\0MRM")
_CFA, _LINEAR_RAW = 32803, 34892  # photometric interpretations of sensors (TIFF/EP, DNG 1.7)
_PHOTOMETRIC, _DNG_VERSION = 262, 50706


class Raw:
    """What cameras write before they make a picture of it; only read."""

    format = PictureFormat(
        name="RAW",
        suffixes=(".dng", ".nef", ".nrw", ".cr2", ".cr3", ".crw", ".arw", ".sr2", ".srf", ".raf",
                  ".orf", ".rw2", ".pef", ".srw", ".x3f", ".mrw", ".3fr", ".fff", ".iiq", ".rwl",
                  ".erf", ".mef", ".mos", ".kdc", ".dcr"),
        result="JPEG",
    )  # fmt: skip

    def recognises(self, head: bytes) -> bool:
        """By the signatures of makers; for those that begin like TIFF, see `is_raw`."""
        return head.startswith(_HEADS) or head[4:12] == b"ftypcrx "

    def probe(self, stream: BinaryIO) -> Header:
        """By LibRaw's reading of the header; none where the extra is missing."""
        try:
            import rawpy
        except ImportError:
            return Header(0, 0)
        with rawpy.imread(stream) as raw:
            return Header(raw.sizes.height, raw.sizes.width)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The developed picture: 16 bits, sRGB, the camera's white balance, upright."""
        try:
            import rawpy
        except ImportError as error:
            raise PictureError(
                f"{wanted.name} is camera RAW, which takes an extra: "
                "pip install 'stylegan-cli[raw]'"
            ) from error
        data = io.BytesIO(stream.read())
        try:
            with rawpy.imread(data) as raw:
                wanted.check(raw.sizes.height, raw.sizes.width)
                pixels = raw.postprocess(use_camera_wb=True, output_bps=16)
        except rawpy.LibRawError as error:
            raise OSError(str(error)) from error
        return Contents(
            frames=[Frame(np.ascontiguousarray(pixels), None, 0)],
            metadata=Metadata(exif_of_tiff(data)),
            orientation=1,
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """Nobody writes RAW but cameras."""
        raise PictureError("no picture can be written as camera RAW: use --format jpg or tiff")


def is_raw(stream: BinaryIO) -> bool:
    """Whether a file that begins like TIFF holds what a sensor saw."""
    try:
        fields = fields_of_file(stream)
        for entries in fields.walk():
            for entry in entries:
                if entry.tag == _DNG_VERSION:
                    return True
                if entry.tag == _PHOTOMETRIC and fields.numbers(entry)[0] in (_CFA, _LINEAR_RAW):
                    return True
    except ValueError:
        pass
    return Path(str(getattr(stream, "name", ""))).suffix.lower() in Raw.format.suffixes
