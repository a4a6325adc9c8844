"""HTML pages that need nothing but themselves: styles and pictures are inside, no network."""

import base64
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from jinja2 import Environment, PackageLoader, StrictUndefined

from stylegan_cli.pictures import Picture, encode_picture, resize

_QUALITY = 85


def render_page(template: str, **values: object) -> str:
    """The page that `template`, of this package's templates/, makes of `values`; text is escaped.

    A template writes JPEG bytes into a page by `{{ bytes|jpeg }}`.
    """
    return _environment().get_template(template).render(values)


def is_our_page(path: Path) -> bool:
    """Whether `render_page` made the file at `path`, by what it says of its maker."""
    with suppress(OSError), path.open("rb") as file:
        return b'<meta name="generator" content="influ">' in file.read(1000)
    return False


def jpeg_within(pixels: npt.NDArray[np.uint8], side_px: int) -> bytes:
    """pixels (H, W, 3) uint8 as a JPEG whose longer side is at most `side_px`, shape kept."""
    height, width = pixels.shape[:2]
    scale = min(1.0, side_px / max(height, width))
    small = resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
    return encode_picture(Picture(small), "JPEG", quality=_QUALITY)


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader(__name__),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["jpeg"] = _jpeg_source
    return environment


def _jpeg_source(data: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(data).decode()}"
