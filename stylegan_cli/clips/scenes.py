"""Where a clip changes scene."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from stylegan_cli.clips.description import ClipFrame, ClipInfo, Pixels
from stylegan_cli.clips.reading import ClipReader

# Mean levels by which two thumbnails of one scene hardly ever differ.
_THRESHOLD = 20.0


def sample_frames(path: Path, every_s: float) -> Iterator[tuple[float, Pixels]]:
    """Frames of different scenes: the first, then each that is unlike the one before it.

    every_s: seconds at least between two frames. Yields (seconds from the first frame, (H, W, 3)
    uint8), upright and with square pixels. Raises ClipError when the clip can't be read.
    """
    with ClipReader(path, tone_map=True) as reader:
        start_s: float | None = None
        last_s = 0.0
        last_thumbnail: Pixels | None = None
        for frame in reader:
            if not isinstance(frame, ClipFrame):
                continue
            time_s = float(frame.pts * reader.info.time_base)
            start_s = time_s if start_s is None else start_s
            if last_thumbnail is not None and time_s - last_s < every_s:
                continue
            thumbnail = scene_thumbnail(frame.pixels)
            if last_thumbnail is None or is_other_scene(last_thumbnail, thumbnail):
                last_s, last_thumbnail = time_s, thumbnail
                yield time_s - start_s, _square_pixels(frame.over_white(), reader.info)


def scene_thumbnail(pixels: Pixels) -> Pixels:
    """What `is_other_scene` compares: (36, 64, 3) uint8 HSV of (H, W, 3) uint8 RGB."""
    small = cv2.resize(pixels, (64, 36), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(small, cv2.COLOR_RGB2HSV).astype(np.uint8)


def is_other_scene(before: Pixels, after: Pixels) -> bool:
    """Whether two thumbnails show different scenes.

    The mean absolute difference of hue, saturation and value, as PySceneDetect's content detector
    takes it, with hue measured round its circle and only as far as both pixels have a colour.
    """
    first, second = before.astype(np.int16), after.astype(np.int16)
    difference = np.abs(first - second)
    hue = np.minimum(difference[..., 0], 180 - difference[..., 0])
    hue = hue * (np.minimum(first[..., 1], second[..., 1]) / 255)
    score = float((hue + difference[..., 1] + difference[..., 2]).mean()) / 3
    return score >= _THRESHOLD


def _square_pixels(pixels: Pixels, info: ClipInfo) -> Pixels:
    ratio = info.sample_aspect_ratio
    if ratio is None or ratio == 1:
        return pixels
    height, width = pixels.shape[:2]
    stretch = float(1 / ratio if info.orientation.transposed else ratio)
    size = (max(1, round(width * stretch)), height)
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
