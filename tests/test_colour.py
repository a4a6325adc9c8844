"""Promises of colour.py."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RegularGridInterpolator

from stylegan_cli.colour import (
    STATISTICS_DIM,
    apply_lut,
    linear_map,
    lut_grid,
    sample_colours,
    style_statistics,
    transfer_lut,
)

RNG = np.random.default_rng(0)


def colours(seed: int, count: int = 4000) -> np.ndarray:
    """Skewed, correlated unit colours."""
    rng = np.random.default_rng(seed)
    mixed = rng.gamma(2, 0.1, (count, 3)) @ rng.uniform(0, 0.6, (3, 3)) + rng.uniform(0, 0.3, 3)
    return np.clip(mixed, 0, 1).astype(np.float32)


def test_the_linear_map_carries_mean_and_covariance() -> None:
    source, target = colours(1), colours(2)
    matrix, offset = linear_map(source, target)
    moved = source @ matrix + offset
    np.testing.assert_allclose(moved.mean(0), target.mean(0), atol=1e-5)
    np.testing.assert_allclose(np.cov(moved.T), np.cov(target.T), atol=5e-4)


def test_a_set_maps_to_itself_by_doing_nothing() -> None:
    matrix, offset = linear_map(colours(1), colours(1))
    np.testing.assert_allclose(matrix, np.eye(3), atol=1e-4)
    np.testing.assert_allclose(offset, 0, atol=1e-4)


def test_a_grey_set_or_a_single_colour_keeps_the_map_finite() -> None:
    grey = np.repeat(colours(1)[:, :1], 3, axis=1)
    for source, target in ((grey, colours(2)), (colours(2), grey), (grey * 0 + 0.5, colours(2))):
        matrix, offset = linear_map(source, target)
        assert np.isfinite(matrix).all()
        assert np.isfinite(offset).all()
        np.testing.assert_allclose((source @ matrix + offset).mean(0), target.mean(0), atol=1e-3)


def test_the_transfer_table_moves_the_distribution_closer_than_the_linear_map() -> None:
    source, other = (np.random.default_rng(seed).random((4000, 3), np.float32) for seed in (3, 4))
    target = other**2 * (3 - 2 * other) * [0.5, 0.9, 0.7] + [0.4, 0.05, 0.1]
    moved = apply_lut(source, transfer_lut(source, target))
    matrix, offset = linear_map(source, target)
    shares = np.linspace(2, 98, 25)

    def distance(found: np.ndarray) -> float:
        quantiles = [np.percentile(c, shares, axis=0) for c in (found, target)]
        return float(np.abs(quantiles[0] - quantiles[1]).mean())

    assert distance(moved) < 0.01
    assert distance(moved) < 0.5 * distance(source @ matrix + offset)


@pytest.mark.parametrize("size", [2, 17, 33])
def test_the_regular_table_changes_nothing(size: int) -> None:
    inside = np.concatenate([RNG.random((500, 3)), lut_grid(2)]).astype(np.float32)
    lut = lut_grid(size).reshape(size, size, size, 3)
    np.testing.assert_allclose(apply_lut(inside, lut), inside, atol=1e-6)


@given(st.integers(2, 12), st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_a_table_is_looked_up_as_scipy_does(size: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    lut = rng.random((size, size, size, 3), np.float32)
    wanted = rng.random((200, 3), np.float32)
    axis = np.linspace(0, 1, size)
    expected = RegularGridInterpolator((axis, axis, axis), lut)(wanted)
    np.testing.assert_allclose(apply_lut(wanted, lut), expected, atol=2e-5)


def test_colours_out_of_range_meet_the_table_s_edge() -> None:
    lut = RNG.random((5, 5, 5, 3)).astype(np.float32)
    found = apply_lut(np.array([[-1, 2, 0.5], [0, 1, 0.5]], np.float32), lut)
    np.testing.assert_array_equal(found[0], found[1])


def test_statistics_are_finite_and_as_many_as_told() -> None:
    for creator in (colours(1), np.zeros((50, 3), np.float32)):
        found = style_statistics(creator, colours(2), 3)
        assert found.shape == (STATISTICS_DIM,)
        assert found.dtype == np.float32
        assert np.isfinite(found).all()


def test_statistics_do_not_depend_on_the_order_of_colours() -> None:
    creator, content = colours(1), colours(2)
    shuffled = np.random.default_rng(9).permutation(creator)
    np.testing.assert_allclose(
        style_statistics(creator, content, 3), style_statistics(shuffled, content, 3), atol=2e-3
    )


def test_every_picture_has_an_equal_share_of_a_sample() -> None:
    pictures = [np.full((size, size, 3), 50 * k, np.uint8) for k, size in enumerate((4, 90, 10))]
    drawn = sample_colours(pictures, 300, np.random.default_rng(0))
    values, counts = np.unique(np.round(drawn[:, 0] * 255), return_counts=True)
    assert values.tolist() == [0, 50, 100]
    assert counts.tolist() == [100, 100, 100]
