"""Promises of `influ styles`, `influ export` and `influ info`."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from conftest import Influ
from in_process import in_process
from model_files import small_model, write_small_model

from stylegan_cli.commands.export import export as export_command
from stylegan_cli.commands.info import info
from stylegan_cli.commands.styles import code, install, list_styles, pack, remove, rename
from stylegan_cli.commands.styles_add import add as add_command
from stylegan_cli.errors import (
    BusyError,
    DataError,
    OutputExistsError,
    StyleFileError,
    StyleNotFoundError,
    TrainingError,
    UsageError,
)
from stylegan_cli.learning.checkpoints import BEST_NAME
from stylegan_cli.runtime.files import claimed
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import (
    SHIPPED_MODEL,
    Model,
    find_style,
    read_model,
    read_style,
    registry,
    write_model,
    write_style,
)

add = in_process(add_command)
export = in_process(export_command)

Printed = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / SHIPPED_MODEL)


@pytest.fixture
def shipped(model: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(registry, "weights_dir", lambda: model.parent)
    return model


@pytest.fixture(autouse=True)
def styles_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INFLU_STYLES", str(tmp_path / "styles"))
    return tmp_path / "styles"


@pytest.fixture
def creator(tmp_path: Path) -> Path:
    """A folder of three pictures, and a file that is none."""
    folder = tmp_path / "creator"
    folder.mkdir()
    for path in starter_photos()[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


def test_a_style_is_made_listed_and_removed(
    influ: Influ, creator: Path, model: Path, styles_dir: Path
) -> None:
    made = influ("styles", "add", "anna", creator, "--model", model, "--licence", "CC0", "--json")
    assert made.returncode == 0, made.stderr
    record = json.loads(made.stdout)
    assert (record["style"], record["pictures"]) == ("anna", 3)
    assert "broken.jpg" in re.sub(r"\n +", "", made.stderr)  # long lines are broken anywhere
    assert Path(record["file"]) == styles_dir / "anna.safetensors"
    assert Path(record["preview"]).read_bytes()[:2] == b"\xff\xd8"
    listed = json.loads(influ("styles", "list", "--model", model, "--json").stdout)["styles"]
    assert (listed[0]["name"], listed[0]["origin"]) == ("anna", "yours")
    assert influ("styles", "remove", "anna").returncode == 0
    assert list(styles_dir.iterdir()) == []
    again = influ("styles", "remove", "anna")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


@pytest.mark.parametrize("mode", ["colour", "drawn"])
def test_a_style_without_strokes_names_the_way_to_them(
    mode: str, creator: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed
) -> None:
    monkeypatch.setattr("stylegan_cli.instant.pipeline.choose_rendering", lambda *_: (mode, 256))
    add("anna", creator)
    printed = capsys.readouterr()
    assert re.search(rf"kind +{mode}", printed.out)
    has_way = "To learn those of the pictures: influ train --data" in printed.err
    assert has_way == (mode != "drawn")


def test_a_style_file_registers_nothing(
    creator: Path, shipped: Path, styles_dir: Path, tmp_path: Path, capsys: Printed
) -> None:
    out = tmp_path / "anna.safetensors"
    add("anna", creator, out=out, licence="with consent", as_json=True)
    assert json.loads(capsys.readouterr().out)["use"] == f"--model {out}"
    assert not styles_dir.exists()
    style = read_style(out, small_model().base)
    assert (style.name, style.info.licence, style.info.pictures) == ("anna", "with consent", 3)


def test_a_taken_name_is_refused_before_any_work(
    creator: Path, shipped: Path, styles_dir: Path, capsys: Printed
) -> None:
    styles_dir.mkdir()
    taken = styles_dir / "anna.safetensors"
    taken.write_bytes(b"mine")
    for picture in creator.iterdir():
        picture.unlink()  # were there any work, it would fail at the pictures
    with pytest.raises(OutputExistsError, match="--overwrite") as refused:
        add("anna", creator)
    assert refused.value.exit_code == 2
    assert taken.read_bytes() == b"mine"
    with pytest.raises(DataError, match="contains no pictures"):
        add("anna", creator, overwrite=True)


@pytest.mark.parametrize("kind", ["add", "install"])
def test_a_name_that_another_process_is_at_work_on_is_refused_before_any_work(
    kind: str, creator: Path, shipped: Path, styles_dir: Path, tmp_path: Path
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("there was work")

    file = tmp_path / "anna.safetensors"
    write_style(small_model().styles[0].renamed("anna"), file)
    styles_dir.mkdir()
    with pytest.MonkeyPatch.context() as patch, claimed(styles_dir / "anna.safetensors"):
        patch.setattr("stylegan_cli.sharing.adding.make_style", work)
        patch.setattr("stylegan_cli.sharing.preview.draw_preview", work)
        with pytest.raises(BusyError, match=f"process {os.getpid()} of influ is at work") as busy:
            add("anna", creator) if kind == "add" else install(file)
    assert busy.value.exit_code != 0
    assert list(styles_dir.iterdir()) == []


def test_overwriting_replaces_the_style(creator: Path, shipped: Path, capsys: Printed) -> None:
    add("anna", creator, licence="first")
    add("anna", creator / starter_photos()[0].name, licence="second", overwrite=True)
    style = find_style("anna")[1]
    assert (style.info.licence, style.info.pictures) == ("second", 1)


@pytest.mark.parametrize("name", ["../x", "a/b", ".x", ""])
def test_a_name_that_could_be_no_file_is_refused(
    name: str, creator: Path, shipped: Path, tmp_path: Path
) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UsageError, match="name"):
        add(name, creator)
    with pytest.raises(UsageError, match="name"):
        remove(name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_name_is_checked_before_a_file_is_made_too(
    creator: Path, shipped: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="name"):
        add("../x", creator, out=tmp_path / "x.safetensors")
    assert not (tmp_path / "x.safetensors").exists()


def test_a_shipped_style_can_not_be_removed(shipped: Path) -> None:
    before = shipped.read_bytes()
    with pytest.raises(StyleNotFoundError, match="no style of yours 'toon'"):
        remove("toon")
    assert shipped.read_bytes() == before


def test_the_listing_says_what_stands_before_what(
    creator: Path, shipped: Path, capsys: Printed
) -> None:
    add("toon", creator)
    capsys.readouterr()
    list_styles(as_json=True)
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)["styles"]}
    assert (rows["toon"]["origin"], rows["toon"]["shadows"]) == ("yours", True)
    assert (rows["creatorA"]["origin"], rows["creatorA"]["shadows"]) == ("shipped", False)
    list_styles()
    assert "creatorA" in capsys.readouterr().out


def test_a_style_is_exported_with_its_base(
    creator: Path, shipped: Path, tmp_path: Path, capsys: Printed
) -> None:
    more = tmp_path / "more.safetensors"
    add("more", creator, out=more)
    capsys.readouterr()
    out = tmp_path / "out.safetensors"
    export("toon", out, add=(more,), as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["styles"] == ["toon", "more"]
    assert record["bytes"] == out.stat().st_size
    found = read_model(out)
    assert found.base.hash == small_model().base.hash == record["base"]
    before = out.read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        export("creatorA", out)
    assert out.read_bytes() == before
    export("creatorA", out, overwrite=True)
    assert [style.name for style in read_model(out).styles] == ["creatorA"]


def test_what_goes_in_is_never_written_onto(model: Path, photo: Path, tmp_path: Path) -> None:
    before = model.read_bytes(), photo.read_bytes()
    for suffix in (".safetensors", ".onnx", ".cube"):
        given = tmp_path / f"given{suffix}"
        given.write_bytes(model.read_bytes())
        style = None if suffix == ".safetensors" else "toon"
        with pytest.raises(UsageError, match="it is an input"):
            export(str(given), given, style=style, overwrite=True)
        with pytest.raises(UsageError, match="it is an input"):
            add("mine", photo, out=photo, model=given, overwrite=True)
        assert given.read_bytes() == before[0]
    assert photo.read_bytes() == before[1]


def test_a_run_is_exported_at_its_best(model: Path, tmp_path: Path, capsys: Printed) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / BEST_NAME).write_bytes(model.read_bytes())
    export(str(run), tmp_path / "out.safetensors")
    found = read_model(tmp_path / "out.safetensors")
    assert [style.name for style in found.styles] == ["creatorA", "toon"]


def test_what_can_not_be_exported_is_said(shipped: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.pt"):
        export("toon", tmp_path / "out.pt")
    with pytest.raises(StyleNotFoundError, match="nobody"):
        export("nobody", tmp_path / "out.safetensors")
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrainingError, match="contains no run"):
        export(str(tmp_path / "empty"), tmp_path / "out.safetensors")
    assert not (tmp_path / "out.safetensors").exists()


def test_info_describes_models_and_styles(
    influ: Influ, creator: Path, shipped: Path, tmp_path: Path, capsys: Printed
) -> None:
    info(as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["kind"], record["base_hash"]) == ("model", small_model().base.hash)
    assert [creator["name"] for creator in record["creators"]] == ["creatorA", "toon"]
    add("anna", creator, out=tmp_path / "anna.safetensors", licence="CC0")
    capsys.readouterr()
    named = influ("info", "toon")
    assert named.returncode == 0
    assert "toon" in named.stdout
    assert "creatorA" not in named.stdout
    shown = influ("info", tmp_path / "anna.safetensors")
    assert shown.returncode == 0, shown.stderr
    assert "CC0" in shown.stdout
    assert small_model().base.hash in shown.stdout
    with pytest.raises(StyleFileError, match="does not exist"):
        info(tmp_path / "lost.safetensors")


def test_a_style_travels_as_one_line_of_text(
    influ: Influ, creator: Path, shipped: Path, styles_dir: Path, capsys: Printed
) -> None:
    add("anna", creator, licence="with consent")
    capsys.readouterr()
    code("anna")
    told = capsys.readouterr()
    text = told.out.strip()
    assert told.out == f"{text}\n"
    code("anna", as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert (record["code"], record["characters"]) == (text, len(text))
    assert record["psnr_db"] >= 40
    add("pasted", code=text)
    found = find_style("pasted")[1]
    assert (found.info.licence, found.info.pictures) == ("with consent", 3)
    assert (styles_dir / "pasted.preview.jpg").exists()
    with pytest.raises(StyleFileError, match="typo"):
        add("typo", code=text[:20] + text[21] + text[20] + text[22:])
    assert not (styles_dir / "typo.safetensors").exists()


def test_a_style_is_made_from_pictures_or_a_code_and_not_from_both(
    influ: Influ, creator: Path, shipped: Path
) -> None:
    for arguments in ((creator, "influ1:AAAA"), (None, None)):
        with pytest.raises(UsageError, match="give DIR or --code"):
            add("anna", arguments[0], code=arguments[1])
    with pytest.raises(UsageError, match="leave out"):
        add("anna", code="influ1:AAAA", licence="CC0")
    done = influ("styles", "add", "anna", "--code", "influ1:AAAA")
    assert (done.returncode, done.stderr.count("typo")) == (1, 1)


def test_a_packed_style_is_installed_and_replaces_nothing(
    creator: Path, shipped: Path, styles_dir: Path, tmp_path: Path, capsys: Printed
) -> None:
    add("anna", creator, licence="CC0")
    capsys.readouterr()
    packed = tmp_path / "gift.safetensors"
    pack("anna", packed, as_json=True)
    record = json.loads(capsys.readouterr().out)
    assert record["use"] == f"influ styles install {packed}"
    assert record["bytes"] == packed.stat().st_size < 64_000
    with pytest.raises(OutputExistsError, match="--overwrite"):
        pack("anna", packed)
    mine = (styles_dir / "anna.safetensors").read_bytes()
    with pytest.raises(OutputExistsError, match="--as"):
        install(packed)
    assert (styles_dir / "anna.safetensors").read_bytes() == mine
    install(packed, name="berta")
    install(packed, overwrite=True)
    ours, theirs = (find_style(name)[1] for name in ("anna", "berta"))
    assert (ours.info.licence, theirs.info.licence) == ("CC0", "CC0")
    assert ours.code.tobytes() == theirs.code.tobytes()
    assert (styles_dir / "berta.preview.jpg").exists()
    damaged = bytearray(packed.read_bytes())
    damaged[-200:] = b"\xff" * 200
    packed.write_bytes(damaged)
    before = sorted(styles_dir.iterdir())
    with pytest.raises(StyleFileError):
        install(packed, name="carla")
    with pytest.raises(UsageError, match=r"--model .*influ-base"):
        install(shipped)
    assert sorted(styles_dir.iterdir()) == before


def test_a_shipped_style_and_a_mix_are_packed_into_the_current_folder(
    shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pack("toon")
    pack("toon:3,creatorA:1")
    base = small_model().base
    assert read_style(Path("toon.safetensors"), base).name == "toon"
    name = "toon-75-creatorA-25"
    assert read_style(Path(f"{name}.safetensors"), base).name == name


def test_a_style_of_another_base_takes_its_base_along(
    creator: Path, shipped: Path, tmp_path: Path, capsys: Printed
) -> None:
    tensors = {name: value * 0.5 for name, value in small_model().base.tensors.items()}
    other = tmp_path / "other.safetensors"
    base = dataclasses.replace(small_model().base, tensors=tensors)
    write_model(Model(base=base), other)
    add("anna", creator, model=other, as_json=True)
    use = json.loads(capsys.readouterr().out)["use"]
    assert use == f"influ stylize photo.jpg --style anna --model {other}"
    list_styles()
    assert "other.safetensors" in capsys.readouterr().out.replace("\n", "")
    with pytest.raises(StyleFileError, match="made on another model"):
        find_style("anna")
    pack("anna", tmp_path / "gift.safetensors", model=other)
    assert find_style(None, tmp_path / "gift.safetensors")[1].name == "anna"
    add("file", creator, model=other, out=tmp_path / "file.safetensors")
    with pytest.raises(StyleFileError, match="made on another model"):
        install(tmp_path / "file.safetensors")
    install(tmp_path / "file.safetensors", model=other)
    assert find_style("file", other)[1].name == "file"


def test_a_style_is_renamed_with_its_preview(
    creator: Path, shipped: Path, styles_dir: Path, capsys: Printed
) -> None:
    add("anna", creator, licence="CC0")
    add("berta", creator)
    before = find_style("anna")[1]
    with pytest.raises(OutputExistsError, match="--overwrite"):
        rename("anna", "berta")
    with pytest.raises(UsageError, match="name"):
        rename("anna", "../berta")
    rename("anna", "carla")
    after = find_style("carla")[1]
    assert (after.info.display_name, after.info.licence) == ("carla", "CC0")
    assert after.code.tobytes() == before.code.tobytes()
    assert sorted(path.name for path in styles_dir.iterdir()) == [
        "berta.preview.jpg",
        "berta.safetensors",
        "carla.preview.jpg",
        "carla.safetensors",
    ]
    rename("carla", "berta", overwrite=True)
    assert find_style("berta")[1].info.licence == "CC0"
    rename("berta", "berta")
    assert find_style("berta")[1].name == "berta"
    for name in ("toon", "nobody"):
        with pytest.raises(StyleNotFoundError, match=f"no style of yours '{name}'"):
            rename(name, "dora")
