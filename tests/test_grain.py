"""Promises of film grain: read from pictures, kept in styles, painted on photos and clips."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from model_files import GRAIN, small_model
from PIL import Image

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.colour import COLOUR_AXES, LUMA
from stylegan_cli.errors import ConfigError, UsageError
from stylegan_cli.instant import make_style, with_mode_of_residual
from stylegan_cli.instant.config import DEFAULTS
from stylegan_cli.instant.grain import OCTAVES, TONES, GrainReader, grain_of
from stylegan_cli.pictures import Picture, read_rgb
from stylegan_cli.rendering.config import RenderingConfig
from stylegan_cli.rendering.grain import GrainPainter
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.export import ExportConfig, export_file
from stylegan_cli.styles import Style, write_model
from stylegan_cli.styles.film import FilmGrain
from stylegan_cli.styles.mixing import mix
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import ClipStyle, clip_style
from stylegan_cli.video.film_clips import with_film

Tone = Callable[[np.ndarray], np.ndarray]


def even(luma: np.ndarray) -> np.ndarray:
    return np.ones_like(luma)


def in_the_dark(luma: np.ndarray) -> np.ndarray:
    return 1.1 - 0.9 * luma


def noise(size_px: float, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """White noise of unit variance under a Gaussian of a standard deviation of so many px."""
    field = rng.standard_normal(shape).astype(np.float32)
    blurred = cv2.GaussianBlur(field, (0, 0), size_px) if size_px else field
    return blurred / blurred.std()


def grainy(
    photo: np.ndarray, sigma: float, size_px: float, colour: float, tone: Tone, seed: int
) -> np.ndarray:
    """The photo with grain of a standard deviation by luma; colour: share of each axis of it."""
    rng = np.random.default_rng(seed)
    unit = photo / np.float32(255)
    amount = sigma * tone(unit @ LUMA)
    unit = unit + (amount * noise(size_px, photo.shape[:2], rng))[..., None]
    for axis in COLOUR_AXES:
        unit = unit + colour * (amount * noise(size_px, photo.shape[:2], rng))[..., None] * axis
    return np.clip(np.rint(255 * unit), 0, 255).astype(np.uint8)


def as_jpeg(pixels: np.ndarray, quality: int, subsampling: int = 2) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return np.asarray(Image.open(file))


def octave_powers(field: np.ndarray) -> np.ndarray:
    """(OCTAVES,): mean power density of a field, lowest octave first; white unit noise has 1."""
    power = np.abs(np.fft.fft2(field)) ** 2 / field.size
    fy, fx = (np.fft.fftfreq(length) for length in field.shape)
    radius = np.hypot(fy[:, None], fx[None])
    octave = np.floor(np.log2(np.maximum(radius, 1e-9)) + 1 + OCTAVES)
    inside = radius < 0.5
    return np.array([power[(octave == k) & inside].mean() for k in range(OCTAVES)])


def read_grain(pictures: list[np.ndarray]) -> FilmGrain | None:
    reader = GrainReader()
    for picture in pictures:
        reader(picture)
    return grain_of(reader.samples)


@pytest.fixture(scope="module")
def photos() -> list[np.ndarray]:
    """Twelve photos of 512 px without grain."""
    small = [read_rgb(path) for path in starter_photos()[::6][:12]]
    return [cv2.resize(photo, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC) for photo in small]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend(small_model().base)


def with_grain(grain: FilmGrain | None = GRAIN) -> Style:
    style = small_model().styles[0]
    return style.with_info(grain=grain)


@pytest.mark.parametrize(
    ("sigma", "size_px", "colour", "tone"),
    [(0.03, 0.8, 0.0, even), (0.04, 0.0, 0.4, even), (0.05, 1.2, 0.5, in_the_dark)],
    ids=["grey", "white in colour", "coarse, in the dark"],
)
def test_grain_is_read_as_strong_as_coarse_and_as_coloured_as_it_is(
    photos: list[np.ndarray], sigma: float, size_px: float, colour: float, tone: Tone
) -> None:
    pictures = [
        grainy(photo, sigma, size_px, colour, tone, seed) for seed, photo in enumerate(photos)
    ]
    found = read_grain(pictures)
    assert found is not None
    assert found.cutoff == 256
    wanted = np.sqrt(octave_powers(sigma * noise(size_px, (512, 512), np.random.default_rng(99))))
    middles = (np.arange(TONES) + 0.5) / TONES
    inner = slice(2, -2)  # near black and white it is cut off
    for octave, error in enumerate((0.35, 0.2, 0.2, 0.2)):
        ratio = found.luma[octave] / wanted[octave] * np.divide(found.tones, tone(middles))
        np.testing.assert_allclose(ratio[inner], 1, atol=error)
        if colour and octave >= 2:
            ratio = found.colour[octave] / wanted[octave] * np.divide(found.tones, tone(middles))
            np.testing.assert_allclose(ratio[inner], colour, rtol=0.25)
    assert any(found.colour) == (colour > 0)


def test_grain_is_still_read_from_jpegs_of_several_sizes(photos: list[np.ndarray]) -> None:
    pictures = [
        as_jpeg(grainy(photo, 0.04, 1.0, 0.3, even, seed), 92) for seed, photo in enumerate(photos)
    ]
    found = read_grain(pictures)
    smaller = [
        cv2.resize(picture, (384, 384), interpolation=cv2.INTER_AREA) for picture in pictures[::2]
    ]
    mixed = read_grain(smaller + pictures[1::2])
    assert found is not None
    assert mixed is not None
    wanted = np.sqrt(octave_powers(0.04 * noise(1.0, (512, 512), np.random.default_rng(99))))
    np.testing.assert_allclose(np.divide(found.luma, wanted)[1:3], 1, atol=0.2)
    # The middle octaves of both, in cycles per picture.
    assert mixed.luma[1] == pytest.approx(found.luma[1] * 256 / mixed.cutoff, rel=0.4)


@pytest.mark.parametrize("quality", [None, 92, 85, 70, 50])
def test_clean_photos_have_no_grain(photos: list[np.ndarray], quality: int | None) -> None:
    originals = [read_rgb(path) for path in starter_photos()[::3]]
    for pictures in (photos, originals):
        kept = pictures if quality is None else [as_jpeg(p, quality) for p in pictures]
        assert read_grain(kept) is None


def test_texture_is_no_grain(photos: list[np.ndarray]) -> None:
    """Cloth, leaves and gravel: as fine as grain, but not everywhere alike."""
    rows, columns = np.mgrid[:512, :512]
    weave = 40 * np.sin(rows * 1.9) * np.sin(columns * 2.3)
    rng = np.random.default_rng(0)
    textured = []
    for photo in photos:
        strength = cv2.resize(rng.random((6, 6)).astype(np.float32), (512, 512)) ** 2
        textured.append(np.clip(photo + (weave * strength)[..., None], 0, 255).astype(np.uint8))
    assert read_grain(textured) is None


def test_flat_drawings_and_too_few_pictures_have_none(photos: list[np.ndarray]) -> None:
    flat = [np.kron(p[::64, ::64], np.ones((64, 64, 1), np.uint8)) for p in photos]
    assert read_grain(flat) is None
    assert read_grain([np.zeros((40, 30, 3), np.uint8)] * 9) is None
    some = [grainy(photo, 0.04, 1.0, 0.3, even, seed) for seed, photo in enumerate(photos)]
    assert read_grain(some[:2]) is None
    assert read_grain(some[:3]) is not None
    assert read_grain(some[:6] + photos[6:]) is None  # of some pictures, not of the creator


def test_painted_grain_has_the_spectrum_of_the_source(photos: list[np.ndarray]) -> None:
    source = [grainy(photo, 0.04, 0.9, 0.4, even, seed) for seed, photo in enumerate(photos)]
    grain = read_grain(source)
    assert grain is not None
    for colour in (90, 128, 170):
        plain = np.full((512, 640, 3), colour, np.uint8)
        painted = GrainPainter(grain, 512).paint(plain)
        wanted = grainy(plain, 0.04, 0.9, 0.4, even, 1)
        fields = [(picture.astype(float) - colour) / 255 for picture in (painted, wanted)]
        luma = [octave_powers(field.mean(-1)) for field in fields]
        np.testing.assert_allclose((luma[0] / luma[1])[1:], 1, atol=0.35)
        for axis in COLOUR_AXES:
            share = [octave_powers(field @ axis) for field in fields]
            np.testing.assert_allclose((share[0] / share[1])[1:3], 1, atol=0.4)
        assert np.abs(fields[0].mean()) < 0.002  # no picture becomes darker or lighter


def test_grain_is_as_coarse_on_any_size_of_picture() -> None:
    def seen_small(short_side: int) -> np.ndarray:
        plain = np.full((short_side, short_side, 3), 100, np.float32) / 255
        painted = GrainPainter(GRAIN, short_side).paint(plain)
        small = cv2.resize(painted, (256, 256), interpolation=cv2.INTER_AREA)
        return octave_powers(small.mean(-1) - 100 / 255)

    usual = seen_small(512)
    for short_side in (1024, 1536):
        np.testing.assert_allclose((seen_small(short_side) / usual)[1:3], 1, atol=0.25)


def test_grain_depends_on_seed_and_frame_and_on_nothing_else() -> None:
    photo = np.random.default_rng(0).integers(60, 200, (300, 900, 3), dtype=np.uint8)
    painted = GrainPainter(GRAIN, 300).paint(photo)
    for threads, strip in ((1, 900 * 7), (3, 900 * 50), (2, 1)):
        config = RenderingConfig(strip_pixels=strip)
        again = GrainPainter(GRAIN, 300).paint(photo, threads=threads, config=config)
        np.testing.assert_array_equal(again, painted)
    others = (
        GrainPainter(GRAIN, 300, seed=1).paint(photo),
        GrainPainter(GRAIN, 300).paint(photo, 1),
    )
    for other in others:
        unlike = (other.astype(int) - photo).ravel(), (painted.astype(int) - photo).ravel()
        assert abs(np.corrcoef(*unlike)[0, 1]) < 0.1


def test_frames_are_equally_grainy() -> None:
    plain = np.full((256, 400, 3), 110, np.uint8)
    painter = GrainPainter(GRAIN, 256)
    spread = [painter.paint(plain, frame).std() for frame in range(12)]
    assert np.ptp(spread) < 0.05 * np.mean(spread)


def test_all_depths_get_the_same_grain() -> None:
    photo = np.random.default_rng(0).integers(60, 200, (64, 96, 3), dtype=np.uint8)
    eight = GrainPainter(GRAIN, 64).paint(photo).astype(float) / 255
    deep = GrainPainter(GRAIN, 64).paint(photo.astype(np.uint16) * 257) / 65535
    unit = GrainPainter(GRAIN, 64).paint(photo / np.float32(255))
    assert np.abs(eight - deep).max() < 3 / 255
    assert np.abs(deep - unit).max() < 1 / 65535


def test_black_and_white_stay_and_greys_stay_grey_where_grain_has_no_colour() -> None:
    photo = np.zeros((64, 96, 3), np.uint8)
    photo[:, 48:] = 255
    np.testing.assert_array_equal(GrainPainter(GRAIN, 64).paint(photo), photo)
    grey = np.full((64, 96, 3), 128, np.uint8)
    painted = GrainPainter(GRAIN.grey, 64).paint(grey)
    assert np.ptp(painted, axis=2).max() == 0
    assert painted.std() > 2


@pytest.mark.parametrize("depth", [np.uint8, np.uint16, np.float32])
def test_grain_0_is_the_style_without_grain_bit_for_bit(depth: type, backend: Backend) -> None:
    base = small_model().base
    photo = np.random.default_rng(0).integers(0, 256, (80, 120, 3)).astype(np.uint8)
    pixels = {
        np.uint8: photo,
        np.uint16: photo * np.uint16(257),
        np.float32: photo / np.float32(255),
    }
    without = Stylizer(base, with_grain(None), backend).stylize(pixels[depth])
    none = Stylizer(base, with_grain(), backend, grain=0.0).stylize(pixels[depth])
    np.testing.assert_array_equal(none, without)
    whole = Stylizer(base, with_grain(), backend).stylize(pixels[depth])
    half = Stylizer(base, with_grain(), backend, grain=0.5).stylize(pixels[depth])
    added = [np.std(result.astype(float) - without) for result in (half, whole)]
    assert added[0] == pytest.approx(added[1] / 2, rel=0.1)


def test_a_photo_has_the_same_grain_each_time_and_another_photo_another(backend: Backend) -> None:
    base = small_model().base
    photo = np.random.default_rng(0).integers(60, 200, (80, 120, 3)).astype(np.uint8)
    other = photo.copy()
    other[0, 0] ^= 1
    stylizers = [Stylizer(base, with_grain(), backend, threads=count) for count in (1, 2)]
    plain = Stylizer(base, with_grain(None), backend)
    first, again = (stylizer.stylize(photo) for stylizer in stylizers)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(stylizers[0].stylize_picture(Picture(photo)).pixels, first)
    grains = [
        (stylizers[0].stylize(pixels).astype(int) - plain.stylize(pixels)).ravel()
        for pixels in (photo, other)
    ]
    assert abs(np.corrcoef(*grains)[0, 1]) < 0.2


def test_strength_weakens_grain_and_kept_colours_have_grey_grain(backend: Backend) -> None:
    base = small_model().base
    assert Stylizer(base, with_grain(), backend, 0.0).grain is None
    half = Stylizer(base, with_grain(), backend, 0.5, grain=0.5).grain
    assert half is not None
    np.testing.assert_allclose(half.luma, np.multiply(GRAIN.luma, 0.25))
    own = Stylizer(base, with_grain(), backend, preserve_colour=True).grain
    assert own is not None
    assert not any(own.colour)
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(UsageError, match="--grain"):
            Stylizer(base, with_grain(), backend, grain=wrong)


def test_the_fingerprint_of_a_style_without_grain_is_what_it_was(backend: Backend) -> None:
    base = small_model().base
    plain = Stylizer(base, with_grain(None), backend).fingerprint
    assert Stylizer(base, with_grain(None), backend, grain=0.3).fingerprint == plain
    assert Stylizer(base, with_grain(), backend, grain=0.0).fingerprint == plain
    grainy_ones = {Stylizer(base, with_grain(), backend, grain=g).fingerprint for g in (0.5, 1.0)}
    assert len(grainy_ones | {plain}) == 3


def test_a_style_of_grainy_pictures_has_their_grain(
    photos: list[np.ndarray], backend: Backend, tmp_path: Path
) -> None:
    folders = {"grainy": tmp_path / "grainy", "clean": tmp_path / "clean"}
    for seed, photo in enumerate(photos[:4]):
        for name, folder in folders.items():
            folder.mkdir(exist_ok=True)
            grain = 0.05 if name == "grainy" else 0.0
            Image.fromarray(grainy(photo, grain, 0.9, 0.3, even, seed)).save(folder / f"{seed}.png")
    base = small_model().base
    undrawn = dataclasses.replace(DEFAULTS.render_mode, max_unseen_residual=1.0)
    config = dataclasses.replace(DEFAULTS, render_mode=undrawn)
    made = {
        name: make_style(name, sorted(folder.iterdir()), base, backend, config=config)
        for name, folder in folders.items()
    }
    assert made["clean"].info.grain is None
    grain = made["grainy"].info.grain
    assert grain is not None
    assert grain.luma[2] == pytest.approx(0.09, rel=0.5)
    refined = with_mode_of_residual(made["grainy"], base).info  # of random weights
    assert refined.mode == "drawn"
    assert refined.grain is None


def test_a_mix_has_the_stronger_grain_by_its_weight() -> None:
    plain = small_model().styles[1]
    both = mix([with_grain(), plain], [0.25, 0.75]).info.grain
    assert both is not None
    np.testing.assert_allclose(both.luma, np.multiply(GRAIN.luma, 0.25))
    assert mix([plain, plain], [0.5, 0.5]).info.grain is None
    weak = with_grain(GRAIN.scaled(0.5))
    assert mix([weak, with_grain()], [0.5, 0.5]).info.grain == GRAIN.scaled(0.5)


def test_each_frame_of_a_clip_has_its_own_grain_by_its_number(backend: Backend) -> None:
    base = small_model().base
    frames = [np.full((64, 96, 3), 90 + number, np.uint8) for number in range(4)]

    def stylized(stylizer: Stylizer, *, stop_at: int = 0) -> list[np.ndarray]:
        def opened() -> ClipStyle:
            return with_film(clip_style(stylizer, 0.5, 25.0), stylizer)

        style, results = opened(), []
        for number, frame in enumerate(frames):
            if number == stop_at:
                memory, style = style.memory, opened()
                style.recall(memory)
            results.append(style(frame))
        return results

    plain = stylized(Stylizer(base, with_grain(None), backend))
    for result, wanted in zip(
        stylized(Stylizer(base, with_grain(), backend, grain=0.0)), plain, strict=True
    ):
        np.testing.assert_array_equal(result, wanted)
    whole = stylized(Stylizer(base, with_grain(), backend))
    for result, wanted in zip(
        stylized(Stylizer(base, with_grain(), backend), stop_at=2), whole, strict=True
    ):
        np.testing.assert_array_equal(result, wanted)
    grains = [(a.astype(float) - b).ravel() for a, b in zip(whole, plain, strict=True)]
    assert np.ptp([grain.std() for grain in grains]) < 0.2 * grains[0].std()
    assert np.abs(np.corrcoef(grains) - np.eye(len(frames))).max() < 0.2


def test_planes_of_luma_get_the_grain_of_pictures() -> None:
    painter = GrainPainter(GRAIN.grey, 256)
    plain = np.full((256, 300, 3), 110, np.uint8)
    wanted = painter.paint(plain, 5)[..., 0].astype(int) - 110
    for black, white in ((0, 255), (16, 235)):
        code = round(black + 110 / 255 * (white - black))
        found = painter.paint_luma(np.full((256, 300), code, np.uint8), (black, white), 5)
        scale = (white - black) / 255
        assert np.abs((found.astype(int) - code) - scale * wanted).max() <= 2


def test_an_export_without_grain_says_so_and_is_verified_without_it(tmp_path: Path) -> None:
    model = small_model()
    for grain in (GRAIN, None):
        source, out = tmp_path / f"{grain is None}.safetensors", tmp_path / f"{grain is None}.onnx"
        styles = (model.styles[0].with_info(grain=grain, mode="colour"),)
        write_model(dataclasses.replace(model, styles=styles), source)
        exported = export_file(str(source), out, ExportConfig(verify=True))
        said = "It leaves out the film grain of creatorA." in exported.notes
        assert said == (grain is not None)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"cutoff": 0.0}, "cutoff"),
        ({"cutoff": float("nan")}, "cutoff"),
        ({"cutoff": float("inf")}, "cutoff"),
        ({"luma": (5.0,) * 4}, "amplitudes"),
        ({"luma": (float("nan"),) * 4}, "amplitudes"),
        ({"colour": (-1.0,) * 4}, "amplitudes"),
        ({"colour": (0.0,)}, "octaves"),
        ({"luma": (), "colour": ()}, "octaves"),
        ({"luma": (0.1,) * 99, "colour": (0.1,) * 99}, "octaves"),
        ({"tones": ()}, "tones"),
        ({"tones": (1.5,)}, "tones"),
        ({"tones": (0.5,) * 99}, "tones"),
    ],
)
def test_grain_beyond_bounds_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        dataclasses.replace(GRAIN, **changes)
