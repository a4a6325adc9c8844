"""The only reader and writer of model and style files, safetensors that rebuild everything.

A *model* is a base (generator, style encoder) and its creators. A *style* is one creator and the
hash of its base. Both hold numbers and one JSON document under the metadata key `influ`, nothing
that is run: the networks are built from the document's configs. The document holds the checksum of
all tensors and its own, so that no damage passes for right.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stylegan_cli.errors import StyleFileError, messages
from stylegan_cli.runtime.files import make_folder, sealed, unsealed, write_atomically
from stylegan_cli.runtime.mappings import to_mapping
from stylegan_cli.runtime.version import __version__
from stylegan_cli.styles.file_parts import (
    ESTIMATOR,
    read_base_parts,
    read_style_info,
    read_style_parts,
)
from stylegan_cli.styles.model import Base, Model, Style, StyleInfo, Tensors

FORMAT_VERSION = 1
METADATA_KEY = "influ"
SUFFIX = ".safetensors"
MAX_METADATA = 1 << 20  # bytes of JSON that are read at most
MAX_CREATORS = 1000
MAX_FILE = 2 << 30  # bytes
MAX_TENSORS = 100_000

# Tensors of the colour estimator that half precision is too coarse for.
_EXACT = (
    *("head.centre", "head.scale", "balance.weight", "balance.bias"),
    *("hand.centre", "hand.scale", "hand.weight", "hand.bias"),
)


def read_model(path: Path) -> Model:
    """Read a model file. Raises StyleFileError for anything else."""
    document, tensors = _read(path, "model")
    base = read_base_parts(tensors, document, path)
    if document.get("base_hash") != base.hash:
        raise StyleFileError(f"the weights inside {path} are damaged; get the file again")
    styles = tuple(
        read_style_parts(tensors, entry, f"creators/{index}/", base.hash, base, path)
        for index, entry in enumerate(_creators(document, path))
    )
    info = document.get("info", {})
    return Model(base=base, styles=styles, info=info if isinstance(info, dict) else {})


def read_style(path: Path, base: Base) -> Style:
    """Read a style file for `base`. Raises StyleFileError where it is broken or of another base."""
    document, tensors = _read(path, "style")
    if document.get("base_hash") != base.hash:
        raise _other_base(document, base, path)
    return read_style_parts(tensors, document.get("creator"), "creator/", base.hash, base, path)


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
    tensors |= {
        "content_colours": base.content_colours,
        "prior_code_factors": base.prior_code_factors,
    }
    for index, style in enumerate(model.styles):
        tensors |= _style_tensors(style, f"creators/{index}/")
    estimator = base.colour_estimator
    if estimator:
        tensors |= {
            f"{ESTIMATOR}{name}": _stored(name, value) for name, value in estimator.tensors.items()
        }
    document = {
        "kind": "model",
        "generator": to_mapping(base.generator),
        "encoder": to_mapping(base.encoder),
        "colour_estimator": to_mapping(estimator.config) if estimator else None,
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
    document, tensors = _read(before, "style")
    info = read_style_info(document.get("creator"), before)
    named = dataclasses.replace(info, name=name, display_name=name)
    kept = {key: document[key] for key in ("kind", "base_hash")}
    _write(after, tensors, kept | {"creator": to_mapping(named)}, overwrite)


def style_infos(document: Mapping[str, Any], path: Path) -> list[StyleInfo]:
    """What `document`, read from `path` by read_info, says of each of its styles."""
    return [read_style_info(entry, path) for entry in _creators(document, path)]


def _other_base(document: Mapping[str, Any], base: Base, path: Path) -> StyleFileError:
    """What to say of a style that was made on another base than `base`."""
    made_on = read_style_info(document.get("creator"), path).model
    origin = "another model" if made_on else "another version of the shipped model"
    remedy = "name that with --model" if made_on else "make it again from its pictures"
    stored = str(document.get("base_hash"))[:16]
    return StyleFileError(
        f"{path} was made on {origin} (base {stored}), not on the base {base.hash}; {remedy}"
    )


def _read(path: Path, kind: str) -> tuple[dict[str, Any], Tensors]:
    """The document and all tensors of a file whose checksums are right."""
    with _opened(path) as file:
        document = _document(file, path, kind)
        names = file.keys()
        if len(names) > MAX_TENSORS:
            raise StyleFileError(
                f"{path} contains {len(names)} tensors, more than any file of influ"
            )
        stored = {name: file.get_slice(name).get_dtype() for name in names}
        if odd := set(stored.values()) - {"F16", "F32", "U8"}:
            raise StyleFileError(f"{path} stores numbers as {odd.pop()}, which influ never does")
        try:
            tensors = {name: file.get_tensor(name) for name in names}
        except (SafetensorError, ValueError) as error:
            raise StyleFileError(f"{path} is damaged: {error}") from error
    if document.get("tensors_sha256") != sum_of_tensors(tensors):
        raise StyleFileError(f"the numbers inside {path} are damaged; get the file again")
    return document, tensors


def sum_of_tensors(tensors: Tensors) -> str:
    """SHA-256 over the names, kinds, shapes and bytes of all tensors."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        digest.update(f"{name}\0{value.dtype.str}{value.shape}\0".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    return digest.hexdigest()


def _opened(path: Path) -> Any:
    try:
        if not path.is_file():
            if not path.exists():
                raise StyleFileError(messages.does_not_exist(path))
            remedy = "name a model or style file"
            raise StyleFileError(messages.cannot_read(path, "it is not a file", remedy))
        if path.stat().st_size > MAX_FILE:
            raise StyleFileError(f"{path} is too large for a file of influ")
        return safe_open(path, framework="numpy")
    except (SafetensorError, OSError, ValueError) as error:
        raise StyleFileError(
            messages.cannot_read(path, "it is not a model or style", "name a file that influ wrote")
        ) from error


def _document(file: Any, path: Path, kind: str | None = None) -> dict[str, Any]:
    text = (file.metadata() or {}).get(METADATA_KEY, "")
    if not text or len(text) > MAX_METADATA:
        remedy = "name a file that influ wrote"
        raise StyleFileError(messages.cannot_read(path, "influ did not write it", remedy))
    document = unsealed(text, StyleFileError, f"the description inside {path}")
    version = document.get("format_version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise StyleFileError(f"the description inside {path} is damaged: no format_version")
    if version > FORMAT_VERSION:
        raise StyleFileError(
            f"{path} has format {version}, newer than this influ reads ({FORMAT_VERSION}); "
            "update stylegan-cli"
        )
    if kind is not None and document.get("kind") != kind:
        raise StyleFileError(f"{path} is not a {kind} file, which is needed here")
    return document


def _creators(document: Mapping[str, Any], path: Path) -> list[Any]:
    if document.get("kind") == "style":
        return [document.get("creator")]
    creators = document.get("creators", [])
    if not isinstance(creators, list) or len(creators) > MAX_CREATORS:
        raise StyleFileError(f"the list of creators inside {path} is damaged")
    return creators


def _style_entry(style: Style) -> dict[str, Any]:
    return to_mapping(style.info)


def _stored(name: str, value: np.ndarray) -> np.ndarray:
    """A tensor of a colour estimator with as much precision as it needs."""
    if value.dtype.kind == "u":
        return value
    return value.astype(np.float32 if name in _EXACT else np.float16)


def _style_tensors(style: Style, prefix: str) -> dict[str, np.ndarray]:
    tensors: dict[str, np.ndarray] = {
        "matrix": style.matrix.astype(np.float32),
        "offset": style.offset.astype(np.float32),
        "code": style.code.astype(np.float32),
        "code_factors": style.code_factors.astype(np.float16),
    }
    if style.calibration is not None:
        tensors["calibration"] = style.calibration.astype(np.float16)
    if style.exemplars is not None:
        tensors["exemplars"] = style.exemplars
    tensors |= {f"deltas.{name}": value.astype(np.float16) for name, value in style.deltas.items()}
    return {prefix + name: value for name, value in tensors.items()}


def _write(path: Path, tensors: Tensors, document: Mapping[str, Any], overwrite: bool) -> None:
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    versioned = {
        "format_version": FORMAT_VERSION,
        "library_version": __version__,
        **document,
        "tensors_sha256": sum_of_tensors(contiguous),
    }
    data = save(contiguous, metadata={METADATA_KEY: sealed(versioned, ensure_ascii=False)})
    make_folder(path.parent)
    write_atomically(path, data, overwrite=overwrite)
