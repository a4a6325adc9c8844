"""The only reader and writer of model and style files, safetensors that rebuild everything.

A *model* is a base (generator, style encoder, their ONNX graphs) and its creators. A *style* is one
creator and the hash of its base. Both carry one JSON document under the metadata key `influ`.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stylegan_cli import __version__
from stylegan_cli.config import from_mapping, to_mapping
from stylegan_cli.errors import ConfigError, StyleFileError, UsageError
from stylegan_cli.files import make_folder, write_atomically
from stylegan_cli.networks.architecture import (
    GeneratorConfig,
    StyleEncoderConfig,
    encoder_shapes,
    generator_shapes,
)
from stylegan_cli.styles.model import Base, Model, Style, StyleInfo, Tensors

FORMAT_VERSION = 1
METADATA_KEY = "influ"
SUFFIX = ".safetensors"
MAX_METADATA = 1 << 20  # bytes of JSON that are read at most
MAX_CREATORS = 1000
MAX_GRAPH = 4 << 20  # bytes
MAX_CODE_FACTORS = 64  # rows
MAX_LUT = 65  # points per channel of a calibration

_CREATOR_TENSORS = ("matrix", "offset", "code", "calibration", "code_factors")
_GRAPHS = ("generator", "features", "head")
_STORED = {"f": ("F16", "F32"), "u1": ("U8",)}


def read_model(path: Path) -> Model:
    """Read a model file. Raises StyleFileError for anything else."""
    with _opened(path) as file:
        document = _document(file, path, "model")
        base = _read_base(file, document, path)
        base_hash = base.hash
        if document.get("base_hash") != base_hash:
            raise StyleFileError(f"the weights inside {path} are damaged; get the file again")
        styles = tuple(
            _read_style(file, entry, f"creators/{index}/", base_hash, base, path)
            for index, entry in enumerate(_creators(document, path))
        )
    return Model(base=base, styles=styles, info=document.get("info", {}))


def read_style(path: Path, base: Base) -> Style:
    """Read a style file for `base`. Raises StyleFileError where it is broken or of another base."""
    with _opened(path) as file:
        document = _document(file, path, "style")
        if document.get("base_hash") != base.hash:
            raise _other_base(document, base, path)
        return _read_style(file, document.get("creator"), "creator/", base.hash, base, path)


def read_info(path: Path) -> dict[str, Any]:
    """The JSON document of a model or style file, without its tensors."""
    with _opened(path) as file:
        return _document(file, path)


def write_model(model: Model, path: Path, *, overwrite: bool = False) -> None:
    """Write a model file, whole or not at all."""
    base = model.base
    tensors: dict[str, np.ndarray] = {
        f"base/{name}": value.astype(np.float16) for name, value in base.tensors.items()
    }
    tensors |= {f"graph/{n}": np.frombuffer(data, np.uint8) for n, data in base.graphs.items()}
    tensors |= {
        "content_colours": base.content_colours,
        "prior_code_factors": base.prior_code_factors,
    }
    for index, style in enumerate(model.styles):
        tensors |= _style_tensors(style, f"creators/{index}/")
    document = {
        "kind": "model",
        "generator": to_mapping(base.generator),
        "encoder": to_mapping(base.encoder),
        "base_hash": base.hash,
        "creators": [_style_entry(style) for style in model.styles],
        "info": dict(model.info),
    }
    _write(path, tensors, document, overwrite)


def write_style(style: Style, path: Path, *, overwrite: bool = False) -> None:
    """Write a style file, whole or not at all."""
    document = {"kind": "style", "base_hash": style.base_hash, "creator": _style_entry(style)}
    _write(path, _style_tensors(style, "creator/"), document, overwrite)


def rename_style(before: Path, after: Path, name: str, *, overwrite: bool = False) -> None:
    """Write the style file `before` to `after` under another name, tensors as they are.

    The base is not needed, so that a style of any model can be renamed.
    """
    with _opened(before) as file:
        document = _document(file, before, "style")
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    info = _info(document.get("creator"), before)
    named = dataclasses.replace(info, name=name, display_name=name)
    kept = {key: document[key] for key in ("kind", "base_hash")}
    _write(after, tensors, kept | {"creator": to_mapping(named)}, overwrite)


def style_infos(document: Mapping[str, Any], path: Path) -> list[StyleInfo]:
    """What `document`, read from `path` by read_info, says of each of its styles."""
    return [_info(entry, path) for entry in _creators(document, path)]


def _other_base(document: Mapping[str, Any], base: Base, path: Path) -> StyleFileError:
    """What to say of a style that was made on another base than `base`."""
    made_on = _info(document.get("creator"), path).model
    told = f"the model {made_on}" if made_on else "another version of the shipped model"
    remedy = f"add --model {made_on}" if made_on else "make it again from its pictures"
    return StyleFileError(
        f"{path} was made on {told} (base {document.get('base_hash')}), not on the base "
        f"{base.hash}; {remedy}"
    )


def _opened(path: Path) -> Any:
    try:
        if not path.is_file():
            raise StyleFileError(f"{path} is not a file; name a model or style file")
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError) as error:
        raise StyleFileError(
            f"{path} is no model or style file ({error}); name one that influ wrote"
        ) from error


def _document(file: Any, path: Path, kind: str | None = None) -> dict[str, Any]:
    text = (file.metadata() or {}).get(METADATA_KEY, "")
    if not text or len(text) > MAX_METADATA:
        raise StyleFileError(f"{path} is a safetensors file, but not one that influ wrote")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise StyleFileError(f"the description inside {path} is damaged: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("format_version"), int):
        raise StyleFileError(f"the description inside {path} is damaged: no format_version")
    if document["format_version"] > FORMAT_VERSION:
        raise StyleFileError(
            f"{path} has format {document['format_version']}, newer than this influ reads "
            f"({FORMAT_VERSION}); update stylegan-cli"
        )
    if kind is not None and document.get("kind") != kind:
        raise StyleFileError(f"{path} is a {document.get('kind')} file, but a {kind} is needed")
    return document


def _creators(document: Mapping[str, Any], path: Path) -> list[Any]:
    if document.get("kind") == "style":
        return [document.get("creator")]
    creators = document.get("creators", [])
    if not isinstance(creators, list) or len(creators) > MAX_CREATORS:
        raise StyleFileError(f"the list of creators inside {path} is damaged")
    return creators


def _read_base(file: Any, document: Mapping[str, Any], path: Path) -> Base:
    try:
        generator = from_mapping(GeneratorConfig, document["generator"])
        encoder = from_mapping(StyleEncoderConfig, document["encoder"])
    except (ConfigError, KeyError, TypeError, AttributeError) as error:
        raise StyleFileError(f"the architecture inside {path} is damaged: {error}") from error
    shapes = {f"generator.{n}": s for n, s in generator_shapes(generator).items()}
    shapes |= {f"encoder.{n}": s for n, s in encoder_shapes(encoder).items()}
    tensors = {
        name: _tensor(file, f"base/{name}", path, shape=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    graphs = {
        name: _tensor(file, f"graph/{name}", path, most=MAX_GRAPH, kind="u1").tobytes()
        for name in _GRAPHS
    }
    return Base(
        generator=generator,
        encoder=encoder,
        tensors=tensors,
        graphs=graphs,
        content_colours=_tensor(
            file, "content_colours", path, shape=(None, 3), most=1 << 22, kind="u1"
        ),
        prior_code_factors=_tensor(
            file, "prior_code_factors", path, shape=(None, generator.code_dim)
        ),
    )


def _read_style(
    file: Any, entry: Any, prefix: str, base_hash: str, base: Base, path: Path
) -> Style:
    dim = base.generator.code_dim
    shapes: dict[str, tuple[int | None, ...]] = {
        "matrix": (3, 3),
        "offset": (3,),
        "code": (dim,),
        "code_factors": (None, dim),
        "calibration": (None, None, None, 3),
    }
    present = {key.removeprefix(prefix) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
    parts = {
        name: _tensor(file, prefix + name, path, shape=shape).astype(np.float32)
        for name, shape in shapes.items()
        if name in present or name != "calibration"
    }
    if len(parts["code_factors"]) > MAX_CODE_FACTORS:
        raise StyleFileError(f"'spread' in {path} has more than {MAX_CODE_FACTORS} rows")
    if "calibration" in parts:
        _check_lut(parts["calibration"], path)
    deltas = _read_deltas(file, prefix, present - set(_CREATOR_TENSORS), base, path)
    return Style(info=_info(entry, path), base_hash=base_hash, deltas=deltas, **parts)


def _read_deltas(
    file: Any, prefix: str, names: set[str], base: Base, path: Path
) -> dict[str, np.ndarray]:
    """Pairs of `up` and `down` that fit a tensor of the base and each other."""
    known = generator_shapes(base.generator)
    deltas: dict[str, np.ndarray] = {}
    for name in sorted(names):
        target, _, part = name.removeprefix("deltas.").rpartition(".")
        other = {"up": "down", "down": "up"}.get(part)
        if target not in known or f"deltas.{target}.{other}" not in names:
            raise StyleFileError(f"{path} holds '{name}', which its base does not know")
        rows = known[target][0] if part == "up" else None
        columns = None if part == "up" else int(np.prod(known[target][1:]))
        deltas[f"{target}.{part}"] = _tensor(file, prefix + name, path, shape=(rows, columns))
    for key, up in deltas.items():
        if key.endswith(".up") and up.shape[1] != len(deltas[key.removesuffix("up") + "down"]):
            raise StyleFileError(f"the ranks of '{key}' and its other half in {path} differ")
    return deltas


def _check_lut(lut: np.ndarray, path: Path) -> None:
    size = len(lut)
    if lut.shape != (size, size, size, 3) or not 2 <= size <= MAX_LUT:
        raise StyleFileError(f"'calibration' in {path} has the shape {lut.shape}, not a table's")


def _info(entry: Any, path: Path) -> StyleInfo:
    try:
        return from_mapping(StyleInfo, entry)
    except (UsageError, TypeError, AttributeError) as error:
        raise StyleFileError(
            f"the description of a style inside {path} is damaged: {error}"
        ) from error


def _tensor(
    file: Any,
    name: str,
    path: Path,
    *,
    shape: tuple[int | None, ...] | None = None,
    most: int = 1 << 24,
    kind: str = "f",
) -> np.ndarray:
    """One tensor, checked against what is expected before anything is allocated."""
    try:
        told = file.get_slice(name)
        have, stored_as = told.get_shape(), told.get_dtype()
    except SafetensorError as error:
        raise StyleFileError(f"{path} lacks '{name}'; it is damaged or incomplete") from error
    fits = shape is None or (
        len(have) == len(shape)
        and all(want in (None, got) for want, got in zip(shape, have, strict=True))
    )
    if not fits or int(np.prod(have)) > most:
        raise StyleFileError(f"'{name}' in {path} has the shape {have}, expected {shape}")
    if stored_as not in _STORED[kind]:
        raise StyleFileError(f"'{name}' in {path} is stored as {stored_as}, which is not expected")
    value: np.ndarray = file.get_tensor(name)
    if kind == "f" and not np.isfinite(value).all():
        raise StyleFileError(f"'{name}' in {path} holds values that are no numbers")
    return value


def _style_entry(style: Style) -> dict[str, Any]:
    return to_mapping(style.info)


def _style_tensors(style: Style, prefix: str) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {
        "matrix": style.matrix.astype(np.float32),
        "offset": style.offset.astype(np.float32),
        "code": style.code.astype(np.float32),
        "code_factors": style.code_factors.astype(np.float16),
    }
    if style.calibration is not None:
        tensors["calibration"] = style.calibration.astype(np.float16)
    tensors |= {f"deltas.{name}": value.astype(np.float16) for name, value in style.deltas.items()}
    return {prefix + name: value for name, value in tensors.items()}


def _write(path: Path, tensors: Tensors, document: Mapping[str, Any], overwrite: bool) -> None:
    versioned = {"format_version": FORMAT_VERSION, "library_version": __version__, **document}
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    data = save(contiguous, metadata={METADATA_KEY: json.dumps(versioned, ensure_ascii=False)})
    make_folder(path.parent)
    write_atomically(path, data, overwrite=overwrite)
