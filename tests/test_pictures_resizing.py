import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import scene
from PIL import Image

from stylegan_cli.pictures import (
    contact_sheet,
    from_unit,
    resize,
    resize_short_side,
    resize_within,
    to_unit,
)
from stylegan_cli.pictures.picture import Picture
from stylegan_cli.pictures.pixels import change_depth, over_white


def detailed(height: int, width: int) -> np.ndarray:
    """Edges, fine rings and noise: what a careless resizer turns into moiré."""
    down, across = np.mgrid[0:height, 0:width]
    rings = 127 + 127 * np.cos((down**2 + across**2) / (height * 2.5))
    noise = np.random.default_rng(0).normal(0, 12, (height, width, 3))
    pixels = rings[..., None] * (1, 0.8, 0.6) + noise
    pixels[height // 3 : height // 2, width // 4 : width // 2] = (240, 20, 60)
    return pixels.clip(0, 255).astype(np.uint8)


def psnr(result: np.ndarray, reference: np.ndarray) -> float:
    difference = result.astype(float) - reference
    return float(10 * np.log10(255**2 / np.mean(difference**2)))


@pytest.mark.parametrize("factor", [0.4, 0.9, 1.3, 2.5, 3.7, 5.0, 7.3, 16])
def test_the_resizer_is_as_good_as_pillows_lanczos(factor: float) -> None:
    pixels = detailed(480, 640)
    height, width = round(480 / factor), round(640 / factor)
    image = Image.fromarray(pixels).resize((width, height), Image.Resampling.LANCZOS)
    assert psnr(resize(pixels, (height, width)), np.asarray(image)) > 42


def test_fine_detail_is_averaged_not_aliased() -> None:
    checks = ((np.indices((512, 512)).sum(axis=0) % 2) * 255).astype(np.uint8)
    small = resize(np.dstack([checks] * 3), (60, 60)).astype(int)
    assert np.abs(small - 127.5).max() < 3


@pytest.mark.parametrize("size", [(31, 57), (120, 160), (700, 500)])
def test_all_pixel_types_are_resized_alike(size: tuple[int, int]) -> None:
    pixels = detailed(240, 320)
    float_result = resize(to_unit(pixels), size)
    for dtype, scale in ((np.uint8, 255), (np.uint16, 65535)):
        result = resize(change_depth(pixels, dtype), size)
        assert result.dtype == dtype
        assert np.abs(result / scale - float_result).max() < 2 / 255
    assert float_result.dtype == np.float32
    assert float_result.min() >= 0
    assert float_result.max() <= 1


def test_one_channel_is_resized_like_three() -> None:
    pixels = detailed(100, 80)
    np.testing.assert_array_equal(
        resize(pixels[..., 1], (30, 25)), resize(pixels, (30, 25))[..., 1]
    )


def test_the_short_side_and_the_long_side_are_met() -> None:
    assert resize_short_side(scene(48, 64), 24).shape == (24, 32, 3)
    assert resize_short_side(scene(64, 48), 24).shape == (32, 24, 3)
    assert resize_within(scene(48, 64), 32).shape == (24, 32, 3)
    assert resize_short_side(scene(1, 900), 2).shape == (2, 1800, 3)


def test_the_same_size_is_the_same_picture() -> None:
    np.testing.assert_array_equal(resize(scene(), (48, 64)), scene())


def test_no_size_below_one_pixel() -> None:
    with pytest.raises(ValueError, match="1x1"):
        resize(scene(), (0, 5))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    size=st.tuples(st.integers(1, 70), st.integers(1, 70)),
    dtype=st.sampled_from([np.uint8, np.uint16, np.float32]),
    level=st.floats(0, 1),
)
def test_a_flat_picture_stays_flat_at_any_size(
    shape: tuple[int, int], size: tuple[int, int], dtype: type, level: float
) -> None:
    flat = from_unit(np.full((*shape, 3), level, np.float32), dtype)
    result = resize(flat, size)
    assert result.shape == (*size, 3)
    np.testing.assert_allclose(result, flat.flat[0], atol=1e-6 if dtype is np.float32 else 0)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_pixel_value_survives_the_way_to_unit_and_back(dtype: type) -> None:
    values = np.arange(np.iinfo(dtype).max + 1, dtype=dtype)
    np.testing.assert_array_equal(from_unit(to_unit(values), dtype), values)
    assert to_unit(values).dtype == np.float32
    assert (to_unit(values)[0], to_unit(values)[-1]) == (0, 1)


def test_eight_bits_survive_sixteen() -> None:
    np.testing.assert_array_equal(change_depth(change_depth(scene(), np.uint16), np.uint8), scene())


def test_what_leaves_the_range_is_clipped() -> None:
    np.testing.assert_array_equal(
        from_unit(np.array([-0.5, 0.5, 1.5], np.float32), np.uint8), [0, 128, 255]
    )


def test_unit_does_not_touch_its_input() -> None:
    pixels = np.array([[0.25, 2.0]], np.float32)
    from_unit(pixels, np.uint16)
    np.testing.assert_array_equal(pixels, [[0.25, 2.0]])


def test_over_white_weighs_by_alpha() -> None:
    pixels = np.zeros((1, 3, 3), np.uint8)
    shown = over_white(pixels, np.array([[0, 51, 255]], np.uint8))
    np.testing.assert_array_equal(shown[0, :, 0], [255, 204, 0])


def test_a_picture_refuses_what_is_none() -> None:
    with pytest.raises(ValueError, match="pixels must be"):
        Picture(np.zeros((4, 4), np.uint8))
    with pytest.raises(ValueError, match="float64"):
        Picture(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match="alpha"):
        Picture(scene(), np.zeros((3, 3), np.uint8))


def test_a_contact_sheet_has_every_picture_in_its_place() -> None:
    red = np.full((50, 100, 3), (255, 0, 0), np.uint8)
    deep_green = np.full((100, 50, 3), (0, 65535, 0), np.uint16)
    rows = [[red, deep_green], [deep_green]]
    bare = contact_sheet(rows, tile=64, gap=4)
    assert bare.shape == (4 + 2 * 68, 4 + 2 * 68, 3)
    assert tuple(bare[36, 36]) == (255, 0, 0)
    assert tuple(bare[36, 104]) == (0, 255, 0)
    assert tuple(bare[104, 36]) == (0, 255, 0)
    assert tuple(bare[8, 36]) == (255, 255, 255)  # above the wide picture is paper
    labelled = contact_sheet(
        rows,
        row_labels=["first", "second"],
        column_labels=["wide", "a label far too long"],
        tile=64,
    )
    assert labelled.shape[0] > bare.shape[0]
    assert labelled.shape[1] > bare.shape[1]
    left = labelled.shape[1] - bare.shape[1]
    assert (labelled[:, :left] < 128).any()
    with pytest.raises(ValueError, match="at least one"):
        contact_sheet([])


def test_a_contact_sheet_has_low_rows_for_low_pictures_and_names_below_them() -> None:
    red = np.full((50, 100, 3), (255, 0, 0), np.uint8)
    bare = contact_sheet([[red], [red, red]], tile=64, gap=4)
    assert bare.shape == (4 + 2 * 36, 4 + 2 * 68, 3)
    named = contact_sheet([[red], [red, red]], tile_labels=[["a"], ["b", "c"]], tile=64, gap=4)
    step = (named.shape[0] - 4) // 2
    for row, column, is_there in ((0, 0, True), (0, 1, False), (1, 0, True), (1, 1, True)):
        below = named[4 + step * row + 33 : 4 + step * (row + 1), 4 + 68 * column :][:, :64]
        assert (below < 128).any() == is_there
        shown = named[4 + step * row : 4 + step * row + 32, 4 + 68 * column :][:, :64]
        assert (shown == (255, 0, 0)).all() == is_there
