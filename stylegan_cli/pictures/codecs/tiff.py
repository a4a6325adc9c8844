"""TIFF by tifffile: every layout by its tags, or refused by the name of what it is."""

import io
import logging
import struct
from typing import Any, BinaryIO, Final, Literal

import numpy as np
from PIL import Image

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs.codec import (
    Contents,
    Header,
    PictureFormat,
    Wanted,
    in_16_bits,
    planes_of,
)
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.metadata.directories import fields_of_file
from stylegan_cli.pictures.metadata.exif import exif_of_tiff
from stylegan_cli.pictures.metadata.iptc import iptc_of, resources_of
from stylegan_cli.pictures.pixels import Pixels

logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("tifffile").propagate = False

_HEADS: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR = 0, 1, 2, 3, 5, 6
_PHOTOMETRICS: Final = (_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _INKS, _YCBCR)
_UNSIGNED, _FLOAT = 1, 3
_ASSOCIATED, _UNASSOCIATED = 1, 2
_JPEG_COMPRESSIONS: Final = (6, 7, 34892, 33007)
_INK_SET: Final = 332
_XMP, _IPTC, _PHOTOSHOP, _ICC = 700, 33723, 34377, 34675
# Description, maker, model, page name, software, time, artist, copyright, EXIF, GPS and the above.
_DESCRIBING: Final = {270, 271, 272, 285, 305, 306, 315, 33432, 34665, 34853, _XMP, _IPTC}
_ROWS_PER_STRIP: Final = 64


class Tiff:
    """TIFF of 8 and 16 bits and of floats, one page or many."""

    format = PictureFormat(
        name="TIFF",
        suffixes=(".tif", ".tiff"),
        alpha=True,
        deep=True,
        floats=True,
        pages=True,
        profile=True,
        cmyk=True,
        exif=True,
        xmp=True,
        iptc=True,
        dpi=True,
    )

    def recognises(self, head: bytes) -> bool:
        """By its byte order and number; camera RAW is asked first."""
        return head[:4] in _HEADS

    def probe(self, stream: BinaryIO) -> Header:
        """By the tags of all pages."""
        import tifffile

        with tifffile.TiffFile(stream) as file:
            pages = _pages(file)
            pixels = sum(page.imagelength * page.imagewidth for page in pages)
            return Header(pixels, 1)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """All pages but reduced copies of others."""
        import tifffile

        with tifffile.TiffFile(stream) as file:
            pages = _pages(file)[: 1 if wanted.still else None]
            for page in pages:
                wanted.check(page.imagelength, page.imagewidth)
            if len(pages) > 1:
                wanted.check(sum(page.imagelength * page.imagewidth for page in pages), 1)
            read = [_read(page, wanted) for page in pages]
            first = pages[0]
            tags = {
                code: first.tags[code].value
                for code in (_XMP, _IPTC, _PHOTOSHOP, _ICC)
                if code in first.tags
            }
            orientation = first.tags.get(274)
            dpi = _dpi(first)
            told_later = any(_DESCRIBING & set(page.tags.keys()) for page in pages[1:])
        photoshop, iptc = _as_bytes(tags.get(_PHOTOSHOP)), _as_bytes(tags.get(_IPTC))
        resources = photoshop or (None if iptc is None else resources_of(iptc))
        notes = dict.fromkeys(note for _, found in read for note in found)
        if told_later:
            notes["what its later pages say of themselves is left out"] = None
        return Contents(
            frames=[frame for frame, _ in read],
            icc=_as_bytes(tags.get(_ICC)),
            metadata=Metadata(exif_of_tiff(stream), _as_bytes(tags.get(_XMP)), resources, dpi=dpi),
            orientation=1 if orientation is None else int(orientation.value),
            are_pages=len(read) > 1,
            notes=tuple(notes),
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """Deflated strips; the EXIF block stands at the start, so that its pointers stay true."""
        import tifffile

        metadata = contents.metadata
        block = metadata.exif
        stream = io.BytesIO() if block is None else io.BytesIO(block + bytes(-len(block) % 16))
        order: Literal["<", ">"] = ">" if block is not None and block[:2] == b"MM" else "<"
        with tifffile.TiffWriter(stream, byteorder=order, append=block is not None) as writer:
            for number, frame in enumerate(contents.frames):
                _write(writer, frame, contents, first=number == 0)
        return stream.getvalue() if block is None else _joined(stream.getvalue())


def _pages(file: Any) -> list[Any]:
    """The pages that are pictures of their own; reduced copies and masks of others are none."""
    pages = [
        page for page in file.pages if page.imagewidth and not page.is_reduced and not page.is_mask
    ]
    if not pages:
        pages = [file.pages[0]]
    return pages


def _read(page: Any, wanted: Wanted) -> tuple[Frame, list[str]]:
    """The pixels of a page with straight alpha, and what is left out."""
    bits = page.bitspersample
    bits = max(bits) if isinstance(bits, tuple) else bits
    _refuse(page, bits, wanted.name)
    values = np.asarray(page.asarray())
    if page.planarconfig == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values = _scaled(values, bits, wanted.name)
    if page.photometric == _PALETTE:
        return Frame(_coloured(values, page.colormap), None, 0), []
    if page.photometric == _YCBCR and page.compression not in _JPEG_COMPRESSIONS:
        values = np.asarray(Image.fromarray(values, "YCbCr").convert("RGB"))
    white_is_zero = page.photometric == _WHITE_IS_ZERO
    if values.ndim == 2:
        pixels = _negative(values) if white_is_zero else values
        return Frame(np.ascontiguousarray(pixels), None, 0), []
    colours = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _INKS: 4}.get(page.photometric, 3)
    pixels = values[..., 0] if colours == 1 else values[..., :colours]
    extra, notes, alpha = tuple(page.extrasamples), [], None
    if not extra and values.shape[2] == colours + 1:
        extra = (_UNASSOCIATED,)  # not said, but what else could it be
    for number, kind in enumerate(extra):
        if kind in (_ASSOCIATED, _UNASSOCIATED) and alpha is None:
            alpha = np.ascontiguousarray(values[..., colours + number])
            if kind == _ASSOCIATED:
                pixels = _straight(pixels, alpha)
        elif "an extra channel is left out" not in notes:
            notes.append("an extra channel is left out")
    pixels = _negative(pixels) if white_is_zero else pixels
    return Frame(np.ascontiguousarray(pixels), alpha, 0), notes


def _negative(pixels: Pixels) -> Pixels:
    most = 1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max
    return np.asarray(most - pixels)


def _refuse(page: Any, bits: int, name: str) -> None:
    """Raise PictureError for a layout that nobody here reads right."""
    kind = int(page.photometric)
    if kind not in _PHOTOMETRICS:
        known = str(getattr(page.photometric, "name", kind))
        raise PictureError(f"{name} is a TIFF of {known} pixels: convert it to RGB")
    is_jpeg = page.compression in _JPEG_COMPRESSIONS
    is_plain = is_jpeg or (page.subsampling in (None, (1, 1)) and page.samplesperpixel == 3)
    if kind == _YCBCR and (not is_plain or bits != 8):
        raise PictureError(f"{name} is a TIFF of YCbCr pixels: convert it to RGB")
    if is_jpeg and page.planarconfig == 2 and page.samplesperpixel > 1:
        raise PictureError(f"{name} is a TIFF with a JPEG for each colour: convert it to RGB")
    inks = page.tags.valueof(_INK_SET, 1)
    if kind == _INKS and (inks != 1 or page.samplesperpixel < 4):
        raise PictureError(f"{name} is a TIFF of inks that are not CMYK: convert it to RGB")
    is_float = page.sampleformat == _FLOAT
    if page.sampleformat not in (_UNSIGNED, _FLOAT, 4) or (bits > 16 and not is_float):
        signed = "signed" if page.sampleformat == 2 else f"{bits}-bit"
        raise PictureError(f"{name} is a TIFF of {signed} numbers: convert it to 16 bits")
    if page.imagedepth > 1:
        raise PictureError(f"{name} is a TIFF volume, not a picture: export one layer")


def _scaled(values: Pixels, bits: int, name: str) -> Pixels:
    """Values as uint8, uint16 or float32 in [0, 1]."""
    if values.dtype.kind == "f":
        values = values.astype(np.float32)
        if not np.isfinite(values).all() or values.min() < 0 or values.max() > 1:
            raise PictureError(
                f"{name} has floating-point pixels beyond 0 to 1, and nothing says what is white: "
                "convert it to 16 bits"
            )
        return values
    most = (1 << bits) - 1
    if bits in (8, 16):
        return values.astype(np.uint8 if bits == 8 else np.uint16, copy=False)
    if bits < 8:
        return (values.astype(np.uint16) * 255 // most).astype(np.uint8)
    return in_16_bits(values, most)


def _coloured(indices: Pixels, colormap: Pixels) -> Pixels:
    """The colours of a palette, which has 16 bits; 8 where it uses no more."""
    table = np.asarray(colormap).T.astype(np.uint16)
    colours = table[np.minimum(indices, len(table) - 1)]
    if not (table % 257).any():
        return (colours // 257).astype(np.uint8)
    if not (table % 256).any():
        return (colours // 256).astype(np.uint8)
    return colours


def _straight(pixels: Pixels, alpha: Pixels) -> Pixels:
    """Pixels that were multiplied by alpha, as they are without it."""
    cover = alpha.astype(np.float64) if pixels.ndim == 2 else alpha[..., None].astype(np.float64)
    most = 1 if pixels.dtype == np.float32 else np.iinfo(pixels.dtype).max
    straight = np.where(cover > 0, pixels * (most / np.maximum(cover, 1e-9)), 0)
    straight = np.clip(straight, 0, most)
    return (straight if most == 1 else np.rint(straight)).astype(pixels.dtype)


def _dpi(page: Any) -> tuple[float, float] | None:
    unit = {2: 1.0, 3: 2.54}.get(int(getattr(page, "resolutionunit", 1)))
    if unit is None or 282 not in page.tags or 283 not in page.tags:
        return None
    sides = [page.tags[code].value for code in (282, 283)]
    if any(len(side) != 2 or not side[1] or not side[0] for side in sides):
        return None
    return (unit * sides[0][0] / sides[0][1], unit * sides[1][0] / sides[1][1])


def _as_bytes(value: object) -> bytes | None:
    """The bytes of a tag, whatever type it was written in."""
    if isinstance(value, bytes):
        return value or None
    if isinstance(value, tuple) and value and all(isinstance(part, int) for part in value):
        return struct.pack(f"<{len(value)}I", *value) if max(value) > 255 else bytes(value)
    return value.encode("latin-1") if isinstance(value, str) else None


def _write(writer: Any, frame: Frame, contents: Contents, *, first: bool) -> None:
    """One page; what describes the whole goes to the first."""
    cmyk = frame.pixels.shape[2] == 4
    metadata, extra = contents.metadata, []
    if first:
        resources = metadata.resources
        iptc = None if resources is None else iptc_of(resources)
        if iptc is not None and resources == resources_of(iptc):
            resources = None  # they say no more
        for code, block in ((_XMP, metadata.xmp), (_IPTC, iptc), (_PHOTOSHOP, resources)):
            if block is not None:
                extra.append((code, 7, len(block), block, True))
    options: dict[str, Any] = {}
    if metadata.dpi is not None:
        options = {"resolution": metadata.dpi, "resolutionunit": 2}
    writer.write(
        planes_of(frame),
        photometric="separated" if cmyk else "rgb",
        extrasamples=() if frame.alpha is None else ("unassalpha",),
        compression="zlib",
        rowsperstrip=_ROWS_PER_STRIP,
        iccprofile=contents.icc,
        extratags=extra,
        metadata=None,
        software=False,
        **options,
    )


def _joined(data: bytes) -> bytes:
    """A file that begins with an EXIF block, followed by pages: the first gets the block's fields.

    A directory of both stands at the end, and the header points to it. Nothing else moves.
    """
    fields = fields_of_file(io.BytesIO(data))
    page = fields.after(fields.first)
    rows = {entry.tag: data[entry.at : entry.at + 12] for entry in fields.entries(fields.first)}
    rows |= {entry.tag: data[entry.at : entry.at + 12] for entry in fields.entries(page)}
    data += bytes(len(data) % 2)
    order = fields.order
    table = struct.pack(order + "H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows))
    after = struct.pack(order + "I", fields.after(page))
    return data[:4] + struct.pack(order + "I", len(data)) + data[8:] + table + after
