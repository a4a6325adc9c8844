"""Each metric gives what its formula says, and is fooled by nothing it claims to see."""

import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import photo_metrics

from stylegan_cli.errors import DataError
from stylegan_cli.evaluation import metrics
from stylegan_cli.pictures import resize, resize_short_side
from stylegan_cli.pictures.faces import detect_faces


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return resize(skimage.data.chelsea(), (96, 128))


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return resize(skimage.data.astronaut(), (384, 384))


def line_drawing(left: int, side: int = 256) -> np.ndarray:
    """White paper with one vertical black line, 6 px wide, from row 40 to 216 of 256."""
    paper = np.full((side, side, 3), 255, np.uint8)
    paper[40:216, left : left + 6] = 0
    return paper


def features(count: int, shift: float, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((count, 16)) + shift


@pytest.mark.parametrize(
    ("offset", "decibels"), [(0.1, 20.0), (0.01, 40.0), (0.5, 10 * np.log10(4)), (0.0, 100.0)]
)
def test_psnr_of_a_known_offset(offset: float, decibels: float) -> None:
    truth = np.full((8, 8, 3), 0.25, np.float32)
    assert metrics.psnr(truth + np.float32(offset), truth) == pytest.approx(decibels, abs=1e-3)
    assert metrics.mae(truth + np.float32(offset), truth) == pytest.approx(offset, abs=1e-6)


def test_depth_of_the_pixels_changes_nothing(cat: np.ndarray) -> None:
    other = np.roll(cat, 1, axis=1)
    wide, wide_other = (pixels.astype(np.uint16) * 257 for pixels in (cat, other))
    for metric in (metrics.mae, metrics.psnr, metrics.ssim, metrics.ciede2000):
        assert metric(cat, wide_other) == pytest.approx(metric(wide, other), rel=1e-5)


def test_ssim_of_two_flat_pictures_is_the_luminance_term() -> None:
    dark, light = np.full((32, 32, 3), 51, np.uint8), np.full((32, 32, 3), 102, np.uint8)
    expected = (2 * 0.2 * 0.4 + 0.01**2) / (0.2**2 + 0.4**2 + 0.01**2)
    assert metrics.ssim(dark, light) == pytest.approx(expected, abs=1e-4)
    assert metrics.ssim(dark, dark) == pytest.approx(1)


def test_luminance_ssim_sees_structure_and_no_hue(cat: np.ndarray) -> None:
    grey = np.repeat((cat @ metrics.LUMA)[..., None] / np.float32(255), 3, axis=2)
    assert metrics.luminance_ssim(grey, cat) == pytest.approx(1, abs=1e-4)
    assert metrics.ssim(grey, cat) < 0.98
    assert metrics.luminance_ssim(cat[:, ::-1], cat) < 0.5


def test_ciede2000_of_black_and_white_is_one_hundred() -> None:
    black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    assert metrics.ciede2000(black, white) == pytest.approx(100, abs=0.01)


def test_edges_count_within_the_tolerance_and_not_beyond() -> None:
    truth = line_drawing(100)
    assert metrics.edge_f_score(truth, truth) == 1
    assert metrics.edge_f_score(line_drawing(102), truth) == 1
    assert metrics.edge_f_score(line_drawing(103), truth) < 0.1  # the short ends still meet
    assert metrics.edge_f_score(line_drawing(103), truth, tolerance_px=3) == 1
    assert metrics.edge_f_score(line_drawing(130), truth) == 0
    both = np.minimum(truth, line_drawing(180))
    assert metrics.edge_f_score(both, truth) == pytest.approx(2 / 3, abs=0.01)
    assert photo_metrics.invented_edges(both, truth) == pytest.approx(0.5, abs=0.01)
    assert photo_metrics.invented_edges(truth, both) == 0


def test_edges_are_relative_to_the_picture() -> None:
    truth, near = line_drawing(100), line_drawing(102)
    double = [resize_short_side(pixels, 512) for pixels in (near, truth)]
    assert metrics.edge_f_score(*double) == 1


def test_blur_and_emptiness_lose_edges(cat: np.ndarray) -> None:
    blank = np.full_like(cat, 128)
    blurred = resize(resize(cat, (12, 16)), cat.shape[:2])
    assert metrics.edge_f_score(blank, blank) == 1
    assert metrics.edge_f_score(blank, cat) == 0
    assert metrics.edge_f_score(blurred, cat) < 0.7
    assert photo_metrics.gradient_energy(blank) == 0
    assert photo_metrics.gradient_energy(blurred) < 0.3 * photo_metrics.gradient_energy(cat)


def test_gradient_energy_of_a_ramp() -> None:
    ramp = np.repeat(np.linspace(0, 1, 11, dtype=np.float32)[None, :, None], 11, 0).repeat(3, 2)
    assert photo_metrics.gradient_energy(ramp) == pytest.approx(1000 * 0.1**2, rel=1e-4)


def test_closed_gap_is_a_share_of_the_way() -> None:
    assert photo_metrics.closed_gap(25.0, 20.0, 30.0) == 0.5
    assert photo_metrics.closed_gap(0.4, 0.5, 0.1) == pytest.approx(0.25)
    with pytest.raises(DataError, match="no gap"):
        photo_metrics.closed_gap(1.0, 2.0, 2.0)


def test_kid_is_the_sum_over_pairs_that_its_paper_writes() -> None:
    x, y = features(5, 0.0, 1), features(4, 0.5, 2)

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 16 + 1) ** 3)

    within_x = sum(kernel(x[i], x[j]) for i in range(5) for j in range(5) if i != j) / 20
    within_y = sum(kernel(y[i], y[j]) for i in range(4) for j in range(4) if i != j) / 12
    across = sum(kernel(a, b) for a in x for b in y) / 20
    assert metrics.kid(x, y).value == pytest.approx(within_x + within_y - 2 * across)


def test_kid_of_like_sets_is_nothing_within_its_error() -> None:
    trials = [metrics.kid(features(40, 0, s), features(60, 0, 100 + s)) for s in range(20)]
    values = np.array([trial.value for trial in trials])
    errors = np.array([trial.standard_error for trial in trials])
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(20)  # unbiased
    assert 0.5 < errors.mean() / values.std() < 2
    assert (np.abs(values) < 3 * errors).all()


def test_kid_error_is_the_spread_over_new_sets() -> None:
    trials = [metrics.kid(features(40, 0.7, s), features(60, 0, 100 + s)) for s in range(40)]
    spread = np.std([trial.value for trial in trials], ddof=1)
    assert np.mean([trial.standard_error for trial in trials]) == pytest.approx(spread, rel=0.35)
    assert all(trial.value > 3 * trial.standard_error for trial in trials)


def test_kid_repeats_itself_and_says_when_it_can_not_measure() -> None:
    x, y = features(30, 0, 0), features(30, 1, 1)
    assert metrics.kid(x, y) == metrics.kid(x, y)
    assert metrics.kid(x, y, max_samples=20).value == pytest.approx(
        metrics.kid(x, y).value, rel=0.5
    )
    with pytest.raises(DataError, match="at least 2 pictures"):
        metrics.kid(x[:1], y)


def test_kid_of_two_pictures_still_has_an_error() -> None:
    assert metrics.kid(features(2, 0, 0), features(3, 0, 1)).standard_error > 0


def test_patch_distance_of_flat_sets_is_known() -> None:
    """Flat patches differ by 0.1 in 147 values; a unit direction sees |sum| * 0.1 of it."""
    dark, light = np.full((32, 32, 3), 0.4, np.float32), np.full((32, 32, 3), 0.5, np.float32)
    distance = metrics.patch_swd([dark], [light], patches=64, projections=4096)
    assert distance == pytest.approx(1000 * 0.1 * np.sqrt(2 / np.pi), rel=0.05)
    assert metrics.patch_swd([dark], [dark, dark]) == pytest.approx(0, abs=1e-3)


def test_patch_distance_sees_blur_that_keeps_the_colours(cat: np.ndarray) -> None:
    blurred = resize(resize(cat, (12, 16)), cat.shape[:2])
    same = metrics.patch_swd([cat], [cat[:, ::-1]])
    assert metrics.patch_swd([blurred], [cat]) > 2 * same
    assert metrics.patch_swd([cat], [cat[:, ::-1]]) == same
    with pytest.raises(DataError, match="at least one picture"):
        metrics.patch_swd([], [cat])


def test_faces_that_stay_move_and_vanish(astronaut: np.ndarray) -> None:
    [face] = detect_faces(astronaut)
    assert metrics.face_shift(astronaut, astronaut) == metrics.FaceShift((0.0,), 0)
    moved = metrics.face_shift(np.roll(astronaut, 6, axis=1), astronaut)
    between_eyes = np.subtract(face.right_eye, face.left_eye)
    assert moved.lost == 0
    assert moved.shifts[0] == pytest.approx(6 / np.linalg.norm(between_eyes), abs=0.05)
    gone = astronaut.copy()
    x, y, width, height = (round(value) for value in face.box)
    gone[y : y + height, x : x + width] = 128
    assert metrics.face_shift(gone, astronaut) == metrics.FaceShift((), 1)
    assert metrics.face_shift(astronaut, gone) == metrics.FaceShift((), 0)


def test_pictures_of_unlike_size_are_refused_by_name(cat: np.ndarray) -> None:
    with pytest.raises(DataError, match="128x96 px and 100x96 px"):
        metrics.psnr(cat, cat[:, :100])
    with pytest.raises(DataError, match="11 px"):
        metrics.ssim(cat[:8], cat[:8])
