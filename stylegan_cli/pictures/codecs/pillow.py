"""Pillow for the codecs: quiet, within limits, and in threads."""

import io
import logging
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageFile

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures.codecs.codec import Header, Wanted
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.pixels import Pixels

logger = logging.getLogger(__name__)

_ALPHA_MODES = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
# Pillow's limits and its tolerance are globals: one reader at a time sets, uses and resets them.
_globals = threading.RLock()


@contextmanager
def held(wanted: Wanted) -> Iterator[None]:
    """Pillow with our limits and quiet: what it would print goes to the log."""
    with _globals, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
        Image.MAX_IMAGE_PIXELS = wanted.max_pixels
        ImageFile.LOAD_TRUNCATED_IMAGES = wanted.allow_truncated
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = before
            for warning in caught:
                logger.info("%s: %s", wanted.name, warning.message)


def open_image(stream: BinaryIO, formats: Sequence[str], wanted: Wanted) -> Image.Image:
    """The file opened, its size checked, nothing decoded."""
    with held(wanted):
        image = Image.open(stream, formats=list(formats))
    wanted.check(image.height, image.width)
    return image


def probe_image(stream: BinaryIO, formats: Sequence[str], moving: bool = False) -> Header:
    """Size and number of frames by the header."""
    with held(Wanted("the file", 2**62)):
        image = Image.open(stream, formats=list(formats))
        return Header(image.height, image.width, getattr(image, "n_frames", 1) if moving else 1)


def load(image: Image.Image, wanted: Wanted) -> None:
    """Decode the pixels; many at once, unless the tolerance is not the usual one."""
    if wanted.allow_truncated:
        with held(wanted):
            image.load()
    else:
        image.load()


def still(image: Image.Image, wanted: Wanted) -> Frame:
    """The picture, decoded."""
    load(image, wanted)
    return Frame(*planes(image), 0)


def planes(image: Image.Image) -> tuple[Pixels, Pixels | None]:
    """Pixels (H, W), (H, W, 3) or (H, W, 4) CMYK, and alpha, of a decoded image."""
    if image.mode.startswith("I") or image.mode == "F":
        return _deep_grey(image), None
    if image.mode in _ALPHA_MODES or "transparency" in image.info:
        grey = image.mode == "LA"
        image = image.convert("LA" if grey else "RGBA")
        alpha = np.asarray(image.getchannel("A"))
        return np.asarray(image.convert("L" if grey else "RGB")), alpha
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image), None


def _deep_grey(image: Image.Image) -> Pixels:
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 65535:
        raise PictureError(
            "more than 16 bits per channel can't be used: convert the picture to 16 bits"
        )
    return values.astype(np.uint16)


def animation(
    image: Image.Image,
    wanted: Wanted,
    *,
    gaps_are_clear: bool = False,
    first: int = 0,
    on_seek: Callable[[Any], None] = lambda image: None,
) -> list[Frame]:
    """All frames of an animation, each as it is shown, for as long as it is shown.

    gaps_are_clear: clear pixels are meant as such; else they may stand for what does not change.
    on_seek: gets the image before each of its frames is decoded.
    """
    count: int = getattr(image, "n_frames", 1)
    frames: list[Frame] = []
    with held(wanted):
        for index in range(first, count):
            try:
                image.seek(index)
                on_seek(image)
                wanted.check(image.height, image.width, count)
                image.load()
            except (OSError, EOFError, SyntaxError):
                if wanted.allow_truncated and frames:
                    break
                raise
            pixels, alpha = planes(image)
            if pixels.ndim == 2:
                pixels = np.repeat(pixels[..., None], 3, axis=2)
            frames.append(Frame(pixels, alpha, float(image.info.get("duration", 0))))
    return like_alphas(frames, gaps_are_clear)


def like_alphas(frames: list[Frame], gaps_are_clear: bool = False) -> list[Frame]:
    """Frames that all have alpha or none has."""
    opaque = all(frame.alpha is None or frame.alpha.min() == 255 for frame in frames)
    if opaque and not gaps_are_clear:
        return [Frame(frame.pixels, None, frame.duration_ms) for frame in frames]
    if all(frame.alpha is None for frame in frames):
        return frames
    return [
        Frame(
            frame.pixels,
            np.full(frame.pixels.shape[:2], 255, np.uint8) if frame.alpha is None else frame.alpha,
            frame.duration_ms,
        )
        for frame in frames
    ]


def image_of(frame: Frame) -> Image.Image:
    """An 8-bit frame as an image of mode RGB, RGBA or CMYK."""
    if frame.pixels.shape[2] == 4:
        return Image.fromarray(frame.pixels, "CMYK")
    image = Image.fromarray(frame.pixels)
    if frame.alpha is not None:
        image.putalpha(Image.fromarray(frame.alpha))
    return image


def saved(image: Image.Image, format: str, **options: Any) -> bytes:
    """The bytes of a file by Pillow's writer."""
    stream = io.BytesIO()
    image.save(stream, format=format, **options)
    return stream.getvalue()


def whole_milliseconds(frames: Sequence[Frame]) -> list[int]:
    """How long each frame is shown, rounded on the time line, so that nothing drifts."""
    ends = np.rint(np.cumsum([frame.duration_ms for frame in frames])).astype(int)
    return [int(duration) for duration in np.diff(ends, prepend=0)]
