"""Promises of styles/style_file.py."""

import dataclasses
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from model_files import DIM, small_model, write_small_model
from safetensors import safe_open
from safetensors.numpy import save_file

from stylegan_cli.errors import OutputExistsError, StyleFileError, StyleNotFoundError, UsageError
from stylegan_cli.styles import (
    METADATA_KEY,
    Base,
    Model,
    Style,
    find_style,
    free_name,
    list_styles,
    read_info,
    read_model,
    read_style,
    register,
    style_file,
    user_style_path,
    write_model,
    write_style,
)
from stylegan_cli.stylizer import open_stylizer

Tensors = dict[str, np.ndarray]
Document = dict[str, Any]
OLD_STYLE = Path(__file__).parent / "data" / "style-format-1.safetensors"
OLD_MODEL = OLD_STYLE.with_name("model-format-1.safetensors")
DELTA = "residual.conv_in.conv.weight"


@pytest.fixture(autouse=True)
def styles_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's styles."""
    folder = tmp_path / "styles"
    monkeypatch.setenv("INFLU_STYLES", str(folder))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / style_file.SHIPPED_MODEL)


@pytest.fixture
def shipped(model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The small model as the one that comes with the package."""
    monkeypatch.setattr(style_file, "weights_dir", lambda: model.parent)
    return model


def full_style() -> Style:
    """A style that has everything a style can have."""
    rng = np.random.default_rng(3)
    shape = small_model().base.generator_tensors[DELTA].shape
    style = small_model().styles[0]
    metrics = {"kid": 1.5}
    return dataclasses.replace(
        style,
        info=dataclasses.replace(style.info, licence="CC0", metrics=metrics, mode="drawn"),
        calibration=rng.random((2, 2, 2, 3)).astype(np.float16).astype(np.float32),
        deltas={
            f"{DELTA}.up": rng.normal(size=(shape[0], 2)).astype(np.float16),
            f"{DELTA}.down": rng.normal(size=(2, shape[1] * 9)).astype(np.float16),
        },
    ).renamed("full")


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
    save_file(tensors, path, metadata={METADATA_KEY: json.dumps(document)})
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
    assert base.graphs == wanted_base.graphs
    np.testing.assert_array_equal(base.content_colours, wanted_base.content_colours)
    for name, value in wanted_base.tensors.items():
        np.testing.assert_array_equal(base.tensors[name], value)


def test_a_style_of_format_1_can_be_read_for_ever() -> None:
    class ItsBase(Base):
        """The small model's, whatever its weights are by now."""

        @property
        def hash(self) -> str:
            return "d343636690dfca37"

    base = small_model().base
    parts = {field.name: getattr(base, field.name) for field in dataclasses.fields(Base)}
    parts["generator"] = dataclasses.replace(
        base.generator, bands=0, gates_inputs=False, bilinear=False
    )
    style = read_style(OLD_STYLE, ItsBase(**parts))
    assert style.info == full_style().info
    assert style.calibration is not None
    assert style.calibration.shape == (2, 2, 2, 3)
    np.testing.assert_allclose(style.code[:3], [-0.9948, 0.8002, -0.0816], atol=1e-4)
    np.testing.assert_array_equal(style.matrix[0], np.float32([0.9, 0.1, 0.0]))
    assert set(style.deltas) == {f"{DELTA}.up", f"{DELTA}.down"}


@pytest.mark.parametrize("backend", ["onnx", "torch"])
def test_a_model_from_before_bands_paints_as_it_did(backend: str) -> None:
    base = read_model(OLD_MODEL).base
    assert (base.generator.bands, base.generator.gates_inputs) == (0, False)
    pixels = np.arange(64 * 64 * 3).reshape(64, 64, 3) * 7919 % 251
    stylizer = open_stylizer("toon", model=OLD_MODEL, backend=backend)
    painted = stylizer.paint(pixels.astype(np.uint8)).astype(int)
    then = [[0, 11, 255], [72, 0, 158], [0, 50, 255]]
    assert np.abs(painted[[0, 31, 62], [0, 31, 62]] - then).max() <= 1
    assert painted.mean() == pytest.approx(131.72, abs=0.1)


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
    with pytest.raises(StyleFileError, match="a model is needed"):
        read_model(style_path)


def _set(name: str, value: object) -> Callable[[Tensors, Document], None]:
    return lambda tensors, document: document.update({name: value})


def _put(name: str, value: np.ndarray) -> Callable[[Tensors, Document], None]:
    return lambda tensors, document: tensors.update({f"creator/{name}": value})


def _drop(name: str) -> Callable[[Tensors, Document], None]:
    def drop(tensors: Tensors, document: Document) -> None:
        del tensors[f"creator/{name}"]

    return drop


DAMAGES = {
    "newer": (_set("format_version", 2), "newer"),
    "no version": (_set("format_version", None), "format_version"),
    "no creator": (lambda t, d: d.pop("creator"), "damaged"),
    "creator is a list": (_set("creator", ["full"]), "damaged"),
    "unknown setting": (_set("creator", {"name": "x", "magic": 1}), "magic"),
    "a name that climbs": (_set("creator", {"name": "../x"}), "name"),
    "unknown mode": (_set("creator", {"name": "x", "mode": "magic"}), "mode"),
    "huge working size": (_set("creator", {"name": "x", "working_size": 10**9}), "working_size"),
    "long description": (_set("padding", "x" * (1 << 20)), "not one that influ wrote"),
    "not a number": (_put("code", np.full(DIM, np.nan, np.float32)), "no numbers"),
    "infinite": (_put("matrix", np.full((3, 3), np.inf, np.float32)), "no numbers"),
    "wrong shape": (_put("code", np.zeros(DIM + 1, np.float32)), "shape"),
    "wrong rank": (_put("offset", np.zeros((3, 1), np.float32)), "shape"),
    "whole numbers": (_put("matrix", np.eye(3, dtype=np.int64)), "stored as"),
    "oversized": (_put("code_factors", np.zeros((4096, DIM), np.float16)), "more than"),
    "missing": (_drop("offset"), "lacks"),
    "flat table": (_put("calibration", np.zeros((2, 1, 2, 3), np.float16)), "calibration"),
    "table of one": (_put("calibration", np.zeros((1, 1, 1, 3), np.float16)), "calibration"),
    "unknown tensor": (
        _put("deltas.residual.nowhere.up", np.zeros((4, 2), np.float16)),
        "not know",
    ),
    "a word": (_put("odd", np.zeros(3, np.float16)), "not know"),
    "half a delta": (_drop(f"deltas.{DELTA}.down"), "not know"),
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
    "graph too large": (
        lambda t, d: t.update({"graph/head": np.zeros(5 << 20, np.uint8)}),
        "shape",
    ),
    "graph of floats": (
        lambda t, d: t.update({"graph/head": np.zeros(9, np.float32)}),
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
    save_file({"x": np.ones(1)}, path, metadata={METADATA_KEY: "[" * 200_000})
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
    with pytest.raises(StyleFileError, match="No space left"):
        write_style(small_model().styles[1], style_path, overwrite=True)
    assert style_path.read_bytes() == before
    assert [path.name for path in style_path.parent.iterdir()] == [style_path.name]


def test_a_place_that_takes_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StyleFileError, match="can't write"):
        write_style(full_style(), tmp_path / "file" / "a.safetensors")


def test_a_written_style_can_be_read_by_others(style_path: Path) -> None:
    assert stat.S_IMODE(style_path.stat().st_mode) == 0o644


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "a/b", "", ".hidden", "-x", "x.", "a b", "x\n", "x" * 65, "\U00020000" * 60],
)
def test_a_name_that_could_be_no_file_is_wrong_use(name: str, styles_dir: Path) -> None:
    for use in (user_style_path, free_name, full_style().renamed):
        with pytest.raises(UsageError, match="name"):
            use(name)
    assert not styles_dir.exists()


@pytest.mark.parametrize("name", ["anna", "Zoë", "画家", "van-gogh_1888.v2", "7"])
def test_usual_names_can_be_used(name: str, styles_dir: Path, shipped: Path) -> None:
    path = register(full_style().renamed(name))
    assert path == styles_dir / f"{name}.safetensors"
    assert find_style(name)[1].name == name


def test_the_user_s_style_comes_before_the_shipped_one_of_its_name(shipped: Path) -> None:
    assert [(s.name, s.origin, s.shadows) for s in list_styles()] == [
        ("creatorA", "shipped", False),
        ("toon", "shipped", False),
    ]
    register(full_style().renamed("toon"))
    register(full_style())
    assert [(s.name, s.origin, s.shadows) for s in list_styles()] == [
        ("full", "yours", False),
        ("toon", "yours", True),
        ("creatorA", "shipped", False),
    ]
    assert find_style("toon")[1].info.licence == "CC0"
    assert find_style("toon", shipped)[1].info.licence == ""
    assert find_style(None)[1].name == "creatorA"


def test_a_taken_name_is_kept_and_a_free_one_found(styles_dir: Path) -> None:
    assert free_name("full") == "full"
    path = register(full_style())
    before = path.read_bytes()
    with pytest.raises(OutputExistsError):
        register(full_style())
    assert free_name("full") == "full-2"
    register(full_style().renamed("full-2"))
    assert free_name("full") == "full-3"
    assert path.read_bytes() == before


def test_a_stray_file_among_the_styles_does_not_hide_the_others(
    styles_dir: Path, shipped: Path, model: Path
) -> None:
    register(full_style())
    (styles_dir / "stray.safetensors").write_bytes(b"stray")
    (styles_dir / "whole-model.safetensors").write_bytes(model.read_bytes())
    assert [style.name for style in list_styles() if style.origin == "yours"] == ["full"]
    with pytest.raises(StyleFileError, match="stray"):
        find_style("stray")


def test_a_style_that_is_nowhere_is_named_beside_those_there_are(shipped: Path) -> None:
    with pytest.raises(StyleNotFoundError, match="creatorA, toon") as missing:
        find_style("nobody")
    assert "influ styles add nobody" in str(missing.value)
    with pytest.raises(StyleNotFoundError, match="creatorA, toon"):
        find_style("nobody", shipped)


def test_a_style_file_and_a_model_of_one_creator_need_no_name(
    shipped: Path, style_path: Path, tmp_path: Path
) -> None:
    assert find_style(None, style_path)[1].name == "full"
    with pytest.raises(StyleNotFoundError, match="holds the style 'full'"):
        find_style("toon", style_path)
    single = tmp_path / "single.safetensors"
    write_model(dataclasses.replace(small_model(), styles=(full_style(),)), single)
    assert find_style(None, single)[1].name == "full"


def test_a_style_of_another_model_is_found_with_that_model_alone(
    shipped: Path, tmp_path: Path
) -> None:
    other_base = dataclasses.replace(
        small_model().base,
        tensors={name: value * 0.5 for name, value in small_model().base.tensors.items()},
    )
    other = tmp_path / "other.safetensors"
    write_model(Model(base=other_base), other)
    style = dataclasses.replace(full_style(), base_hash=other_base.hash)
    register(style_file.with_model(style, other))
    register(style_file.with_model(full_style(), shipped).renamed("at-home"))
    with pytest.raises(StyleFileError, match=r"add --model other\.safetensors") as refused:
        find_style("full")
    assert other_base.hash in str(refused.value)
    base, found = find_style("full", other)
    assert (base.hash, found.info.model) == (other_base.hash, "other.safetensors")
    assert find_style("at-home")[1].info.model == ""
    assert {style.name: style.fits for style in list_styles()}["full"] is False
    assert {style.name: style.fits for style in list_styles(other)} == {
        "full": True,
        "at-home": False,
    }
    with pytest.raises(StyleFileError, match="another version of the shipped model"):
        find_style("at-home", other)


def test_a_missing_package_file_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style_file, "weights_dir", lambda: tmp_path / "gone")
    with pytest.raises(StyleNotFoundError, match="--model FILE"):
        style_file.shipped_model()


def test_each_shipped_style_is_a_file_that_can_be_mailed(tmp_path: Path) -> None:
    styles = read_model(style_file.shipped_model()).styles
    assert any(style.info.refined for style in styles)
    for style in styles:
        write_style(style, tmp_path / f"{style.name}.safetensors")
        assert (tmp_path / f"{style.name}.safetensors").stat().st_size <= 200_000
