"""Picture files out: complete or not at all, and nothing of the user's written over."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from stylegan_cli.errors import PictureError, messages
from stylegan_cli.pictures.encoding import JPEG_QUALITY, encode_picture
from stylegan_cli.pictures.formats import FORMATS, format_of
from stylegan_cli.pictures.metadata import NOTHING_KEPT, Kept
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.provenance import AiLabel
from stylegan_cli.runtime.files import check_target, write_atomically


def write_picture(
    picture: Picture,
    target: Path | BinaryIO,
    *,
    format: str | None = None,
    quality: int = JPEG_QUALITY,
    overwrite: bool = False,
    kept: Kept = NOTHING_KEPT,
    ai_label: AiLabel | None = None,
    seal: Callable[[bytes, str], bytes] | None = None,
) -> None:
    """Write a picture to a file, whole or not at all, or to an open stream.

    format: "JPEG", "PNG", ...; without it what the suffix of `target` says, else the source's own.
    quality: 1-100, for JPEG, WebP, AVIF and HEIF.
    overwrite: replace a file that is there; never anything that is not a regular file.
    kept: what of the place stays in the metadata.
    ai_label: what the XMP says of the network that changed the picture.
    seal: signs the encoded bytes; it gets them with their format.
    Raises PictureError, WriteError, and OutputExistsError for a file that is there already.
    """
    kind = format or (format_of(target) if isinstance(target, Path) else None)
    if isinstance(target, Path):
        if kind is None and target.suffix:
            raise PictureError(
                messages.cannot_write(
                    target, f"{target.suffix} is not a picture format", "use .jpg or .png"
                )
            )
        check_target(target, overwrite=overwrite)
    kind = kind or FORMATS[picture.source_format].result or picture.source_format
    data = encode_picture(
        picture,
        kind,
        quality=quality,
        kept=kept,
        ai_label=ai_label,
        name=str(getattr(target, "name", target)),
    )
    if seal is not None:
        data = seal(data, kind)
    if isinstance(target, Path):
        write_atomically(target, data, overwrite=overwrite)
    else:
        target.write(data)
