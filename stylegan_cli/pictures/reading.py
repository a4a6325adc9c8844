"""Picture files in: checked before they cost anything, and refused in words."""

import io
import logging
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from stylegan_cli.errors import PictureError, messages
from stylegan_cli.pictures.codecs import Header, Wanted
from stylegan_cli.pictures.colours import to_srgb
from stylegan_cli.pictures.decoding import (
    UnknownFormatError,
    declared_size,
    decode,
)
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.pixels import change_depth, over_white
from stylegan_cli.pictures.resizing import resize_short_side, size_for_short_side
from stylegan_cli.runtime.file_kind import HEAD_BYTES, media_of

logger = logging.getLogger(__name__)

MAX_PIXELS: Final = 250_000_000
MAX_ENLARGED: Final = 64_000_000  # px that a smaller picture is ever enlarged to
Source: TypeAlias = Path | BinaryIO | bytes
Examine: TypeAlias = Callable[[npt.NDArray[np.uint8]], None]


def read_picture(
    source: Source, *, max_pixels: int = MAX_PIXELS, allow_truncated: bool = False
) -> Picture:
    """Read one picture file: upright, in its own colours, 16 bits where the file has more than 8.

    max_pixels: larger pictures (all frames together) are refused before they are decoded.
    allow_truncated: what is missing at the end of a file is left empty instead of refused.
    Raises PictureError, which names the file and says why it can't be used.
    """
    name, stream = _opened(source)
    return _decoded(stream, Wanted(name, max_pixels, allow_truncated))


def read_rgb(
    path: Path, short_side: int | None = None, examine: Examine | None = None
) -> npt.NDArray[np.uint8]:
    """A picture file as (H, W, 3) uint8 RGB: upright, in sRGB, alpha over white, first frame.

    short_side: bring the short side to this many px. examine: gets it at its own size before.
    Raises PictureError.
    """
    name, stream = _opened(path)
    picture = _decoded(stream, Wanted(name, MAX_PIXELS, still=True))
    pixels = over_white(to_srgb(picture.pixels, picture.colours), picture.alpha)
    if examine is not None:
        examine(change_depth(pixels, np.uint8))
    if short_side is not None:
        _check_shape(path, pixels.shape, short_side)
        pixels = resize_short_side(pixels, short_side)
    return change_depth(pixels, np.uint8)


def read_rgb_or_warn(
    path: Path, short_side: int | None = None, examine: Examine | None = None
) -> npt.NDArray[np.uint8] | None:
    """As `read_rgb`, for one of many; None, and a word, for a picture that can't be read."""
    try:
        return read_rgb(path, short_side, examine)
    except PictureError as error:
        logger.warning("left out: %s", error)
        return None


def _check_shape(path: Path, shape: tuple[int, ...], short_side: int) -> None:
    """Raise PictureError for a line of pixels that would become endless."""
    height, width = size_for_short_side(shape[0], shape[1], short_side)
    if height * width > max(MAX_ENLARGED, shape[0] * shape[1]):
        why = f"at {shape[1]}x{shape[0]} px it is too narrow"
        raise PictureError(messages.cannot_read(path, why, "cut out a part of it"))


def _decoded(stream: BinaryIO, wanted: Wanted) -> Picture:
    with stream:
        try:
            return decode(stream, wanted)
        except UnknownFormatError as error:
            raise PictureError(_why_unknown(wanted.name, stream)) from error
        except PictureError:
            raise
        # Every library has errors of its own for damaged files.
        except Exception as error:
            raise PictureError(_why_unreadable(wanted, error)) from error


def count_pixels(source: Path | bytes) -> int:
    """Pixels of a picture file by its header, all frames together; 0 where it does not say."""
    header = read_header(source)
    return header.height * header.width * header.frames


def read_header(source: Path | bytes) -> Header:
    """The size that a picture file declares, in px before it is turned; 0 where it does not say."""
    try:
        _, stream = _opened(source)
        with stream:
            return declared_size(stream)
    except Exception:  # reading it says what is wrong
        return Header(0, 0)


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
        raise PictureError(messages.cannot_read(name, "it is empty", messages.COPY_AGAIN))
    return name, stream


def _open_regular(path: Path) -> tuple[BinaryIO, int]:
    # Not blocking: opening a pipe without a writer would hold the whole batch up for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        file = io.FileIO(str(path), opener=lambda name, _: os.open(name, flags))
        stream = io.BufferedReader(file)
    except FileNotFoundError:
        raise PictureError(messages.does_not_exist(path)) from None
    except OSError as error:
        kind = _kind(path)
        if kind is not None:
            raise PictureError(_not_a_file(path, kind)) from error
        remedy = "check the name and permissions"
        raise PictureError(messages.cannot_read(path, messages.why(error), remedy)) from error
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        stream.close()
        raise PictureError(_not_a_file(path, _kind(path) or "not a regular file"))
    return stream, status.st_size


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


def _not_a_file(path: Path, kind: str) -> str:
    return messages.cannot_read(path, f"it is {kind}", "name a picture file")


def _why_unreadable(wanted: Wanted, error: BaseException) -> str:
    """One sentence that says what is wrong with a file, and what to do."""
    name, said = wanted.name, " ".join(str(error).split())
    if "DecompressionBomb" in type(error).__name__:
        why = "it declares more pixels than the limit allows"
        remedy = wanted.remedy("raise --max-pixels if you trust it")
        return messages.cannot_read(name, why, remedy)
    if "MAX_TEXT" in said or "too large for" in said:
        why = "it hides text or a profile that unpacks to megabytes, as a bomb does"
        return messages.cannot_read(name, why, "use another file")
    if isinstance(error, MemoryError):
        remedy = "close other programs, or use a smaller picture"
        return messages.cannot_read(name, "it does not fit into memory", remedy)
    if isinstance(error, EOFError) or "truncated" in said.lower():
        option = f"{messages.COPY_AGAIN}, or use the remaining part with --allow-truncated"
        return messages.cannot_read(name, "it is cut short", wanted.remedy(option))
    why = f"it is damaged ({said or type(error).__name__})"
    return messages.cannot_read(name, why, messages.COPY_AGAIN)


def _why_unknown(name: str, stream: BinaryIO) -> str:
    try:
        stream.seek(0)
        head = stream.read(HEAD_BYTES)
    except (OSError, ValueError):
        head = b""
    if media_of(head) == "clip":
        return messages.wrong_kind(name, "a clip", "a picture", "influ", "video", name)
    is_text = head and all(byte >= 32 or byte in b"\t\r\n\f" for byte in head)
    why = "it is text, not a picture" if is_text else "its format is not known here"
    return messages.cannot_read(name, why, "convert it to PNG or JPEG")
