"""PNG by libpng (imagecodecs) and Pillow; APNG composed by FFmpeg; chunks kept as bytes."""

import io
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO, Final

import numpy as np
from PIL import Image, PngImagePlugin

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs import pillow
from stylegan_cli.pictures.codecs.codec import (
    Contents,
    Header,
    PictureFormat,
    Wanted,
    frame_of,
    planes_of,
)
from stylegan_cli.pictures.colours import PROFILE_ERRORS, Cicp
from stylegan_cli.pictures.colours.profiles import D65, SRGB_PRIMARIES, make_profile
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.metadata.iptc import resources_of
from stylegan_cli.pictures.pixels import from_unit

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_XMP: Final = b"XML:com.adobe.xmp"
_RAW: Final = b"Raw profile type "
_TEXT_KINDS: Final = (b"tEXt", b"zTXt", b"iTXt")
_LARGEST_TEXT: Final = 16 * 1024 * 1024  # unpacked
_STILL_LEFT_OUT: Final = ("the picture for programs that show no animation is left out",)
_HEADER_END: Final = len(_SIGNATURE) + 25  # ours must follow the header chunk at once
_METRE_IN: Final = 0.0254
_SRGB_GAMMA: Final = 45455  # in hundred thousandths
# As OpenCV has them: many times faster than the default on photos, in files a fifth larger.
_LEVEL, _STRATEGY, _FILTER = 3, 0, 16


class Png:
    """PNG of 8 and 16 bits, and APNG of 8."""

    format = PictureFormat(
        name="PNG",
        suffixes=(".png", ".apng"),
        alpha=True,
        deep=True,
        animation=True,
        profile=True,
        code_points=True,
        exif=True,
        xmp=True,
        text=True,
        dpi=True,
        hdr_levels=(b"mDCV", b"cLLI"),
    )

    def recognises(self, head: bytes) -> bool:
        """By the signature."""
        return head.startswith(_SIGNATURE)

    def probe(self, stream: BinaryIO) -> Header:
        """By the header."""
        return pillow.probe_image(stream, ("PNG",), moving=True)

    def decode(self, stream: BinaryIO, wanted: Wanted) -> Contents:
        """The picture, or the frames of an animation, and every chunk of text."""
        data = stream.read()
        image = pillow.open_image(io.BytesIO(data), ("PNG",), wanted)
        chunks = list(_chunks(data))
        count = getattr(image, "n_frames", 1)
        if count > 1 and not wanted.still:
            wanted.check(image.height, image.width, count)
            frames = _animation(data, chunks)
            loop = image.info.get("loop", 0)
            notes = _STILL_LEFT_OUT if _has_still(chunks) else ()
        else:
            frames, loop, notes = [_still(data, chunks, image, wanted)], 0, ()
        icc, cicp = image.info.get("icc_profile"), None
        if icc is None and not any(kind in (b"cICP", b"sRGB") for kind, _ in chunks):
            icc = _profile(dict(chunks))
        for kind, body in chunks:
            if kind == b"cICP" and len(body) == 4:
                cicp = Cicp(body[0], body[1], body[2])
                if not body[3]:
                    frames = [_of_full_range(frame) for frame in frames]
        return Contents(
            frames=frames,
            icc=icc if isinstance(icc, bytes) else None,
            cicp=cicp,
            metadata=_metadata(chunks),
            loop=loop,
            notes=notes,
        )

    def encode(self, contents: Contents, quality: int) -> bytes:
        """The picture of 8 or 16 bits, or the animation of 8."""
        import imagecodecs

        frames = contents.frames
        if len(frames) > 1:
            data = _encoded_animation(frames, contents.loop)
        else:
            planes = planes_of(frames[0])
            data = bytes(imagecodecs.png_encode(planes, _LEVEL, strategy=_STRATEGY, filter=_FILTER))
        return data[:_HEADER_END] + _described(contents) + data[_HEADER_END:]


def _still(
    data: bytes,
    chunks: Sequence[tuple[bytes, bytes]],
    image: Image.Image,
    wanted: Wanted,
) -> Frame:
    """The picture. Of a damaged deep one Pillow says what is wrong, or shows what is there."""
    import imagecodecs

    if data[24] == 16 and chunks and chunks[-1][0] == b"IEND":
        frame = frame_of(np.asarray(imagecodecs.png_decode(data)))
        clear = next((body for kind, body in chunks if kind == b"tRNS"), None)
        if clear is not None and frame.alpha is None:
            values = np.atleast_3d(frame.pixels)
            colour = np.frombuffer(clear[: 2 * values.shape[2]], ">u2")
            alpha = np.where((values == colour).all(axis=-1), 0, 65535).astype(np.uint16)
            frame = replace(frame, alpha=alpha)
        return frame
    return pillow.still(image, wanted)


def _of_full_range(frame: Frame) -> Frame:
    """A frame whose black is 16 and whose white is 235 of 255 (ITU-T H.273, equation 30)."""
    unit = frame.pixels.astype(np.float32) / (np.iinfo(frame.pixels.dtype).max + 1)
    return replace(frame, pixels=from_unit((unit * 256 - 16) / 219, frame.pixels.dtype))


def _has_still(chunks: Sequence[tuple[bytes, bytes]]) -> bool:
    """Whether the picture of an animation is none of its frames (PNG, 4.9)."""
    kinds = [kind for kind, _ in chunks]
    return b"fcTL" in kinds and kinds.index(b"IDAT") < kinds.index(b"fcTL")


def _profile(chunks: dict[bytes, bytes]) -> bytes | None:
    """A profile for gAMA and cHRM (PNG, 11.3.2); None for the curve of sRGB, or none at all."""
    gamma, primaries = chunks.get(b"gAMA", b""), chunks.get(b"cHRM", b"")
    if len(gamma) != 4 or abs(int.from_bytes(gamma) - _SRGB_GAMMA) < 1500 or not any(gamma):
        return None
    corners, white = SRGB_PRIMARIES, D65
    if len(primaries) == 32:
        numbers = [value / 100000 for value in struct.unpack(">8I", primaries)]
        white, *rest = zip(numbers[::2], numbers[1::2], strict=True)
        corners = tuple(rest)
    try:
        return make_profile(corners, white, 100000 / int.from_bytes(gamma))
    except PROFILE_ERRORS:
        return None


def _animation(data: bytes, chunks: Sequence[tuple[bytes, bytes]]) -> list[Frame]:
    """The frames as FFmpeg composes them; how long each is shown is in the chunks."""
    import av

    durations = []
    for kind, body in chunks:
        if kind == b"fcTL" and len(body) == 26:
            over, under = struct.unpack_from(">HH", body, 20)
            durations.append(1000 * over / (under or 100))
    try:
        with av.open(io.BytesIO(data), "r", format="apng") as opened:
            shown = [frame.to_ndarray(format="rgba") for frame in opened.decode(video=0)]
    except av.FFmpegError as error:
        raise OSError(f"damaged animation: {error}") from error
    if len(shown) != len(durations):
        raise OSError("an animation's frames are truncated")
    frames = [
        Frame(np.ascontiguousarray(planes[..., :3]), np.ascontiguousarray(planes[..., 3]), duration)
        for planes, duration in zip(shown, durations, strict=True)
    ]
    return pillow.like_alphas(frames)


def _encoded_animation(frames: Sequence[Frame], loop: int | None) -> bytes:
    images = [pillow.image_of(frame) for frame in frames]
    return pillow.saved(
        images[0],
        "PNG",
        save_all=True,
        append_images=images[1:],
        duration=[frame.duration_ms for frame in frames],
        loop=1 if loop is None else loop,
        disposal=PngImagePlugin.Disposal.OP_NONE,
        blend=PngImagePlugin.Blend.OP_SOURCE,
    )


def _metadata(chunks: Sequence[tuple[bytes, bytes]]) -> Metadata:
    """What the chunks say; text that stands for a profile is taken as that."""
    exif = xmp = resources = dpi = None
    text = []
    for kind, body in chunks:
        if kind == b"eXIf":
            exif = body.removeprefix(b"Exif\0\0")
        elif kind == b"pHYs" and len(body) == 9 and body[8] == 1:
            across, down = struct.unpack_from(">II", body)
            dpi = (across * _METRE_IN, down * _METRE_IN)
        elif kind in _TEXT_KINDS:
            keyword = body.partition(b"\0")[0]
            if keyword == _XMP:
                xmp = _text(kind, body)
            elif keyword.startswith(_RAW):
                content = _raw_profile(_text(kind, body))
                name = keyword.removeprefix(_RAW)
                if name in (b"exif", b"APP1") and content.startswith(b"Exif\0\0"):
                    exif = exif or content.removeprefix(b"Exif\0\0")
                elif name in (b"xmp", b"APP1"):
                    xmp = xmp or content.removeprefix(b"http://ns.adobe.com/xap/1.0/\0")
                elif name in (b"iptc", b"8bim"):
                    resources = content if content[:4] == b"8BIM" else resources_of(content)
            else:
                text.append((kind, body))
        elif kind in (b"tIME", b"pHYs"):  # pHYs of no unit: the pixels' shape
            text.append((kind, body))
    levels = tuple(chunk for chunk in chunks if chunk[0] in Png.format.hdr_levels)
    return Metadata(exif, xmp, resources, text=tuple(text), dpi=dpi, hdr_levels=levels)


def _text(kind: bytes, body: bytes) -> bytes:
    """The text of a chunk, unpacked."""
    rest = body.partition(b"\0")[2]
    packed = kind == b"zTXt"
    if kind == b"iTXt":
        packed = rest[:1] == b"\1"
        rest = rest[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif packed:
        rest = rest[1:]
    if not packed:
        return rest
    unpack = zlib.decompressobj()
    try:
        text = unpack.decompress(rest, _LARGEST_TEXT)
    except zlib.error:
        return b""
    if unpack.unconsumed_tail:
        raise PictureError("text that unpacks to megabytes hides in this PNG: refused as a bomb")
    return text


def _raw_profile(text: bytes) -> bytes:
    """The bytes of a profile that ImageMagick has written as text: name, length, digits."""
    try:
        return bytes.fromhex(text.decode("ascii").strip().split("\n", 2)[2])
    except (ValueError, IndexError):
        return b""


def _described(contents: Contents) -> bytes:
    """The chunks that say what the numbers mean and what the photo shows."""
    metadata, parts = contents.metadata, b""
    if contents.cicp is not None:
        cicp = contents.cicp
        code = bytes([cicp.primaries, cicp.transfer, 0, 1])
        parts += _chunk(b"cICP", code)
    elif contents.icc is not None:
        parts += _chunk(b"iCCP", b"profile\0\0" + zlib.compress(contents.icc))
    parts += b"".join(_chunk(kind, body) for kind, body in metadata.hdr_levels)
    if metadata.dpi is not None:
        across, down = (round(side / _METRE_IN) for side in metadata.dpi)
        parts += _chunk(b"pHYs", struct.pack(">IIB", across, down, 1))
    if metadata.exif is not None:
        parts += _chunk(b"eXIf", metadata.exif)
    if metadata.xmp is not None:
        parts += _chunk(b"iTXt", _XMP + b"\0\0\0\0\0" + metadata.xmp)
    if metadata.resources is not None:  # as exiftool and ImageMagick write and read it
        digits = metadata.resources.hex()
        lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
        body = f"\niptc\n{len(metadata.resources):8}\n{lines}\n"
        parts += _chunk(b"zTXt", _RAW + b"iptc\0\0" + zlib.compress(body.encode()))
    return parts + b"".join(_chunk(kind, body) for kind, body in metadata.text)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(kind, body) of each chunk, up to the first that is damaged; pixels come without theirs."""
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(
            data[end - 4 : end]
        ):
            return
        yield kind, b"" if kind in (b"IDAT", b"fdAT") else data[at + 8 : end - 4]
        if kind == b"IEND":
            return
        at = end
