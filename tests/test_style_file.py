"""Promises of styles/file.py."""

import dataclasses
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import DELTA, DIM, GRAIN, HALATION, full_style, small_model, write_small_model
from safetensors import safe_open
from safetensors.numpy import save_file

from stylegan_cli.errors import OutputExistsError, StyleFileError, WriteError
from stylegan_cli.runtime.files import sealed
from stylegan_cli.styles import (
    METADATA_KEY,
    SHIPPED_MODEL,
    Base,
    Style,
    list_styles,
    read_info,
    read_model,
    read_style,
    registry,
    write_model,
    write_style,
)
from stylegan_cli.styles.file import sum_of_tensors
from stylegan_cli.stylizer import open_stylizer

Tensors = dict[str, np.ndarray]
Document = dict[str, Any]
OLD_STYLE = Path(__file__).parent / "data" / "style-format-1.safetensors"
OLD_MODEL = OLD_STYLE.with_name("model-format-1.safetensors")


@pytest.fixture(autouse=True)
def styles_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's styles."""
    folder = tmp_path / "styles"
    monkeypatch.setenv("INFLU_STYLES", str(folder))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / SHIPPED_MODEL)


@pytest.fixture
def shipped(model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small model as the one that comes with the package."""
    monkeypatch.setattr(registry, "weights_dir", lambda: model.parent)
    return model


def assert_same_style(found: Style, wanted: Style) -> None:
    assert found.info == wanted.info
    assert found.base_hash == wanted.base_hash
    for name in ("matrix", "offset", "code"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name))
    np.testing.assert_allclose(found.code_factors, wanted.code_factors, atol=1e-3)
    assert (found.calibration is None) == (wanted.calibration is None)
    if wanted.calibration is not None:
        np.testing.assert_array_equal(found.calibration, wanted.calibration)
    assert found.deltas.keys() == wanted.deltas.keys()
    for name, value in wanted.deltas.items():
        np.testing.assert_array_equal(found.deltas[name], value)


def changed(path: Path, change: Callable[[Tensors, Document], None]) -> Path:
    """`path` written again after `change` of its tensors and its document."""
    with safe_open(path, framework="numpy") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        document = json.loads(file.metadata()[METADATA_KEY])
    change(tensors, document)
    return seal(path, tensors, document)


def seal(path: Path, tensors: Tensors, document: Document | str) -> Path:
    """Write a file as a stranger can, with right checksums over whatever is in it."""
    if not isinstance(document, str):
        document = {**document, "tensors_sha256": sum_of_tensors(tensors)}
        document.pop("sha256", None)
        document = sealed(document)
    save_file(tensors, path, metadata={METADATA_KEY: document})
    return path


@pytest.fixture
def style_path(tmp_path: Path) -> Path:
    path = tmp_path / "full.safetensors"
    write_style(full_style(), path)
    return path


def test_a_style_survives_the_round_trip(style_path: Path) -> None:
    assert_same_style(read_style(style_path, small_model().base), full_style())


def test_a_model_survives_the_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    styles = (*small_model().styles, full_style())
    write_model(dataclasses.replace(small_model(), styles=styles, info={"steps": 7}), path)
    found = read_model(path)
    assert found.info == {"steps": 7}
    for found_style, wanted in zip(found.styles, styles, strict=True):
        assert_same_style(found_style, wanted)
    base, wanted_base = found.base, small_model().base
    assert (base.hash, base.generator, base.encoder) == (
        wanted_base.hash,
        wanted_base.generator,
        wanted_base.encoder,
    )
    np.testing.assert_array_equal(base.content_colours, wanted_base.content_colours)
    for name, value in wanted_base.tensors.items():
        np.testing.assert_array_equal(base.tensors[name], value)


def test_a_style_of_format_1_can_be_read_for_ever() -> None:
    class ItsBase(Base):
        """The small model's, whatever its weights are by now."""

        @property
        def hash(self) -> str:
            return "051182002ffc4d0a"

    base = small_model().base
    parts = {field.name: getattr(base, field.name) for field in dataclasses.fields(Base)}
    style = read_style(OLD_STYLE, ItsBase(**parts))
    assert style.info == full_style().with_info(grain=None, halation=None).info
    assert style.calibration is not None
    assert style.calibration.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(style.code[:3], [-0.4325, -0.7386, -0.0714], atol=1e-4)
    np.testing.assert_array_equal(style.matrix[0], np.float32([0.9, 0.1, 0.0]))
    assert set(style.deltas) == {f"{DELTA}.up", f"{DELTA}.down"}


def test_no_damage_of_a_byte_and_no_cut_passes_for_right(style_path: Path) -> None:
    base, whole = small_model().base, style_path.read_bytes()

    def is_refused() -> bool:
        try:
            style = read_style(style_path, base)
        except StyleFileError:
            return True
        assert_same_style(style, full_style())  # the bit was one of blank space
        return False

    refused = 0
    with style_path.open("r+b", buffering=0) as file:
        for place, byte in enumerate(whole):
            for value in (byte ^ 1 << place % 8, byte):
                os.pwrite(file.fileno(), bytes([value]), place)
                refused += value != byte and is_refused()
        assert not is_refused()
        for length in reversed(range(len(whole))):
            file.truncate(length)
            assert is_refused()
    assert refused > 0.99 * len(whole)


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_model_of_format_1_stylizes_as_it_did_for_ever(backend: str) -> None:
    pixels = np.arange(64 * 64 * 3).reshape(64, 64, 3) * 7919 % 251
    stylizer = open_stylizer("toon", model=OLD_MODEL, backend=backend)
    stylized = stylizer.stylize(pixels.astype(np.uint8)).astype(int)
    then = [[15, 44, 83], [0, 36, 72], [38, 81, 95]]
    assert np.abs(stylized[[0, 31, 62], [0, 31, 62]] - then).max() <= 2  # 8 bits or 32
    assert stylized.mean() == pytest.approx(85.34, abs=0.1)


def test_a_style_of_another_base_is_refused_by_name(style_path: Path) -> None:
    tensors = dict(small_model().base.tensors)
    tensors["generator.colour.conv_out.conv.bias"] = np.ones(3, np.float32)
    other = dataclasses.replace(small_model().base, tensors=tensors)
    assert other.hash != small_model().base.hash
    with pytest.raises(StyleFileError, match=small_model().base.hash) as refused:
        read_style(style_path, other)
    assert other.hash in str(refused.value)


def test_a_torn_file_is_refused(style_path: Path, model: Path, tmp_path: Path) -> None:
    for path in (style_path, model):
        data = path.read_bytes()
        for share in (0.0, 0.001, 0.5, 0.999):
            torn = tmp_path / "torn.safetensors"
            torn.write_bytes(data[: int(len(data) * share)])
            with pytest.raises(StyleFileError, match=r"torn\.safetensors"):
                read_info(torn)


def test_what_is_no_style_at_all_is_refused(tmp_path: Path, style_path: Path) -> None:
    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": np.ones(3)}, foreign, metadata={"format": "pt"})
    text = tmp_path / "text.safetensors"
    text.write_text("not a style\n")
    for path in (foreign, text, tmp_path, tmp_path / "lost.safetensors"):
        with pytest.raises(StyleFileError, match=path.name):
            read_info(path)
    with pytest.raises(StyleFileError, match="not a model file"):
        read_model(style_path)


def _set(name: str, value: object) -> Callable[[Tensors, Document], None]:
    return lambda tensors, document: document.update({name: value})


def _put(name: str, value: np.ndarray) -> Callable[[Tensors, Document], None]:
    return lambda tensors, document: tensors.update({f"creator/{name}": value})


def _drop(name: str) -> Callable[[Tensors, Document], None]:
    def drop(tensors: Tensors, document: Document) -> None:
        del tensors[f"creator/{name}"]

    return drop


def _grain(**changes: object) -> Callable[[Tensors, Document], None]:
    return _set("creator", {"name": "x", "grain": {**dataclasses.asdict(GRAIN), **changes}})


def _halation(**changes: object) -> Callable[[Tensors, Document], None]:
    halation = {**dataclasses.asdict(HALATION), **changes}
    return _set("creator", {"name": "x", "halation": halation})


DAMAGES = {
    "newer": (_set("format_version", 2), "newer"),
    "no version": (_set("format_version", None), "format_version"),
    "negative version": (_set("format_version", -1), "format_version"),
    "a version that is true": (_set("format_version", True), "format_version"),
    "huge numbers": (_put("matrix", np.full((3, 3), 1e30, np.float32)), "above 10000"),
    "huge deltas": (_put(f"deltas.{DELTA}.down", np.full((2, 270), 6e4, np.float16)), "above"),
    "metrics of words": (_set("creator", {"name": "x", "metrics": {"kid": "low"}}), "metrics"),
    "metrics without end": (
        _set("creator", {"name": "x", "metrics": {str(n): 1 for n in range(99)}}),
        "metrics",
    ),
    "a long licence": (_set("creator", {"name": "x", "licence": "x" * 500_000}), "licence"),
    "fewer than no pictures": (_set("creator", {"name": "x", "pictures": -1}), "pictures"),
    "no creator": (lambda t, d: d.pop("creator"), "damaged"),
    "creator is a list": (_set("creator", ["full"]), "damaged"),
    "unknown setting": (_set("creator", {"name": "x", "magic": 1}), "magic"),
    "a name that climbs": (_set("creator", {"name": "../x"}), "name"),
    "unknown mode": (_set("creator", {"name": "x", "mode": "magic"}), "mode"),
    "huge working size": (_set("creator", {"name": "x", "working_size": 10**9}), "working_size"),
    "grain is a word": (_set("creator", {"name": "x", "grain": "much"}), "grain"),
    "grain without end": (_grain(luma=[0.1] * 1000, colour=[0.1] * 1000), "octaves"),
    "grain beyond black and white": (_grain(luma=[1e9], colour=[0.0]), "amplitudes"),
    "grain that is no number": (_grain(luma=[float("nan")], colour=[0.0]), "amplitudes"),
    "grain as fine as nothing": (_grain(cutoff=1e30), "cutoff"),
    "grain without tones": (_grain(tones=[]), "tones"),
    "unknown grain": (_grain(magic=1), "magic"),
    "halation is a word": (_set("creator", {"name": "x", "halation": "much"}), "halation"),
    "halation beyond white": (_halation(strength=[1e9, 0.0, 0.0]), "strength"),
    "halation that is no number": (_halation(strength=[float("nan"), 0.0, 0.0]), "strength"),
    "halation of one channel": (_halation(strength=[0.1]), "red, green and blue"),
    "halation over all": (_halation(radius=1e9), "radius"),
    "unknown halation": (_halation(magic=1), "magic"),
    "long description": (_set("padding", "x" * (1 << 20)), "influ did not write it"),
    "not a number": (_put("code", np.full(DIM, np.nan, np.float32)), "not numbers"),
    "infinite": (_put("matrix", np.full((3, 3), np.inf, np.float32)), "not numbers"),
    "wrong shape": (_put("code", np.zeros(DIM + 1, np.float32)), "shape"),
    "wrong rank": (_put("offset", np.zeros((3, 1), np.float32)), "shape"),
    "whole numbers": (_put("matrix", np.eye(3, dtype=np.int64)), "stores numbers as I64"),
    "oversized": (_put("code_factors", np.zeros((4096, DIM), np.float16)), "more than"),
    "missing": (_drop("offset"), "lacks"),
    "flat table": (_put("calibration", np.zeros((2, 1, 2, 3), np.float16)), "calibration"),
    "table of one": (_put("calibration", np.zeros((1, 1, 1, 3), np.float16)), "calibration"),
    "unknown tensor": (
        _put("deltas.residual.nowhere.up", np.zeros((4, 2), np.float16)),
        "does not have",
    ),
    "a word": (_put("odd", np.zeros(3, np.float16)), "does not have"),
    "half a delta": (_drop(f"deltas.{DELTA}.down"), "does not have"),
    "ranks differ": (_put(f"deltas.{DELTA}.up", np.zeros((4, 3), np.float16)), "ranks"),
}


@pytest.mark.parametrize(("change", "reason"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_refused_in_one_sentence(
    style_path: Path, change: Callable[[Tensors, Document], None], reason: str
) -> None:
    with pytest.raises(StyleFileError, match=reason) as refused:
        read_style(changed(style_path, change), small_model().base)
    assert "\n" not in str(refused.value)


MODEL_DAMAGES: dict[str, tuple[Callable[[Tensors, Document], Any], str]] = {
    "a network without end": (lambda t, d: d["generator"].update(blocks=10**9), "blocks"),
    "wider than its weights": (lambda t, d: d["generator"].update(base_channels=4096), "shape"),
    "no architecture": (lambda t, d: d.pop("encoder"), "architecture"),
    "architecture is a word": (lambda t, d: d.update(encoder="big"), "architecture"),
    "weights gone": (lambda t, d: t.pop("base/encoder.head.centre"), "lacks"),
    "weights changed": (
        lambda t, d: t["base/generator.residual.conv_out.conv.bias"].fill(1),
        "damaged",
    ),
    "more tensors than any": (
        lambda t, d: t.update({f"x{n}": np.zeros(0, np.float16) for n in range(100_001)}),
        "more than any",
    ),
    "colours of floats": (
        lambda t, d: t.update(content_colours=np.zeros((9, 3), np.float32)),
        "stored as",
    ),
    "creators are a word": (lambda t, d: d.update(creators="all"), "creators"),
    "a creator without a name": (lambda t, d: d["creators"][0].pop("name"), "name"),
}


@pytest.mark.parametrize(("change", "reason"), MODEL_DAMAGES.values(), ids=MODEL_DAMAGES)
def test_a_damaged_model_is_refused(
    tmp_path: Path, model: Path, change: Callable[[Tensors, Document], Any], reason: str
) -> None:
    path = tmp_path / "changed.safetensors"
    path.write_bytes(model.read_bytes())
    with pytest.raises(StyleFileError, match=reason):
        read_model(changed(path, change))


def test_a_description_that_nests_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "deep.safetensors"
    seal(path, {"x": np.ones(1)}, "[" * 200_000)
    with pytest.raises(StyleFileError, match="damaged"):
        read_info(path)


def test_listing_a_damaged_model_names_it(tmp_path: Path, model: Path) -> None:
    path = tmp_path / "changed.safetensors"
    path.write_bytes(model.read_bytes())
    with pytest.raises(StyleFileError, match=r"changed\.safetensors"):
        list_styles(changed(path, lambda t, d: d.update(creators=[{"pictures": 1}, "x"])))


def test_nothing_is_overwritten_unless_told(style_path: Path) -> None:
    before = style_path.read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        write_style(small_model().styles[1], style_path)
    assert style_path.read_bytes() == before
    write_style(small_model().styles[1], style_path, overwrite=True)
    assert read_style(style_path, small_model().base).name == "toon"


def test_a_write_that_fails_leaves_what_was_there(
    style_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = style_path.read_bytes()

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(WriteError, match="make room"):
        write_style(small_model().styles[1], style_path, overwrite=True)
    assert style_path.read_bytes() == before
    assert [path.name for path in style_path.parent.iterdir()] == [style_path.name]


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(WriteError, match="can't write"):
        write_style(full_style(), tmp_path / "file" / "a.safetensors")


def test_a_written_style_can_be_read_by_others(style_path: Path) -> None:
    assert stat.S_IMODE(style_path.stat().st_mode) == 0o644
