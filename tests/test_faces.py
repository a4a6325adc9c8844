"""Finding faces: the promises of stylegan_cli.pictures.faces on real photos."""

import math
from pathlib import Path

import cv2
import numpy as np
import pytest

from stylegan_cli.errors import DataError
from stylegan_cli.pictures import read_rgb, resize
from stylegan_cli.pictures.faces import Face, _patches, detect_faces

STARTER = Path(__file__).parents[1] / "stylegan_cli" / "starter"


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A photo of one person, (256, 256, 3) uint8."""
    return read_rgb(STARTER / "002-synthetic-f_79.jpg")


def turned(pixels: np.ndarray, angle_deg: float) -> np.ndarray:
    """The picture turned clockwise about its middle."""
    height, width = pixels.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), -angle_deg, 1.0)
    return cv2.warpAffine(pixels, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)


def test_a_face_has_its_eyes_above_its_mouth_and_left_is_left(portrait: np.ndarray) -> None:
    (face,) = detect_faces(portrait)
    x, y, width, height = face.box
    assert face.score > 0.9
    assert x < face.left_eye[0] < face.right_eye[0] < x + width
    assert x < face.mouth_left[0] < face.mouth_right[0] < x + width
    assert y < face.left_eye[1] < face.nose[1] < face.mouth_left[1] < y + height


def test_most_photos_of_people_show_a_face() -> None:
    photos = sorted(STARTER.glob("*.jpg"))[:12]
    found = [bool(detect_faces(read_rgb(photo))) for photo in photos]
    assert sum(found) >= 11


def test_faces_are_in_the_coordinates_of_the_picture_that_was_given(portrait: np.ndarray) -> None:
    (small,) = detect_faces(portrait)
    (large,) = detect_faces(resize(portrait, (1024, 1024)))
    assert np.allclose(np.array(large.box) / 4, small.box, atol=6)
    assert math.dist(large.scaled(0.25).left_eye, small.left_eye) < 4


@pytest.mark.parametrize("angle_deg", [-15, 12])
def test_roll_is_what_the_head_was_turned_by(portrait: np.ndarray, angle_deg: float) -> None:
    (upright,) = detect_faces(portrait)
    (face,) = detect_faces(turned(portrait, angle_deg))
    assert face.roll_deg - upright.roll_deg == pytest.approx(angle_deg, abs=3)


def test_the_largest_face_comes_first(portrait: np.ndarray) -> None:
    pair = np.zeros((256, 400, 3), np.uint8)
    pair[100:244, :144] = resize(portrait, (144, 144))
    pair[:, 144:] = portrait
    first, second = detect_faces(pair)
    assert first.centre[0] > 144 > second.centre[0]
    assert first.area > second.area


def test_every_photo_gives_the_same_answer_twice(portrait: np.ndarray) -> None:
    assert detect_faces(portrait) == detect_faces(portrait)


@pytest.mark.parametrize("shape", [(1, 1), (5, 300), (64, 64), (700, 40)])
def test_a_picture_without_a_face_has_none(shape: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert detect_faces(noise) == []
    assert detect_faces(np.full((*shape, 3), 128, np.uint8)) == []


def test_a_face_cut_by_the_border_breaks_nothing(portrait: np.ndarray) -> None:
    (face,) = detect_faces(portrait)
    x, y = (round(value) for value in face.centre)
    for cut in (portrait[y:], portrait[:, x:], portrait[: y + 20, : x + 10]):
        for part in detect_faces(np.ascontiguousarray(cut)):
            assert part.box[2] > 0
            assert part.box[3] > 0


def test_a_proposal_outside_the_picture_is_black(portrait: np.ndarray) -> None:
    boxes = np.array([[-50, 0, -10, 40], [250, 250, 270, 270], [0, 0, 256, 256]], np.float32)
    outside, partly, inside = _patches(portrait, boxes, 24)
    assert outside.max() == 0
    assert partly[12:, 12:].max() == 0 < partly[:6, :6].max()
    assert np.abs(inside.astype(float).mean() - portrait.mean()) < 1


def test_another_detector_can_take_over_and_sees_a_small_copy() -> None:
    seen = []
    one = Face((10, 20, 30, 40), 1.0, (15, 30), (30, 30), (22, 40), (17, 50), (28, 50))

    def detector(pixels: np.ndarray) -> list[Face]:
        seen.append(pixels.shape)
        return [one]

    (face,) = detect_faces(np.zeros((1024, 2048, 3), np.uint8), detector)
    assert seen == [(256, 512, 3)]
    assert face.box == (40, 80, 120, 160)
    assert face.nose == (88, 160)


def test_damaged_weights_are_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from stylegan_cli.pictures import faces

    monkeypatch.setitem(faces._WEIGHT_FILES, "mtcnn-onet.onnx", "0" * 64)
    with pytest.raises(DataError, match=r"mtcnn-onet\.onnx is missing or damaged: install"):
        faces.MtcnnDetector()
