"""Picture files in: checked before they cost anything, and refused in words."""

import io
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt
from PIL import Image, UnidentifiedImageError

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.decoding import DECODE_ERRORS, Limits, declared_pixels, decode
from stylegan_cli.pictures.picture import Picture, change_depth, over_white
from stylegan_cli.pictures.resizing import resize_short_side

MAX_PIXELS: Final = 250_000_000
Source: TypeAlias = Path | BinaryIO | bytes


def read_picture(
    source: Source,
    *,
    max_pixels: int = MAX_PIXELS,
    allow_truncated: bool = False,
    keep_colours: bool = False,
) -> Picture:
    """Read one picture file: upright, in sRGB, 16 bits where the file has more than 8.

    max_pixels: larger pictures (all frames together) are refused before they are decoded.
    allow_truncated: what is missing at the end of a file is left empty instead of refused.
    keep_colours: RGB pixels stay in the file's own colours, for a copy that must be exact;
        `in_srgb` is False then.
    Raises PictureError, which names the file and says why it can't be used.
    """
    name, stream = _opened(source)
    limits = Limits(name, max_pixels, allow_truncated)
    with stream:
        try:
            return decode(stream, limits, keep_colours)
        except PictureError:
            raise
        except DECODE_ERRORS as error:
            raise PictureError(_why_unreadable(name, stream, error)) from error


def read_rgb(path: Path, short_side: int | None = None) -> npt.NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB: upright, in sRGB, alpha over white, first frame.

    short_side: bring the short side to this many px. Raises PictureError.
    """
    name, stream = _opened(path)
    with stream:
        try:
            picture = decode(
                stream, Limits(name, MAX_PIXELS, False), short_side=short_side, still=True
            )
        except PictureError:
            raise
        except DECODE_ERRORS as error:
            raise PictureError(_why_unreadable(name, stream, error)) from error
    pixels = over_white(picture.pixels, picture.alpha)
    if short_side is not None:
        pixels = resize_short_side(pixels, short_side)
    return change_depth(pixels, np.uint8)


def count_pixels(path: Path) -> int:
    """Pixels of a picture file by its header, all frames together; 0 where it does not say."""
    try:
        _, stream = _opened(path)
        with stream:
            return declared_pixels(stream)
    except (PictureError, *DECODE_ERRORS):
        return 0


def _opened(source: Source) -> tuple[str, BinaryIO]:
    """A name for messages and an open, regular, non-empty file."""
    if isinstance(source, bytes):
        name, stream = "the data", cast(BinaryIO, io.BytesIO(source))
        size = len(source)
    elif isinstance(source, Path):
        name = str(source)
        stream, size = _open_regular(source)
    else:
        name = str(getattr(source, "name", "the data"))
        data = source.read()
        stream, size = io.BytesIO(data), len(data)
    if size == 0:
        stream.close()
        raise PictureError(f"{name} is empty (0 bytes): copy the picture again")
    return name, stream


def _open_regular(path: Path) -> tuple[BinaryIO, int]:
    # Not blocking: opening a pipe without a writer would hold the whole batch up for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        raise PictureError(f"{path} does not exist: check the name") from None
    except OSError as error:
        kind = _kind(path)
        if kind is not None:
            raise PictureError(f"{path} is {kind}, not a picture file") from error
        raise PictureError(f"{path} can't be opened: {error.strerror}") from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise PictureError(f"{path} is {_kind(path) or 'no regular file'}, not a picture file")
    return os.fdopen(descriptor, "rb"), status.st_size


def _kind(path: Path) -> str | None:
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    kinds: tuple[tuple[Callable[[int], bool], str], ...] = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a named pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a device"),
        (stat.S_ISBLK, "a device"),
    )
    return next((kind for is_kind, kind in kinds if is_kind(mode)), None)


def _why_unreadable(name: str, stream: BinaryIO, error: BaseException) -> str:
    """One sentence that says what is wrong with a file, and what to do."""
    said = " ".join(str(error).split())
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"{name} declares far more pixels than the limit allows: "
            "raise it with --max-pixels if you trust it"
        )
    if "MAX_TEXT" in said or "too large for" in said:
        return f"{name} hides text or a profile that unpacks to megabytes: refused as a bomb"
    if isinstance(error, MemoryError):
        return f"{name} does not fit into memory: close other programs or use a smaller picture"
    if isinstance(error, UnidentifiedImageError):
        return _why_unknown(name, stream)
    if isinstance(error, EOFError) or "truncated" in said.lower():
        return f"{name} is cut short: copy it again, or use what is there with --allow-truncated"
    return f"{name} is damaged and can't be decoded ({said or type(error).__name__}): copy it again"


def _why_unknown(name: str, stream: BinaryIO) -> str:
    try:
        stream.seek(0)
        head = stream.read(256)
    except (OSError, ValueError):
        head = b""
    known = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*", b"BM")
    if head.startswith(known) or head[4:8] == b"ftyp" or head[8:12] == b"WEBP":
        return f"{name} is damaged and can't be decoded: copy it again"
    if head and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head) and b"\0" not in head:
        return f"{name} holds text, not a picture, whatever its name says"
    return f"{name} is in no picture format that can be read here: convert it to PNG or JPEG"
