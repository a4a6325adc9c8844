"""Promises of stylizer.py."""

import dataclasses
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from extras import require
from model_files import small_model, write_small_model
from picture_files import scene

from stylegan_cli.backends import Backend, StyleGenerator, open_backend
from stylegan_cli.colour import LUMA
from stylegan_cli.errors import PictureError, StyleNotFoundError, UsageError
from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.evaluation.throughput import picture_of
from stylegan_cli.pictures import Metadata, Picture, change_depth, from_unit, to_unit
from stylegan_cli.rendering import bring_down
from stylegan_cli.rendering.config import RenderingConfig
from stylegan_cli.styles import Mode, Style, shipped_model
from stylegan_cli.stylizer import Detail, Stylizer, open_stylizer, vary

DEPTHS = [np.uint8, np.uint16, np.float32]
MODES: list[Mode] = ["colour", "photographic", "drawn"]


@pytest.fixture(scope="module")
def backend() -> Backend:
    return open_backend(small_model().base)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def style_of(mode: Mode = "photographic") -> Style:
    style = small_model().styles[0]
    return dataclasses.replace(style, info=dataclasses.replace(style.info, mode=mode))


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("mode", MODES)
def test_strength_0_is_the_input_pixel_for_pixel(
    backend: Backend, mode: Mode, depth: type[np.generic]
) -> None:
    pixels = change_depth(scene(50, 70), depth)
    result = Stylizer(small_model().base, style_of(mode), backend, 0).stylize(pixels)
    np.testing.assert_array_equal(result, pixels)
    assert not np.shares_memory(result, pixels)


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("detail", get_args(Detail))
@pytest.mark.parametrize("size", [(1, 1), (1, 20_000), (20_000, 1), (150, 97), (64, 64)])
def test_any_picture_keeps_size_and_depth(
    backend: Backend, detail: Detail, depth: type[np.generic], size: tuple[int, int]
) -> None:
    pixels = change_depth(np.resize(scene(60, 80), (*size, 3)), depth)
    before = pixels.copy()
    result = Stylizer(small_model().base, style_of(), backend, detail=detail).stylize(pixels)
    assert (result.shape, result.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(result.astype(float) - pixels).max() > 0
    assert not np.isnan(result.astype(float)).any()
    np.testing.assert_array_equal(pixels, before)


@pytest.mark.parametrize("mode", MODES)
def test_all_depths_are_stylized_alike(backend: Backend, mode: Mode) -> None:
    stylizer = Stylizer(small_model().base, style_of(mode), backend)
    results = [stylizer.stylize(change_depth(scene(100, 140), depth)) for depth in DEPTHS]
    eight = [change_depth(result, np.uint8).astype(int) for result in results]
    assert np.abs(eight[0] - eight[1]).mean() < 1
    assert np.abs(eight[1] - eight[2]).max() <= 1


@pytest.mark.parametrize("detail", get_args(Detail))
def test_the_number_of_threads_changes_no_pixel(detail: Detail) -> None:
    rendering = RenderingConfig(strip_pixels=300 * 70)
    base, pixels = small_model().base, scene(300, 410)
    stylized = [
        Stylizer(
            base,
            style_of(),
            open_backend(base, threads=threads),
            detail=detail,
            threads=threads,
            rendering=rendering,
        ).stylize(pixels)
        for threads in (1, 2, 3)
    ]
    for other in stylized[1:]:
        np.testing.assert_array_equal(stylized[0], other)


def test_fine_detail_is_the_network_at_every_pixel(backend: Backend) -> None:
    base, pixels = small_model().base, change_depth(scene(96, 120), np.float32)
    asked = dataclasses.replace(style_of().info, working_size=96)
    at_full_size = Stylizer(base, dataclasses.replace(style_of(), info=asked), backend)
    fine = Stylizer(base, style_of(), backend, detail="fine")
    np.testing.assert_array_equal(fine.stylize(pixels), at_full_size.stylize(pixels))
    assert (
        np.abs(fine.stylize(pixels) - Stylizer(base, style_of(), backend).stylize(pixels)).max()
        > 0.1
    )


def test_fast_detail_works_smaller(backend: Backend) -> None:
    rendering = RenderingConfig(fast_size=32)
    base, pixels = small_model().base, scene(96, 120)
    asked = dataclasses.replace(style_of().info, working_size=32)
    small = Stylizer(base, dataclasses.replace(style_of(), info=asked), backend)
    fast = Stylizer(base, style_of(), backend, detail="fast", rendering=rendering)
    np.testing.assert_array_equal(fast.stylize(pixels), small.stylize(pixels))


@pytest.mark.parametrize(("style", "min_db"), [("creatorA", 40), ("toon", 30)])
def test_a_look_means_the_same_at_4k_and_at_1024(style: str, min_db: float) -> None:
    large = picture_of((2160, 3840))
    small = from_unit(bring_down(large, (1024, 1820)), np.uint8)
    stylizer = open_stylizer(style, model=shipped_model(), precision="f32")
    brought_down = bring_down(stylizer.stylize(large), (1024, 1820))
    assert psnr(brought_down, to_unit(stylizer.stylize(small))) >= min_db


def test_strength_leads_from_the_photo_to_the_look(backend: Backend) -> None:
    pixels = change_depth(scene(), np.float32)
    full, half = (
        Stylizer(small_model().base, style_of(), backend, strength).stylize(pixels)
        for strength in (1.0, 0.5)
    )
    np.testing.assert_allclose(half, (full + pixels) / 2, atol=1e-6)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_strength_out_of_range_is_wrong_use(backend: Backend, strength: float) -> None:
    with pytest.raises(UsageError, match="--strength"):
        Stylizer(small_model().base, style_of(), backend, strength)


def test_one_seed_is_one_variation() -> None:
    style = small_model().styles[0]
    codes = [vary(style, seed).code for seed in (1, 1, 2, 3)]
    np.testing.assert_array_equal(codes[0], codes[1])
    assert min(np.abs(codes[0] - codes[2]).max(), np.abs(codes[2] - codes[3]).max()) > 0.01
    # All variations are among the creator's directions.
    moved = np.stack([vary(style, seed).code - style.code for seed in range(6)])
    assert np.linalg.matrix_rank(moved, tol=1e-4) == len(style.code_factors)


def test_variations_of_a_seed_are_stylized_alike(model: Path) -> None:
    stylized = [
        open_stylizer("toon", model=model, seed=s).stylize(scene()) for s in (1, 1, 2, None)
    ]
    np.testing.assert_array_equal(stylized[0], stylized[1])
    assert not np.array_equal(stylized[0], stylized[2])
    assert not np.array_equal(stylized[0], stylized[3])


def test_one_stylizer_serves_many_threads(backend: Backend) -> None:
    pictures = [np.roll(scene(60 + 8 * (k % 5), 80), 11 * k, axis=1) for k in range(12)]
    alone = Stylizer(small_model().base, style_of(), backend)
    wanted = [alone.stylize(picture) for picture in pictures]
    shared = Stylizer(small_model().base, style_of(), backend)
    with ThreadPoolExecutor(4) as pool:
        for found, expected in zip(pool.map(shared.stylize, pictures), wanted, strict=True):
            np.testing.assert_array_equal(found, expected)


def test_the_network_holds_no_memory_while_a_large_picture_is_rendered(backend: Backend) -> None:
    photo = np.kron(scene(), np.ones((4, 4, 1), np.uint8))
    base = small_model().base
    small = Stylizer(base, style_of(), backend)
    released = []

    class Watched:
        """A generator that says when it gives memory back."""

        def __init__(self, generator: StyleGenerator) -> None:
            self.generator, self.reach = generator, generator.reach

        def __call__(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            return self.generator(image)

        def release_memory(self) -> None:
            released.append(True)
            self.generator.release_memory()

    class Backed:
        """The backend with such generators."""

        name = backend.name

        def generator(self, *arguments: Any) -> Watched:
            return Watched(backend.generator(*arguments))

    large = RenderingConfig(large_picture=photo.shape[0] * photo.shape[1])
    for rendering, count in ((RenderingConfig(), 0), (large, 2)):
        watched = Stylizer(base, style_of(), Backed(), rendering=rendering)  # type: ignore[arg-type]
        for _ in range(2):
            np.testing.assert_array_equal(watched.stylize(photo), small.stylize(photo))
        assert len(released) == count


def test_deltas_reach_the_picture(backend: Backend) -> None:
    name = "residual.conv_out.conv.weight"
    shape = small_model().base.generator_tensors[name].shape
    deltas = {
        f"{name}.up": np.ones((shape[0], 1), np.float32),
        f"{name}.down": np.ones((1, shape[1] * 9), np.float32),
    }
    refined = dataclasses.replace(style_of(), deltas=deltas)
    plain, changed = (
        Stylizer(small_model().base, style, backend).stylize(scene())
        for style in (style_of(), refined)
    )
    assert np.abs(plain.astype(int) - changed).mean() > 2


def test_stylizing_keeps_alpha_and_metadata(backend: Backend) -> None:
    alpha = np.arange(48 * 64, dtype=np.uint16).reshape(48, 64) % 256
    picture = Picture(pixels=scene(), alpha=alpha.astype(np.uint8), metadata=Metadata(exif=b"Exif"))
    result = Stylizer(small_model().base, style_of(), backend).stylize_picture(picture)
    np.testing.assert_array_equal(result.alpha, picture.alpha)
    assert result.metadata == picture.metadata
    assert not np.array_equal(result.pixels, picture.pixels)


@pytest.mark.parametrize("name", ["torch", "openvino"])
@pytest.mark.parametrize("detail", get_args(Detail))
def test_every_backend_gives_the_same_picture(model: Path, name: str, detail: Detail) -> None:
    require(name)

    def stylize(backend: str) -> np.ndarray:
        stylizer = open_stylizer(
            "toon", model=model, backend=backend, device="cpu", detail=detail, precision="f32"
        )
        return stylizer.stylize(scene(190, 230))

    difference = np.abs(stylize("onnx").astype(int) - stylize(name))
    assert np.mean(difference.max(axis=2) <= 1) >= 0.999


def test_references_make_a_style_on_the_spot(model: Path, photo: Path) -> None:
    stylizer = open_stylizer(model=model, references=[photo])
    assert stylizer.style.info.pictures == 1
    assert stylizer.stylize(scene()).shape == scene().shape


def test_a_reference_that_can_not_be_read_stops_everything(
    model: Path, photo: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.jpg"):
        open_stylizer(model=model, references=[photo, broken])


@pytest.mark.parametrize("depth", DEPTHS)
@pytest.mark.parametrize("mode", MODES)
def test_preserved_colours_are_the_photos_under_the_light_of_the_look(
    backend: Backend, mode: Mode, depth: type[np.generic]
) -> None:
    pixels = change_depth(scene(100, 140), depth)
    base, style = small_model().base, style_of(mode)
    look, kept = (
        change_depth(
            Stylizer(base, style, backend, preserve_colour=preserve).stylize(pixels), np.float32
        )
        for preserve in (False, True)
    )
    photo = change_depth(pixels, np.float32)
    np.testing.assert_allclose(kept @ LUMA, look @ LUMA, atol=0.004)
    stands_out, photos_own = (unit - (unit @ LUMA)[..., None] for unit in (kept, photo))
    # Towards grey at most, where the light leaves no room; the hue is the photo's.
    assert (np.sum(stands_out * photos_own, -1) >= -1e-3).all()
    free = (kept.max(-1) < 0.98) & (kept.min(-1) > 0.02)
    assert free.mean() > 0.3
    np.testing.assert_allclose(stands_out[free], photos_own[free], atol=0.006)


def test_strength_0_is_the_input_whatever_else_is_asked(model: Path) -> None:
    stylizer = open_stylizer(
        "toon:1,creatorA:1", model=model, strength=0, seed=3, preserve_colour=True
    )
    np.testing.assert_array_equal(stylizer.stylize(scene()), scene())


def test_an_unknown_style_names_those_there_are(model: Path) -> None:
    with pytest.raises(StyleNotFoundError, match="creatorA, toon"):
        open_stylizer("nobody", model=model)
