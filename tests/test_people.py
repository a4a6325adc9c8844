"""Promises of evaluation/people.py."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage import data

from stylegan_cli.evaluation.people import MIN_FACES, SkinChange, skin_change, terciles
from stylegan_cli.pictures.faces import Face, detect_faces


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.asarray(data.astronaut())


@pytest.fixture(scope="module")
def face(astronaut: np.ndarray) -> Face:
    return detect_faces(astronaut)[0]


def darker(pixels: np.ndarray, factor: float) -> np.ndarray:
    return (pixels * factor).astype(np.uint8)


def test_a_look_that_leaves_skin_alone_changes_it_by_nothing(
    astronaut: np.ndarray, face: Face
) -> None:
    change = skin_change(astronaut, astronaut, astronaut, face)
    assert change == SkinChange(change.lightness, 0.0, 0.0)
    assert 55 < change.lightness < 85


def test_skin_is_measured_against_the_truth_and_beside_the_photo(
    astronaut: np.ndarray, face: Face
) -> None:
    truth = darker(astronaut, 0.7)
    near, far = (skin_change(darker(astronaut, f), truth, astronaut, face) for f in (0.68, 0.4))
    assert near.difference < 2 < far.difference
    assert near.untouched == far.untouched > 5
    depths = [
        skin_change(astronaut.astype(dtype) * scale, truth, astronaut, face)
        for dtype, scale in ((np.uint16, 257), (np.float32, 1 / 255))
    ]
    assert depths[0].difference == pytest.approx(near.untouched, abs=0.01)


def test_only_skin_counts(astronaut: np.ndarray, face: Face) -> None:
    """Eyes, mouth, hair and everything round the face may change as they like."""
    result = astronaut.copy()
    spread = float(np.linalg.norm(np.subtract(face.right_eye, face.left_eye)))
    for x, y in (face.left_eye, face.right_eye, face.mouth_left, face.mouth_right, face.nose):
        cv2.circle(result, (round(x), round(y)), round(spread * 0.2), (0, 0, 255), -1)
    x, y, width, height = (round(value) for value in face.box)
    outside = np.ones(result.shape[:2], bool)
    outside[y : y + height, x : x + width] = False
    result[outside] = 0
    assert skin_change(result, astronaut, astronaut, face).difference == 0


def test_a_face_too_small_to_see_skin_says_nothing(astronaut: np.ndarray, face: Face) -> None:
    assert skin_change(astronaut, astronaut, astronaut, face.scaled(0.05)) is None
    away = replace(
        face,
        left_eye=(-500.0, 0.0),
        right_eye=(-450.0, 0.0),
        mouth_left=(-500.0, 60.0),
        mouth_right=(-450.0, 60.0),
    )
    assert skin_change(astronaut, astronaut, astronaut, away) is None


def test_terciles_go_from_dark_to_light_whatever_the_order() -> None:
    changes = [SkinChange(30 + 5 * k, difference=float(k), untouched=10.0) for k in range(12)]
    shuffled = [changes[k] for k in np.random.default_rng(0).permutation(12)]
    dark, middle, light = terciles(shuffled)
    assert (dark.lightness, middle.lightness, light.lightness) == (37.5, 57.5, 77.5)
    assert (dark.difference, middle.difference, light.difference) == (1.5, 5.5, 9.5)
    assert terciles(changes[: MIN_FACES - 1]) == ()
