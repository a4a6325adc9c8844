"""Promises of the Python interface: what `from stylegan_cli import …` gives."""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from clip_files import make_clip
from model_files import write_small_model
from picture_files import deep_file, put, saved, scene
from PIL import Image

import stylegan_cli
from stylegan_cli import (
    InfluError,
    LoadedStyle,
    load_style,
    make_style,
    read_picture,
    write_picture,
)
from stylegan_cli.errors import DataError, PictureError, StyleNotFoundError, UsageError
from stylegan_cli.training import refining

PAGE = Path(__file__).resolve().parents[1] / "docs" / "python.md"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture
def style(model: Path) -> LoadedStyle:
    return load_style("creatorA", model=model)


def test_the_public_names_are_these_with_these_parameters() -> None:
    shown = {
        name: str(inspect.signature(getattr(stylegan_cli, name)))
        .replace("'", "")
        .replace("os.PathLike[str]", "Path")
        for name in stylegan_cli.__all__
        if inspect.isfunction(getattr(stylegan_cli, name))
    }
    many = "str | Path | Iterable[str | Path]"
    assert {name: re.sub(r"collections.abc.", "", text) for name, text in shown.items()} == {
        "load_style": "(style: str | Path, *, model: str | Path | None = None, strength: float = "
        "1.0, grain: float = 1.0, halation: float = 1.0, strokes: float = 1.0, "
        "seed: int | None = None, "
        "preserve_colour: bool = False, even: bool = False, detail: "
        "Literal[auto, fast, fine] = auto, device: str = auto) -> stylegan_cli.api.LoadedStyle",
        "make_style": f"(source: {many}, *, name: str = style, content: str | Path | None = None, "
        "licence: str = , strokes: bool | None = None, device: str = auto, on_progress: "
        "Callable[[int, int], None] | None = None) -> stylegan_cli.api.LoadedStyle",
        "read_picture": "(source: str | Path | bytes) -> stylegan_cli.pictures.picture.Picture",
        "stylize_video": "(clip: str | Path, out: str | Path, style: str | "
        "stylegan_cli.api.LoadedStyle, *, on_progress: Callable[[int, int], None] | None = None, "
        "**options: Any) -> VideoResult",
        "train": f"(source: {many}, *, minutes: float = 30.0, name: str = style, content: str | "
        "Path | None = None, licence: str = , run: str | Path | None = None, device: str = auto, "
        "on_progress: Callable[[int, int], None] | None = None) -> stylegan_cli.api.LoadedStyle",
        "write_picture": "(picture: stylegan_cli.pictures.picture.Picture, path: str | Path, *, "
        "style: stylegan_cli.api.LoadedStyle | None = None, quality: int = 95, overwrite: bool = "
        "False) -> pathlib.Path",
    }
    assert sorted(stylegan_cli.__all__) == list(stylegan_cli.__all__)
    assert set(stylegan_cli.__all__) <= set(dir(stylegan_cli))
    assert (Path(stylegan_cli.__file__).parent / "py.typed").exists()


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="stylize_everything"):
        stylegan_cli.stylize_everything  # noqa: B018


def test_importing_loads_nothing_heavy_and_stylizing_no_torch() -> None:
    script = (
        "import sys, stylegan_cli\n"
        "assert not {'numpy', 'PIL', 'torch', 'onnxruntime', 'av'} & sys.modules.keys()\n"
        "from stylegan_cli import load_style, make_style, stylize_video, train\n"
        "from stylegan_cli import read_picture, write_picture\n"
        "import numpy as np\n"
        "load_style('noir')(np.zeros((8, 8, 3), np.uint8))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_each_kind_comes_back_as_it_was_given(tmp_path: Path, style: LoadedStyle) -> None:
    path = put(tmp_path / "a.png", saved(scene(), "PNG"))
    stylized = style(str(path)).pixels
    assert np.array_equal(style(path).pixels, stylized)
    assert np.array_equal(style(scene()), stylized)
    assert np.array_equal(style(read_picture(path)).pixels, stylized)
    image = style(Image.open(path))
    assert isinstance(image, Image.Image)
    assert np.array_equal(np.asarray(image), stylized)
    assert not np.array_equal(stylized, scene())
    assert [one.shape for one in style([scene(), scene(24, 32)])] == [(48, 64, 3), (24, 32, 3)]


@pytest.mark.parametrize("dtype", [np.uint16, np.float32, np.float64])
def test_depths_are_kept(style: LoadedStyle, dtype: type) -> None:
    most = 65535 if dtype is np.uint16 else 1
    pixels = (scene() / 255 * most).astype(dtype)
    stylized = style(pixels)
    assert stylized.dtype == dtype
    assert np.abs(stylized / most - style(scene()) / 255).max() < 0.02


def test_transparency_of_a_pil_image_stays(style: LoadedStyle) -> None:
    image = Image.fromarray(scene())
    image.putalpha(77)
    stylized = style(image)
    assert stylized.mode == "RGBA"
    assert np.asarray(stylized)[..., 3].min() == np.asarray(stylized)[..., 3].max() == 77


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"shape \(height, width, 3\), this one has \(3, 8, 8\)"),
        (np.zeros((8, 8), np.uint8), "repeat a grey plane"),
        (np.zeros((2, 8, 8, 3), np.uint8), "one by one"),
        (np.zeros((8, 8, 4), np.uint8), "shape"),
        (np.zeros((0, 8, 3), np.uint8), "shape"),
        (np.zeros((8, 8, 3), np.int64), "int64; convert it"),
        (np.full((8, 8, 3), 255.0), "divide levels"),
        (np.full((8, 8, 3), np.nan), "between 0 and 1"),
        (Image.new("I;16", (8, 8)), "mode I;16"),
    ],
)
def test_what_can_not_be_stylized_says_what_to_change(
    style: LoadedStyle, wrong: object, says: str
) -> None:
    with pytest.raises(PictureError, match=says):
        style(wrong)  # type: ignore[call-overload]


def test_other_things_are_refused_by_their_type(style: LoadedStyle) -> None:
    with pytest.raises(UsageError, match="not dict"):
        style({})  # type: ignore[call-overload]


def test_a_style_file_is_loaded_by_its_path(tmp_path: Path, model: Path) -> None:
    assert load_style(model.parent / model.name, strength=0.5).name
    with pytest.raises(InfluError, match=r"lost\.safetensors: it does not exist"):
        load_style(tmp_path / "lost.safetensors")
    with pytest.raises(UsageError, match="one of them"):
        load_style(model, model=model)


def test_deep_files_keep_their_depth_and_say_what_stylized_them(
    tmp_path: Path, style: LoadedStyle
) -> None:
    deep = (scene().astype(np.uint16) * 257).astype(np.uint16)
    path = put(tmp_path / "deep.png", deep_file(deep, ".png"))
    written = write_picture(style(path), str(tmp_path / "out.png"), style=style)
    result = read_picture(str(written))
    assert result.pixels.dtype == np.uint16
    assert b"influ, style creatorA" in (result.xmp or b"")
    with pytest.raises(InfluError, match="exists already"):
        write_picture(result, written)
    assert np.array_equal(read_picture(written.read_bytes()).pixels, result.pixels)


def test_the_examples_of_the_page_run(
    tmp_path: Path, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "anna").mkdir()
    for number in range(3):
        tinted = Image.fromarray((scene(96, 128) * (1, 0.8, 0.4 + 0.1 * number)).astype(np.uint8))
        tinted.save(tmp_path / "anna" / f"{number}.png")
    make_clip(tmp_path / "clip.mp4")
    # What training itself promises is tested where it lives, on a smaller model.
    monkeypatch.setattr(refining, "refine_style", lambda instant, *rest, **options: instant)
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(blocks) > 6
    code = "\n".join(blocks).replace("minutes=5", "minutes=0.001")
    exec(compile(code, str(PAGE), "exec"), {})
    assert (tmp_path / "toon.cube").exists()
    assert (tmp_path / "clip_toon.mp4").exists()


def test_errors_name_parameters_not_options(tmp_path: Path, style: LoadedStyle) -> None:
    path = style.save(tmp_path / "own.safetensors")
    with pytest.raises(UsageError, match=r"; add overwrite=True to replace it"):
        style.save(path)
    assert style.save(path, overwrite=True) == path
    with pytest.raises(UsageError, match=r"^end_s and preview_s exclude each other"):
        stylegan_cli.stylize_video("a.mp4", "b.mp4", style, end_s=1.0, preview_s=1.0)


def test_a_folder_is_no_style_and_a_style_is_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "anna").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StyleNotFoundError, match=r"anna is a folder, .* use: make_style\('anna'\)"):
        load_style("anna")
    with pytest.raises(DataError, match=r"can't read toon: .* use: load_style\('toon'\)"):
        make_style("toon")
    with pytest.raises(DataError, match=r"can't read lost: it does not exist; check the name"):
        make_style("lost")
