"""Promises of rendering.py."""

import cv2
import numpy as np
import pytest
from model_files import LOOKS, small_model

from stylegan_cli import rendering
from stylegan_cli.backends import Painter, open_backend
from stylegan_cli.colour import lattice
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import from_unit, to_unit
from stylegan_cli.rendering import (
    bake_table,
    enlarge_residue,
    fit_affine,
    look_up,
    render,
    run_painter,
    working_copy,
)

DEPTHS = [np.uint8, np.uint16, np.float32]


def folded(index: int = 0) -> dict[str, np.ndarray]:
    base, style = small_model().base, small_model().styles[index]
    return fold_style(
        base.generator_tensors, base.generator, style.matrix, style.offset, style.code, 256
    )


@pytest.fixture(scope="module")
def painter() -> Painter:
    return open_backend(small_model().base).painter(folded())


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A unit picture of a few soft blobs, each channel its own."""
    small = np.random.default_rng(seed).random((6, 8, 3), np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


@pytest.mark.parametrize("index", range(len(LOOKS)), ids=LOOKS)
def test_the_table_is_within_one_step_of_the_exact_colour_function(index: int) -> None:
    weights = folded(index)
    colours = np.random.default_rng(1).random((20_000, 3), np.float32)
    exact = np.clip(apply_colour(weights, colours), 0, 1)
    found = look_up(colours[None], bake_table(weights, None))[0]
    error = np.abs(found - exact).max(1)
    assert np.mean(error <= 1 / 255) >= 0.99


def test_calibration_follows_the_network() -> None:
    swapped = lattice(2)[:, ::-1].reshape(2, 2, 2, 3)
    plain = bake_table(folded(), None, size=9)
    np.testing.assert_allclose(bake_table(folded(), swapped, size=9), plain[..., ::-1], atol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_table_that_does_nothing_keeps_every_depth(depth: type[np.generic]) -> None:
    pixels = from_unit(smooth(33, 47), depth)
    found = from_unit(look_up(pixels, lattice(33).reshape(33, 33, 33, 3)), depth)
    if depth == np.float32:
        np.testing.assert_allclose(found, pixels, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, pixels)


def test_8_bits_are_looked_up_like_any_other_depth() -> None:
    table = bake_table(folded(), None)
    pixels = np.random.default_rng(2).integers(0, 256, (40, 50, 3), np.uint8)
    quick, exact = look_up(pixels, table), look_up(to_unit(pixels), table)
    assert np.abs(quick - exact).max() <= 1.01 / 255


@pytest.mark.parametrize(
    ("size", "expected"),
    [((400, 300), (128, 96)), ((90, 70), (90, 70)), ((1, 5000), (1, 5000)), ((3000, 200), None)],
)
def test_a_working_copy_is_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    copy = working_copy(np.zeros((*size, 3), np.uint8), 96)
    assert copy.dtype == np.float32
    assert copy.shape[:2] == (expected or (1440, 96))


def test_a_very_long_picture_does_not_get_a_very_large_working_copy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rendering, "MOST_WORKING_PIXELS", 10_000)
    copy = working_copy(np.zeros((100, 1000, 3), np.uint8), 100)
    assert 9_000 < copy.shape[0] * copy.shape[1] < 11_000


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (7, 3), (33, 47), (64, 64), (65, 129)])
def test_any_size_is_painted_at_its_own_size(painter: Painter, size: tuple[int, int]) -> None:
    toned, residue = run_painter(painter, smooth(*size))
    assert toned.shape == residue.shape == (*size, 3)
    exact = apply_colour(folded(), smooth(*size).reshape(-1, 3)).reshape(*size, 3)
    np.testing.assert_allclose(toned, exact, atol=1e-5)


def test_a_mirrored_border_paints_the_edge_more_like_the_middle(
    painter: Painter, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.full((96, 96, 3), 0.5, np.float32)

    def edge_error() -> float:
        _, residue = run_painter(painter, grey)
        return float(np.abs(residue[:8, 40:48] - residue[40:48, 40:48]).mean())

    bordered = edge_error()
    monkeypatch.setattr(rendering, "BORDER", 0)
    assert bordered < 0.5 * edge_error()


@pytest.mark.parametrize("height", [200, 301])
def test_a_residue_that_follows_the_picture_is_rebuilt_at_full_size(height: int) -> None:
    picture = smooth(height, 400)
    slope = np.array([[0.2, 0.1, 0], [-0.1, 0.3, 0], [0.05, 0, -0.2]], np.float32)
    small = cv2.resize(picture, (100, height // 4), interpolation=cv2.INTER_AREA)
    rebuilt = enlarge_residue(fit_affine(small, small @ slope + 0.05), picture)
    np.testing.assert_allclose(rebuilt, picture @ slope + 0.05, atol=0.01)
    blurred = cv2.resize(small @ slope + 0.05, (400, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(0).normal(0, 0.05, picture.shape)
    fine = from_unit(picture + grain, np.uint8)
    truth = to_unit(fine) @ slope + 0.05
    maps = fit_affine(small, small @ slope + 0.05)
    error = np.abs(enlarge_residue(maps, fine) - truth).mean()
    assert error < 0.6 * np.abs(blurred - truth).mean()


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("follows", [True, False])
def test_strips_give_what_the_whole_gives(
    depth: type[np.generic], follows: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = from_unit(smooth(97, 60), depth)
    working = working_copy(pixels, 24)
    residue = smooth(*working.shape[:2], seed=5) * 0.2 - 0.1
    table = bake_table(folded(), None)

    def rendered() -> np.ndarray:
        return render(pixels, table, residue, working, follows_picture=follows)

    whole = rendered()
    monkeypatch.setattr(rendering, "MOST_STRIP_PIXELS", 60 * 10)
    assert whole.shape == (97, 60, 3)
    np.testing.assert_allclose(rendered(), whole, atol=1e-5)


def test_a_drawn_residue_keeps_its_lines_where_the_picture_is_flat() -> None:
    working = np.full((32, 32, 3), 0.5, np.float32)
    residue = np.zeros_like(working)
    residue[:, 15:17] = -0.4
    pixels = np.full((64, 64, 3), 128, np.uint8)
    table = lattice(2).reshape(2, 2, 2, 3)
    drawn = render(pixels, table, residue, working, follows_picture=False)
    washed = render(pixels, table, residue, working, follows_picture=True)
    assert drawn[:, 31:33].mean() < 0.15
    assert np.ptp(washed) < 0.6 * np.ptp(drawn)
