"""Promises of strokes: taken from a creator's pictures, kept in styles, painted on photos."""

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import small_model

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.errors import ConfigError, StyleFileError, UsageError
from stylegan_cli.instant import make_style
from stylegan_cli.instant.config import ExemplarsConfig
from stylegan_cli.instant.strokes import StrokeReader, at_stroke_size, cut_exemplars
from stylegan_cli.pictures import read_rgb
from stylegan_cli.rendering.strokes import StrokePainter, paint_strokes, stroke_size
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.export import ExportConfig, export_file
from stylegan_cli.styles import Style, read_style, write_model, write_style
from stylegan_cli.styles.exemplars import (
    MAX_EXEMPLARS,
    SIDE,
    decode_exemplars,
    encode_exemplars,
)
from stylegan_cli.styles.mixing import mix
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import DrawnClipStyle, clip_style

PERIOD = 6  # px between two lines of a hatching


def hatching(seed: int, height: int = 300, width: int = 400) -> np.ndarray:
    """Black lines on sand-coloured paper, wider where it is darker; (H, W, 3) uint8."""
    rng = np.random.default_rng(seed)
    rows = np.arange(height)[:, None] + 2 * np.sin(np.arange(width) / 40)
    tones = cv2.resize(rng.random((5, 6)).astype(np.float32), (width, height))
    line = (np.cos(2 * np.pi * rows / PERIOD) + 1) / 2 < np.clip(tones, 0.1, 0.9)
    paper = np.array([230, 210, 170])
    return np.where(line[..., None], paper, 30).astype(np.uint8)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pages")
    paths = [folder / f"{seed}.png" for seed in range(3)]
    for seed, path in enumerate(paths):
        cv2.imwrite(str(path), cv2.cvtColor(hatching(seed), cv2.COLOR_RGB2BGR))
    return paths


@pytest.fixture(scope="module")
def exemplars() -> np.ndarray:
    return cut_exemplars([hatching(seed) for seed in range(3)])


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend(small_model().base, threads=1)


def with_strokes(exemplars: np.ndarray, share: float = 1.0) -> Style:
    style = dataclasses.replace(small_model().styles[0], exemplars=encode_exemplars(exemplars))
    return style.with_info(strokes=share)


def smooth(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(np.asarray(pixels, np.float32), (0, 0), 6))


def power_of_lines(pixels: np.ndarray) -> float:
    """Share of the power of fine detail that lines of PERIOD px across rows have."""
    grey = np.asarray(pixels, np.float32).mean(-1)
    power = np.abs(np.fft.rfft(grey - smooth(grey), axis=0)) ** 2
    at = round(len(grey) / PERIOD)
    return float(power[at - 3 : at + 4].sum() / power.sum())


def photo(height: int = 256, width: int = 320) -> np.ndarray:
    """A soft scene, unit float32."""
    rng = np.random.default_rng(5)
    tones = cv2.resize(rng.random((4, 5, 3)).astype(np.float32), (width, height))
    return np.clip(0.15 + 0.7 * tones, 0, 1)


def test_a_soft_photo_gets_the_lines_and_the_paper_of_the_exemplars(exemplars: np.ndarray) -> None:
    picture = photo()
    painted = StrokePainter(exemplars).paint(picture)
    assert power_of_lines(painted) > 5 * power_of_lines(picture)
    # Its greens and blues are gone: paper and ink have none.
    assert (painted[..., 0] - painted[..., 2]).min() > -0.15


def test_light_and_dark_stay_where_they_are(exemplars: np.ndarray) -> None:
    picture = photo()
    painted = StrokePainter(exemplars).paint(picture)
    both = [smooth(pixels.mean(-1)).ravel() for pixels in (picture, painted)]
    assert np.corrcoef(*both)[0, 1] > 0.75


def test_an_exemplar_is_painted_as_it_is(exemplars: np.ndarray) -> None:
    wanted = exemplars[0].astype(np.float32) / 255
    painted = StrokePainter(exemplars).paint(wanted)
    inside = slice(16, -16), slice(16, -16)
    assert np.abs(painted - wanted)[inside].mean() < 0.05


def test_strokes_depend_on_neither_threads_nor_repetition(exemplars: np.ndarray) -> None:
    painter = StrokePainter(exemplars)
    first = painter.paint(photo(), threads=1)
    assert np.array_equal(first, painter.paint(photo(), threads=2))
    assert np.array_equal(first, StrokePainter(exemplars).paint(photo(), threads=1))


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (17, 9), (64, 64)])
def test_pictures_of_any_size_and_depth_keep_both(
    size: tuple[int, int], exemplars: np.ndarray
) -> None:
    painter = StrokePainter(exemplars)
    for depth in (np.uint8, np.uint16, np.float32):
        white = 1 if depth is np.float32 else np.iinfo(depth).max
        pixels = (photo(*size) * white).astype(depth)
        painted = paint_strokes(pixels, lambda own: own, painter, stroke_size(size, 64))
        assert (painted.shape, painted.dtype) == (pixels.shape, pixels.dtype)
        assert 0 <= painted.min() <= painted.max() <= white


def test_small_and_large_pictures_are_painted_at_one_size() -> None:
    assert stroke_size((300, 400), 1024) == (1024, 1365)
    assert stroke_size((3000, 4000), 1024) == (1024, 1365)
    height, width = stroke_size((100, 10_000), 1024)
    assert height * width <= 4_010_000  # as much as a working copy at most


def test_strokes_0_is_the_style_without_them_bit_for_bit(
    exemplars: np.ndarray, backend: Backend
) -> None:
    base, pixels = small_model().base, (photo() * 255).astype(np.uint8)
    plain = Stylizer(base, small_model().styles[0], backend)
    without = Stylizer(base, with_strokes(exemplars), backend, strokes=0.0)
    assert np.array_equal(plain.stylize(pixels), without.stylize(pixels))
    assert plain.fingerprint == without.fingerprint
    painting = Stylizer(base, with_strokes(exemplars), backend)
    assert not np.array_equal(plain.stylize(pixels), painting.stylize(pixels))
    assert plain.fingerprint != painting.fingerprint


def test_half_of_the_strokes_and_half_of_the_strength_lie_between(
    exemplars: np.ndarray, backend: Backend
) -> None:
    base, style, pixels = small_model().base, with_strokes(exemplars), photo()

    def stylized(**options: float) -> np.ndarray:
        return Stylizer(base, style, backend, **options).stylize(pixels)

    whole, plain = stylized(), stylized(strokes=0.0)
    assert np.allclose(stylized(strokes=0.5), (whole + plain) / 2, atol=1e-3)
    assert np.allclose(stylized(strength=0.5), (whole + pixels) / 2, atol=1e-3)


def test_a_style_of_pictures_has_strokes_where_they_are_wanted(
    pages: list[Path], backend: Backend
) -> None:
    base = small_model().base
    with_them = make_style("ink", pages, base, backend, strokes=True)
    without = make_style("ink", pages, base, backend, strokes=False)
    assert with_them.info.strokes == 1
    assert with_them.exemplars is not None
    assert len(decode_exemplars(with_them.exemplars)) == 3
    assert without.info.strokes == 0
    assert without.exemplars is None


def test_exemplars_do_not_depend_on_the_order_of_reading() -> None:
    pictures = [hatching(seed) for seed in range(4)]
    readers = StrokeReader(), StrokeReader()
    for reader, order in zip(readers, (pictures, pictures[::-1]), strict=True):
        for picture in order:
            reader(picture)
    one, other = (cut_exemplars(reader.pictures) for reader in readers)
    assert np.array_equal(one, other)


def test_exemplars_come_from_all_pictures_alike_and_overlap_nowhere() -> None:
    config = ExemplarsConfig(count=6)
    pictures = [np.full((600, 600, 3), level, np.uint8) for level in (10, 100, 200)]
    found = cut_exemplars(pictures, config)
    assert [int((found[:, 0, 0, 0] == level).sum()) for level in (10, 100, 200)] == [2, 2, 2]
    gradient = np.repeat(np.arange(512)[None, :, None] // 2, 512, 0).repeat(3, 2).astype(np.uint8)
    assert len(np.unique(cut_exemplars([gradient], config)[:, 0, 0, 0])) == 2  # of a 2 x 2 grid


def test_pictures_are_read_at_the_size_of_strokes_and_never_enlarged_for_it() -> None:
    assert at_stroke_size(np.zeros((3000, 4000, 3), np.uint8)).shape == (1024, 1365, 3)
    assert at_stroke_size(np.zeros((500, 700, 3), np.uint8)).shape == (500, 700, 3)
    assert at_stroke_size(np.zeros((100, 150, 3), np.uint8)).shape == (SIDE, 384, 3)


def test_a_style_file_keeps_the_strokes(tmp_path: Path, exemplars: np.ndarray) -> None:
    style, path = with_strokes(exemplars, 0.5), tmp_path / "ink.safetensors"
    write_style(style, path)
    again = read_style(path, small_model().base)
    assert again.info.strokes == 0.5
    assert again.exemplars is not None
    error = decode_exemplars(again.exemplars).astype(float) - exemplars
    assert np.sqrt(np.mean(error**2)) < 12  # a JPEG of hard lines
    lacking = dataclasses.replace(style, exemplars=None)
    write_style(lacking, path, overwrite=True)
    with pytest.raises(StyleFileError, match="exemplars"):
        read_style(path, small_model().base)


@pytest.mark.parametrize("damage", ["cut", "noise", "large", "empty"])
def test_damaged_exemplars_end_in_one_sentence(
    damage: str, exemplars: np.ndarray, backend: Backend
) -> None:
    encoded = encode_exemplars(exemplars)
    if damage == "cut":
        encoded = encoded[: len(encoded) // 2]
    elif damage == "noise":
        encoded = np.random.default_rng(0).integers(0, 256, 500).astype(np.uint8)
    elif damage == "large":
        encoded = encode_exemplars(np.zeros((MAX_EXEMPLARS + 1, SIDE, SIDE, 3), np.uint8))
    else:
        encoded = encoded[:0]
    style = dataclasses.replace(with_strokes(exemplars), exemplars=encoded)
    stylizer = Stylizer(small_model().base, style, backend)
    with pytest.raises(StyleFileError, match="exemplars"):
        stylizer.stylize(photo(64, 64))


def test_a_mix_paints_with_exemplars_of_both_and_strokes_by_weight(exemplars: np.ndarray) -> None:
    one, other = with_strokes(exemplars), with_strokes(255 - exemplars)
    mixed = mix([one, other], [0.5, 0.5])
    assert mixed.info.strokes == 1
    assert mixed.exemplars is not None
    assert 2 <= len(decode_exemplars(mixed.exemplars)) <= 4
    plain = dataclasses.replace(small_model().styles[0])
    assert mix([one, plain], [0.25, 0.75]).info.strokes == pytest.approx(0.25)
    assert mix([plain, plain], [0.5, 0.5]).exemplars is None


def test_a_refined_style_keeps_the_strokes_of_the_instant_one(exemplars: np.ndarray) -> None:
    refined = small_model().styles[0].with_info(refined=True)
    kept = refined.with_strokes_of(with_strokes(exemplars, 0.5))
    assert (kept.info.refined, kept.info.strokes) == (True, 0.5)
    assert kept.exemplars is not None
    assert kept.with_strokes_of(refined).exemplars is None


def test_frames_of_a_clip_get_strokes_that_move_along(
    exemplars: np.ndarray, backend: Backend
) -> None:
    stylizer = Stylizer(small_model().base, with_strokes(exemplars), backend)
    style = clip_style(stylizer, 1.0, 25.0)
    assert isinstance(style, DrawnClipStyle)
    frame = (photo(256, 384) * 255).astype(np.uint8)
    first, second = style(frame[:, :320]), style(frame[:, 4:324])
    plain = Stylizer(small_model().base, with_strokes(exemplars), backend, strokes=0.0)
    assert power_of_lines(first) > 3 * power_of_lines(plain.stylize(frame[:, :320]))
    moved = np.abs(second[:, :-4].astype(float) - first[:, 4:])[20:-20, 20:-20].mean()
    again = np.abs(stylizer.stylize(frame[:, 4:324])[:, :-4].astype(float) - first[:, 4:])
    assert moved < again[20:-20, 20:-20].mean()


def test_an_export_without_strokes_says_so(tmp_path: Path, exemplars: np.ndarray) -> None:
    model = dataclasses.replace(small_model(), styles=(with_strokes(exemplars),))
    source, out = tmp_path / "model.safetensors", tmp_path / "model.onnx"
    write_model(model, source)
    exported = export_file(str(source), out, ExportConfig(verify=True))
    assert "It leaves out the strokes of creatorA." in exported.notes


def test_strokes_beyond_bounds_are_refused(exemplars: np.ndarray, backend: Backend) -> None:
    with pytest.raises(ConfigError, match="strokes"):
        with_strokes(exemplars, 1.5)
    with pytest.raises(UsageError, match="--strokes"):
        Stylizer(small_model().base, with_strokes(exemplars), backend, strokes=-0.1)


def test_photos_alone_give_no_strokes(backend: Backend) -> None:
    style = make_style("plain", starter_photos()[:2], small_model().base, backend)
    assert style.info.strokes == 0
    assert read_rgb(starter_photos()[0]).dtype == np.uint8
