"""Picture files decoded: upright, in sRGB, with all their bits, within limits."""

import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, TypeVar

import numpy as np
from PIL import Image, ImageFile

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.deep import loaded_deep, read_deep, whole_file
from stylegan_cli.pictures.formats import FORMATS
from stylegan_cli.pictures.gif import gif_xmp
from stylegan_cli.pictures.metadata import read_exif, upright_exif, upright_xmp
from stylegan_cli.pictures.picture import Frame, Picture, Pixels, change_depth
from stylegan_cli.pictures.profiles import (
    PROFILE_ERRORS,
    image_to_srgb,
    is_srgb,
    profile_space,
    read_matrix_profile,
    srgb_matrix_profile,
)
from stylegan_cli.pictures.resizing import size_for_short_side

logger = logging.getLogger(__name__)

# Only these decoders are ever tried: Pillow also has some that start other programs (EPS).
_DECODERS: Final = (*(name for name in FORMATS if name != "HEIF"), "DIB")
_STANDS_FOR: Final = {"MPO": "JPEG", "DIB": "BMP"}
# Decoding these looks at no limit of Pillow's, so that many can be decoded at once. It does look at
# the tolerance, which one run has in common.
_PARALLEL: Final = frozenset({"JPEG", "PNG", "WEBP", "AVIF", "HEIF"})
_ALPHA_MODES: Final = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
DECODE_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    MemoryError,
    Image.DecompressionBombError,
)
# Pillow's limits and its tolerance are globals: one reader at a time sets, uses and resets them.
_pillow_globals = threading.RLock()


@dataclass(frozen=True, slots=True)
class Limits:
    """What a file may cost, and the name it is called by when it costs more."""

    name: str
    max_pixels: int
    allow_truncated: bool

    def check(self, height: int, width: int, frames: int = 1) -> None:
        """Raise PictureError for a picture of no pixels or too many."""
        if height < 1 or width < 1:
            raise PictureError(f"{self.name} has no pixels: use another file")
        if height * width * frames > self.max_pixels:
            each = f" in {frames} frames" if frames > 1 else ""
            raise PictureError(
                f"{self.name} is {width}x{height} pixels{each}, the limit is "
                f"{self.max_pixels / 1e6:g} million: raise it with --max-pixels if you trust it"
            )


def decode(
    stream: BinaryIO,
    limits: Limits,
    keep_colours: bool = False,
    short_side: int | None = None,
    still: bool = False,
) -> Picture:
    """The picture of an open file.

    keep_colours: RGB pixels stay in the file's own colours. short_side: a JPEG may be decoded
    smaller, down to twice this. still: the first frame alone.
    Raises PictureError for what is over the limits, and one of DECODE_ERRORS.
    """
    decoders = (*_DECODERS, "HEIF") if _heif_registered(stream) else _DECODERS
    with _pillow_held(limits):
        image = Image.open(stream, formats=decoders)
        limits.check(image.height, image.width)
        kind = _STANDS_FOR.get(image.format or "", image.format or "PNG")
        if kind == "GIF" and (xmp := gif_xmp(whole_file(stream))) is not None:
            image.info["xmp"] = xmp
        if short_side is not None and kind == "JPEG":
            height, width = size_for_short_side(image.height, image.width, short_side)
            image.draft(None, (2 * width, 2 * height))
        if not still and FORMATS[kind].animation and getattr(image, "n_frames", 1) > 1:
            return _animation(image, kind, limits, keep_colours)
        deep = read_deep(stream, image)
        if deep is None and (kind not in _PARALLEL or limits.allow_truncated):
            image.load()
    icc = _usable_profile(image)
    if deep is None:
        image.load()
        deep = loaded_deep(image)
    if deep is None:
        pixels, alpha, in_srgb = _eight_bit(image, icc, keep_colours)
    else:
        pixels, alpha = deep
        pixels, in_srgb = _deep_to_srgb(pixels, icc, keep_colours)
    picture = Picture(pixels, alpha, icc=icc, source_format=kind, in_srgb=in_srgb)
    with _pillow_held(limits):
        return _upright_with_metadata(picture, image)


def declared_pixels(stream: BinaryIO) -> int:
    """Height x width x frames as the header of an open file has them.

    Raises one of DECODE_ERRORS.
    """
    decoders = (*_DECODERS, "HEIF") if _heif_registered(stream) else _DECODERS
    with _pillow_held(Limits("the file", sys.maxsize, False)):
        image = Image.open(stream, formats=decoders)
        moving = FORMATS[_STANDS_FOR.get(image.format or "", image.format or "PNG")].animation
        frames: int = getattr(image, "n_frames", 1) if moving else 1
        return image.height * image.width * frames


@contextmanager
def _pillow_held(limits: Limits) -> Iterator[None]:
    """Pillow with our limits and quiet: what it would print goes to the log."""
    with _pillow_globals, warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = (
            limits.max_pixels,
            limits.allow_truncated,
        )
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before
            for warning in heard:
                logger.info("%s: %s", limits.name, warning.message)


def _animation(image: Image.Image, kind: str, limits: Limits, keep_colours: bool) -> Picture:
    """All frames of an animation, each as it is shown, for as long as it is shown."""
    count: int = getattr(image, "n_frames", 1)
    icc = _usable_profile(image)
    frames: list[Frame] = []
    # An APNG may carry a picture for old readers that is no part of its animation.
    for index in range(1 if getattr(image, "default_image", False) else 0, count):
        try:
            image.seek(index)
            limits.check(image.height, image.width, count)
            image.load()
        except (OSError, EOFError, SyntaxError):
            if limits.allow_truncated and frames:
                break
            raise
        pixels, alpha, in_srgb = _eight_bit(image, icc, keep_colours)
        frames.append(Frame(pixels, alpha, float(image.info.get("duration", 0))))
    if kind != "PNG" and all(frame.alpha is None or frame.alpha.min() == 255 for frame in frames):
        # GIF and WebP also use clear pixels for what does not change.
        frames = [replace(frame, alpha=None) for frame in frames]
    elif any(frame.alpha is not None for frame in frames):
        frames = [replace(frame, alpha=_alpha_or_opaque(frame)) for frame in frames]
    loop = image.info.get("loop", None if kind == "GIF" else 0)
    picture = Picture(
        frames[0].pixels,
        frames[0].alpha,
        icc=icc,
        source_format=kind,
        frames=tuple(frames) if len(frames) > 1 else (),
        loop=loop,
        in_srgb=in_srgb,
    )
    return _upright_with_metadata(picture, image)


def _alpha_or_opaque(frame: Frame) -> Pixels:
    return np.full(frame.pixels.shape[:2], 255, np.uint8) if frame.alpha is None else frame.alpha


def _upright_with_metadata(picture: Picture, image: Image.Image) -> Picture:
    exif = read_exif(image)
    # These decoders have turned the picture themselves: libheif, OpenCV's and Pillow's for TIFF.
    orientation = 1 if image.format in ("HEIF", "TIFF") else exif.get(0x0112, 1)
    xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    frames = tuple(
        replace(
            frame,
            pixels=_turned(frame.pixels, orientation),
            alpha=_turned(frame.alpha, orientation),
        )
        for frame in picture.frames
    )
    pixels = _turned(picture.pixels, orientation)
    return replace(
        picture,
        pixels=pixels,
        alpha=_turned(picture.alpha, orientation),
        frames=frames,
        exif=upright_exif(exif, (pixels.shape[0], pixels.shape[1])),
        xmp=upright_xmp(xmp) if isinstance(xmp, bytes) else None,
    )


_P = TypeVar("_P", Pixels, Pixels | None)


def _turned(pixels: _P, orientation: int) -> _P:
    """Pixels of a file with this EXIF orientation (1-8), upright."""
    if pixels is None or orientation not in range(2, 9):
        return pixels
    across = pixels.swapaxes(0, 1) if orientation >= 5 else pixels
    down_flip = orientation in (3, 4, 7, 8)
    across_flip = orientation in (2, 3, 6, 7)
    return np.ascontiguousarray(across[:: -1 if down_flip else 1, :: -1 if across_flip else 1])


def _usable_profile(image: Image.Image) -> bytes | None:
    """The file's profile when it can be read and speaks of this kind of pixels."""
    icc = image.info.get("icc_profile")
    if not isinstance(icc, bytes):
        return None
    mode = image.mode
    fitting = {"CMYK": ("CMYK",), "L": ("GRAY", "RGB"), "LA": ("GRAY", "RGB"), "1": ("GRAY", "RGB")}
    wanted = ("GRAY", "RGB") if mode.startswith(("I", "F")) else fitting.get(mode, ("RGB",))
    # Pillow shows grey with alpha of 16 bits as RGBA; a grey profile is right for it all the same.
    space = profile_space(icc)
    if space in wanted or (space == "GRAY" and mode in ("RGB", "RGBA")):
        return icc
    logger.info("a colour profile for %s does not fit %s pixels and is left out", space, mode)
    return None


def _eight_bit(
    image: Image.Image, icc: bytes | None, keep_colours: bool
) -> tuple[Pixels, Pixels | None, bool]:
    """Pixels, alpha and whether they are in sRGB, of a decoded image of 8 bits or fewer."""
    alpha = None
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        image = image.convert("LA" if image.mode == "LA" else "RGBA")
        alpha = np.asarray(image.getchannel("A"))
        image = image.convert("L" if image.mode == "LA" else "RGB")
    elif image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    space = None if icc is None else profile_space(icc)
    if icc is None or (space == "RGB" and is_srgb(icc)):
        return _rgb_pixels(image), alpha, True
    if keep_colours and space == "RGB":
        return _rgb_pixels(image), alpha, False
    if space == "RGB":
        image = image.convert("RGB")
    elif space == "GRAY":
        image = image.convert("L")
    try:
        return np.asarray(image_to_srgb(image, icc)), alpha, True
    except PROFILE_ERRORS as error:
        logger.info("a colour profile can't be used and is taken for sRGB: %s", error)
        return _rgb_pixels(image), alpha, True


def _rgb_pixels(image: Image.Image) -> Pixels:
    # Pillow copies an image that it converts to what it is.
    return np.asarray(image if image.mode == "RGB" else image.convert("RGB"))


def _deep_to_srgb(pixels: Pixels, icc: bytes | None, keep_colours: bool) -> tuple[Pixels, bool]:
    """Pixels of more than 8 bits and whether they are in sRGB."""
    if icc is None or (profile_space(icc) == "RGB" and is_srgb(icc)):
        return pixels, True
    if keep_colours and profile_space(icc) == "RGB":
        return pixels, False
    try:
        profile = read_matrix_profile(icc)
        if profile is not None:
            return profile.to(srgb_matrix_profile(), pixels), True
        # A profile that works through tables: Pillow's engine has them, in 8 bits.
        shown = Image.fromarray(change_depth(pixels, np.uint8))
        return change_depth(np.asarray(image_to_srgb(shown, icc)), pixels.dtype), True
    except PROFILE_ERRORS as error:
        logger.info("a colour profile can't be used and is taken for sRGB: %s", error)
        return pixels, True


def _heif_registered(stream: BinaryIO) -> bool:
    """Whether the file may be HEIF; then its reader is ready. Nobody else waits for its import."""
    head = stream.read(12)
    stream.seek(0)
    if head[4:8] != b"ftyp":
        return False
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    return True
