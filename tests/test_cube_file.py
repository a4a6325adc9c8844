import dataclasses
import json
from fractions import Fraction
from pathlib import Path

import av
import av.filter
import numpy as np
import pytest
from in_process import in_process
from model_files import small_model, write_small_model
from picture_files import saved, scene

from stylegan_cli.backends import open_backend
from stylegan_cli.commands.export import export as export_command
from stylegan_cli.errors import OutputExistsError, StyleFileError, UsageError
from stylegan_cli.rendering import look_up
from stylegan_cli.sharing.cube_file import cube_text, measure_left_out, open_style, write_cube
from stylegan_cli.styles import list_styles, shipped_model, write_style
from stylegan_cli.stylizer import Stylizer, open_stylizer

export = in_process(export_command)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def stylizer(mode: str = "colour") -> Stylizer:
    base = small_model().base
    style = small_model().style("creatorA")
    info = dataclasses.replace(style.info, mode=mode)
    return Stylizer(base, dataclasses.replace(style, info=info), open_backend(base))


def by_ffmpeg(pixels: np.ndarray, cube: Path, between: str = "trilinear") -> np.ndarray:
    """What ffmpeg's own filter makes of 8-bit RGB pixels."""
    height, width = pixels.shape[:2]
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=Fraction(1, 25))
    lut = graph.add("lut3d", f"file={cube}:interp={between}")
    sink = graph.add("buffersink")
    source.link_to(lut)
    lut.link_to(sink)
    graph.configure()
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
    source.push(frame)
    return sink.pull().to_ndarray(format="rgb24")


def colours_of_all_kinds() -> np.ndarray:
    steps = np.linspace(0, 255, 52).round().astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(-1, 52, 3)
    noise = np.random.default_rng(0).integers(0, 256, grid.shape, dtype=np.uint8)
    return np.concatenate([grid, noise])


def test_ffmpeg_makes_of_the_cube_what_we_make_of_the_look(tmp_path: Path) -> None:
    look = stylizer()
    write_cube(look, tmp_path / "look.cube")
    pixels = colours_of_all_kinds()
    theirs = by_ffmpeg(pixels, tmp_path / "look.cube").astype(int)
    ours = np.rint(look_up(pixels, look.lut) * 255).astype(int)
    assert np.abs(theirs - pixels).mean() > 5
    assert np.abs(theirs - ours).max() <= 2


@pytest.mark.parametrize(
    "style", [found.name for found in list_styles() if found.origin == "shipped"]
)
def test_ffmpeg_agrees_on_the_shipped_looks(tmp_path: Path, style: str) -> None:
    look = open_stylizer(style, model=shipped_model())
    write_cube(look, tmp_path / "look.cube")
    pixels = colours_of_all_kinds()
    ours = np.rint(look_up(pixels, look.lut) * 255).astype(int)
    assert np.abs(by_ffmpeg(pixels, tmp_path / "look.cube").astype(int) - ours).max() <= 2
    # Its default goes between the points in its own way; hardly a colour shows that.
    usual = np.abs(by_ffmpeg(pixels, tmp_path / "look.cube", "tetrahedral").astype(int) - ours)
    assert usual.max() <= 3
    assert (usual > 2).mean() < 0.001


def test_the_file_is_what_other_programs_read() -> None:
    look = stylizer()
    comment, title, size, low, high, *rows = cube_text(look.name, look.lut).splitlines()
    assert comment.startswith("#")
    assert title == 'TITLE "creatorA"'
    assert (size, low, high) == (
        "LUT_3D_SIZE 65",  # random weights bend colours more than 33 points can follow
        "DOMAIN_MIN 0.0 0.0 0.0",
        "DOMAIN_MAX 1.0 1.0 1.0",
    )
    assert len(rows) == 65**3
    second = [float(number) for number in rows[1].split()]
    np.testing.assert_allclose(second, look.lut[1, 0, 0], atol=1e-6)  # red is the fastest


def test_what_the_cube_leaves_out_is_measured(tmp_path: Path) -> None:
    photos = []
    for number in range(2):
        photos.append(tmp_path / f"{number}.png")
        photos[-1].write_bytes(saved(np.roll(scene(), 9 * number, axis=0), "PNG"))
    colour = measure_left_out(stylizer(), photos)
    assert (colour.share, colour.psnr_db, colour.photos) == (0, None, 2)
    drawn = measure_left_out(stylizer("drawn"), photos)
    assert 0 < drawn.share < 2
    assert drawn.psnr_db is not None
    assert 5 < drawn.psnr_db < 60


def test_the_command_writes_the_cube_and_says_what_it_leaves_out(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "look.cube"
    export(str(model), out, style="toon", as_json=True)
    printed = capsys.readouterr()
    record = json.loads(printed.out)
    assert (record["style"], record["points"], record["photos"]) == ("toon", 33, 12)
    assert record["left_out_share"] > 0
    assert "leaves out" in printed.err
    look = open_stylizer("toon", model=model)
    assert out.read_text() == cube_text(look.name, look.lut)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        export(str(model), out, style="toon")
    with pytest.raises(UsageError, match=r"--style creatorA\|toon"):
        export(str(model), tmp_path / "other.cube")
    with pytest.raises(UsageError, match="--style"):
        export(str(model), tmp_path / "other.safetensors", style="toon")
    with pytest.raises(UsageError, match="--content"):
        export(str(model), tmp_path / "other.cube", content=tmp_path)


def test_a_style_file_is_a_look_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    write_style(small_model().style("toon"), path)
    with pytest.raises(StyleFileError, match="base"):  # it fits another base than the shipped one
        open_style(str(path))


def test_a_cube_has_as_many_points_as_asked(tmp_path: Path) -> None:
    assert write_cube(stylizer(), tmp_path / "small.cube", points=17) == 17
    text = (tmp_path / "small.cube").read_text()
    assert "LUT_3D_SIZE 17\n" in text
    assert sum(line[:1].isdigit() for line in text.splitlines()) == 17**3
