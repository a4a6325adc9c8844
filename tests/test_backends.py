"""Promises of backends/* and networks/graphs.py."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from model_files import small_model

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.errors import StyleFileError, UsageError
from stylegan_cli.instant import read_set, starter_photos
from stylegan_cli.networks.folding import fold_style


@pytest.fixture(scope="module")
def backends() -> tuple[Backend, Backend]:
    base = small_model().base
    return open_backend(base, "onnx"), open_backend(base, "torch")


def image(height: int, width: int, count: int = 1) -> np.ndarray:
    rng = np.random.default_rng(height + width)
    return rng.uniform(-1, 1, (count, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("size", [(8, 8), (40, 56), (64, 72), (104, 1040)])
def test_both_backends_paint_alike_at_every_size(
    backends: tuple[Backend, Backend], size: tuple[int, int]
) -> None:
    base, style = small_model().base, small_model().styles[0]
    folded = fold_style(
        base.generator_tensors, base.generator, style.matrix, style.offset, style.code, min(size)
    )
    picture = image(*size)
    results = [backend.painter(folded)(picture) for backend in backends]
    for onnx, torch in zip(*results, strict=True):
        assert onnx.shape == torch.shape == picture.shape
        np.testing.assert_allclose(onnx, torch, atol=1e-4)
    assert np.abs(results[0][1]).max() > 0.05  # a residue that is not there would agree as well


@pytest.mark.parametrize(("size", "count"), [((16, 16), 1), ((64, 48), 3), ((256, 384), 2)])
def test_both_backends_read_alike(
    backends: tuple[Backend, Backend], size: tuple[int, int], count: int
) -> None:
    pictures = image(*size, count)
    onnx, torch = (backend.moments(pictures) for backend in backends)
    assert onnx.shape == (count, small_model().base.encoder.moments_dim)
    np.testing.assert_allclose(onnx, torch, atol=1e-4)
    rng = np.random.default_rng(0)
    statistics = rng.random((count, small_model().base.encoder.statistics_dim), np.float32)
    codes = [backend.code(onnx, statistics) for backend in backends]
    np.testing.assert_allclose(*codes, atol=1e-4)
    assert codes[0].shape == (count, small_model().base.encoder.code_dim)


def test_the_order_of_pictures_does_not_change_the_code(
    backends: tuple[Backend, Backend],
) -> None:
    backend = backends[0]
    paths = starter_photos()[:5]
    rng = np.random.default_rng(0)
    statistics = rng.random((1, small_model().base.encoder.statistics_dim), np.float32)

    def code(order: list[Path]) -> np.ndarray:
        return backend.code(read_set(order, backend).moments.mean(0)[None], statistics)

    np.testing.assert_allclose(code(paths), code(paths[::-1]), atol=1e-5)
    assert np.abs(code(paths) - code(paths[:1])).max() > 1e-4


def test_two_styles_of_one_base_do_not_mix(backends: tuple[Backend, Backend]) -> None:
    base = small_model().base
    painters = {}
    for style in small_model().styles:
        folded = fold_style(
            base.generator_tensors, base.generator, style.matrix, style.offset, style.code, 64
        )
        painters[style.name] = backends[0].painter(folded)
    first = painters["creatorA"](image(16, 16))[0]
    other = painters["toon"](image(16, 16))[0]
    assert np.abs(first - other).max() > 0.1
    np.testing.assert_array_equal(first, painters["creatorA"](image(16, 16))[0])


@pytest.mark.parametrize(("name", "device"), [("tensorrt", "cpu"), ("onnx", "cuda")])
def test_an_impossible_backend_is_wrong_use(name: str, device: str) -> None:
    with pytest.raises(UsageError):
        open_backend(small_model().base, name, device)


def test_a_broken_graph_names_the_way_around_it() -> None:
    base = dataclasses.replace(small_model().base, graphs={"features": b"no graph"})
    with pytest.raises(StyleFileError, match="--backend torch"):
        open_backend(base, "onnx").moments(image(16, 16))


def test_graphs_are_small_because_the_weights_stay_outside() -> None:
    assert all(len(graph) < 200_000 for graph in small_model().base.graphs.values())
