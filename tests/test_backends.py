"""Promises of backends/* and networks/onnx_graphs.py."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from extras import require
from model_files import small_model

from stylegan_cli.backends import (
    Backend,
    Precision,
    build_graph,
    open_backend,
    quantised,
)
from stylegan_cli.backends.full_size_entry import enter_at_full_size
from stylegan_cli.backends.onnx_backend import OnnxBackend, OnnxGenerator, _open_session
from stylegan_cli.backends.quantised import QuantisationConfig, cache_dir, filled_graph
from stylegan_cli.errors import UsageError
from stylegan_cli.instant import read_set
from stylegan_cli.networks.folding import fold_style
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import write_model

OTHERS = ["torch", "openvino"]


@pytest.fixture(scope="module", params=OTHERS)
def backends(request: pytest.FixtureRequest) -> tuple[Backend, Backend]:
    """ONNX Runtime and another."""
    require(request.param)
    base = small_model().base
    return open_backend(base, "onnx"), open_backend(base, request.param)


def image(height: int, width: int, count: int = 1) -> np.ndarray:
    rng = np.random.default_rng(height + width)
    return rng.uniform(-1, 1, (count, 3, height, width)).astype(np.float32)


@pytest.mark.parametrize("size", [(8, 8), (40, 56), (64, 72), (104, 1040)])
def test_both_backends_stylize_alike_at_every_size(
    backends: tuple[Backend, Backend], size: tuple[int, int]
) -> None:
    base, style = small_model().base, small_model().styles[0]
    folded = fold_style(
        base.generator_tensors, base.generator, style.matrix, style.offset, style.code, min(size)
    )
    picture = image(*size)
    results = [backend.generator(folded)(picture) for backend in backends]
    for onnx, torch in zip(*results, strict=True):
        assert onnx.shape == torch.shape == picture.shape
        np.testing.assert_allclose(onnx, torch, atol=1e-4)
    assert np.abs(results[0][1]).max() > 0.05  # a residual that is not there would agree as well


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


def test_many_at_once_are_what_they_are_one_after_the_other() -> None:
    base, style = small_model().base, small_model().styles[0]
    parts = (style.matrix, style.offset, style.code)
    folded = fold_style(base.generator_tensors, base.generator, *parts, 96)
    pictures = image(96, 96, count=5)
    results, moments = [], []
    for backend in (open_backend(base, threads=2), open_backend(base, threads=2).for_many()):
        generator = backend.generator(folded)
        results.append(
            np.stack(backend.map(lambda picture, run=generator: run(picture[None]), pictures))
        )
        moments.append(backend.moments(pictures))
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(*moments)


def test_the_order_of_pictures_does_not_change_the_code(
    backends: tuple[Backend, Backend],
) -> None:
    backend = backends[0]
    paths = starter_photos()[:5]
    rng = np.random.default_rng(0)
    statistics = rng.random((1, small_model().base.encoder.statistics_dim), np.float32)

    def code(order: list[Path]) -> np.ndarray:
        return backend.code(read_set(order, backend).mean_moments[None], statistics)

    np.testing.assert_allclose(code(paths), code(paths[::-1]), atol=1e-5)
    assert np.abs(code(paths) - code(paths[:1])).max() > 1e-4


def test_two_styles_of_one_base_do_not_mix(backends: tuple[Backend, Backend]) -> None:
    base = small_model().base
    generators = {}
    for style in small_model().styles:
        folded = fold_style(
            base.generator_tensors, base.generator, style.matrix, style.offset, style.code, 64
        )
        generators[style.name] = backends[0].generator(folded)
    first = generators["creatorA"](image(16, 16))[0]
    other = generators["toon"](image(16, 16))[0]
    assert np.abs(first - other).max() > 0.1
    np.testing.assert_array_equal(first, generators["creatorA"](image(16, 16))[0])


def folded(index: int = 0) -> dict[str, np.ndarray]:
    base, style = small_model().base, small_model().styles[index]
    return fold_style(
        base.generator_tensors, base.generator, style.matrix, style.offset, style.code, 64
    )


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_dir()


def stylized(
    precision: Precision, name: str = "onnx", backend: Backend | None = None
) -> np.ndarray:
    """A photo's part in a style; noise would be unlike all that 8 bits are prepared for."""
    backend = backend or open_backend(small_model().base, name)
    photo = to_unit(read_rgb(starter_photos()[1], 128)[32:96, 24:96])
    image = np.ascontiguousarray(photo.transpose(2, 0, 1)[None] * 2 - 1)
    base_colour, residual = backend.generator(folded(), precision)(image)
    return np.clip(base_colour + residual, -1, 1) / 2


def test_a_first_layer_on_full_size_pixels_is_the_same_layer() -> None:
    base = small_model().base
    graph = filled_graph(build_graph(base, "generator"), folded())
    quicker = enter_at_full_size(graph)
    assert b"residual.conv_in.fine" in quicker
    for size in ((48, 64), (8, 120)):
        before, after = (
            OnnxGenerator(_open_session(g, 1), base.generator.reach)(image(*size))
            for g in (graph, quicker)
        )
        for expected, found in zip(before, after, strict=True):
            np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize("name", ["onnx", "openvino"])
def test_8_bits_are_prepared_once_and_close_to_exact(own_cache: Path, name: str) -> None:
    require(name)
    exact, rough = stylized("f32", name), stylized("int8", name)
    assert 0 < np.abs(exact - rough).max() < 0.1
    (kept,) = own_cache.glob("*.onnx")
    written = kept.stat().st_mtime_ns
    np.testing.assert_array_equal(stylized("int8", name), rough)
    assert kept.stat().st_mtime_ns == written


def test_8_bits_are_taken_only_where_they_stay_close(own_cache: Path) -> None:
    exact, rough = stylized("f32"), stylized("int8")
    for min_db, expected in ((0, rough), (100, exact)):
        backend = OnnxBackend(small_model().base, quantisation=QuantisationConfig(min_db=min_db))
        np.testing.assert_array_equal(stylized("auto", backend=backend), expected)


def test_the_measured_distance_is_the_true_one(own_cache: Path) -> None:
    backend = open_backend(small_model().base)
    exact, rough = (backend.generator(folded(), p) for p in ("f32", "int8"))

    (kept,) = own_cache.glob("*.onnx")
    told = np.frombuffer(kept.read_bytes()[:8], "<f8")[0]
    errors = []
    for path in starter_photos()[61:66]:
        photo = read_rgb(path).transpose(2, 0, 1)[None] / np.float32(127.5) - 1
        pictures = [np.clip(sum(generator(photo)), -1, 1) / 2 for generator in (exact, rough)]
        errors.append(np.mean((pictures[0] - pictures[1]) ** 2))
    assert told == pytest.approx(-10 * np.log10(np.mean(errors)), abs=2)


def test_a_kept_graph_that_the_runtime_refuses_is_made_again(own_cache: Path) -> None:
    rough = stylized("int8")
    (kept,) = own_cache.glob("*.onnx")
    psnr, graph = kept.read_bytes()[:8], b"of another version"
    kept.write_bytes(psnr + hashlib.sha256(psnr + graph).digest() + graph)
    np.testing.assert_array_equal(stylized("int8"), rough)


def test_without_room_for_what_is_temporary_float32_is_used(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_room(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(quantised.tempfile, "TemporaryDirectory", no_room)
    np.testing.assert_array_equal(stylized("int8"), stylized("f32"))
    assert "float32 is used" in caplog.text


@pytest.mark.parametrize("damage", ["cut", "changed", "emptied"])
def test_a_damaged_cache_is_made_again(own_cache: Path, damage: str) -> None:
    rough = stylized("int8")
    (kept,) = own_cache.glob("*.onnx")
    whole = kept.read_bytes()
    damaged = {"cut": whole[:-9], "changed": whole[:99] + b"?" + whole[100:], "emptied": b""}
    kept.write_bytes(damaged[damage])
    np.testing.assert_array_equal(stylized("int8"), rough)
    assert len(kept.read_bytes()) == len(whole)


def test_a_cache_that_takes_nothing_stops_nobody(
    own_cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own_cache.parent.mkdir(parents=True)
    own_cache.write_text("a file where the folder would be")
    assert stylized("int8").shape == (1, 3, 64, 72)
    assert "can't be kept" in caplog.text


def test_the_cache_does_not_grow_without_end(own_cache: Path) -> None:
    backend = OnnxBackend(small_model().base, quantisation=QuantisationConfig(max_kept=1))
    for index in (0, 1):
        backend.generator(folded(index), "int8")
    assert len(list(own_cache.iterdir())) == 1


def test_torch_has_no_8_bits() -> None:
    with pytest.raises(UsageError, match="--precision f32"):
        open_backend(small_model().base, "torch").generator(folded(), "int8")


def test_openvino_runs_without_its_telemetry() -> None:
    require("openvino")
    open_backend(small_model().base, "openvino").generator(folded())
    assert sys.modules["openvino_telemetry"] is None  # an import of it fails from now on
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry.")]


def test_ctrl_c_is_met_after_backends_have_come_and_gone(tmp_path: Path) -> None:
    require("openvino")
    model, folded_style = tmp_path / "m.safetensors", tmp_path / "folded.npz"
    write_model(small_model(), model)
    np.savez(folded_style, **folded())
    script = f"""
import gc
import signal
from pathlib import Path

import numpy as np
from stylegan_cli.backends import open_backend
from stylegan_cli.styles import read_model

base = read_model(Path({str(model)!r})).base
weights = dict(np.load({str(folded_style)!r}))
generators = [open_backend(base, "openvino").generator(weights) for _ in range(2)]
while generators:
    generators.pop(0)  # the oldest first
    gc.collect()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print("met")
"""
    # Where a fault is told of, and in tests it is, signals have a stack of their own.
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", script], capture_output=True, text=True
    )
    assert (run.returncode, run.stdout) == (0, "met\n"), run.stderr


@pytest.mark.parametrize(
    ("name", "device"), [("tensorrt", "cpu"), ("onnx", "cuda"), ("openvino", "cuda")]
)
def test_an_impossible_backend_is_wrong_use(name: str, device: str) -> None:
    with pytest.raises(UsageError):
        open_backend(small_model().base, name, device)


def test_graphs_are_small_because_the_weights_stay_outside() -> None:
    base = small_model().base
    assert all(len(build_graph(base, part)) < 20_000 for part in ("generator", "features", "head"))
