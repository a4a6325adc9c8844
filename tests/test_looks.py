from dataclasses import fields, replace
from typing import Self

import cv2
import numpy as np
import pytest

from stylegan_cli.pretraining.looks import Look, draw_look, excluded
from stylegan_cli.pretraining.looks.colour_layers import (
    Contrast,
    Curves,
    Monochrome,
    SplitTone,
    Steps,
    Tone,
)
from stylegan_cli.pretraining.looks.drawing import _layer
from stylegan_cli.pretraining.looks.drawn_layers import Contours, Hatching, Oil, Pencil, Strokes
from stylegan_cli.pretraining.looks.excluded import RESERVED, is_excluded
from stylegan_cli.pretraining.looks.filters import Pixels, blurred, luma
from stylegan_cli.pretraining.looks.optical_layers import Diffusion, Glow, Halation, Sharpen


def make_photo(height: int, width: int, seed: int = 0) -> Pixels:
    """A smooth picture with shapes, edges and a little texture: what a photo has, at any size."""
    rng = np.random.default_rng(seed)
    scale = min(height, width)
    image = np.zeros((height, width, 3), np.float32)
    image[:] = np.linspace(0.25, 0.75, width, dtype=np.float32)[None, :, None]
    for _ in range(14):
        centre = int(rng.integers(width)), int(rng.integers(height))
        colour = [float(value) for value in rng.random(3)]
        cv2.circle(image, centre, round(scale * rng.uniform(0.05, 0.2)), colour, -1, cv2.LINE_AA)
    texture = cv2.resize(rng.normal(0, 0.06, (64, 64, 1)).astype(np.float32), (width, height))
    return np.clip(blurred(image, scale / 150) + texture[..., None], 0, 1)


def draw_many(count: int, seed: int = 0) -> list[Look]:
    rng = np.random.default_rng(seed)
    return [draw_look(rng) for _ in range(count)]


def test_the_same_draw_is_the_same_look_and_stylizes_the_same_picture() -> None:
    photo = make_photo(48, 64)
    first, second = (draw_look(np.random.default_rng(4)) for _ in range(2))
    assert first == second
    np.testing.assert_array_equal(first(photo, 48), second(photo, 48))
    assert first != draw_look(np.random.default_rng(5))


@pytest.mark.parametrize(
    "photo",
    [make_photo(40, 57), make_photo(9, 13), np.zeros((16, 16, 3)), np.ones((16, 24, 3))],
    ids=["odd", "tiny", "black", "white"],
)
def test_every_look_gives_a_unit_picture_of_the_same_shape(photo: Pixels) -> None:
    photo = photo.astype(np.float32)
    before = photo.copy()
    for look in draw_many(150):
        result = look(photo, 256)
        assert result.dtype == np.float32
        assert result.shape == photo.shape
        assert np.isfinite(result).all()
        assert result.min() >= 0
        assert result.max() <= 1
    np.testing.assert_array_equal(photo, before)


def test_a_pointwise_look_stylizes_any_list_of_pixels() -> None:
    photo = make_photo(40, 56)
    order = np.random.default_rng(1).permutation(40 * 56)
    looks = [look for look in draw_many(200) if look.pointwise]
    assert looks
    for look in looks:
        pixels = look(photo.reshape(-1, 1, 3)[order], 999)
        np.testing.assert_allclose(pixels, look(photo, 40).reshape(-1, 1, 3)[order], atol=1e-6)


def test_a_look_that_is_not_pointwise_reads_its_neighbourhood() -> None:
    photo = make_photo(64, 64)
    shuffled = np.random.default_rng(1).permutation(64 * 64)
    for look in draw_many(60):
        if look.pointwise:
            continue
        mixed = look(photo.reshape(-1, 1, 3)[shuffled].reshape(64, 64, 3), 64)
        straight = look(photo, 64).reshape(-1, 1, 3)[shuffled].reshape(64, 64, 3)
        assert np.abs(mixed - straight).mean() > 1e-5, look


def test_no_look_depends_on_position() -> None:
    photo = make_photo(224, 232)
    for look in draw_many(60, seed=2):
        whole = look(photo, 128)
        crop = look(np.ascontiguousarray(photo[24:, 16:]), 128)  # other borders, same inside
        inside = np.abs(whole[24:, 16:] - crop)[70:-1, 70:-1]
        assert np.mean(inside) < 0.004, look


@pytest.mark.parametrize("kind", [Glow, Halation, Diffusion, Sharpen, Pencil, Oil, Strokes])
def test_a_width_is_a_part_of_the_short_side(kind: type) -> None:
    """Twice the size, stylized and halved, is the picture stylized at its own size."""
    large = cv2.resize(make_photo(192, 192), (768, 768), interpolation=cv2.INTER_CUBIC)
    large = np.clip(large, 0, 1)
    small = cv2.resize(large, (384, 384), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(3)
    for _ in range(4):
        look = Look((kind.draw(rng),))
        halved = cv2.resize(look(large, 768), (384, 384), interpolation=cv2.INTER_AREA)
        error = np.abs(halved - look(small, 384)).mean()
        wrong = np.abs(look(small, 768) - look(small, 384)).mean()
        assert error < 0.02, look
        assert error < 0.5 * wrong + 0.003, look


def test_draws_cover_the_families_in_the_intended_shares() -> None:
    looks = draw_many(1500)
    families = {family for look in looks for family in look.families}
    assert len(families) >= 20
    pointwise = np.mean([look.pointwise for look in looks])
    assert 0.2 < pointwise < 0.3
    drawn_by_hand = {"contours", "pencil", "ink", "hatching", "oil", "strokes", "flat areas"}
    by_hand = np.mean([bool(drawn_by_hand & set(look.families)) for look in looks])
    assert 0.55 < by_hand < 0.7


def test_hardly_any_look_loses_the_picture_and_few_leave_it_alone() -> None:
    photos = [make_photo(96, 96, seed) for seed in range(3)]
    looks = draw_many(300)
    lost = unchanged = 0
    for look in looks:
        results = [look(photo, 96) for photo in photos]
        lost += np.mean([result.std() for result in results]) < 0.03
        pairs = zip(results, photos, strict=True)
        changes = [np.abs(result - photo).mean() for result, photo in pairs]
        unchanged += np.mean(changes) < 0.01
    assert lost / len(looks) < 0.03
    assert 0.005 < unchanged / len(looks) < 0.1


def test_brighter_stays_brighter_so_that_solarised_and_false_colours_stay_unseen() -> None:
    ramp = np.repeat(np.linspace(0, 1, 256, dtype=np.float32)[None, :, None], 3, 2)
    for look in draw_many(600, seed=8):
        if look.pointwise:
            assert np.diff(luma(look(ramp, 256))[0]).min() > -0.01, look


def test_contours_are_darker_than_what_they_are_drawn_on() -> None:
    photo = make_photo(96, 96)
    rng = np.random.default_rng(6)
    for _ in range(40):
        contours = replace(Contours.draw(rng), ink=(0.0, 0.0, 0.0))
        assert (contours(photo, photo, 96) <= photo + 1e-6).all()


def test_contours_lie_on_edges() -> None:
    photo = np.full((96, 96, 3), 0.3, np.float32)
    photo[:, 48:] = 0.7
    rng = np.random.default_rng(6)
    for _ in range(40):
        contours = replace(Contours.draw(rng), gain=200.0, threshold=0.0, ink=(0, 0, 0))
        darkened = 1 - (contours(photo, photo, 96) / photo).mean(2)
        assert darkened[:, 44:52].max() > 0.05, contours
        assert darkened[:, 44:52].max() > 3 * darkened[:, :30].max(), contours
        # Ink lies on the dark side of an edge, or on both.
        assert darkened[:, 44:48].mean() > 0.9 * darkened[:, 48:52].mean(), contours


@pytest.mark.parametrize("turned", [False, True], ids=["across", "down"])
def test_hatching_along_the_form_follows_stripes_of_detail(turned: bool) -> None:
    rng = np.random.default_rng(0)
    stripes = np.repeat(rng.normal(0.5, 0.06, (96, 1, 1)), 96, 1)
    noise = rng.normal(0, 0.05, (96, 96, 1))
    photo = np.repeat(np.clip(stripes + noise, 0, 1), 3, 2).astype(np.float32)
    if turned:
        photo = np.ascontiguousarray(photo.transpose(1, 0, 2))
    drawn_out, dots = (Hatching("form", 1 / 96, n, 5, 0.4, 10, 0.1, 0) for n in (1 / 10, 1 / 999))

    def roughness(hatching: Hatching) -> float:
        result = hatching(photo, photo, 96)[..., 0]
        along, across = (np.abs(np.diff(result, axis=axis)).mean() for axis in (1, 0))
        return float(across / along if turned else along / across)

    assert roughness(drawn_out) < 0.5
    assert roughness(drawn_out) < 0.7 * roughness(dots)


def test_steps_make_few_values_and_soft_steps_more() -> None:
    ramp = np.repeat(np.linspace(0, 1, 512, dtype=np.float32)[None, :, None], 3, 2)
    hard = Steps("value", 6, 0.0, 0.0, 1.0)
    assert len(np.unique(hard(ramp, ramp, 256)[..., 0].round(3))) == 7
    soft = replace(hard, softness=0.6)
    assert len(np.unique(soft(ramp, ramp, 256)[..., 0].round(3))) > 30


@pytest.mark.parametrize("sigma_px", [2.0, 7.0, 20.0, 45.0])
def test_the_cheap_wide_blur_is_the_gaussian(sigma_px: float) -> None:
    photo = make_photo(193, 211)
    exact = cv2.GaussianBlur(photo, (0, 0), sigma_px)
    margin = 8
    difference = np.abs(blurred(photo, sigma_px) - exact)[margin:-margin, margin:-margin]
    assert difference.max() < 0.03
    assert difference.mean() < 0.005


KNOWN = [
    Tone(0.06, 0.9, 0.9, 0.5),
    Tone(0.22, 0.76, 1.3, 0.0),
    Contrast(1.5, 0.5, 0.45),
    SplitTone((-0.02, 0.03, 0.06), (0.08, 0.02, -0.07), 2, 2),
    SplitTone((-0.08, 0.02, 0.08), (0.10, 0.03, -0.10), 1, 1),
    Monochrome((0.35, 0.50, 0.15), 1.0),
    Glow(0.65, 1 / 40, 0.7, (1, 0.85, 0.6)),
    Steps("value", 8, 0.0, 0.0, 1.5),
    Contours("dog", 1 / 220, 80, 0.006, 0.8, (0.0, 0.0, 0.0), True),
    Pencil(1 / 50, 1.3, 0.0, 0.0, (0.299, 0.587, 0.114)),
]


@pytest.mark.parametrize("layer", KNOWN, ids=lambda layer: layer.family)
def test_the_benchmarks_own_parameters_are_reserved(layer: Tone) -> None:
    assert is_excluded(layer)
    rows = RESERVED[layer.family]
    for name in {name for row in rows for name in row}:
        value = getattr(layer, name)
        if isinstance(value, float):
            assert is_excluded(replace(layer, **{name: 1.05 * value}))


def test_parameters_well_away_from_the_benchmarks_are_free() -> None:
    assert not is_excluded(Pencil(1 / 50, 1.6, 0.0, 0.0, (0.299, 0.587, 0.114)))
    assert not is_excluded(Pencil(1 / 65, 1.3, 0.0, 0.0, (0.299, 0.587, 0.114)))
    assert not is_excluded(Contours("xdog", 1 / 220, 80, 0.006, 0.8, (0.0, 0.0, 0.0), True))
    assert not is_excluded(Steps("luma", 8, 0.0, 0.0, 1.5))
    assert not is_excluded(Curves.draw(np.random.default_rng(0)))


def test_reserved_rows_name_real_parameters() -> None:
    for layer in KNOWN:
        names = {field.name for field in fields(layer)}
        assert all(set(row) <= names for row in RESERVED[layer.family])
    assert {layer.family for layer in KNOWN} == set(RESERVED)


def test_a_reserved_draw_is_drawn_again() -> None:
    class Stubborn(Pencil):
        """Draws the reserved pencil twice, then a free one."""

        left = 2

        @classmethod
        def draw(cls, rng: np.random.Generator) -> Self:
            cls.left -= 1
            gamma = 1.3 if cls.left >= 0 else 2.5
            return cls(1 / 50, gamma, 0.0, 0.0, (0.299, 0.587, 0.114))

    layer = _layer(np.random.default_rng(0), Stubborn)
    assert layer.gamma == 2.5  # type: ignore[attr-defined]
    assert Stubborn.left == -1


def test_no_drawn_look_has_a_reserved_layer() -> None:
    assert excluded.TOLERANCE >= 0.08
    assert not any(is_excluded(layer) for look in draw_many(3000) for layer in look.layers)
