"""Promises of styles/registry.py."""

import dataclasses
from pathlib import Path

import pytest
from model_files import full_style, small_model, write_small_model

from stylegan_cli.errors import (
    OutputExistsError,
    StyleFileError,
    StyleNotFoundError,
    UsageError,
    WriteError,
)
from stylegan_cli.styles import (
    SHIPPED_MODEL,
    Model,
    find_style,
    free_name,
    list_styles,
    read_model,
    register,
    registry,
    user_style_path,
    write_model,
    write_style,
)


@pytest.fixture
def style_path(tmp_path: Path) -> Path:
    path = tmp_path / "full.safetensors"
    write_style(full_style(), path)
    return path


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


def test_a_style_file_in_the_place_of_a_name_is_answered_with_the_option_that_takes_it(
    shipped: Path, style_path: Path
) -> None:
    with pytest.raises(UsageError, match=f"is a file, not the name .*--model {style_path}"):
        find_style(str(style_path))


def test_a_style_file_and_a_model_of_one_creator_need_no_name(
    shipped: Path, style_path: Path, tmp_path: Path
) -> None:
    assert find_style(None, style_path)[1].name == "full"
    with pytest.raises(StyleNotFoundError, match="contains the style 'full'"):
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
    register(registry.with_model(style, other))
    register(registry.with_model(full_style(), shipped).renamed("at-home"))
    with pytest.raises(StyleFileError, match="made on another model") as refused:
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
    monkeypatch.setattr(registry, "weights_dir", lambda: tmp_path / "gone")
    with pytest.raises(StyleNotFoundError, match="--model"):
        registry.shipped_model()


def test_each_shipped_style_is_a_file_that_can_be_mailed(tmp_path: Path) -> None:
    styles = read_model(registry.shipped_model()).styles
    assert any(style.info.strokes for style in styles)
    for style in styles:
        write_style(style, tmp_path / f"{style.name}.safetensors")
        most = 1_500_000 if style.info.strokes else 200_000  # with parts of 48 pictures
        assert (tmp_path / f"{style.name}.safetensors").stat().st_size <= most


def test_a_user_without_a_home_has_no_styles_and_nothing_is_written(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("INFLU_STYLES", "XDG_DATA_HOME"):
        monkeypatch.delenv(variable)
    monkeypatch.setattr("os.path.expanduser", lambda path: path)
    monkeypatch.chdir(tmp_path)
    assert {found.origin for found in list_styles()} == {"shipped"}
    assert find_style("toon")[1].name == "toon"
    with pytest.raises(WriteError):
        register(full_style())
    assert not (tmp_path / "~").exists()
