"""Promises of instant/ and sharing/preview.py."""

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from model_files import small_model
from PIL import Image

from stylegan_cli.backends import Backend, StyleGenerator, open_backend
from stylegan_cli.colour import apply_lut, linear_map, sample_colours, style_statistics
from stylegan_cli.errors import DataError, StyleFileError, WriteError
from stylegan_cli.instant import (
    calibration,
    code_refinement,
    encoding,
    make_style,
    measure_prior_code_factors,
    pictures_in,
    read_set,
    with_mode_of_residual,
)
from stylegan_cli.instant.config import DEFAULTS, InstantConfig
from stylegan_cli.instant.encoding import SetStatistics, step_for
from stylegan_cli.instant.render_mode import choose_rendering
from stylegan_cli.networks.architecture import READ_TILE
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.pretraining.looks import draw_look
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.preview import preview_path, write_with_preview
from stylegan_cli.styles import Base, Style, read_model, read_style, shipped_model
from stylegan_cli.stylizer import Stylizer


def quiet_base() -> Base:
    """The small base with a residual of nothing, as that of a colour look."""
    tensors = dict(small_model().base.tensors)
    for name in tensors:
        if name.startswith("generator.residual.conv_out"):
            tensors[name] = np.zeros_like(tensors[name])
    return dataclasses.replace(small_model().base, tensors=tensors)


def trusting(pictures: int, **changes: Any) -> InstantConfig:
    """A config that trusts the colours of so many pictures by half."""
    changes["half_transfer_pictures"] = pictures
    calibrated = dataclasses.replace(DEFAULTS.calibration, **changes)
    return dataclasses.replace(DEFAULTS, calibration=calibrated)


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend(small_model().base)


@pytest.fixture(scope="module")
def creator(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twenty-five warm, dim pictures."""
    folder = tmp_path_factory.mktemp("creator")
    paths = []
    for index, path in enumerate(starter_photos()[40:65]):
        pixels = read_rgb(path, 96) * np.array([0.9, 0.6, 0.35]) + [20, 5, 10]
        paths.append(folder / f"{index:02d}.png")
        Image.fromarray(pixels.astype(np.uint8)).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def content() -> list[Path]:
    return starter_photos()[:8]


@pytest.fixture(scope="module")
def style(creator: list[Path], content: list[Path], backend: Backend) -> Style:
    return make_style("warm", creator, small_model().base, backend, content=content)


def mean_colour(style: Style, base: Base, backend: Backend, photos: list[Path]) -> np.ndarray:
    stylizer = Stylizer(base, style, backend)
    stylized = [stylizer.stylize(read_rgb(path, 128)).reshape(-1, 3) for path in photos]
    return np.concatenate(stylized).mean(0) / 255


def test_a_style_tells_what_it_was_made_of(style: Style, creator: list[Path]) -> None:
    assert (style.name, style.info.pictures, style.info.refined) == ("warm", len(creator), False)
    assert style.base_hash == small_model().base.hash
    for part in (style.matrix, style.offset, style.code, style.code_factors, style.calibration):
        assert part is not None
        assert np.isfinite(part).all()


def test_the_same_pictures_make_the_same_style(
    style: Style, creator: list[Path], content: list[Path], backend: Backend
) -> None:
    again = make_style("warm", creator, small_model().base, backend, content=content)
    for name in ("matrix", "offset", "code", "code_factors", "calibration"):
        np.testing.assert_array_equal(getattr(again, name), getattr(style, name))
    assert again.info == style.info


def test_calibration_moves_results_toward_the_creator_s_colours(
    creator: list[Path], content: list[Path]
) -> None:
    base = quiet_base()
    # The map alone meets the creator's colours; the error to make up for is the network's.
    tensors = dict(base.tensors)
    for part in ("conv.weight", "gate.weight", "gate.bias"):
        name = f"generator.colour.conv_out.{part}"
        tensors[name] = np.zeros_like(tensors[name])
    tensors["generator.colour.conv_out.conv.bias"] = np.array([0.06, -0.06, 0.08], np.float32)
    base = dataclasses.replace(base, tensors=tensors)
    backend = open_backend(base)
    config = trusting(10)  # as if there were many pictures
    style = make_style("warm", creator, base, backend, content=content, config=config)
    bare = dataclasses.replace(style, calibration=None)
    wanted = np.mean([read_rgb(path).reshape(-1, 3).mean(0) for path in creator], axis=0) / 255
    before, after = (
        np.abs(mean_colour(s, base, backend, content) - wanted).mean() for s in (bare, style)
    )
    assert after < 0.8 * before


def test_a_look_of_colour_is_nearer_the_truth_for_the_closed_form_s_share(
    creator: list[Path],
) -> None:
    base, content = quiet_base(), starter_photos()[:40]
    backend = open_backend(base)
    photos = [read_rgb(path, 96) for path in starter_photos()[100:106]]

    def error(config: InstantConfig) -> float:
        style = make_style("warm", creator, base, backend, content=content, config=config)
        stylizer = Stylizer(base, style, backend)
        truths = [photo * np.array([0.9, 0.6, 0.35]) + [20, 5, 10] for photo in photos]
        pairs = zip(photos, truths, strict=True)
        return float(np.mean([np.square(stylizer.stylize(p) - t).mean() for p, t in pairs]))

    assert error(trusting(10)) < 0.8 * error(trusting(10, boosting_steps=0))


def test_more_lines_are_not_taken_for_other_colours_of_what_lies_under_them() -> None:
    photo = sample_colours(
        [read_rgb(path, 96) for path in starter_photos()], 9000, numpy_generator(2, 1, "test")
    )
    rng = numpy_generator(2, 2, "test")

    def lines(share: float) -> np.ndarray:
        return np.where(rng.random((len(photo), 1)) < share, -0.5, 0).astype(np.float32)

    def moved(residual: np.ndarray, result: np.ndarray) -> float:
        creator = SetStatistics(np.zeros((200, 2)), np.clip(result, 0, 1))
        colours = calibration.ColourSamples(photo, photo, photo, residual, len(photo))
        lut = calibration.calibrate(colours, None, creator, DEFAULTS.calibration)
        return float(np.abs(apply_lut(photo, lut) - photo).mean())

    few, many = lines(0.1), lines(0.2)
    darker = photo + (many - few).mean()
    assert moved(few, photo + many) < 0.3 * moved(np.zeros_like(photo), darker)


def test_the_fewer_pictures_the_less_their_distribution_moves_colours(
    creator: list[Path], content: list[Path]
) -> None:
    base = quiet_base()
    backend = open_backend(base)
    config = trusting(20)
    colours = np.random.default_rng(0).random((500, 3), np.float32)

    def moved(count: int) -> float:
        by = make_style(
            "few", creator[:count], base, backend, content=content, config=config, to_refine=True
        )
        assert by.calibration is not None
        return float(np.abs(apply_lut(colours, by.calibration) - colours).mean())

    assert moved(1) < 0.2 * moved(8) < 0.2 * moved(25)


def grey(photo: np.ndarray) -> np.ndarray:
    """Black and white through a blue filter: another grey for each hue."""
    return np.repeat((photo @ [0.25, 0.25, 0.5])[..., None], 3, -1).astype(np.uint8)


def test_black_and_white_tells_hues_apart_as_its_creator_does(tmp_path: Path) -> None:
    base = read_model(shipped_model()).base
    backend = open_backend(base)
    photos = starter_photos()
    for index, path in enumerate(photos[::5]):
        Image.fromarray(grey(read_rgb(path, 256))).save(tmp_path / f"{index}.png")
    style = make_style("grey", sorted(tmp_path.iterdir()), base, backend)
    assert style.info.mode == "colour"
    stylizer = Stylizer(base, style, backend)
    others = [read_rgb(path, 256) for path in photos[2::20]]
    pairs = [(stylizer.stylize(photo).astype(float), grey(photo)) for photo in others]
    assert np.mean([np.square(result - truth).mean() for result, truth in pairs]) < 170


def test_a_drawing_is_encoded_more_like_the_creator_s_for_a_refined_code(tmp_path: Path) -> None:
    base = read_model(shipped_model()).base
    backend = open_backend(base)
    looks = (draw_look(numpy_generator(5, k, "test")) for k in itertools.count())
    look = next(look for look in looks if look.families == ("contours",))

    def kept(name: str, pixels: np.ndarray) -> Path:
        path = tmp_path / f"{name}.png"
        Image.fromarray((255 * np.clip(pixels, 0, 1) + 0.5).astype(np.uint8)).save(path)
        return path

    photos = [to_unit(read_rgb(path, 256)) for path in starter_photos()[:40]]
    creator = [kept(f"creator{k}", look(p, 256)) for k, p in enumerate(photos[20:])]

    def read(pictures: list[Path]) -> np.ndarray:
        found = read_set(pictures, backend)
        statistics = style_statistics(found.colours, to_unit(base.content_colours), 20)
        return backend.code(found.moments.mean(0)[None], statistics[None])[0]

    def error(config: InstantConfig) -> float:
        style = make_style("drawn", creator, base, backend, config=config)
        stylizer = Stylizer(base, style, backend)
        stylized = [to_unit(stylizer.stylize((255 * p).astype(np.uint8))) for p in photos[:12]]
        results = [kept(f"result{k}", pixels) for k, pixels in enumerate(stylized)]
        return float(np.linalg.norm(read(results) - read(creator)))

    refinement = dataclasses.replace(DEFAULTS.refinement, share=0)
    assert error(DEFAULTS) < 0.95 * error(dataclasses.replace(DEFAULTS, refinement=refinement))


class Echo:
    """A set whose code is 1; its results have `slope` times the code that they are made with."""

    def __init__(self, pictures: int, slope: float, tiles: int = 8) -> None:
        self.creator = SetStatistics(
            moments=np.ones((pictures, 2)), colours=np.zeros((pictures, 3))
        )
        self.slope = slope
        self.tiles = range(tiles)
        self.stylized: list[int] = []

    def code(self, moments: np.ndarray, colours: np.ndarray) -> np.ndarray:
        return moments[:1]

    def stylize_tiles(self, generator: Any, every: int = 1) -> np.ndarray:
        self.stylized.append(every)
        return np.array([generator] * len(self.tiles[::every]))

    def encode_results(self, results: np.ndarray) -> np.ndarray:
        return self.slope * results[0]


@pytest.mark.parametrize(("pictures", "steps"), [(1, 1), (19, 1), (20, 2), (25, 2)])
def test_many_pictures_allow_a_second_step_of_refinement(pictures: int, steps: int) -> None:
    echo = Echo(pictures, slope=0.5)
    code = code_refinement.refine_code(echo, lambda code: code, DEFAULTS.refinement)
    assert echo.stylized.count(1) == steps
    assert code == pytest.approx(1.25 if steps == 1 else 1.4375)


@pytest.mark.parametrize(("pictures", "photos"), [(1, 8), (6, 12), (12, 24), (200, 24)])
def test_few_pictures_have_residuals_measured_on_fewer_photos(
    pictures: int, photos: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = open_backend(small_model().base).for_many()
    colours = np.full((5, 3), 0.4, np.float32)
    content = [np.full((16, 16, 3), level, np.uint8) for level in range(0, 240, 10)]
    seen = []

    def run(generator: None, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        seen.append(photo)
        return photo, np.zeros_like(photo)

    monkeypatch.setattr(calibration, "run_generator", run)
    config = DEFAULTS.calibration
    every = step_for(pictures, len(content), config.min_photos, config.photos_per_picture)
    residual = calibration.residual_of(colours, backend, None, content, every)
    assert len(seen) == photos
    assert residual.shape == (5, 3)


@pytest.mark.parametrize(("pictures", "tiles"), [(1, 32), (8, 64), (100, 128)])
def test_few_pictures_take_less_work(pictures: int, tiles: int) -> None:
    echo = Echo(pictures, slope=0.5, tiles=128)
    code_refinement.refine_code(echo, lambda code: code, DEFAULTS.refinement)
    assert len(echo.tiles[:: echo.stylized[0]]) == tiles


def test_a_code_whose_results_move_the_wrong_way_stays_as_it_was_encoded() -> None:
    echo = Echo(25, slope=-2)
    assert code_refinement.refine_code(echo, lambda code: code, DEFAULTS.refinement) == 1


def emboss(photo: np.ndarray) -> np.ndarray:
    """Half of the contrast, and only of soft slopes: pre-training draws nothing like it."""
    grey = cv2.GaussianBlur(photo, (0, 0), 2.5).mean(2)
    slopes = np.diff(grey, axis=1, append=grey[:, -1:]) + np.diff(grey, axis=0, append=grey[-1:])
    return (128 + np.clip(slopes, -60, 60)[..., None] * [1.0, 0.9, 0.8]).astype(np.uint8)


@pytest.mark.parametrize("known", [False, True], ids=["emboss", "contours"])
def test_what_the_base_has_never_met_is_not_stylized_worse_than_by_a_closed_form(
    known: bool, tmp_path: Path
) -> None:
    base = read_model(shipped_model()).base
    backend = open_backend(base)
    photos = [read_rgb(path, 256) for path in starter_photos()]
    drawn = (draw_look(numpy_generator(5, k, "test")) for k in itertools.count())
    contours = next(look for look in drawn if look.families == ("contours",))

    def look(photo: np.ndarray) -> np.ndarray:
        if not known:
            return emboss(photo)
        return (255 * np.clip(contours(to_unit(photo), 256), 0, 1) + 0.5).astype(np.uint8)

    creator = []
    for index, photo in enumerate(photos[60:90]):
        creator.append(tmp_path / f"{index}.png")
        Image.fromarray(look(photo)).save(creator[-1])
    style = make_style("found", creator, base, backend)
    assert (style.info.mode == "drawn") == known

    stylizer = Stylizer(base, style, backend)
    content, targets = (
        sample_colours(x, 200, numpy_generator(0, 0, "t"))
        for x in (photos[:60], [look(p) for p in photos[60:90]])
    )
    matrix, offset = linear_map(content, targets)

    def missed(stylize: Any) -> float:
        pairs = [(stylize(photo), look(photo)) for photo in photos[:12]]
        return float(np.mean([np.square(to_unit(r) - to_unit(t)).mean() for r, t in pairs]))

    def carried(photo: np.ndarray) -> np.ndarray:
        return (255 * np.clip(to_unit(photo) @ matrix + offset, 0, 1) + 0.5).astype(np.uint8)

    assert missed(stylizer.stylize) < 10**0.03 * missed(carried)  # 0.3 dB


def test_tiles_are_of_as_many_photos_as_there_are() -> None:
    pictures = [np.full((256, 300, 3), level, np.uint8) for level in range(10)]
    tiles = encoding.some_tiles(pictures, 25)
    assert tiles.shape == (20, 3, READ_TILE, READ_TILE)
    levels = np.round((tiles[:, 0, 0, 0] + 1) * 127.5)
    np.testing.assert_array_equal(levels, np.repeat(np.arange(10), 2))
    assert len(encoding.some_tiles(pictures, 3)) == 3
    chosen = [int(picture[0, 0, 0]) for picture in encoding.evenly_from(pictures, 4)]
    assert chosen == [0, 2, 5, 7]
    assert len(encoding.evenly_from(pictures, 99)) == 10


def test_unreadable_pictures_are_left_out(
    creator: list[Path], backend: Backend, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    calls = []
    found = read_set([broken, *creator[:3]], backend, lambda done, total: calls.append(done))
    wanted = read_set(creator[:3], backend)
    assert found.count == 3
    assert calls == [1, 2, 3, 4]
    np.testing.assert_array_equal(found.moments, wanted.moments)
    with pytest.raises(DataError, match="none of the pictures"):
        read_set([broken], backend)


@pytest.mark.parametrize("size", [(1, 1), (300, 3), (40, 900)])
def test_odd_pictures_can_be_read(size: tuple[int, int], backend: Backend, tmp_path: Path) -> None:
    path = tmp_path / "odd.png"
    Image.fromarray(np.full((*size, 3), 90, np.uint8)).save(path)
    assert np.isfinite(read_set([path], backend).moments).all()


def test_a_picture_is_read_in_tiles_as_in_training(backend: Backend, tmp_path: Path) -> None:
    # Of a pattern all tiles are the same; the whole of it has less margin than any of them.
    pattern = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    picture = np.tile(pattern, (16, 16, 1))
    Image.fromarray(picture).save(tmp_path / "pattern.png")
    found = read_set([tmp_path / "pattern.png"], backend).moments

    def moments(pixels: np.ndarray) -> np.ndarray:
        return backend.moments(to_unit(pixels).transpose(2, 0, 1)[None] * 2 - 1)

    np.testing.assert_allclose(
        found, moments(picture[:READ_TILE, :READ_TILE]), rtol=1e-4, atol=1e-5
    )
    assert np.abs(found - moments(picture)).max() > 0.001


def test_pictures_count_alike_whatever_their_size(backend: Backend, tmp_path: Path) -> None:
    paths = []
    for value, side in ((0, 16), (255, 200)):
        paths.append(tmp_path / f"{side}.png")
        Image.fromarray(np.full((side, side, 3), value, np.uint8)).save(paths[-1])
    colours = read_set(paths, backend).colours
    assert colours.mean() == pytest.approx(0.5)


def test_a_folder_is_searched_to_its_depth_and_a_picture_is_itself(tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b"
    deep.mkdir(parents=True)
    with pytest.raises(DataError, match="contains no pictures"):
        pictures_in(tmp_path)
    path = deep / "x.png"
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(path)
    assert pictures_in(tmp_path) == pictures_in(path) == [path]


def test_a_style_without_a_residual_differs_in_mode_from_one_with(style: Style) -> None:
    base = quiet_base()
    assert with_mode_of_residual(style, base).info.mode == "colour"
    loud = with_mode_of_residual(style, small_model().base).info.mode
    assert loud in ("photographic", "drawn")
    assert loud == style.info.mode


def test_what_was_learned_small_is_drawn_small_where_it_is_another_picture_at_a_larger_size() -> (
    None
):
    class Stripes:
        """8 px wide at any size, so that a picture of twice the size has twice as many."""

        reach = 0

        def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            stripes = 0.8 * (np.arange(image.shape[3], dtype=np.float32) // 8 % 2) - 0.4
            return image, np.broadcast_to(stripes, image.shape)

    def generator_at(short_side: int) -> StyleGenerator:
        return Stripes()

    backend = open_backend(small_model().base)
    assert choose_rendering(backend, generator_at, DEFAULTS.render_mode) == ("drawn", 512)
    learned = choose_rendering(backend, generator_at, DEFAULTS.render_mode, learned=256)
    assert learned == ("drawn", 256)


def test_a_single_picture_borrows_its_variety_from_the_base(
    creator: list[Path], content: list[Path], backend: Backend
) -> None:
    base = small_model().base
    few = make_style("few", creator[:2], base, backend, content=content)
    np.testing.assert_allclose(few.code_factors, 0.7 * base.prior_code_factors, atol=1e-6)


def test_the_prior_spread_is_that_of_plain_photos(backend: Backend) -> None:
    code_factors = measure_prior_code_factors(small_model().base, backend)
    assert code_factors.shape[1] == small_model().base.generator.code_dim
    lengths = np.linalg.norm(code_factors, axis=1)
    assert (np.diff(lengths) <= 1e-6).all()
    assert lengths[0] > 0


def test_a_preview_lies_beside_its_style(style: Style, backend: Backend, tmp_path: Path) -> None:
    file = tmp_path / "warm.safetensors"
    path = write_with_preview(small_model().base, style, backend, file)
    assert read_style(file, small_model().base).name == style.name
    assert path == preview_path(tmp_path / "warm.safetensors") == tmp_path / "warm.preview.jpg"
    sheet = read_rgb(path)
    assert sheet.shape[1] > sheet.shape[0] > 200


def test_a_style_whose_numbers_make_no_picture_is_not_kept(
    style: Style, backend: Backend, tmp_path: Path
) -> None:
    wild = dataclasses.replace(style, code=np.full_like(style.code, 1e4))
    wild = dataclasses.replace(wild, matrix=np.full((3, 3), np.nan, np.float32))
    with pytest.raises(StyleFileError, match="no picture"):
        write_with_preview(small_model().base, wild, backend, tmp_path / "wild.safetensors")
    assert list(tmp_path.iterdir()) == []


def test_a_style_that_can_t_be_written_leaves_no_preview(
    style: Style, backend: Backend, tmp_path: Path
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise WriteError("no room")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stylegan_cli.sharing.preview.write_style", fail)
        with pytest.raises(WriteError):
            write_with_preview(small_model().base, style, backend, tmp_path / "a.safetensors")
    assert list(tmp_path.iterdir()) == []
