"""A folded style in 8 bits: made once, measured against the exact one, and kept in the cache.

Static quantisation of convolutions by ONNX Runtime: QDQ, per channel.
"""

import hashlib
import logging
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stylegan_cli.backends import Precision, StyleGenerator, build_graph
from stylegan_cli.backends.full_size_entry import enter_at_full_size
from stylegan_cli.errors import WriteError
from stylegan_cli.pictures import read_rgb, to_unit
from stylegan_cli.runtime.files import make_folder, write_atomically
from stylegan_cli.runtime.resources import in_a_home, starter_dir
from stylegan_cli.styles import Base

log = logging.getLogger(__name__)

RECIPE = 3  # part of a graph's name in the cache: raise it when anything below changes
EXACT = (
    "map.",
    "colour.",
    "residual.conv_in.",
    "residual.conv_out.",
)  # cheap, and their errors show
CALIBRATION_PHOTOS = slice(0, 60, 8)
MEASURED_PHOTOS = slice(60, 120, 15)

_KEPT_NAME = re.compile(r"[0-9a-f]{32}\.onnx")

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantisationConfig:
    """When 8 bits are good enough, and how many prepared styles are kept.

    min_db: PSNR of a stylized picture in 8 bits against the same in float32. max_kept: graphs in
    the cache, 2 MB each.
    """

    min_db: float = 50.0
    max_kept: int = 100


DEFAULTS = QuantisationConfig()


@dataclass(frozen=True, slots=True)
class Quantised:
    """An ONNX graph in 8 bits, and its PSNR in dB on photos that it was not made from."""

    graph: bytes
    psnr: float


def generator_in_8_bits(
    base: Base,
    folded: Tensors,
    backend: str,
    exact: StyleGenerator,
    open_generator: Callable[[bytes], StyleGenerator],
    precision: Precision,
    config: QuantisationConfig = DEFAULTS,
) -> StyleGenerator:
    """The 8-bit generator of a folded style, from the cache or made now.

    backend: who measures; each has rounding of its own. exact: stylizes in float32, and is returned
    where the 8-bit one can't be made, or is not close enough for `auto`. open_generator: makes a
    generator of a graph.
    """
    min_psnr = 0.0 if precision == "int8" else config.min_db
    path = cache_dir() / f"{_key(base, folded, backend)}.onnx"
    try:
        kept = _read(path)
        return open_generator(kept.graph) if kept.psnr >= min_psnr else exact
    except (OSError, ValueError):
        log.info("preparing the style in 8 bits, once")
    except Exception as error:  # a runtime's own derive from nothing narrower
        log.info("%s can't be used (%s) and is made again", path, error)
    try:
        made = _make(base, folded, exact, open_generator)
    except OSError as error:
        log.warning("8 bits can't be prepared (%s), float32 is used", error.strerror or error)
        return exact
    try:
        _keep(made, path, config.max_kept)
    except (WriteError, OSError) as error:
        log.warning("the style can't be kept: %s", error)
    return open_generator(made.graph) if made.psnr >= min_psnr else exact


def cache_dir() -> Path:
    """Where prepared styles are kept; whatever is deleted there is made again."""
    from platformdirs import user_cache_path

    return in_a_home(lambda: user_cache_path("influ", appauthor=False)) / "int8"


def filled_graph(graph: bytes, weights: Tensors) -> bytes:
    """An ONNX graph with `weights` inside it, by name."""
    import onnx

    model = onnx.load_from_string(graph)
    for initialiser in model.graph.initializer:
        if initialiser.name in weights:
            value = np.ascontiguousarray(weights[initialiser.name], np.float32)
            initialiser.CopyFrom(onnx.numpy_helper.from_array(value, initialiser.name))
    return bytes(model.SerializeToString())


def _make(
    base: Base,
    folded: Tensors,
    exact: StyleGenerator,
    open_generator: Callable[[bytes], StyleGenerator],
) -> Quantised:
    whole = filled_graph(build_graph(base, "generator"), folded)
    graph = _quantise(enter_at_full_size(whole))
    rough = open_generator(graph)
    errors = []
    for image in _photos(MEASURED_PHOTOS):
        pictures = (np.clip(sum(generator(image)), -1, 1) / 2 for generator in (exact, rough))
        errors.append(np.square(np.subtract(*pictures)).mean())
    psnr = float(-10 * np.log10(max(1e-10, np.mean(errors))))
    log.info("8 bits stay within %.1f dB of float32", psnr)
    return Quantised(graph, psnr)


def _quantise(graph: bytes) -> bytes:
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Photos(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._photos = _photos(CALIBRATION_PHOTOS)

        def get_next(self) -> dict[str, np.ndarray] | None:
            image = next(self._photos, None)
            return None if image is None else {"image": image}

    model = onnx.load_from_string(graph)
    exact = [
        node.name for node in model.graph.node if any(name.startswith(EXACT) for name in node.input)
    ]
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "int8.onnx"
        logging.disable(logging.WARNING)  # it recommends a step that changes nothing here
        try:
            quantize_static(
                model,
                target,
                Photos(),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["Conv"],
                nodes_to_exclude=exact,
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
            )
        finally:
            logging.disable(logging.NOTSET)
        return target.read_bytes()


def _photos(chosen: slice) -> Iterator[np.ndarray]:
    """Some of the starter photos, (1, 3, H, W) float32 in [-1, 1]."""
    for path in sorted(starter_dir().glob("*.jpg"))[chosen]:
        unit = to_unit(read_rgb(path))
        yield np.ascontiguousarray(unit.transpose(2, 0, 1)[None] * 2 - 1)


def _key(base: Base, folded: Tensors, backend: str) -> str:
    digest = hashlib.sha256(f"{RECIPE} {backend}".encode())
    digest.update(build_graph(base, "generator"))
    for name in sorted(folded):
        digest.update(name.encode())
        digest.update(folded[name].tobytes())
    return digest.hexdigest()[:32]


# A file in the cache: 8 bytes of PSNR, 32 of SHA-256 over the graph, the graph.
def _read(path: Path) -> Quantised:
    data = path.read_bytes()
    psnr, digest, graph = data[:8], data[8:40], data[40:]
    if hashlib.sha256(psnr + graph).digest() != digest:
        raise ValueError(f"{path} is damaged")
    return Quantised(graph, float(np.frombuffer(psnr, "<f8")[0]))


def _keep(quantised: Quantised, path: Path, max_files: int) -> None:
    make_folder(path.parent)
    psnr = np.array(quantised.psnr, "<f8").tobytes()
    head = psnr + hashlib.sha256(psnr + quantised.graph).digest()
    write_atomically(path, head + quantised.graph)
    prepared = (file for file in path.parent.iterdir() if _KEPT_NAME.fullmatch(file.name))
    kept = sorted(prepared, key=lambda file: file.lstat().st_mtime)
    for old in kept[:-max_files]:
        old.unlink(missing_ok=True)
