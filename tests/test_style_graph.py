"""Promises of a style as one ONNX graph, and of `influ export --verify`."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from extras import require
from in_process import in_process
from model_files import full_style, small_model, write_small_model
from picture_files import scene
from PIL import Image

from stylegan_cli.backends import open_backend
from stylegan_cli.commands.export import export as export_command
from stylegan_cli.errors import StyleFileError, UsageError
from stylegan_cli.sharing import page_export, verification
from stylegan_cli.sharing.export import ExportConfig, export_file
from stylegan_cli.sharing.page_export import page_model
from stylegan_cli.sharing.style_graph import INPUT, OPSET, style_graph
from stylegan_cli.sharing.verification import (
    verify_cube,
    verify_graph,
    verify_model,
    verify_page,
)
from stylegan_cli.styles import Model
from stylegan_cli.stylizer import Stylizer

export = in_process(export_command)

SIZES = ((1, 1), (1, 9), (7, 5), (64, 64), (90, 131), (300, 211), (40, 700))
ALONE = """
import pathlib, sys
import numpy, onnxruntime
from PIL import Image
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
for path in sorted(pathlib.Path(sys.argv[2]).iterdir()):
    pixels = numpy.asarray(Image.open(path))
    styled = session.run(None, {"pixels": pixels})[0]
    Image.fromarray(styled).save(pathlib.Path(sys.argv[3]) / path.name)
loaded = {name.partition(".")[0] for name in sys.modules}
assert not loaded & {"stylegan_cli", "torch", "cv2", "onnx"}, loaded
"""


@pytest.fixture(autouse=True)
def _small_photos(monkeypatch: pytest.MonkeyPatch) -> None:
    """Still larger than the working copy of the small model."""
    monkeypatch.setattr(verification, "LARGE", (141, 105))


def stylizer(mode: str = "drawn") -> Stylizer:
    """A style with a calibration and changes of its own."""
    base, style = small_model().base, full_style().with_info(mode=mode)
    return Stylizer(base, style, open_backend(base), grain=0, halation=0)  # which graphs lack


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def photo(height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(scene()).resize((width, height)))


@pytest.mark.parametrize("mode", ["drawn", "colour"])
def test_the_graph_applies_the_look_in_onnx_runtime_alone(tmp_path: Path, mode: str) -> None:
    style = stylizer(mode)
    (tmp_path / "style.onnx").write_bytes(style_graph(style))
    before, after = tmp_path / "before", tmp_path / "after"
    for folder in (before, after):
        folder.mkdir()
    for height, width in SIZES:
        Image.fromarray(photo(height, width)).save(before / f"{height}x{width}.png")
    call = [
        sys.executable,
        "-I",
        "-c",
        ALONE,
        str(tmp_path / "style.onnx"),
        str(before),
        str(after),
    ]
    subprocess.run(call, check=True)
    changed = 0.0
    for height, width in SIZES:
        original = photo(height, width)
        wanted = style.stylize(original).astype(int)
        found = np.asarray(Image.open(after / f"{height}x{width}.png"))
        assert np.abs(found - wanted).max() <= verification.MAX_OF_GRAPH, (height, width)
        changed = max(changed, float(np.abs(wanted - original).mean()))
    assert changed > 10  # or a graph that does nothing would do


def test_another_runtime_gives_the_same_pixels() -> None:
    require("openvino")
    from stylegan_cli.backends.openvino_backend import _core  # one for the whole process

    style = stylizer()
    core = _core()
    graph = core.read_model(style_graph(style), b"")
    compiled = core.compile_model(graph, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    for height, width in SIZES[::2]:
        original = photo(height, width)
        found = np.asarray(compiled({INPUT: original})[0]).astype(int)
        assert np.abs(found - style.stylize(original)).max() <= verification.MAX_OF_GRAPH


def test_any_runtime_of_the_standard_reads_the_graph() -> None:
    style = stylizer()
    graph = onnx.load_from_string(style_graph(style))
    onnx.checker.check_model(graph, full_check=True)
    assert [(opset.domain, opset.version) for opset in graph.opset_import] == [("", OPSET)]
    assert {node.domain for node in graph.graph.node} == {""}
    (taken,), (made,) = graph.graph.input, graph.graph.output
    for value in (taken, made):
        shape = value.type.tensor_type.shape.dim
        assert [side.dim_param or side.dim_value for side in shape] == ["height", "width", 3]
        assert value.type.tensor_type.elem_type == onnx.TensorProto.UINT8
    assert {entry.key: entry.value for entry in graph.metadata_props} == {
        "style": "full",
        "licence": "CC0",
        "base": style.base.hash,
    }


def test_every_format_is_verified(
    tmp_path: Path,
    model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = tmp_path / "dist"
    page.mkdir()
    for name in ("index.html", "service.js"):
        (page / name).write_text("")
    monkeypatch.setattr(page_export, "page_dir", lambda: page)
    one_style = [("style.onnx", {"style": "toon"}), ("style.cube", {"style": "toon"})]
    for name, options in (*one_style, ("all.safetensors", {}), ("page", {"format": "web"})):
        export(str(model), tmp_path / name, verify=True, as_json=True, **options)
        printed = capsys.readouterr()
        record = json.loads(printed.out)
        assert record["verified_photos"] == len(verification.verification_photos())
        assert 0 <= record["largest_difference"] <= record["largest_allowed"] <= 2
        assert "Verified on" in printed.err
        assert (tmp_path / name).exists()


def test_a_file_of_another_look_is_found_out() -> None:
    style, other = stylizer(), stylizer("colour")
    with pytest.raises(StyleFileError, match="levels away"):
        verify_graph(style_graph(other), style)
    with pytest.raises(StyleFileError, match="levels away"):
        verify_cube("LUT_3D_SIZE 2\n" + "0.5 0.5 0.5\n" * 8, style)
    base = style.base
    files = page_model(Model(base=base, styles=(style.style,)))
    with pytest.raises(StyleFileError, match="levels away"):
        verify_page(files, Model(base=base, styles=(other.style,)))
    with pytest.raises(UsageError, match="no style"):
        verify_model(Model(base=base))


def test_the_check_tells_how_far_it_is() -> None:
    style, told = stylizer("colour"), []
    model = Model(base=style.base, styles=(style.style, style.style))
    verify_model(model, on_progress=lambda done, total: told.append((done, total)))
    photos = len(verification.verification_photos())
    assert told == [(done, 2 * photos) for done in range(1, 2 * photos + 1)]


def test_what_fails_the_check_is_not_written(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "style.cube"
    with pytest.raises(StyleFileError, match="not written"):
        export(str(model), out, style="toon", points=2, verify=True)
    never = ExportConfig(verify=True, max_difference=-1)
    with pytest.raises(StyleFileError, match="not written"):
        export_file(str(model), out.with_suffix(".safetensors"), never)
    assert list(tmp_path.iterdir()) == []


def test_options_that_a_graph_does_not_know_are_refused(tmp_path: Path, model: Path) -> None:
    out = tmp_path / "style.onnx"
    with pytest.raises(UsageError, match="--points"):
        export(str(model), out, style="toon", points=17)
    with pytest.raises(UsageError, match="--content"):
        export(str(model), out, style="toon", content=tmp_path)
    with pytest.raises(UsageError, match=r"--style creatorA\|toon"):
        export(str(model), out)
    assert not out.exists()
