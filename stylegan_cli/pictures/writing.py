"""Picture files out: complete or not at all, and nothing of the user's written over."""

import logging
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

from stylegan_cli.errors import OutputExistsError, PictureError, UsageError
from stylegan_cli.pictures.encoding import JPEG_QUALITY, encode_picture
from stylegan_cli.pictures.formats import format_of
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.provenance import AiLabel

logger = logging.getLogger(__name__)


def write_picture(
    picture: Picture,
    target: Path | BinaryIO,
    *,
    format: str | None = None,
    quality: int = JPEG_QUALITY,
    overwrite: bool = False,
    keep_gps: bool = False,
    ai_label: AiLabel | None = None,
    seal: Callable[[bytes, str], bytes] | None = None,
) -> None:
    """Write a picture to a file, whole or not at all, or to an open stream.

    format: "JPEG", "PNG", ...; without it what the suffix of `target` says, else the source's own.
    quality: 1-100, for JPEG, WebP, AVIF and HEIF.
    overwrite: replace a file that is there; never anything that is not a regular file.
    keep_gps: leave the place in EXIF and XMP.
    ai_label: what the XMP says of the network that changed the picture.
    seal: the last hand on the bytes of the file, which it gets with their format.
    Raises PictureError, and OutputExistsError for a file that is there already.
    """
    kind = format or (format_of(target) if isinstance(target, Path) else None)
    if isinstance(target, Path):
        if kind is None and target.suffix:
            raise PictureError(
                f"{target}: no picture can be written as {target.suffix}, use .png or .jpg"
            )
        check_target(target, overwrite=overwrite)
    kind = kind or picture.source_format
    data = encode_picture(picture, kind, quality=quality, keep_gps=keep_gps, ai_label=ai_label)
    if seal is not None:
        data = seal(data, kind)
    if isinstance(target, Path):
        write_whole(target, data, overwrite=overwrite)
    else:
        target.write(data)


def check_target(target: Path, *, overwrite: bool = False, inputs: Sequence[Path] = ()) -> None:
    """Refuse a target before any work: one that is there, a link, a folder, or in no folder.

    inputs: files that are never written onto, whatever `overwrite` says.
    """
    try:
        status = target.lstat()
    except FileNotFoundError:
        if not target.parent.is_dir():
            raise PictureError(
                f"the folder {target.parent} does not exist: make it first"
            ) from None
        return
    except OSError as error:
        raise PictureError(f"{target} can't be written: {error.strerror}") from error
    if stat.S_ISLNK(status.st_mode):
        raise PictureError(
            f"{target} is a symbolic link and is not written through: name the file it points to"
        )
    if not stat.S_ISREG(status.st_mode):
        raise PictureError(f"{target} is there already and is no regular file: choose another name")
    if any(given.exists() and given.samefile(target) for given in inputs):
        raise UsageError(f"{target} is an input and is not written over: choose another name")
    if not overwrite:
        raise OutputExistsError(
            f"{target} is there already: use --overwrite, or choose another name"
        )


def write_whole(target: Path, data: bytes, *, overwrite: bool = False) -> None:
    """Put `data` into a file in one step: it has all of it, or is as it was.

    A new file gets the usual mode, a replaced one keeps its own.
    Raises PictureError, and OutputExistsError for a file that is there already.
    """
    check_target(target, overwrite=overwrite)
    draft = target.with_name(f".influ-{secrets.token_hex(8)}.part")
    try:
        with draft.open("xb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if overwrite:
            if target.exists():
                draft.chmod(stat.S_IMODE(target.stat().st_mode))
            draft.replace(target)
        else:
            _place_new(draft, target)
    except OSError as error:
        raise PictureError(f"{target} can't be written: {error.strerror or error}") from error
    finally:
        draft.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _place_new(draft: Path, target: Path) -> None:
    """Give a finished file its name unless that name was taken in the meantime."""
    try:
        target.hardlink_to(draft)
    except FileExistsError:
        raise OutputExistsError(
            f"{target} is there already: use --overwrite, or choose another name"
        ) from None
    except OSError:  # a file system without hard links
        check_target(target)
        draft.replace(target)


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return  # not every system opens folders
    try:
        os.fsync(descriptor)
    except OSError:
        logger.debug("the folder %s can't be synced", folder)
    finally:
        os.close(descriptor)
