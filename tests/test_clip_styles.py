import dataclasses
from functools import partial

import cv2
import numpy as np
import pytest
from model_files import small_model

from stylegan_cli.backends import open_backend
from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.rendering import enlarge_residual, fit_residual, make_working_copy
from stylegan_cli.rendering.lut import ColourLut
from stylegan_cli.styles import Mode
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.affine_maps import applied, fit_coarse
from stylegan_cli.video.clip_styles import ClipStyle, clip_style
from stylegan_cli.video.optical_flow import Pixels


def a_stylizer(mode: Mode, strength: float = 1.0) -> Stylizer:
    """A look of random weights."""
    model = small_model()
    style = model.styles[0]
    info = dataclasses.replace(style.info, mode=mode, working_size=96)
    style = dataclasses.replace(style, info=info)
    return Stylizer(model.base, style, open_backend(model.base, "onnx", threads=1), strength)


def scene(shift: int = 0, seed: int = 0, width: int = 256, height: int = 192) -> Pixels:
    """A soft scene, moved to the right by so many pixels."""
    noise = np.random.default_rng(seed).integers(0, 256, (12, 24, 3)).astype(np.uint8)
    large = cv2.resize(noise, (512, 256), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[:height, 200 - shift : 200 - shift + width])


def as_picture(stylizer: Stylizer, pixels: Pixels) -> Pixels:
    """What a picture gets; of a photographic look, as much as follows the picture."""
    if stylizer.style.info.mode != "photographic":
        return stylizer.stylize(pixels)
    working = stylizer.working_copy(pixels)
    maps = fit_residual(working, stylizer.strength * stylizer.residual_of(working), exact=False)
    lut = ColourLut(stylizer.lut, stylizer.strength)(pixels)
    added = enlarge_residual(maps, pixels) * 255
    return cv2.add(lut, added, dtype=cv2.CV_8U).astype(np.uint8, copy=False)


def closeness(first: Pixels, second: Pixels) -> float:
    return float(psnr(first, second))


@pytest.mark.parametrize("strength", [1.0, 0.4])
def test_a_look_without_space_gives_each_frame_what_a_picture_gets(strength: float) -> None:
    stylizer = a_stylizer("colour", strength)
    stylizer_of_frames = clip_style(stylizer, 0.55, 25.0)
    for shift in (0, 5):
        difference = stylizer_of_frames(scene(shift)).astype(int) - stylizer.stylize(scene(shift))
        assert np.abs(difference).max() <= (1 if strength < 1 else 0)


def test_the_table_of_all_colours_says_what_the_small_one_says() -> None:
    rng = np.random.default_rng(0)
    lut = ColourLut(rng.random((5, 5, 5, 3)).astype(np.float32), 1.0)
    pixels = rng.integers(0, 256, (512, 512, 3)).astype(np.uint8)
    first = lut(pixels)
    for _ in range(64):
        last = lut(pixels)
    assert np.array_equal(first, last)


def test_coarse_maps_say_what_fine_ones_say() -> None:
    pixels = scene(width=300, height=200)
    working = make_working_copy(pixels, 160)
    residual = 0.2 * np.sin(working * 5)[..., ::-1] - 0.1 * working
    fine = enlarge_residual(fit_residual(working, residual, exact=False), pixels)
    coarse = applied(fit_coarse(working, residual), pixels, pixels.shape[:2]) / 255
    assert np.abs(fine).mean() > 0.05
    assert np.abs(coarse - fine).mean() < 0.1 * np.abs(fine).mean()


@pytest.mark.parametrize("mode", ["photographic", "drawn"])
def test_the_first_frame_and_one_after_a_cut_are_stylized_like_pictures(mode: Mode) -> None:
    stylizer = a_stylizer(mode)
    stylizer_of_frames = clip_style(stylizer, 0.55, 25.0)
    for size in ({}, {"width": 192, "height": 128}):
        for pixels in (scene(**size), 255 - scene(seed=3, **size)):
            assert closeness(stylizer_of_frames(pixels), as_picture(stylizer, pixels)) > 30


@pytest.mark.parametrize("mode", ["photographic", "drawn"])
def test_moving_frames_stay_near_what_pictures_would_get(mode: Mode) -> None:
    # A look of random weights at a third of its strength still changes more than real ones.
    stylizer = a_stylizer(mode, strength=0.3)
    stylizer_of_frames = clip_style(stylizer, 0.55, 25.0)
    for shift in range(0, 120, 4):
        stylized = stylizer_of_frames(scene(shift))
        assert closeness(stylized, as_picture(stylizer, scene(shift))) > 32


def areas_of_runs(stylizer: Stylizer) -> list[int]:
    """Lets `stylizer` note, in what is returned, how many pixels its network gets in each run."""
    areas: list[int] = []
    stylize = stylizer._generator_at(96)

    def noted(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        areas.append(image.shape[2] * image.shape[3])
        return stylize(image)

    noted.reach = stylize.reach  # type: ignore[attr-defined]
    stylizer._fold_generator = lambda short_side: noted  # type: ignore[method-assign]
    stylizer._generator_at = stylizer._fold_generator  # type: ignore[assignment]
    return areas


def test_the_network_rests_while_nothing_is_new_and_wakes_when_something_is() -> None:
    stylizer = a_stylizer("photographic")
    runs = areas_of_runs(stylizer)
    stylizer_of_frames = clip_style(stylizer, 0.5, 25.0)
    for _ in range(41):
        stylizer_of_frames(scene())
    assert len(runs) == 3
    for number in range(5):
        stylizer_of_frames(scene(seed=10 + number))
    assert len(runs) == 8


def test_lines_are_drawn_anew_as_a_whole_when_a_pause_is_over_and_after_a_cut() -> None:
    stylizer = a_stylizer("drawn")
    runs = areas_of_runs(stylizer)
    stylizer_of_frames = clip_style(stylizer, 0.5, 40.0)
    for _ in range(25):
        stylizer_of_frames(scene())
    assert len(runs) == 3
    stylizer_of_frames(scene(seed=10))
    assert len(runs) == 4
    assert len(set(runs)) == 1


def with_object(left: int) -> Pixels:
    """A wide scene with a square in front of it."""
    noise = np.random.default_rng(0).integers(0, 256, (12, 60, 3)).astype(np.uint8)
    pixels = cv2.resize(noise, (1200, 192), interpolation=cv2.INTER_CUBIC).astype(np.uint8)
    pixels[70:110, left : left + 40] = (250, 30, 20)
    return pixels


def test_only_what_is_new_is_drawn_as_in_a_picture() -> None:
    stylizer = a_stylizer("drawn", strength=0.3)
    runs = areas_of_runs(stylizer)
    stylizer_of_frames = clip_style(stylizer, 0.5, 60.0)
    for left in (40, 40, 90, 90):
        stylized = stylizer_of_frames(with_object(left))
    assert len(runs) == 2
    assert runs[1] < 0.5 * runs[0]
    picture = stylizer.stylize(with_object(90))
    around = slice(50, 130), slice(20, 150)
    assert closeness(stylized[around], picture[around]) > 35


def test_a_cut_carries_no_line_over() -> None:
    stylizer = a_stylizer("drawn")
    stylizer_of_frames, another = (clip_style(stylizer, 0.55, 25.0) for _ in range(2))
    for shift in (0, 3):
        stylizer_of_frames(scene(shift))
    other_scene = 255 - scene(seed=3)
    assert np.array_equal(stylizer_of_frames(other_scene), another(other_scene))


def test_the_network_runs_less_often_for_a_look_that_errs_little_where_much_is_new() -> None:
    counts = []
    for strength in (0.5, 0.02):
        stylizer = a_stylizer("photographic", strength)
        runs = areas_of_runs(stylizer)
        stylizer_of_frames = clip_style(stylizer, 1.0, 25.0)
        for shift in range(0, 120, 4):
            stylizer_of_frames(scene(shift))
        counts.append(len(runs))
    assert counts[1] < counts[0] / 2


@pytest.mark.parametrize(
    ("mode", "frame_rate"),
    [("colour", 10.0), ("photographic", 10.0), ("drawn", 10.0), ("drawn", 60.0)],
)
def test_a_generator_goes_on_from_what_another_remembers(mode: Mode, frame_rate: float) -> None:
    frames = [scene(3 * number) for number in range(14)]
    stylizer = a_stylizer(mode)
    new = partial(clip_style, stylizer, 0.55, frame_rate)
    whole: ClipStyle = new()
    results = [whole(frame) for frame in frames]
    before, after = new(), new()
    for frame in frames[:6]:
        before(frame)
    after.recall({name: array.copy() for name, array in before.memory.items()})
    for frame, wanted in zip(frames[6:], results[6:], strict=True):
        assert np.array_equal(after(frame), wanted)


@pytest.mark.parametrize("mode", ["photographic", "drawn"])
def test_steady_nothing_stylizes_every_frame_for_itself(mode: Mode) -> None:
    stylizer = a_stylizer(mode)
    stylizer_of_frames = clip_style(stylizer, 0.0, 25.0)
    for shift in (0, 3):
        assert np.array_equal(stylizer_of_frames(scene(shift)), stylizer.stylize(scene(shift)))
