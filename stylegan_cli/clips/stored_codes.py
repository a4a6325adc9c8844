"""Frames written by what a style changes in the numbers that are stored.

RGB can't hold all of a stored frame: colour at half of the size comes back softer, and what lies
beyond black and white is cut off. So only the change goes through RGB.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
from av.video.frame import VideoFrame
from av.video.plane import VideoPlane

# A change of so much of the whole range leaves nothing of what RGB did not hold: it belonged to
# colours that are gone.
_WHOLE_CHANGE = 1 / 8


def samples(plane: VideoPlane, kind: type[np.uint8 | np.uint16]) -> npt.NDArray[Any]:
    """(height, width) of a plane of 8 or 16 bits, without a copy."""
    buffer: Any = plane
    rows = np.frombuffer(buffer, np.uint8).reshape(plane.height, plane.line_size)
    return rows.view(kind)[:, : plane.width]


def copied(frame: VideoFrame, pix_fmt: str) -> VideoFrame:
    """The pixels of a frame alone, in a format that stores them alike."""
    copy = VideoFrame(frame.width, frame.height, pix_fmt)
    for new, plane in zip(copy.planes, frame.planes, strict=True):
        samples(new, _kind(copy))[:] = samples(plane, _kind(copy))
    return copy


def restore(stylized: VideoFrame, before: VideoFrame, stored: VideoFrame) -> None:
    """Add to `stylized` what `stored` has beyond `before`, less of it where a style changes much.

    before: what comes of `stored` by way of RGB. All are in one pixel format of luma and colour.
    """
    bits, kind = stylized.format.components[0].bits, _kind(stylized)
    whole = (1 << bits) * _WHOLE_CHANGE
    planes = [
        [samples(frame.planes[number], kind) for frame in (stylized, before, stored)]
        for number in range(len(stylized.planes))
    ]
    left = whole - _largest_nearby([cv2.absdiff(new, old) for new, old, _ in planes])
    share = np.maximum(left, 0) / np.float32(whole)
    for new, old, own in planes:
        beyond = cv2.subtract(own, old, dtype=cv2.CV_16S)
        size = new.shape[1::-1]
        part = cv2.resize(share, size, interpolation=cv2.INTER_LINEAR)
        beyond = cv2.multiply(beyond, part, dtype=cv2.CV_16S)
        sums = cv2.add(new, beyond, dtype=cv2.CV_8U if kind is np.uint8 else cv2.CV_16U)
        np.minimum(sums, (1 << bits) - 1, out=new, casting="unsafe")


def _largest_nearby(changes: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """At the size of colour, the largest change of any plane there or beside it."""
    size = changes[-1].shape[1::-1]
    small = [cv2.resize(change, size, interpolation=cv2.INTER_AREA) for change in changes]
    largest = cv2.dilate(np.maximum.reduce(small), np.ones((3, 3), np.uint8))
    return np.asarray(largest, np.float32)


def _kind(frame: VideoFrame) -> type[np.uint8 | np.uint16]:
    return np.uint8 if frame.format.components[0].bits <= 8 else np.uint16
