"""Pictures as the bytes of a file, with the source's profile and metadata."""

import copy
import io
import itertools
import logging
import struct
import zlib
from dataclasses import replace
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, PngImagePlugin, TiffImagePlugin

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.formats import FORMATS, PictureFormat
from stylegan_cli.pictures.gif import encode_gif, gif_frame, with_gif_xmp
from stylegan_cli.pictures.metadata import with_srgb, without_place, xmp_without_place
from stylegan_cli.pictures.picture import Picture, Pixels, change_depth, over_white
from stylegan_cli.pictures.profiles import (
    PROFILE_ERRORS,
    image_from_srgb,
    image_to_srgb,
    is_srgb,
    profile_space,
    read_matrix_profile,
    srgb_matrix_profile,
    srgb_profile,
)
from stylegan_cli.pictures.provenance import AiLabel

logger = logging.getLogger(__name__)

JPEG_QUALITY: Final = 95
_LARGEST_SEGMENT: Final = 65000  # bytes of metadata that fit into one part of a JPEG
_CMYK_FORMATS: Final = ("JPEG", "TIFF")
# Settings that are many times faster than the codecs' own and no worse to look at, in a file a
# fifth larger. HEIF in tiles, as phones write it: its decoders refuse a single part of 16 MB.
_LARGEST_PART: Final = 16_000_000
_SLOW_CODECS: Final[dict[str, dict[str, Any]]] = {
    "AVIF": {"speed": 9},
    "HEIF": {"enc_params": {"preset": "ultrafast"}, "tile_size": 1024},
}


def encode_picture(
    picture: Picture,
    format: str,
    *,
    quality: int = JPEG_QUALITY,
    keep_gps: bool = False,
    ai_label: AiLabel | None = None,
) -> bytes:
    """The bytes of a picture file. Raises PictureError when the format can't hold the picture."""
    kind = FORMATS.get(format.upper())
    if kind is None:
        raise PictureError(
            f"{format} is no picture format that can be written: use one of {', '.join(FORMATS)}"
        )
    height, width = picture.size
    if max(height, width) > kind.largest_side:
        raise PictureError(
            f"{width}x{height} pixels do not fit into {kind.name}, "
            f"which ends at {kind.largest_side}: use PNG"
        )
    picture = _fitting(picture, kind)
    images, icc = _coloured(picture, kind)
    exif = picture.exif if keep_gps or picture.exif is None else without_place(picture.exif)
    xmp = picture.xmp if keep_gps or picture.xmp is None else xmp_without_place(picture.xmp)
    if ai_label is not None:
        xmp = ai_label.merged_into(xmp)
        if kind.name == "JPEG" and len(xmp) > _LARGEST_SEGMENT:
            logger.warning("the XMP block is too long for JPEG; only the AI label is written")
            xmp = ai_label.merged_into(None)
    if exif is not None and icc == srgb_profile() and picture.icc is not None:
        exif = with_srgb(exif)
    extras: dict[str, Any] = {}
    if kind.profile and icc is not None:
        extras["icc_profile"] = icc
    if kind.metadata:
        extras |= _metadata(kind, exif, xmp)
    elif kind.name == "GIF" and xmp is not None:
        extras["xmp"] = xmp
    try:
        if isinstance(images, np.ndarray):
            data = _encode_deep(images, picture.alpha, kind, extras, quality)
        else:
            data = _encode_eight(images, picture, kind, extras, quality)
    except (OSError, ValueError, RuntimeError, struct.error, OverflowError, cv2.error) as error:
        raise PictureError(
            f"the picture can't be written as {kind.name} ({error}): use PNG"
        ) from error
    # A picture with alpha can't be written in tiles.
    if kind.name == "HEIF" and picture.alpha is not None and len(data) > _LARGEST_PART:
        raise PictureError("the picture is too large for HEIF with transparency: use PNG")
    return data


def _fitting(picture: Picture, kind: PictureFormat) -> Picture:
    """The picture with what this format can't hold taken out: alpha, depth, movement."""
    still = (kind.animation and not picture.frames) or not kind.animation
    if still and picture.frames:
        picture = replace(picture, frames=())
    if not kind.alpha and picture.alpha is not None:
        picture = replace(picture, pixels=over_white(picture.pixels, picture.alpha), alpha=None)
    depth = (
        np.uint16 if kind.sixteen_bit and picture.pixels.dtype != np.uint8 and still else np.uint8
    )
    if picture.pixels.dtype != depth:
        alpha = None if picture.alpha is None else change_depth(picture.alpha, depth)
        picture = replace(picture, pixels=change_depth(picture.pixels, depth), alpha=alpha)
    return picture


def _coloured(
    picture: Picture, kind: PictureFormat
) -> tuple[list[Image.Image] | Pixels, bytes | None]:
    """The pixels in the colours of the file to be, and the profile that says so.

    One 8-bit image per frame, or the pixels themselves when they have 16 bits.
    """
    icc, space = picture.icc, None if picture.icc is None else profile_space(picture.icc)
    deep = picture.pixels.dtype == np.uint16
    shown: list[Pixels] = [frame.pixels for frame in picture.frames] or [picture.pixels]
    plain = icc is None or not picture.in_srgb or (space == "RGB" and is_srgb(icc))
    if not plain and icc is not None and kind.profile:
        try:
            if deep and space == "RGB" and (profile := read_matrix_profile(icc)) is not None:
                return srgb_matrix_profile().to(profile, picture.pixels), icc
            if not deep and space == "RGB":
                return [
                    image_from_srgb(Image.fromarray(pixels), icc, "RGB") for pixels in shown
                ], icc
            if (
                not deep
                and space == "CMYK"
                and kind.name in _CMYK_FORMATS
                and picture.alpha is None
            ):
                return [image_from_srgb(Image.fromarray(shown[0]), icc, "CMYK")], icc
        except PROFILE_ERRORS as error:
            logger.info("no way back to the source's colours, the result is sRGB: %s", error)
    if not picture.in_srgb and icc is not None and not kind.profile and not deep:
        return [image_to_srgb(Image.fromarray(pixels), icc) for pixels in shown], None
    if not plain:
        icc = srgb_profile()
    return picture.pixels if deep else [Image.fromarray(pixels) for pixels in shown], icc


def _metadata(kind: PictureFormat, exif: bytes | None, xmp: bytes | None) -> dict[str, Any]:
    """EXIF and XMP as Pillow's writers take them."""
    if kind.name == "JPEG":  # one segment each
        if exif is not None and len(exif) > _LARGEST_SEGMENT:
            logger.warning("the EXIF block is too long for JPEG and is left out")
            exif = None
        if xmp is not None and len(xmp) > _LARGEST_SEGMENT:
            logger.warning("the XMP block is too long for JPEG and is left out")
            xmp = None
    found = {"exif": exif, "xmp": xmp}
    return {name: block for name, block in found.items() if block is not None}


def _encode_eight(
    images: list[Image.Image],
    picture: Picture,
    kind: PictureFormat,
    extras: dict[str, Any],
    quality: int,
) -> bytes:
    alphas = [frame.alpha for frame in picture.frames] or [picture.alpha]
    for image, alpha in zip(images, alphas, strict=True):
        if alpha is not None:
            image.putalpha(Image.fromarray(alpha))
    if kind.name == "TIFF":
        return _encode_tiff(np.asarray(images[0]), images[0].mode == "CMYK", extras)
    options = dict(extras)
    if kind.name == "JPEG":
        options |= {"quality": quality, "subsampling": 0}
    elif kind.name in ("WEBP", "AVIF", "HEIF"):
        options |= {"quality": quality}
    if kind.name in _SLOW_CODECS:
        options |= {"subsampling": "4:4:4"} | _codec_speed(kind.name)
    if kind.name == "PNG" and "xmp" in options:
        text = PngImagePlugin.PngInfo()
        text.add_itxt("XML:com.adobe.xmp", options.pop("xmp").decode("utf-8", "replace"))
        options["pnginfo"] = text
    if kind.name == "GIF":
        images = [gif_frame(image) for image in images]
        xmp = options.pop("xmp", None)
        if picture.frames:
            ends_ms = np.cumsum([frame.duration_ms for frame in picture.frames])
            return with_gif_xmp(encode_gif(images, ends_ms.tolist(), picture.loop), xmp)
    if len(images) > 1:
        options |= _animation_options(images, picture, kind)
    elif kind.name == "HEIF":
        import pillow_heif

        pillow_heif.register_heif_opener()
    stream = io.BytesIO()
    images[0].save(stream, format=kind.name, **options)
    return with_gif_xmp(stream.getvalue(), xmp) if kind.name == "GIF" else stream.getvalue()


def _codec_speed(format: str) -> dict[str, Any]:
    return copy.deepcopy(_SLOW_CODECS[format])  # the writer adds to what it is given


def _animation_options(
    images: list[Image.Image], picture: Picture, kind: PictureFormat
) -> dict[str, Any]:
    durations: list[float] = [frame.duration_ms for frame in picture.frames]
    if (
        kind.name != "PNG"
    ):  # whole milliseconds; rounded on the time line, so that a long animation does not drift
        ends = np.rint(np.cumsum(durations)).astype(int)
        durations = [int(d) for d in np.diff(ends, prepend=0)]
    options: dict[str, Any] = {"save_all": True, "append_images": images[1:], "duration": durations}
    if kind.name != "AVIF" and picture.loop is not None:
        options["loop"] = picture.loop
    elif kind.name in ("PNG", "WEBP"):
        options["loop"] = 1
    if kind.name == "WEBP" and picture.alpha is not None:
        # Whole frames: libwebp loses the alpha when it crops every frame to its opaque part.
        options |= {"kmin": 1, "kmax": 1}
    if kind.name == "PNG":
        options |= {
            "disposal": PngImagePlugin.Disposal.OP_NONE,
            "blend": PngImagePlugin.Blend.OP_SOURCE,
        }
    return options


def _encode_deep(
    pixels: Pixels, alpha: Pixels | None, kind: PictureFormat, extras: dict[str, Any], quality: int
) -> bytes:
    planes = pixels if alpha is None else np.dstack([pixels, alpha])
    if kind.name == "PNG":
        return _encode_deep_png(planes, extras)
    if kind.name == "TIFF":
        return _encode_tiff(planes, False, extras)
    import pillow_heif

    height, width = pixels.shape[:2]
    mode = "RGB;16" if alpha is None else "RGBA;16"
    image = pillow_heif.from_bytes(mode, (width, height), np.ascontiguousarray(planes).tobytes())
    stream = io.BytesIO()
    image.save(stream, quality=quality, subsampling="4:4:4", **_codec_speed("HEIF"), **extras)
    return stream.getvalue()


def _encode_deep_png(planes: Pixels, extras: dict[str, Any]) -> bytes:
    order = [2, 1, 0, 3][: planes.shape[2]]
    done, encoded = cv2.imencode(".png", planes[..., order])
    if not done:
        raise PictureError("the picture can't be written as a 16-bit PNG: use TIFF")
    data = encoded.tobytes()
    chunks = b""
    if "icc_profile" in extras:
        chunks += _chunk(b"iCCP", b"profile\0\0" + zlib.compress(extras["icc_profile"]))
    if "exif" in extras:
        chunks += _chunk(b"eXIf", extras["exif"].removeprefix(b"Exif\0\0"))
    if "xmp" in extras:
        chunks += _chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + extras["xmp"])
    header_end = 8 + 25  # the signature and the header chunk; ours must follow it at once
    return data[:header_end] + chunks + data[header_end:]


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def _encode_tiff(planes: Pixels, inks: bool, extras: dict[str, Any]) -> bytes:
    """A TIFF of 8 or 16 bits, deflated, in strips of 64 rows (TIFF 6.0 and its Technical Note 2).

    planes: (H, W, 3) RGB, (H, W, 4) RGB and alpha, or with `inks` CMYK. Pillow's own writer has no
    16 bits, and refuses compression together with EXIF.
    """
    height, width, channels = planes.shape
    stored = planes.astype(planes.dtype.newbyteorder("<"))
    strips = [zlib.compress(stored[row : row + 64].tobytes(), 6) for row in range(0, height, 64)]
    sizes = [len(strip) for strip in strips]
    tags = TiffImagePlugin.ImageFileDirectory_v2(b"II\x2a\0\0\0\0\0")
    if "exif" in extras:
        described = Image.Exif()
        described.load(extras["exif"])
        for tag, value in described.items():
            tags[tag] = described.get_ifd(tag) if tag in (0x8769, 0x8825) else value
    for tag, block in ((700, extras.get("xmp")), (34675, extras.get("icc_profile"))):
        if block is not None:
            tags.tagtype[tag] = 7
            tags[tag] = block
    tags[256], tags[257], tags[258] = width, height, (planes.itemsize * 8,) * channels
    tags[259], tags[262], tags[277], tags[278], tags[284] = 8, 5 if inks else 2, channels, 64, 1
    if channels == 4 and not inks:
        tags[338] = 2  # straight alpha
    tags[273], tags[279] = tuple(itertools.accumulate(sizes[:-1], initial=0)), tuple(sizes)
    stream = io.BytesIO()
    tags.save(stream)  # makes the strips' places count from the end of what it writes
    stream.writelines(strips)
    return stream.getvalue()
