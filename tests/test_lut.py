"""Promises of rendering/lut.py."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from stylegan_cli.colour import apply_lut, lut_grid
from stylegan_cli.pictures import to_unit
from stylegan_cli.rendering.lut import ColourLut


def bent(size: int = 33) -> np.ndarray:
    """A table that mixes and bends the channels."""
    mix = np.array([[0.7, 0.2, 0.0], [0.2, 0.6, 0.3], [0.1, 0.2, 0.7]], np.float32)
    curved: np.ndarray = (lut_grid(size) @ mix) ** 1.4
    return curved.reshape(size, size, size, 3)


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("size", [2, 17, 33, 65])
def test_8_bits_are_the_exact_table_rounded(size: int) -> None:
    pixels = noise(300, 400)
    colours = ColourLut(bent(size))
    exact = apply_lut(to_unit(pixels).reshape(-1, 3), bent(size)).reshape(pixels.shape)
    for found in (colours(pixels), ColourLut(bent(size))(pixels[:50])):
        error = np.abs(found / 255 - exact[: len(found)]).max()
        assert error <= 0.51 / 255


def test_a_colour_has_one_result_however_many_were_looked_up_before() -> None:
    random = np.random.default_rng(1).random((7, 7, 7, 3), np.float32)
    colours = ColourLut(random)
    pixels = noise(256, 512)
    first = colours(pixels)
    for threads in (1, 3):
        ready = ColourLut(random)
        ready.expect(10_000_000, threads)
        np.testing.assert_array_equal(ready(pixels), first)
    for _ in range(4):
        np.testing.assert_array_equal(colours(pixels), first)


def test_threads_share_a_table() -> None:
    pixels = noise(200, 1000)
    wanted = ColourLut(bent())(pixels)
    shared = ColourLut(bent())
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(shared, [pixels] * 8):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("strength", [0.0, 0.3, 1.0])
def test_strength_leads_from_the_colours_to_those_of_the_table(strength: float) -> None:
    pixels = noise(60, 80)
    styled = ColourLut(bent())(pixels)
    found = ColourLut(bent(), strength)(pixels)
    wanted = pixels + strength * (styled - pixels.astype(float))
    assert np.abs(found - wanted).max() <= 1
