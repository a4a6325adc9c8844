"""An exported file applied by other means than the command's own, beside the command's result."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from safetensors.numpy import load

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.backends.onnx_backend import GivenGraphBackend
from stylegan_cli.errors import StyleFileError, UsageError
from stylegan_cli.pictures import read_rgb
from stylegan_cli.rendering import look_up
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.sharing.page_export import STYLIZE
from stylegan_cli.sharing.style_graph import INPUT
from stylegan_cli.styles import Model, read_model, read_style, write_model
from stylegan_cli.stylizer import Stylizer

Stylize = Callable[[np.ndarray], np.ndarray]
"""A picture (H, W, 3) uint8 to one of the same size."""
Progress = Callable[[int, int], None]
"""Photos done, and all there are."""

# Levels of 255 that a file's result may be away from the command's, in 32 bits.
MAX_OF_MODEL = 0
MAX_OF_GRAPH = 2  # each of two roundings can fall to the other side
MAX_OF_CUBE = 1
MAX_OF_PAGE = 0
LARGE = (1201, 901)  # px, width and height of a photo larger than its working copy


@dataclass(frozen=True, slots=True)
class Verified:
    """How far a file's results are from the command's own, in levels of 255, over some photos.

    largest: against 32 bits, which is held to `at_most`. by_default: against what the command
    does when nothing else is asked for, which may be in 8 bits; None for colours alone.
    """

    photos: int
    largest: int
    at_most: int
    by_default: int | None

    def record(self) -> dict[str, object]:
        """For a line of JSON."""
        return {
            "verified_photos": self.photos,
            "largest_difference": self.largest,
            "largest_allowed": self.at_most,
            "largest_difference_by_default": self.by_default,
        }

    def sentence(self) -> str:
        """For people."""
        of_what = "colours of the style" if self.by_default is None else "result of influ"
        found = (
            f"Verified on {self.photos} photos: the largest difference to the {of_what} is "
            f"{self.largest} of 255 levels; {self.at_most} are allowed"
        )
        if self.by_default is None or self.by_default == self.largest:
            return f"{found}."
        return f"{found} (with --precision f32; {self.by_default} with the default precision)."


def verify_graph(
    graph: bytes,
    stylizer: Stylizer,
    at_most: int = MAX_OF_GRAPH,
    on_progress: Progress | None = None,
) -> Verified:
    """A style's ONNX graph in ONNX Runtime alone, against the style. Raises StyleFileError."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def stylize(photo: np.ndarray) -> np.ndarray:
        styled: np.ndarray = session.run(None, {INPUT: photo})[0]
        return styled

    return _verify([(stylizer, stylize)], at_most, on_progress)


def verify_cube(text: str, stylizer: Stylizer, at_most: int = MAX_OF_CUBE) -> Verified:
    """A .cube as ffmpeg's lut3d reads it, against the style's colours. Raises StyleFileError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "style.cube"
        path.write_text(text, encoding="utf-8")

        def colours(photo: np.ndarray) -> np.ndarray:
            styled = look_up(photo, stylizer.colours)
            return np.asarray(np.rint(styled * 255), np.uint8)

        return _compare([(colours, None, lambda photo: _by_ffmpeg(photo, path))], at_most)


def verify_model(
    model: Model, at_most: int = MAX_OF_MODEL, on_progress: Progress | None = None
) -> Verified:
    """A model as it is read back from a file, against what was exported. Raises StyleFileError."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        write_model(model, path)
        found = read_model(path)
    applied = (one.stylize for one in _stylizers(found))
    return _verify(zip(_stylizers(model), applied, strict=True), at_most, on_progress)


def verify_page(
    files: dict[str, bytes],
    model: Model,
    at_most: int = MAX_OF_PAGE,
    on_progress: Progress | None = None,
) -> Verified:
    """What the page stylizes with, its own graph and weights, against `model`.

    files: from page_export.page_model. The page's own arithmetic around the graph is in another
    language and is not run here. Raises StyleFileError.
    """
    found, backend = _model_of_page(files[STYLIZE], model)
    applied = (one.stylize for one in _stylizers(found, backend))
    return _verify(zip(_stylizers(model), applied, strict=True), at_most, on_progress)


def _stylizers(model: Model, backend: Backend | None = None) -> list[Stylizer]:
    backend = backend or open_backend(model.base)
    return [Stylizer(model.base, style, backend) for style in model.styles]


def _model_of_page(file: bytes, model: Model) -> tuple[Model, Backend]:
    """What a page's file holds of `model`, and a backend that runs the file's own graph."""
    tensors = load(file)
    weights = {
        name.replace("generator/", "generator.", 1): value.astype(np.float32)
        for name, value in tensors.items()
        if name.startswith("generator/")
    }
    base = dataclasses.replace(model.base, tensors={**model.base.tensors, **weights})
    styles = []
    with tempfile.TemporaryDirectory() as folder:
        for index in range(len(model.styles)):
            path = Path(folder) / f"{index}.safetensors"
            path.write_bytes(tensors[f"creator/{index}"].tobytes())
            styles.append(read_style(path, base))
    backend = GivenGraphBackend(base, tensors["graph/generator"].tobytes())
    return Model(base=base, styles=tuple(styles)), backend


def _verify(
    pairs: Iterable[tuple[Stylizer, Stylize]], at_most: int, on_progress: Progress | None
) -> Verified:
    """Each style beside what `stylize` makes of the same photos."""
    compared = []
    for stylizer, stylize in pairs:
        base, style, backend = stylizer.base, stylizer.style, stylizer.backend
        alike = partial(
            Stylizer,
            base,
            style,
            backend,
            grain=stylizer.grain_share,
            halation=stylizer.halation_share,
            strokes=stylizer.strokes_share,
        )
        default, exact = alike(precision="auto"), alike()
        compared.append((exact.stylize, default.stylize, stylize))
    return _compare(compared, at_most, on_progress)


def _compare(
    compared: Sequence[tuple[Stylize, Stylize | None, Stylize]],
    at_most: int,
    on_progress: Progress | None = None,
) -> Verified:
    """compared: in 32 bits, as by default, and by the file. Raises StyleFileError."""
    if not compared:
        raise UsageError("the model contains no style to verify: leave out --verify")
    photos = verification_photos()
    largest, by_default = 0, None
    for number, (stylize, stylize_by_default, stylize_by_file) in enumerate(compared):
        for done, photo in enumerate(photos, number * len(photos) + 1):
            found = stylize_by_file(photo)
            largest = max(largest, _difference(found, stylize(photo)))
            if stylize_by_default is not None:
                difference = _difference(found, stylize_by_default(photo))
                by_default = max(by_default or 0, difference)
            if on_progress is not None:
                on_progress(done, len(photos) * len(compared))
    if largest > at_most:
        raise StyleFileError(
            f"the file would be {largest} of 255 levels away from the style where {at_most} are "
            "allowed, so it was not written"
        )
    return Verified(len(photos), largest, at_most, by_default)


def _difference(first: np.ndarray, second: np.ndarray) -> int:
    return int(np.abs(first.astype(int) - second).max())


def verification_photos() -> list[np.ndarray]:
    """Photos (H, W, 3) uint8: as they are, enlarged, narrow, and a single pixel."""
    first, second, third = (read_rgb(path) for path in starter_photos()[:3])
    large = cv2.resize(second, LARGE, interpolation=cv2.INTER_CUBIC)
    narrow = np.ascontiguousarray(third[:201, :77])
    return [first, np.asarray(large, np.uint8), narrow, third[:1, :1].copy()]


def _by_ffmpeg(photo: np.ndarray, cube: Path) -> np.ndarray:
    """The photo through ffmpeg's lut3d, unrounded until the end."""
    import av
    import av.filter

    kind = "gbrpf32le"
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=photo.shape[1],
        height=photo.shape[0],
        format=av.VideoFormat(kind),
        time_base=Fraction(1, 25),
    )
    sink = graph.add("buffersink")
    graph.link_nodes(
        source, graph.add("lut3d", file=str(cube), interp="trilinear"), sink
    ).configure()
    unit = np.ascontiguousarray(photo.astype(np.float32) / np.float32(255))
    source.push(av.VideoFrame.from_ndarray(unit, format=kind))
    styled = sink.pull()
    assert isinstance(styled, av.VideoFrame)
    levels = np.rint(np.clip(styled.to_ndarray(format=kind), 0, 1) * 255)
    return np.asarray(levels, np.uint8)
