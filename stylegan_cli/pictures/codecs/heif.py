"""HEIC by libde265 and x265 (pillow-heif), AVIF by libavif (imagecodecs), items by `boxes`."""

import io
import logging
from typing import Any, BinaryIO, Final

import numpy as np

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.boxes import Items, box, full_box, walk
from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import (
    CLIP_LEFT_OUT,
    FIRST_ALONE,
    MAP_LEFT_OUT,
    Contents,
    Header,
    PictureFormat,
    Wanted,
    frame_of,
    in_16_bits,
    planes_of,
)
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.gain_maps import GainMap, from_apple
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.metadata import xmp as packets
from stylegan_cli.pictures.pixels import change_depth

logger = logging.getLogger(__name__)

_APPLE_MAP: Final = "urn:com:apple:photo:2020:aux:hdrgainmap"
_AVIF_BRANDS: Final = (b"avif", b"avis")
_HEIF_BRANDS: Final = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1",
                       b"mif2", b"miaf", b"MiHE", b"tmap")  # fmt: skip
# Settings that are many times faster than the codecs' own and no worse to look at, in a file a
# fifth larger. HEIF in tiles, as phones write it: its decoders refuse a single part of 16 MB.
_LARGEST_PART: Final = 16_000_000
_TILE: Final = 1024
_AVIF_SPEED: Final = 9
_DEEP_BITS: Final = 10
_HDR_LEVELS: Final = (b"mdcv", b"clli")
_BT601: Final = 6  # the matrix that stands for sRGB


def _brands(head: bytes) -> list[bytes]:
    if head[4:8] != b"ftyp":
        return []
    size = min(len(head), int.from_bytes(head[:4]))
    return [head[8:12], *(head[at : at + 4] for at in range(16, size - 3, 4))]


class Heif:
    """HEIC of 8 and 10 bits, with Apple's gain map."""

    format = PictureFormat(
        name="HEIF",
        suffixes=(".heic", ".heif", ".hif"),
        alpha=True,
        deep=True,
        profile=True,
        code_points=True,
        exif=True,
        xmp=True,
        gain_map=True,
        hdr_levels=_HDR_LEVELS,
        largest_side=16384,
    )

    def recognises(self, head: bytes) -> bool:
        """By its brands, where none is AVIF's."""
        brands = _brands(head)
        return any(brand in _HEIF_BRANDS for brand in brands) and not Avif().recognises(head)

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        import pillow_heif

        width, height = pillow_heif.open_heif(stream).size
        return Header(height, width)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The primary picture, upright as the decoder turns it, and its gain map."""
        import pillow_heif

        data = stream.read()
        opened = pillow_heif.open_heif(data, convert_hdr_to_8bit=False)
        width, height = opened.size
        wanted.check(height, width)
        frame = frame_of(np.asarray(opened))
        items = Items(data)
        icc, cicp = items.colours()
        notes = [FIRST_ALONE] if len(opened) > 1 else []
        exif = items.exif()
        gain_map = None if wanted.still else _apple_map(opened, items, exif)
        if gain_map is None and _has_map(opened, items):
            notes.append(MAP_LEFT_OUT)
        if any(found.kind == b"mpvd" for found in walk(data)):
            notes.append(CLIP_LEFT_OUT)
        return Contents(
            frames=[frame],
            icc=icc,
            cicp=cicp,
            metadata=Metadata(exif, items.describing(b"mime"), hdr_levels=_hdr_levels(items)),
            orientation=1,
            gain_map=gain_map,
            notes=tuple(notes),
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture in tiles, with its gain map beside it."""
        import pillow_heif

        frame, metadata = contents.frames[0], contents.metadata
        pixels = planes_of(frame)
        mode = "RGB" if frame.alpha is None else "RGBA"
        mode += ";16" if pixels.dtype == np.uint16 else ""
        file = pillow_heif.from_bytes(mode, pixels.shape[1::-1], pixels.tobytes())
        options: dict[str, Any] = {"quality": quality, "subsampling": "4:4:4", "tile_size": _TILE}
        options |= {"enc_params": {"preset": "ultrafast"}, "primary_index": 0}
        options |= {"exif": metadata.exif, "xmp": metadata.xmp, "icc_profile": contents.icc}
        options = {name: value for name, value in options.items() if value is not None}
        if contents.cicp is not None:
            options |= {
                "color_primaries": contents.cicp.primaries,
                "transfer_characteristics": contents.cicp.transfer,
                "matrix_coefficients": contents.cicp.matrix or _BT601,
                "full_range_flag": 1,
            }
        headroom = None
        if contents.gain_map is not None:
            gains, headroom = contents.gain_map.to_apple()
            file.add_frombytes("L", gains.shape[::-1], gains.tobytes())
        stream = io.BytesIO()
        file.save(stream, **options)
        data = stream.getvalue()
        # A picture with alpha can't be written in tiles.
        if frame.alpha is not None and len(data) > _LARGEST_PART:
            raise PictureError("the picture is too large for HEIF with transparency: use PNG")
        if headroom is not None:
            data = _with_apple_map(data, headroom)
        if not metadata.hdr_levels:
            return data
        items = Items(data)
        _write_hdr_levels(items, metadata)
        return items.saved()


class Avif:
    """AVIF of 8 and 10 bits; moving ones of 8."""

    format = PictureFormat(
        name="AVIF",
        suffixes=(".avif", ".avifs"),
        alpha=True,
        deep=True,
        animation=True,
        profile=True,
        code_points=True,
        exif=True,
        xmp=True,
        hdr_levels=_HDR_LEVELS,
        largest_side=65536,
    )

    def recognises(self, head: bytes) -> bool:
        """By its brands."""
        return any(brand in _AVIF_BRANDS for brand in _brands(head))

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, ("AVIF",), moving=True)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture, or the frames of an animation."""
        data = stream.read()
        items = Items(data)
        icc, cicp = items.colours()
        metadata = Metadata(items.exif(), items.describing(b"mime"), hdr_levels=_hdr_levels(items))
        image = pillow.open_image(io.BytesIO(data), ("AVIF",), wanted)
        loop = image.info.get("loop", 0)
        if getattr(image, "n_frames", 1) > 1 and not wanted.still:
            frames, orientation = pillow.animation(image, wanted), items.orientation()
        else:
            frames, orientation = [_avif_still(data, items)], items.orientation()
        return Contents(
            frames=frames,
            icc=icc,
            cicp=cicp,
            metadata=metadata,
            orientation=orientation,
            loop=loop,
            notes=(MAP_LEFT_OUT,) if items.has(b"tmap") else (),
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture of 8 or 10 bits with 4:4:4 colours, or the animation."""
        import imagecodecs

        metadata = contents.metadata
        if len(contents.frames) > 1:
            return _avif_animation(contents, quality)
        frame = contents.frames[0]
        planes, bits = planes_of(frame), 8
        if planes.dtype == np.uint16:
            bits = _DEEP_BITS
            most = (1 << bits) - 1
            planes = ((planes.astype(np.uint32) * most + 32767) // 65535).astype(np.uint16)
        cicp = contents.cicp
        data = bytes(
            imagecodecs.avif_encode(
                planes,
                quality,
                speed=_AVIF_SPEED,
                bitspersample=bits,
                pixelformat="444",
                primaries=1 if cicp is None else cicp.primaries,
                transfer=13 if cicp is None else cicp.transfer,
                matrix=_BT601 if cicp is None else cicp.matrix or _BT601,
            )
        )
        items = Items(data)
        if contents.icc is not None and cicp is None:
            items.drop_property(items.primary, b"colr")
            items.add_property(items.primary, box(b"colr", b"prof" + contents.icc))
        _write_hdr_levels(items, metadata)
        if metadata.exif is not None:
            number = items.add_item(b"Exif", bytes(4) + metadata.exif)
            items.add_reference(b"cdsc", number, items.primary)
        if metadata.xmp is not None:
            number = items.add_item(b"mime", metadata.xmp, b"application/rdf+xml")
            items.add_reference(b"cdsc", number, items.primary)
        return items.saved()


def _hdr_levels(items: Items) -> tuple[tuple[bytes, bytes], ...]:
    """The light levels that a file tells of its primary picture."""
    return tuple((kind, body) for kind in _HDR_LEVELS for body in items.bodies_of_primary(kind))


def _write_hdr_levels(items: Items, metadata: Metadata) -> None:
    for kind, body in metadata.hdr_levels:
        items.add_property(items.primary, box(kind, body))


def _avif_still(data: bytes, items: Items) -> Frame:
    import imagecodecs

    planes = np.asarray(imagecodecs.avif_decode(data, 0))
    if planes.dtype == np.uint16:
        bits = [body[4 + 1] for body in items.bodies_of_primary(b"pixi")] or [_DEEP_BITS]
        planes = in_16_bits(planes, (1 << bits[0]) - 1)
    return frame_of(planes)


def _avif_animation(contents: Contents, quality: int) -> bytes:
    frames, metadata = contents.frames, contents.metadata
    images = [pillow.image_of(frame) for frame in frames]
    blocks = {"icc_profile": contents.icc, "exif": metadata.exif, "xmp": metadata.xmp}
    return pillow.saved(
        images[0],
        "AVIF",
        save_all=True,
        append_images=images[1:],
        duration=pillow.whole_milliseconds(frames),
        quality=quality,
        subsampling="4:4:4",
        speed=_AVIF_SPEED,
        **{name: block or b"" for name, block in blocks.items()},
    )


def _has_map(opened: Any, items: Items) -> bool:
    """Whether there is a gain map, of Apple's or of ISO 21496-1."""
    return _APPLE_MAP in opened.info.get("aux", {}) or items.has(b"tmap")


def _apple_map(opened: Any, items: Items, exif: bytes | None) -> GainMap | None:
    """The gain map beside a picture of Apple's; its XMP or the maker tells the headroom."""
    numbers = opened.info.get("aux", {}).get(_APPLE_MAP, [])
    if not numbers:
        return None
    try:
        gains = change_depth(np.asarray(opened.get_aux_image(numbers[0])), np.uint8)
    except (ValueError, RuntimeError) as error:
        logger.info("the gain map can't be used and is left out: %s", error)
        return None
    return from_apple(gains, items.describing(b"mime", numbers[0]), exif)


def _with_apple_map(data: bytes, headroom: float) -> bytes:
    """A file whose second picture becomes the gain map of the first."""
    items = Items(data)
    (gains,) = items.others()
    items.hide(gains)
    items.drop_property(gains, b"colr")
    items.add_property(gains, full_box(b"auxC", _APPLE_MAP.encode() + b"\0"), essential=True)
    items.add_reference(b"auxl", gains, items.primary)
    document = packets.parse(packets.EMPTY)
    assert document is not None
    fields = {"HDRGainMapVersion": "131072", "HDRGainMapHeadroom": f"{headroom:.6f}"}
    packets.add_description(document, "HDRGainMap", packets.APPLE_GAIN_MAP, fields)
    metadata = items.add_item(b"mime", packets.serialised(document), b"application/rdf+xml")
    items.add_reference(b"cdsc", metadata, gains)
    return items.saved()
