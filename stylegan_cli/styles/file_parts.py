"""The parts of a model or style, each held against the configs before it is used."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_cli.errors import ConfigError, StyleFileError, UsageError
from stylegan_cli.networks.architecture import (
    ColourEstimatorConfig,
    GeneratorConfig,
    StyleEncoderConfig,
    colour_head_shapes,
    colour_statistics_shapes,
    content_sample_shapes,
    encoder_shapes,
    generator_shapes,
    hand_shapes,
)
from stylegan_cli.runtime.mappings import from_mapping
from stylegan_cli.styles.model import Base, ColourEstimator, Style, StyleInfo, Tensors

MAX_VALUE = 1e4  # of any number of a style; those of a trained one are below 100
MAX_CODE_FACTORS = 64  # rows
MAX_LUT = 65  # points per channel of a calibration

ESTIMATOR = "colour_estimator/"  # before the names of its tensors
_CREATOR_TENSORS = ("matrix", "offset", "code", "calibration", "code_factors", "exemplars")


def read_base_parts(file: Tensors, document: Mapping[str, Any], path: Path) -> Base:
    """The base of a model file. Raises StyleFileError where a part is missing or does not fit."""
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
    return Base(
        generator=generator,
        encoder=encoder,
        tensors=tensors,
        content_colours=_tensor(
            file, "content_colours", path, shape=(None, 3), max_size=1 << 22, kind="u"
        ),
        prior_code_factors=_tensor(
            file, "prior_code_factors", path, shape=(None, generator.code_dim)
        ),
        colour_estimator=_read_estimator(file, document, path),
    )


def _read_estimator(
    file: Tensors, document: Mapping[str, Any], path: Path
) -> ColourEstimator | None:
    if document.get("colour_estimator") is None:
        return None
    try:
        config = from_mapping(ColourEstimatorConfig, document["colour_estimator"])
    except (ConfigError, TypeError, AttributeError) as error:
        raise StyleFileError(f"the colour estimator inside {path} is damaged: {error}") from error
    shapes = colour_statistics_shapes(config) | colour_head_shapes(config) | hand_shapes(config)
    tensors = {
        name: _tensor(file, ESTIMATOR + name, path, shape=shape).astype(np.float32)
        for name, shape in shapes.items()
    }
    for name, shape in content_sample_shapes(config).items():
        tensors[name] = _tensor(file, ESTIMATOR + name, path, shape=shape, kind="u")
    if config.photos and tensors["content.clusters"].max() >= config.clusters:
        raise StyleFileError(f"'content.clusters' in {path} names clusters that do not exist")
    return ColourEstimator(config=config, tensors=tensors)


def read_style_parts(
    file: Tensors, entry: Any, prefix: str, base_hash: str, base: Base, path: Path
) -> Style:
    """A style for `base`, its tensors under `prefix`. Raises StyleFileError as read_base_parts."""
    dim = base.generator.code_dim
    shapes: dict[str, tuple[int | None, ...]] = {
        "matrix": (3, 3),
        "offset": (3,),
        "code": (dim,),
        "code_factors": (None, dim),
        "calibration": (None, None, None, 3),
    }
    present = {key.removeprefix(prefix) for key in file if key.startswith(prefix)}
    parts = {
        name: _bounded(file, prefix + name, path, shape).astype(np.float32)
        for name, shape in shapes.items()
        if name in present or name != "calibration"
    }
    if len(parts["code_factors"]) > MAX_CODE_FACTORS:
        raise StyleFileError(f"'code_factors' in {path} has more than {MAX_CODE_FACTORS} rows")
    if "calibration" in parts:
        _check_lut(parts["calibration"], path)
    exemplars = None
    if "exemplars" in present:
        exemplars = _tensor(file, prefix + "exemplars", path, shape=(None,), kind="u")
    deltas = _read_deltas(file, prefix, present - set(_CREATOR_TENSORS), base, path)
    info = read_style_info(entry, path)
    if info.strokes and exemplars is None:
        raise StyleFileError(f"{path} lacks '{prefix}exemplars'; it is damaged or incomplete")
    return Style(info=info, base_hash=base_hash, deltas=deltas, exemplars=exemplars, **parts)


def _read_deltas(
    file: Tensors, prefix: str, names: set[str], base: Base, path: Path
) -> dict[str, np.ndarray]:
    """Pairs of `up` and `down` that fit a tensor of the base and each other."""
    known = generator_shapes(base.generator)
    deltas: dict[str, np.ndarray] = {}
    for name in sorted(names):
        target, _, part = name.removeprefix("deltas.").rpartition(".")
        other = {"up": "down", "down": "up"}.get(part)
        if target not in known or f"deltas.{target}.{other}" not in names:
            raise StyleFileError(f"{path} contains '{name}', which its base does not have")
        rows = known[target][0] if part == "up" else None
        columns = None if part == "up" else int(np.prod(known[target][1:]))
        deltas[f"{target}.{part}"] = _bounded(file, prefix + name, path, (rows, columns))
    for key, up in deltas.items():
        if key.endswith(".up") and up.shape[1] != len(deltas[key.removesuffix("up") + "down"]):
            raise StyleFileError(f"the ranks of '{key}' and its other half in {path} differ")
    return deltas


def _check_lut(lut: np.ndarray, path: Path) -> None:
    size = len(lut)
    if lut.shape != (size, size, size, 3) or not 2 <= size <= MAX_LUT:
        raise StyleFileError(f"'calibration' in {path} has the shape {lut.shape}, which is no LUT")


def read_style_info(entry: Any, path: Path) -> StyleInfo:
    """What a file says of a style. Raises StyleFileError where that is damaged."""
    try:
        return from_mapping(StyleInfo, entry)
    except (UsageError, TypeError, AttributeError) as error:
        raise StyleFileError(
            f"the description of a style inside {path} is damaged: {error}"
        ) from error


def _bounded(file: Tensors, name: str, path: Path, shape: tuple[int | None, ...]) -> np.ndarray:
    """A tensor of a style, whose numbers are such as a style can have."""
    value = _tensor(file, name, path, shape=shape)
    if value.size and np.abs(value).max() > MAX_VALUE:
        raise StyleFileError(
            f"'{name}' in {path} contains numbers above {MAX_VALUE:g}: no style has"
        )
    return value


def _tensor(
    file: Tensors,
    name: str,
    path: Path,
    *,
    shape: tuple[int | None, ...],
    max_size: int = 1 << 24,
    kind: str = "f",
) -> np.ndarray:
    """One tensor, checked against what is expected."""
    if name not in file:
        raise StyleFileError(f"{path} lacks '{name}'; it is damaged or incomplete")
    value = file[name]
    fits = len(value.shape) == len(shape) and all(
        want in (None, got) for want, got in zip(shape, value.shape, strict=True)
    )
    if not fits or value.size > max_size:
        raise StyleFileError(f"'{name}' in {path} has the shape {value.shape}, expected {shape}")
    if value.dtype.kind != kind[0]:
        raise StyleFileError(f"'{name}' in {path} is stored as {value.dtype}, not expected there")
    if kind == "f" and not np.isfinite(value).all():
        raise StyleFileError(f"'{name}' in {path} contains values that are not numbers")
    return value
