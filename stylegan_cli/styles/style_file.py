"""The only reader and writer of model and style files, safetensors that rebuild everything.

A *model* is a base (generator, style encoder, their ONNX graphs) and its creators. A *style* is one
creator and the hash of its base. Both carry one JSON document under the metadata key `influ`.
"""

import dataclasses
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from stylegan_cli import __version__
from stylegan_cli.config import from_mapping, to_mapping
from stylegan_cli.errors import (
    ConfigError,
    OutputExistsError,
    StyleFileError,
    StyleNotFoundError,
    UsageError,
)
from stylegan_cli.networks.architecture import (
    GeneratorConfig,
    StyleEncoderConfig,
    encoder_shapes,
    generator_shapes,
)
from stylegan_cli.runtime.resources import weights_dir

FORMAT_VERSION = 1
METADATA_KEY = "influ"
SUFFIX = ".safetensors"
SHIPPED_MODEL = "influ-base.safetensors"
DEFAULT_STYLE = "creatorA"
MAX_METADATA = 1 << 20  # bytes of JSON that are read at most
MAX_CREATORS = 1000
MAX_GRAPH = 4 << 20  # bytes
MAX_CODE_FACTORS = 64  # rows
MAX_LUT = 65  # points per channel of a calibration
MAX_NAME = 200  # bytes; with a suffix, a file system takes no more than 255
STYLES_FOLDER_VARIABLE = "INFLU_STYLES"

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")
_CREATOR_TENSORS = ("matrix", "offset", "code", "calibration", "code_factors")
_GRAPHS = ("generator", "features", "head")
_STORED = {"f": ("F16", "F32"), "u1": ("U8",)}

Tensors = Mapping[str, np.ndarray]
Mode = Literal["colour", "photographic", "drawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleInfo:
    """What a style file says of its creator in words and numbers."""

    name: str
    display_name: str = ""
    pictures: int = 0
    licence: str = ""
    working_size: int = 384  # px, short side of the working copy
    mode: Mode = "photographic"
    refined: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    model: str = ""  # file name of the model it was made on, where that is not the shipped one

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 8 <= self.working_size <= 8192:
            raise ConfigError(f"working_size must be from 8 to 8192 px, got {self.working_size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One creator's look on one base.

    matrix (3, 3), offset (3,): linear colour map on unit colours, `x @ matrix + offset`.
    code: (code_dim,). calibration: (K, K, K, 3) table after the per-pixel part, or None.
    code_factors: (rank, code_dim); a variation is `code + z @ code_factors` with z ~ N(0, I).
    deltas: low-rank changes of the generator, see networks.folding.merge_deltas.
    """

    info: StyleInfo
    base_hash: str
    matrix: np.ndarray
    offset: np.ndarray
    code: np.ndarray
    code_factors: np.ndarray
    calibration: np.ndarray | None = None
    deltas: Tensors = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name it is asked for by."""
        return self.info.name

    def renamed(self, name: str) -> "Style":
        """The same look under another name."""
        return _with_info(self, name=name, display_name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """Generator and style encoder, as arrays.

    tensors: float32, named `generator.…` and `encoder.…`. graphs: ONNX without weights.
    content_colours: (N, 3) uint8, a sample of the content photos' pixels.
    prior_code_factors: (rank, code_dim), the variety of a creator too small to show their own.
    """

    generator: GeneratorConfig
    encoder: StyleEncoderConfig
    tensors: Tensors
    graphs: Mapping[str, bytes]
    content_colours: np.ndarray
    prior_code_factors: np.ndarray

    @property
    def generator_tensors(self) -> dict[str, np.ndarray]:
        """The generator's tensors under its own names."""
        return _under(self.tensors, "generator.")

    @property
    def encoder_tensors(self) -> dict[str, np.ndarray]:
        """The style encoder's tensors under its own names."""
        return _under(self.tensors, "encoder.")

    def encoder_part(self, prefix: str) -> dict[str, np.ndarray]:
        """The encoder's tensors whose names begin with `prefix`, under their own names."""
        return {n: v for n, v in self.encoder_tensors.items() if n.startswith(prefix)}

    @property
    def hash(self) -> str:
        """What styles remember their base by: 16 hex digits of SHA-256 over the weights."""
        digest = hashlib.sha256()
        for name in sorted(self.tensors):
            digest.update(name.encode())
            digest.update(self.tensors[name].astype(np.float16).tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A base and its creators, in order."""

    base: Base
    styles: tuple[Style, ...] = ()
    info: Mapping[str, Any] = field(default_factory=dict)  # how it was trained, for people

    def style(self, name: str) -> Style:
        """The creator called `name`. Raises StyleNotFoundError that names those there are."""
        for style in self.styles:
            if style.name == name:
                return style
        known = ", ".join(style.name for style in self.styles) or "none"
        raise StyleNotFoundError(f"the model has no style '{name}'; it has: {known}")


@dataclass(frozen=True, slots=True)
class FoundStyle:
    """A style that can be used by name, and where it lies."""

    name: str
    path: Path
    origin: Literal["yours", "shipped", "model"]
    info: StyleInfo
    shadows: bool = False  # a shipped style has the same name
    fits: bool = True  # it was made on the base of the model that is asked


def check_name(name: str) -> None:
    """Raises UsageError for a name that could not be a file's."""
    if not _NAME.fullmatch(name) or name.endswith(".") or len(name.encode()) > MAX_NAME:
        raise UsageError(
            f"'{name}' can't be a style's name; use letters, digits, '-', '_' and '.', 64 at most, "
            "beginning with a letter or digit"
        )


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


def shipped_model() -> Path:
    """The model that comes with the package. Raises StyleNotFoundError where it is missing."""
    path = weights_dir() / SHIPPED_MODEL
    if not path.exists():
        raise StyleNotFoundError(f"{path} is missing; reinstall stylegan-cli or name --model FILE")
    return path


def user_styles_dir() -> Path:
    """Where the user's own styles lie; the environment variable INFLU_STYLES moves it."""
    if told := os.environ.get(STYLES_FOLDER_VARIABLE):
        return Path(told)
    from platformdirs import user_data_path

    return user_data_path("influ", appauthor=False) / "styles"


def user_style_path(name: str) -> Path:
    """The file of the user's own style `name`. Raises UsageError for a name that can't be one."""
    check_name(name)
    return user_styles_dir() / f"{name}{SUFFIX}"


def register(style: Style, *, overwrite: bool = False) -> Path:
    """Put a style into the user's folder, where it is found by name.

    Raises OutputExistsError where the user has one of that name already.
    """
    path = user_style_path(style.name)
    write_style(style, path, overwrite=overwrite)
    return path


def with_model(style: Style, model: Path) -> Style:
    """`style` remembering the name of `model`, where that has another base than the shipped one."""
    shipped = weights_dir() / SHIPPED_MODEL
    same = shipped.exists() and read_info(shipped).get("base_hash") == style.base_hash
    return style if same else _with_info(style, model=model.name)


def rename_own(old: str, new: str, *, overwrite: bool = False) -> tuple[Path, Path]:
    """Give one of the user's styles another name; its file before and after.

    The base is not needed, so that a style of any model can be renamed. Raises StyleNotFoundError
    where there is none, OutputExistsError where the new name is taken.
    """
    before, after = own_style_path(old), user_style_path(new)
    with _opened(before) as file:
        document = _document(file, before, "style")
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    info = _info(document.get("creator"), before)
    named = dataclasses.replace(info, name=new, display_name=new)
    kept = {key: document[key] for key in ("kind", "base_hash")}
    if before != after:
        _write(after, tensors, kept | {"creator": to_mapping(named)}, overwrite)
        before.unlink()
    return before, after


def own_style_path(name: str) -> Path:
    """The file of a style that the user has. Raises StyleNotFoundError where there is none."""
    path = user_style_path(name)
    if not path.exists():
        raise StyleNotFoundError(f"you have no style '{name}'; list yours with: influ styles")
    return path


def free_name(name: str) -> str:
    """`name`, or NAME-2, NAME-3, … where the user has styles of that name already."""
    candidates = (name if n == 1 else f"{name}-{n}" for n in range(1, 10_000))
    return next(c for c in candidates if not user_style_path(c).exists())


def list_styles(model: Path | None = None) -> list[FoundStyle]:
    """Every style that can be used by name: the user's own, then the model's."""
    path = model or shipped_model()
    document = read_info(path) if path.exists() else {}
    entries = _creators(document, path)
    theirs = {info.name: info for info in (_info(entry, path) for entry in entries)}
    found = []
    for file in sorted(user_styles_dir().glob(f"*{SUFFIX}")):
        try:
            own = read_info(file)
            info = _info(own.get("creator"), file)
        except StyleFileError:
            continue  # not a style: reading it by name says what is wrong with it
        fits = own.get("base_hash") == document.get("base_hash")
        found.append(FoundStyle(file.stem, file, "yours", info, file.stem in theirs, fits))
    names = {style.name for style in found}
    origin: Literal["model", "shipped"] = "model" if model else "shipped"
    return found + [FoundStyle(n, path, origin, i) for n, i in theirs.items() if n not in names]


def find_style(name: str | None, model: Path | None = None) -> tuple[Base, Style]:
    """The style called `name` and its base.

    Looked for among the creators of `model`, then among the user's own made on its base. Without
    a model: among the user's own, then the shipped. A style file, or a model of one creator, needs
    no name. Raises StyleNotFoundError, and StyleFileError for a style of another base.
    """
    base, styles = find_styles([name], model)
    return base, styles[0]


def find_styles(names: Sequence[str | None], model: Path | None = None) -> tuple[Base, list[Style]]:
    """Several styles of one base, each found as by `find_style`."""
    if model is None:
        shipped = read_model(shipped_model())
        return shipped.base, [_own_or_shipped(name or DEFAULT_STYLE, shipped) for name in names]
    if not model.exists():
        raise StyleNotFoundError(f"there is no file {model}; name a model or style file")
    if read_info(model).get("kind") == "style":
        base = read_model(shipped_model()).base
        style = read_style(model, base)
        for name in names:
            if name not in (None, style.name):
                raise StyleNotFoundError(f"{model} holds the style '{style.name}', not '{name}'")
        return base, [style for _ in names]
    read = read_model(model)
    return read.base, [_in_model_or_own(name, read) for name in names]


def _own_or_shipped(name: str, shipped: Model) -> Style:
    own = user_style_path(name)
    if own.exists():
        return read_style(own, shipped.base)
    if all(style.name != name for style in shipped.styles):
        known = ", ".join(style.name for style in list_styles()) or "none"
        raise StyleNotFoundError(
            f"there is no style '{name}'; there are: {known}. "
            f"Make one with: influ styles add {name} FOLDER"
        )
    return shipped.style(name)


def _in_model_or_own(name: str | None, model: Model) -> Style:
    if name is None and len(model.styles) == 1:
        return model.styles[0]
    name = name or DEFAULT_STYLE
    has_it = any(style.name == name for style in model.styles)
    own = user_style_path(name)
    return read_style(own, model.base) if not has_it and own.exists() else model.style(name)


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
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} is already there; add --overwrite to replace it")
    versioned = {"format_version": FORMAT_VERSION, "library_version": __version__, **document}
    contiguous = {name: np.ascontiguousarray(value) for name, value in tensors.items()}
    data = save(contiguous, metadata={METADATA_KEY: json.dumps(versioned, ensure_ascii=False)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, data)
    except OSError as error:
        raise StyleFileError(
            f"can't write {path}: {error.strerror}; choose another place or make room"
        ) from error


def _replace(path: Path, data: bytes) -> None:
    """Give `path` new bytes: all of them or none."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _with_info(style: Style, **changes: Any) -> Style:
    return dataclasses.replace(style, info=dataclasses.replace(style.info, **changes))


def _under(tensors: Tensors, prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
