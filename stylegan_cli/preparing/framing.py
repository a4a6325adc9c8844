"""Which square of a picture becomes the training picture, and cutting it out."""

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures import resize
from stylegan_cli.pictures.faces import Face, Point

Pixels = npt.NDArray[np.uint8]

LEVEL_ENOUGH_DEG = 1.0  # turning by less would cost sharpness and show nothing
STEEPEST_DEG = 45.0  # the detector knows no steeper faces, so a steeper line is a mistake
LARGEST_PADDING = 0.1  # of the side, beyond each border


@dataclass(frozen=True, slots=True)
class Crop:
    """A square, turned about its centre; x to the right, y down, px of the upright picture."""

    centre: Point
    side: int
    angle_deg: float = 0.0  # clockwise

    @property
    def box(self) -> tuple[int, int, int, int]:
        """x, y, width, height of the square before it is turned."""
        half = self.side / 2
        return round(self.centre[0] - half), round(self.centre[1] - half), self.side, self.side

    def holds(self, point: Point) -> bool:
        """Whether `point` of the picture is inside the square."""
        cos, sin = _cos_sin(self.angle_deg)
        x, y = point[0] - self.centre[0], point[1] - self.centre[1]
        return max(abs(cos * x + sin * y), abs(cos * y - sin * x)) <= self.side / 2


def frame_whole(height: int, width: int) -> Crop:
    """The largest square in the middle of the picture."""
    return Crop((width / 2, height / 2), min(height, width))


def frame_face(
    face: Face, height: int, width: int, margin: float, enough_side: int, min_side: int
) -> Crop:
    """The square round a face with its eyes level.

    margin: room on each side, in face heights. enough_side: px; where the picture has them, more of
    it is taken rather than less enlarged. The square stays inside the picture, face off centre if
    need be; only its turned corners may reach past the border, by a tenth of the side at most.
    A turn that would leave fewer than min_side px, or cut into the face, is not made.
    """
    angle = face.roll_deg if _eyes_tell(face) else 0.0
    crop = _fitted(face, height, width, margin, enough_side, angle)
    points = (face.left_eye, face.right_eye, face.nose, face.mouth_left, face.mouth_right)
    if angle and (crop.side < min_side or not all(crop.holds(point) for point in points)):
        return _fitted(face, height, width, margin, enough_side, 0.0)
    return crop


def cut_out(pixels: Pixels, crop: Crop, size: int) -> Pixels:
    """The (size, size, 3) picture inside `crop`; what lies past the border is reflected.

    pixels: (H, W, 3) uint8 RGB.
    """
    if crop.angle_deg == 0.0:
        left, top, side, _ = crop.box
        square = pixels[top : top + side, left : left + side]
    else:
        square = _turned(pixels, crop)
    return np.asarray(resize(np.ascontiguousarray(square), (size, size)), dtype=np.uint8)


def _fitted(
    face: Face, height: int, width: int, margin: float, enough_side: int, angle_deg: float
) -> Crop:
    cos, sin = _cos_sin(angle_deg)
    # A turned square reaches this many sides across; its corners may stick out a little.
    spread = abs(cos) + abs(sin)
    padding = min(LARGEST_PADDING, (spread - 1) / 2)
    wanted = max(face.box[2], face.box[3]) * (1 + 2 * margin)
    fitting = min(height, width) / (spread - 2 * padding)
    side = int(min(max(wanted, enough_side), fitting))
    reach = side * (spread / 2 - padding)
    x = min(max(face.centre[0], reach), width - reach)
    y = min(max(face.centre[1], reach), height - reach)
    if angle_deg == 0.0:  # whole pixels, so that nothing is resampled twice
        x, y = math.floor(x - side / 2) + side / 2, math.floor(y - side / 2) + side / 2
    return Crop((x, y), side, angle_deg)


def _eyes_tell(face: Face) -> bool:
    """Whether the line through the eyes says how the head is held: not in profile."""
    apart = math.dist(face.left_eye, face.right_eye)
    return apart >= face.box[2] / 4 and LEVEL_ENOUGH_DEG <= abs(face.roll_deg) <= STEEPEST_DEG


def _turned(pixels: Pixels, crop: Crop) -> Pixels:
    """The square at the picture's own scale."""
    height, width = pixels.shape[:2]
    cos, sin = _cos_sin(crop.angle_deg)
    reach = math.ceil(crop.side * (abs(cos) + abs(sin)) / 2) + 2
    # OpenCV warps no picture wider than 32,767 px; the part that matters is smaller.
    left = max(0, math.floor(crop.centre[0]) - reach)
    top = max(0, math.floor(crop.centre[1]) - reach)
    right = min(width, math.ceil(crop.centre[0]) + reach)
    bottom = min(height, math.ceil(crop.centre[1]) + reach)
    middle = (crop.side - 1) / 2
    x, y = crop.centre[0] - left - 0.5, crop.centre[1] - top - 0.5
    matrix = np.array(
        [
            [cos, -sin, x - cos * middle + sin * middle],
            [sin, cos, y - sin * middle - cos * middle],
        ]
    )
    square = cv2.warpAffine(
        pixels[top:bottom, left:right],
        matrix,
        (crop.side, crop.side),
        flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REFLECT_101,
    )
    return np.asarray(square, dtype=np.uint8)


def _cos_sin(angle_deg: float) -> tuple[float, float]:
    angle = math.radians(angle_deg)
    return math.cos(angle), math.sin(angle)
