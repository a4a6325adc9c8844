"""Promises of halation: read from pictures, kept in styles, painted on photos and clips."""

import dataclasses
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import GRAIN, HALATION, small_model
from PIL import Image

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.errors import ConfigError, UsageError
from stylegan_cli.instant import make_style, with_mode_of_residual
from stylegan_cli.instant.config import DEFAULTS
from stylegan_cli.instant.halation import HalationReader, halation_of
from stylegan_cli.pictures import Picture, read_rgb
from stylegan_cli.pictures.colours import linear_of_srgb, srgb_of_linear
from stylegan_cli.rendering.config import RenderingConfig
from stylegan_cli.rendering.halation import paint_halation
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.export import ExportConfig, export_file
from stylegan_cli.styles import Style, write_model
from stylegan_cli.styles.film import FilmHalation, highlights
from stylegan_cli.styles.mixing import mix
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import clip_style
from stylegan_cli.video.film_clips import with_film


def scene(seed: int, glare: float = 0.0) -> np.ndarray:
    """Windows and lamps in a dark room with dim things of all colours; (480, 640, 3) uint8.

    glare: share of white light around them, as of a lens.
    """
    rng = np.random.default_rng(seed)
    light = np.full((480, 640, 3), 0.01) + rng.random(3) * 0.01
    for _ in range(60):
        y, x, radius = *rng.integers(0, (480, 640)), int(rng.integers(5, 60))
        cv2.circle(light, (int(x), int(y)), radius, (rng.random(3) * 0.06).tolist(), -1)
    for _ in range(8):
        y, x, height, width = *rng.integers(20, (400, 560)), *rng.integers(10, 70, 2)
        light[y : y + height, x : x + width] = 1 - 0.1 * rng.random(3)
    light = cv2.GaussianBlur(light, (0, 0), 0.7)
    around = cv2.GaussianBlur(highlights(light), (0, 0), 8).mean(-1, keepdims=True)
    return as_codes(light + glare * np.maximum(around - highlights(light), 0))


def as_codes(light: np.ndarray) -> np.ndarray:
    return np.rint(255 * srgb_of_linear(np.clip(light, 0, 1))).astype(np.uint8)


def light_of(pixels: np.ndarray) -> np.ndarray:
    return linear_of_srgb(pixels / 255)


def on_film(photo: np.ndarray, radius: float, strength: tuple[float, ...]) -> np.ndarray:
    """The photo with halation, straight from the formula."""
    light = light_of(photo)
    bright = highlights(light)
    around = cv2.GaussianBlur(bright, (0, 0), radius * min(photo.shape[:2]))
    return as_codes(light + np.maximum(around - bright, 0) * strength)


def as_jpeg(pixels: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def read_halation(pictures: list[np.ndarray]) -> FilmHalation | None:
    reader = HalationReader()
    for picture in pictures:
        reader(picture)
    return halation_of(reader.samples)


@pytest.fixture(scope="module")
def scenes() -> list[np.ndarray]:
    return [scene(seed) for seed in range(8)]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend(small_model().base)


def with_halation(halation: FilmHalation | None = HALATION) -> Style:
    return small_model().styles[0].with_info(halation=halation)


@pytest.mark.parametrize("radius", [0.007, 0.01, 0.02])
@pytest.mark.parametrize("strength", [(0.15, 0.04, 0.0), (0.4, 0.15, 0.0)], ids=["some", "strong"])
def test_halation_is_read_as_wide_as_strong_and_as_orange_as_it_is(
    scenes: list[np.ndarray], radius: float, strength: tuple[float, ...]
) -> None:
    found = read_halation([as_jpeg(on_film(photo, radius, strength), 92) for photo in scenes])
    assert found is not None
    assert found.radius == pytest.approx(radius, rel=0.35)
    assert found.strength[0] == pytest.approx(strength[0], rel=0.3)
    assert found.strength[1] == pytest.approx(strength[1], abs=0.03 + 0.2 * strength[1])
    assert found.strength[2] == 0


@pytest.mark.parametrize("glare", [0.0, 0.3])
@pytest.mark.parametrize("quality", [None, 92, 70])
def test_clean_pictures_have_no_halation(quality: int | None, glare: float) -> None:
    pictures = [scene(seed, glare) for seed in range(8)]
    portraits = [read_rgb(path) for path in starter_photos()[::4]]
    for kept in (pictures, portraits):
        assert read_halation([as_jpeg(p, quality) if quality else p for p in kept]) is None


def test_coloured_lamps_and_shifted_colours_are_no_halation(scenes: list[np.ndarray]) -> None:
    def warm(photo: np.ndarray) -> np.ndarray:
        light = light_of(photo)
        lamps = light[:, :400] > 0.5
        light[:, :400] = np.where(lamps, light[:, :400] * [1, 0.55, 0.2], light[:, :400])
        return as_codes(light + 0.3 * cv2.GaussianBlur(highlights(light), (0, 0), 8))

    def shifted(photo: np.ndarray) -> np.ndarray:  # lateral chromatic aberration
        red, green, blue = cv2.split(photo)
        return cv2.merge([np.roll(red, 2, 1), green, np.roll(blue, -2, 1)])

    assert read_halation([warm(photo) for photo in scenes]) is None
    assert read_halation([shifted(photo) for photo in scenes]) is None


def test_halation_of_some_pictures_is_not_the_creators(scenes: list[np.ndarray]) -> None:
    some = [on_film(photo, 0.01, HALATION.strength) for photo in scenes]
    assert read_halation(some[:2] + scenes[2:]) is None
    assert read_halation(some[:4]) is None
    assert read_halation(some[:6]) is not None
    assert read_halation([np.full((40, 30, 3), 255, np.uint8)] * 9) is None
    assert read_halation([np.full((4, 3, 3), 255, np.uint8)] * 9) is None


@pytest.mark.parametrize("radius", [0.003, 0.02, 0.1])
def test_painted_halation_is_that_of_the_formula(radius: float) -> None:
    halation = dataclasses.replace(HALATION, radius=radius)
    photo = scene(1)
    wanted = light_of(on_film(photo, radius, halation.strength))
    for depth, scale in ((np.uint8, 1), (np.uint16, 257), (np.float32, 1 / 255)):
        pixels = (photo.astype(float) * scale).astype(depth)
        painted = paint_halation(pixels, halation)
        assert painted.dtype == depth
        assert np.abs(light_of(painted / scale) - wanted).max() < 0.012


def test_halation_depends_on_neither_strips_nor_threads() -> None:
    photo = cv2.resize(scene(0), (901, 677), interpolation=cv2.INTER_CUBIC)
    painted = paint_halation(photo, HALATION)
    for threads, strip in ((1, 901 * 7), (3, 901 * 50), (2, 1)):
        config = RenderingConfig(strip_pixels=strip)
        again = paint_halation(photo, HALATION, threads=threads, config=config)
        np.testing.assert_array_equal(again, painted)


def test_halation_is_as_wide_on_any_size_of_picture() -> None:
    photo = scene(2)
    wanted = paint_halation(photo, HALATION).astype(int)
    for factor in (3, 4):
        large = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_NEAREST)
        painted = paint_halation(large, HALATION)
        small = cv2.resize(painted, photo.shape[1::-1], interpolation=cv2.INTER_AREA)
        assert np.abs(small - wanted).mean() < 0.3


def test_only_dark_places_near_highlights_change() -> None:
    bright, dim = (np.full((64, 96, 3), level, np.uint8) for level in (230, 180))
    edge = np.where(np.arange(96)[:, None] < 48, bright, np.uint8(20)).astype(np.uint8)
    for plain in (bright, dim):
        np.testing.assert_array_equal(paint_halation(plain, HALATION), plain)
    painted = paint_halation(edge, dataclasses.replace(HALATION, radius=0.05))
    np.testing.assert_array_equal(painted[:, :48], edge[:, :48])
    np.testing.assert_array_equal(painted[:, -20:], edge[:, -20:])
    red, green, blue = painted[32, 48].astype(int)
    assert red > green > blue == 20


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
def test_halation_0_is_the_style_without_it_bit_for_bit(depth: type, backend: Backend) -> None:
    base, pixels = small_model().base, (scene(0)[::4, ::4] / np.float32(255))
    if depth != np.float32:
        pixels = (pixels * np.iinfo(depth).max).astype(depth)
    without = Stylizer(base, with_halation(None), backend).stylize(pixels)
    none = Stylizer(base, with_halation(), backend, halation=0.0).stylize(pixels)
    np.testing.assert_array_equal(none, without)
    whole = Stylizer(base, with_halation(), backend)
    np.testing.assert_array_equal(whole.stylize(pixels), paint_halation(without, HALATION))
    np.testing.assert_array_equal(
        whole.stylize_picture(Picture(pixels)).pixels, whole.stylize(pixels)
    )


def test_strength_weakens_halation_and_kept_colours_have_white_light(backend: Backend) -> None:
    base = small_model().base
    assert Stylizer(base, with_halation(), backend, 0.0).halation is None
    half = Stylizer(base, with_halation(), backend, 0.5, halation=0.5).halation
    assert half is not None
    np.testing.assert_allclose(half.strength, np.multiply(HALATION.strength, 0.25))
    own = Stylizer(base, with_halation(), backend, preserve_colour=True).halation
    assert own is not None
    assert np.ptp(own.strength) == 0
    assert own.strength @ np.ones(3) > 0
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="--halation"):
            Stylizer(base, with_halation(), backend, halation=wrong)


def test_the_fingerprint_of_a_style_without_halation_is_what_it_was(backend: Backend) -> None:
    base = small_model().base
    plain = Stylizer(base, with_halation(None), backend).fingerprint
    assert Stylizer(base, with_halation(None), backend, halation=0.3).fingerprint == plain
    assert Stylizer(base, with_halation(), backend, halation=0.0).fingerprint == plain
    some = {Stylizer(base, with_halation(), backend, halation=h).fingerprint for h in (0.5, 1.0)}
    assert len(some | {plain}) == 3


def test_a_style_of_pictures_with_halation_has_it(
    scenes: list[np.ndarray], backend: Backend, tmp_path: Path
) -> None:
    for number, photo in enumerate(scenes[:6]):
        Image.fromarray(on_film(photo, 0.01, (0.4, 0.1, 0.0))).save(tmp_path / f"{number}.png")
    base = small_model().base
    undrawn = dataclasses.replace(DEFAULTS.render_mode, max_unseen_residual=1.0)
    config = dataclasses.replace(DEFAULTS, render_mode=undrawn)
    style = make_style("lamps", sorted(tmp_path.iterdir()), base, backend, config=config)
    assert style.info.halation is not None
    assert style.info.halation.strength[0] == pytest.approx(0.4, rel=0.3)
    refined = with_mode_of_residual(style, base).info  # of random weights
    assert refined.mode == "drawn"
    assert refined.halation is None


def test_a_mix_has_the_stronger_halation_by_its_weight() -> None:
    plain = small_model().styles[1]
    both = mix([with_halation(), plain], [0.25, 0.75]).info.halation
    assert both is not None
    np.testing.assert_allclose(both.strength, np.multiply(HALATION.strength, 0.25))
    assert mix([plain, plain], [0.5, 0.5]).info.halation is None


def test_frames_of_a_clip_have_the_halation_of_photos_and_grain_on_top(backend: Backend) -> None:
    base, frame = small_model().base, scene(0)[::4, ::4].copy()
    plain, haloed, both = (
        Stylizer(base, small_model().styles[0].with_info(**film), backend)
        for film in ({}, {"halation": HALATION}, {"halation": HALATION, "grain": GRAIN})
    )
    without, with_it, with_both = (
        with_film(clip_style(stylizer, 0.5, 25.0), stylizer)(frame)
        for stylizer in (plain, haloed, both)
    )
    np.testing.assert_array_equal(with_it, paint_halation(without, HALATION))
    painter = both.grain_painter(min(frame.shape[:2]))
    assert painter is not None
    np.testing.assert_array_equal(with_both, painter.paint(with_it, 1))


def test_an_export_without_halation_says_so_and_is_verified_without_it(tmp_path: Path) -> None:
    model = small_model()
    for halation in (HALATION, None):
        source, out = (tmp_path / f"{halation is None}.{kind}" for kind in ("safetensors", "onnx"))
        styles = (model.styles[0].with_info(halation=halation, mode="colour"),)
        write_model(dataclasses.replace(model, styles=styles), source)
        exported = export_file(str(source), out, ExportConfig(verify=True))
        said = "It leaves out the halation of creatorA." in exported.notes
        assert said == (halation is not None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"radius": 0.0}, "radius"),
        ({"radius": 0.5}, "radius"),
        ({"radius": float("nan")}, "radius"),
        ({"strength": (0.1,)}, "red, green and blue"),
        ({"strength": (0.1, 0.1, -0.1)}, "strength"),
        ({"strength": (5.0, 0.1, 0.1)}, "strength"),
        ({"strength": (float("nan"), 0.1, 0.1)}, "strength"),
    ],
)
def test_halation_beyond_bounds_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        dataclasses.replace(HALATION, **changes)
