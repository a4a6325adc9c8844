import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import Influ
from in_process import in_process
from model_files import small_model, write_small_model
from picture_files import put, saved, scene

from stylegan_cli.commands.sheet import sheet as sheet_command
from stylegan_cli.errors import (
    DataError,
    OutputExistsError,
    PartialFailureError,
    PictureError,
    StyleNotFoundError,
    UsageError,
)
from stylegan_cli.pictures import read_picture, read_rgb, resize_within
from stylegan_cli.styles import Model, write_model, write_style
from stylegan_cli.stylizer import open_stylizer

sheet = in_process(sheet_command)

TILE, GAP = 320, 4
LOOKS = ("creatorA", "toon")
Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(autouse=True)
def styles_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "styles"
    folder.mkdir()
    monkeypatch.setenv("INFLU_STYLES", str(folder))
    return folder


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return put(tmp_path / "a.png", saved(scene(), "PNG"))


def tiles_of(path: Path, across: int, count: int) -> list[np.ndarray]:
    """The pictures of a sheet of 4:3 photos, left to right and down."""
    pixels, height = read_rgb(path), TILE * 3 // 4
    down = -(-count // across)
    step = (pixels.shape[0] - GAP) // down
    assert pixels.shape[1] == GAP + across * (TILE + GAP)
    assert (pixels[GAP + height : step, : TILE + GAP] < 128).any(), "no name below the first tile"
    corners = [(GAP + i // across * step, GAP + i % across * (TILE + GAP)) for i in range(count)]
    return [pixels[y : y + height, x : x + TILE] for y, x in corners]


def test_every_look_is_on_the_sheet_as_stylize_stylizes_it(
    tmp_path: Path, picture: Path, model: Path, capsys: Printed
) -> None:
    sheet([picture], out=tmp_path / "out.png", model=model, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["styles"], record["done"]) == (["creatorA", "toon"], 1)
    shown = [scene()]
    shown += [open_stylizer(n, model=model, precision="f32").stylize(scene()) for n in LOOKS]
    for tile, pixels in zip(tiles_of(tmp_path / "out.png", 2, 3), shown, strict=True):
        np.testing.assert_array_equal(tile, resize_within(pixels, TILE))
    label = read_picture(tmp_path / "out.png").xmp or b""
    assert b'AISystemUsed="influ, style creatorA; influ, style toon"' in label


def test_the_looks_that_are_named_are_shown_alone_and_may_be_mixes(
    tmp_path: Path, picture: Path, model: Path
) -> None:
    mix = "toon:3,creatorA:1"
    sheet([picture], out=tmp_path / "out.png", styles=("toon", mix, "toon"), model=model)
    _, toon, mixed = tiles_of(tmp_path / "out.png", 2, 3)
    for tile, name in ((toon, "toon"), (mixed, mix)):
        stylized = open_stylizer(name, model=model, precision="f32").stylize(scene())
        np.testing.assert_array_equal(tile, resize_within(stylized, TILE))
    with pytest.raises(StyleNotFoundError, match="nobody"):
        sheet([picture], out=tmp_path / "none.png", styles=("nobody",), model=model)
    assert not (tmp_path / "none.png").exists()


def test_without_strength_every_tile_is_the_photo_and_no_network_is_named(
    tmp_path: Path, picture: Path, model: Path
) -> None:
    sheet([picture], out=tmp_path / "out.png", model=model, strength=0)
    photo, *others = tiles_of(tmp_path / "out.png", 2, 3)
    for tile in others:
        np.testing.assert_array_equal(tile, photo)
    assert b"AISystemUsed" not in (read_picture(tmp_path / "out.png").xmp or b"")


def test_a_photo_that_can_not_be_used_is_named_and_the_rest_has_a_row_each(
    influ: Influ, tmp_path: Path, picture: Path, model: Path
) -> None:
    bad = put(tmp_path / "bad.jpg", b"no picture")
    last = put(tmp_path / "z.png", saved(scene()[::-1], "PNG"))
    done = influ("sheet", bad, picture, last, "--model", model, "-o", "out.png")
    assert done.returncode == PartialFailureError.exit_code == 3, done.stderr
    assert "bad.jpg" in done.stderr
    assert "1 of 3 pictures failed" in done.stderr
    assert done.stdout == "out.png\n"
    tiles = tiles_of(tmp_path / "out.png", 3, 6)
    for tile, pixels in ((tiles[0], scene()), (tiles[3], scene()[::-1])):
        np.testing.assert_array_equal(tile, resize_within(pixels, TILE))


def test_without_a_photo_there_is_no_sheet(tmp_path: Path, model: Path) -> None:
    lost = tmp_path / "lost.jpg"
    with pytest.raises(PictureError, match="does not exist"):
        sheet([lost], model=model)
    with pytest.raises(DataError, match="none of the 2"):
        sheet([lost, tmp_path / "gone.jpg"], model=model)
    assert not (tmp_path / "lost_sheet.jpg").exists()


def test_nothing_is_written_over_and_never_an_input(
    tmp_path: Path, picture: Path, model: Path
) -> None:
    taken = put(tmp_path / "a_sheet.jpg", b"mine")
    with pytest.raises(OutputExistsError, match="--overwrite"):
        sheet([picture], model=model)
    assert taken.read_bytes() == b"mine"
    sheet([picture], model=model, overwrite=True)
    assert read_picture(taken).source_format == "JPEG"
    before = picture.read_bytes()
    with pytest.raises(UsageError, match="is an input"):
        sheet([taken, picture], out=picture, model=model, overwrite=True)
    assert picture.read_bytes() == before
    with pytest.raises(UsageError, match=r"\.jpg"):
        sheet([picture], out=tmp_path / "out.pdf", model=model)


def test_looks_of_another_base_are_left_out_and_told_of(
    tmp_path: Path, picture: Path, model: Path, styles_dir: Path, capsys: Printed
) -> None:
    own = small_model().styles[0].renamed("anna")
    write_style(own, styles_dir / "anna.safetensors")
    write_style(dataclasses.replace(own, base_hash="0" * 16), styles_dir / "far.safetensors")
    sheet([picture], out=tmp_path / "out.png", model=model, as_json=True)
    said = capsys.readouterr()
    assert json.loads(said.out)["styles"] == ["anna", "creatorA", "toon"]
    assert "far" in said.err
    bare = tmp_path / "bare.safetensors"
    tensors = {name: value * 0.5 for name, value in small_model().base.tensors.items()}
    write_model(Model(base=dataclasses.replace(small_model().base, tensors=tensors)), bare)
    with pytest.raises(StyleNotFoundError, match="influ styles add"):
        sheet([picture], out=tmp_path / "none.png", model=bare)


def test_a_style_file_is_shown_alone(
    tmp_path: Path,
    picture: Path,
    model: Path,
    styles_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Printed,
) -> None:
    monkeypatch.setattr("stylegan_cli.stylizer.shipped_model", lambda: model)
    monkeypatch.setattr("stylegan_cli.styles.registry.shipped_model", lambda: model)
    own = small_model().styles[0].renamed("anna")
    write_style(own, styles_dir / "anna.safetensors")
    write_style(own.renamed("berta"), tmp_path / "berta.safetensors")
    sheet([picture], out=tmp_path / "out.png", model=tmp_path / "berta.safetensors", as_json=True)
    assert json.loads(capsys.readouterr().out)["styles"] == ["berta"]


def test_a_sheet_never_loads_torch(photo: Path, model: Path) -> None:
    command = ["-X", "importtime", "-m", "stylegan_cli", "sheet", photo, "--model", model]
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, check=False, cwd=photo.parent
    )
    assert done.returncode == 0, done.stderr[-2000:]
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "onnxruntime" in loaded
    assert not loaded & {"torch", "torchvision", "timm"}
    assert (photo.parent / "photo_sheet.jpg").exists()
