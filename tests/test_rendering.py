"""Promises of rendering/{working_copy,tiles,guided_maps,compose,lut}.py."""

import sys
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_files import LOOKS, small_model

from stylegan_cli.backends import StyleGenerator, open_backend
from stylegan_cli.colour import lut_grid
from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.instant.render_mode import render_mode_photos
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import from_unit, read_rgb, to_unit
from stylegan_cli.rendering import (
    bake_lut,
    bring_down,
    enlarge_residual,
    fit_residual,
    look_up,
    make_working_copy,
    render,
    run_generator,
    working_size,
)
from stylegan_cli.rendering.config import RenderingConfig
from stylegan_cli.rendering.lut import ColourLut

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import looks

DEPTHS = [np.uint8, np.uint16, np.float32]


def folded(index: int = 0) -> dict[str, np.ndarray]:
    base, style = small_model().base, small_model().styles[index]
    return fold_style(
        base.generator_tensors, base.generator, style.matrix, style.offset, style.code, 256
    )


@pytest.fixture(scope="module")
def generator() -> StyleGenerator:
    return open_backend(small_model().base).generator(folded())


def smooth(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A unit picture of a few soft blobs, each channel its own."""
    small = np.random.default_rng(seed).random((6, 8, 3), np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def grainy(height: int, width: int, seed: int = 0) -> np.ndarray:
    """The same under fine grain."""
    grain = np.random.default_rng(seed).normal(0, 0.05, (height, width, 3))
    return np.clip(smooth(height, width, seed) + grain, 0, 1).astype(np.float32)


@pytest.mark.parametrize("index", range(len(LOOKS)), ids=LOOKS)
def test_the_table_is_within_one_step_of_the_exact_colour_function(index: int) -> None:
    weights = folded(index)
    colours = np.random.default_rng(1).random((20_000, 3), np.float32)
    exact = np.clip(apply_colour(weights, colours), 0, 1)
    found = look_up(colours[None], bake_lut(weights, None))[0]
    error = np.abs(found - exact).max(1)
    assert np.mean(error <= 1 / 255) >= 0.99


def test_calibration_follows_the_network() -> None:
    swapped = lut_grid(2)[:, ::-1].reshape(2, 2, 2, 3)
    plain = bake_lut(folded(), None, size=9)
    np.testing.assert_allclose(bake_lut(folded(), swapped, size=9), plain[..., ::-1], atol=1e-6)


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_table_that_does_nothing_keeps_every_depth(depth: type[np.generic]) -> None:
    pixels = from_unit(smooth(33, 47), depth)
    found = from_unit(look_up(pixels, lut_grid(33).reshape(33, 33, 33, 3)), depth)
    if depth == np.float32:
        np.testing.assert_allclose(found, pixels, atol=1e-6)
    else:
        np.testing.assert_array_equal(found, pixels)


def test_8_bits_are_looked_up_like_any_other_depth() -> None:
    lut = bake_lut(folded(), None)
    pixels = np.random.default_rng(2).integers(0, 256, (40, 50, 3), np.uint8)
    quick, exact = look_up(pixels, lut), look_up(to_unit(pixels), lut)
    assert np.abs(quick - exact).max() <= 1.01 / 255


@pytest.mark.parametrize(
    ("size", "expected"),
    [((400, 300), (128, 96)), ((90, 70), (90, 70)), ((1, 5000), (1, 5000)), ((3000, 200), None)],
)
def test_a_working_copy_is_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    copy = make_working_copy(np.zeros((*size, 3), np.uint8), 96)
    assert copy.dtype == np.float32
    assert copy.shape[:2] == (expected or (1440, 96))


def test_a_very_long_picture_does_not_get_a_very_large_working_copy() -> None:
    config = RenderingConfig(max_working_pixels=10_000)
    height, width = working_size((100, 1000), 100, config)
    assert 9_000 < height * width < 11_000


def test_8_bits_round_little_of_the_working_copy_away() -> None:
    pixels = from_unit(smooth(500, 700), np.uint8)
    copies = [bring_down(p, (96, 134)) for p in (pixels, to_unit(pixels))]
    assert np.abs(copies[0] - copies[1]).mean() < 0.15 / 255


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (7, 3), (33, 47), (64, 64), (65, 129)])
def test_any_size_is_stylized_at_its_own_size(
    generator: StyleGenerator, size: tuple[int, int]
) -> None:
    base_colour, residual = run_generator(generator, smooth(*size))
    assert base_colour.shape == residual.shape == (*size, 3)
    exact = apply_colour(folded(), smooth(*size).reshape(-1, 3)).reshape(*size, 3)
    np.testing.assert_allclose(base_colour, exact, atol=1e-5)


def test_a_mirrored_border_stylizes_the_edge_more_like_the_middle(
    generator: StyleGenerator,
) -> None:
    grey = np.full((96, 96, 3), 0.5, np.float32)

    def edge_error(border: int) -> float:
        _, residual = run_generator(generator, grey, RenderingConfig(border=border))
        return float(np.abs(residual[:8, 40:48] - residual[40:48, 40:48]).mean())

    assert edge_error(RenderingConfig().border) < 0.5 * edge_error(0)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 150),
    width=st.integers(1, 150),
    tile=st.sampled_from([8, 16, 40, 64]),
    depth=st.sampled_from(DEPTHS),
)
def test_tiles_of_any_size_give_what_the_whole_gives(
    generator: StyleGenerator, height: int, width: int, tile: int, depth: type[np.generic]
) -> None:
    pixels = from_unit(grainy(height, width), depth)
    whole = run_generator(generator, to_unit(pixels))
    in_tiles = run_generator(generator, to_unit(pixels), RenderingConfig(tile=tile))
    for found, expected in zip(in_tiles, whole, strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_result_pixel_looks_no_further_than_the_reach(generator: StyleGenerator) -> None:
    size = 2 * generator.reach + 40
    picture = np.zeros((1, 3, size, size), np.float32)
    changed = picture.copy()
    changed[..., size // 2, size // 2] = 1
    moved = np.abs(generator(picture)[1] - generator(changed)[1]).max(axis=(0, 1)) > 1e-6
    assert 8 < np.abs(np.argwhere(moved) - size // 2).max() <= generator.reach


@dataclass
class ScarceMemory:
    """A generator that can't take more than so many pixels at once."""

    generator: StyleGenerator
    max_area: int
    refused: int = 0

    @property
    def reach(self) -> int:
        return self.generator.reach

    def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if image.shape[2] * image.shape[3] > self.max_area:
            self.refused += 1
            raise MemoryError
        return self.generator(image)


def test_where_memory_runs_out_smaller_tiles_give_the_same(generator: StyleGenerator) -> None:
    picture = grainy(420, 300)
    scarce = ScarceMemory(generator, max_area=300 * 270)
    for found, expected in zip(
        run_generator(scarce, picture), run_generator(generator, picture), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert scarce.refused
    with pytest.raises(MemoryError):
        run_generator(ScarceMemory(generator, max_area=1000), picture)


@pytest.mark.parametrize("height", [200, 301])
def test_a_residual_that_follows_the_picture_is_rebuilt_at_full_size(height: int) -> None:
    slope = np.array([[0.2, 0.1, 0], [-0.1, 0.3, 0], [0.05, 0, -0.2]], np.float32)
    pixels = from_unit(grainy(height, 400), np.uint8)
    small = bring_down(pixels, (height // 2, 200))
    truth = to_unit(pixels) @ slope + 0.05
    blurred = cv2.resize(small @ slope + 0.05, (400, height), interpolation=cv2.INTER_CUBIC)
    rebuilt = enlarge_residual(fit_residual(small, small @ slope + 0.05), pixels)
    assert np.abs(rebuilt - truth).mean() < 0.4 * np.abs(blurred - truth).mean()


def test_a_film_look_from_a_working_copy_is_the_look_at_full_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photo = cv2.resize(read_rgb(render_mode_photos()[0], 768), (1024, 1024))
    grain = np.random.default_rng(0).normal(0, 4, (1024, 1024, 1))
    pixels = np.clip(photo + grain, 0, 255).astype(np.uint8)
    wanted = to_unit(looks.film(pixels))
    working = make_working_copy(pixels, 384)
    # From here on neither the look's pictures nor its colours are rounded to 8 bits.
    monkeypatch.setattr(looks, "_to_uint8", lambda unit: np.clip(unit, 0, 1).astype(np.float32))
    whole = looks.film(working * 255)
    monkeypatch.setattr(looks.cv2, "GaussianBlur", lambda bright, *_: 0 * bright)
    lut = looks.film(255 * lut_grid(33).reshape(33 * 33, 33, 3)).reshape(33, 33, 33, 3)
    maps = fit_residual(working, whole - look_up(working, lut))
    monkeypatch.undo()
    found = to_unit(render(pixels, ColourLut(lut), maps))
    assert psnr(to_unit(render(pixels, ColourLut(lut))), wanted) < 40
    assert psnr(found, wanted) >= 45


def test_at_the_working_size_the_maps_give_the_residual_itself() -> None:
    working, residual = grainy(70, 90), grainy(70, 90, seed=1) - 0.5
    rebuilt = enlarge_residual(fit_residual(working, residual), working)
    np.testing.assert_allclose(rebuilt, residual, atol=1e-5)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("threads", [1, 3])
def test_strips_and_threads_give_what_the_whole_gives(
    depth: type[np.generic], threads: int
) -> None:
    pixels = from_unit(grainy(97, 60), depth)
    working = bring_down(pixels, (39, 24))
    maps = fit_residual(working, grainy(39, 24, seed=5) * 0.2 - 0.1)
    colours = ColourLut(bake_lut(folded(), None))
    whole = render(pixels, colours, maps)
    config = RenderingConfig(strip_pixels=97 * 10, min_strip=1)
    found = render(pixels, colours, maps, threads=threads, config=config)
    assert found.dtype == depth
    np.testing.assert_allclose(to_unit(found), to_unit(whole), atol=2e-5)


def test_lines_of_the_look_stay_where_the_picture_is_flat() -> None:
    working = np.full((32, 32, 3), 0.5, np.float32)
    residual = np.zeros_like(working)
    residual[:, 15:17] = -0.4
    pixels = np.full((64, 64, 3), 128, np.uint8)
    same = ColourLut(lut_grid(2).reshape(2, 2, 2, 3))
    drawn = to_unit(render(pixels, same, fit_residual(working, residual)))
    assert drawn[:, 31:33].mean() < 0.15
    assert drawn[:, :24].min() > 0.49


def test_what_is_done_at_the_end_sees_the_result_and_the_original() -> None:
    pixels = from_unit(smooth(40, 50), np.float32)
    colours = ColourLut(1 - lut_grid(2).reshape(2, 2, 2, 3))
    found = render(pixels, colours, finish=lambda styled, original: 0.25 * styled + original / 4)
    np.testing.assert_allclose(found, 0.25, atol=1e-6)
