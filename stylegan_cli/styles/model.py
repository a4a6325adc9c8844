"""What a base, a style and a model are, as arrays and words."""

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np

from stylegan_cli.errors import ConfigError, StyleNotFoundError, UsageError, messages
from stylegan_cli.networks.architecture import (
    ColourEstimatorConfig,
    GeneratorConfig,
    StyleEncoderConfig,
)
from stylegan_cli.runtime.mappings import to_mapping
from stylegan_cli.styles.film import FilmGrain, FilmHalation

MAX_NAME = 200  # bytes; with a suffix, a file system takes no more than 255

MAX_PICTURES = 10**9
MAX_METRICS = 32
_MAX_TEXT = {"display_name": 200, "licence": 4000, "model": 255}  # letters

_NAME = re.compile(r"[^\W_][\w.-]{0,63}")

Tensors = Mapping[str, np.ndarray]
Mode = Literal["colour", "photographic", "drawn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StyleInfo:
    """The description in a style file."""

    name: str
    display_name: str = ""
    pictures: int = 0
    licence: str = ""
    working_size: int = 384  # px, short side of the working copy
    mode: Mode = "photographic"
    refined: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    model: str = ""  # file name of the model it was made on, where that is not the shipped one
    grain: FilmGrain | None = None
    halation: FilmHalation | None = None
    strokes: float = 0.0  # share of strokes from the exemplars on photos; 0: none

    def __post_init__(self) -> None:
        check_name(self.name)
        for name, max_length in _MAX_TEXT.items():
            if len(getattr(self, name)) > max_length:
                raise ConfigError(f"{name} must have at most {max_length} letters")
        if not 0 <= self.pictures <= MAX_PICTURES:
            raise ConfigError(f"pictures must be from 0 to {MAX_PICTURES}, got {self.pictures}")
        if len(self.metrics) > MAX_METRICS or not all(map(_is_metric, self.metrics.items())):
            raise ConfigError(
                f"metrics must be at most {MAX_METRICS} finite numbers by short names"
            )
        if not 0 <= self.strokes <= 1:
            raise ConfigError(f"strokes must be from 0 to 1, got {self.strokes}")
        if not 8 <= self.working_size <= 8192:
            raise ConfigError(f"working_size must be from 8 to 8192 px, got {self.working_size}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """One creator's style on one base.

    matrix (3, 3), offset (3,): linear colour map on unit colours, `x @ matrix + offset`.
    code: (code_dim,). calibration: (K, K, K, 3) LUT after the base colour, or None.
    code_factors: (rank, code_dim); a variation is `code + z @ code_factors` with z ~ N(0, I).
    deltas: low-rank changes of the generator, see networks.folding.merge_deltas.
    exemplars: parts of the creator's pictures that strokes are taken from, as
    `exemplars.encode_exemplars` has them, or None.
    """

    info: StyleInfo
    base_hash: str
    matrix: np.ndarray
    offset: np.ndarray
    code: np.ndarray
    code_factors: np.ndarray
    calibration: np.ndarray | None = None
    deltas: Tensors = field(default_factory=dict)
    exemplars: np.ndarray | None = None

    @property
    def name(self) -> str:
        """The name it is asked for by."""
        return self.info.name

    def renamed(self, name: str) -> "Style":
        """The same style under another name."""
        return self.with_info(name=name, display_name=name)

    def with_strokes_of(self, other: "Style") -> "Style":
        """The same style with the strokes of another, or with none if that has none."""
        style = dataclasses.replace(self, exemplars=other.exemplars)
        return style.with_info(strokes=other.info.strokes)

    def with_info(self, **changes: Any) -> "Style":
        """The same style, described otherwise: fields of StyleInfo and their new values."""
        return dataclasses.replace(self, info=dataclasses.replace(self.info, **changes))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourEstimator:
    """What estimates the LUT of a style from pictures (instant.colour_estimation).

    tensors: named as in architecture.colour_statistics_shapes and colour_head_shapes. A style does
    not depend on it once it is made, so the hash of the base leaves it out.
    """

    config: ColourEstimatorConfig
    tensors: Tensors

    def part(self, prefix: str) -> dict[str, np.ndarray]:
        """The tensors whose names begin with `prefix`, under their own names."""
        return {n: v for n, v in self.tensors.items() if n.startswith(prefix)}


@dataclass(frozen=True, kw_only=True)
class Base:
    """Generator and style encoder, as arrays.

    tensors: float32, named `generator.…` and `encoder.…`.
    content_colours: (N, 3) uint8, a sample of the content photos' pixels.
    prior_code_factors: (rank, code_dim), the variation of a creator with too few
    pictures to measure it.
    colour_estimator: None until it is trained (`influ pretrain-colours`).
    """

    generator: GeneratorConfig
    encoder: StyleEncoderConfig
    tensors: Tensors
    content_colours: np.ndarray
    prior_code_factors: np.ndarray
    colour_estimator: ColourEstimator | None = None

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

    @cached_property
    def hash(self) -> str:
        """Identifies the base in style files: 16 hex digits of SHA-256 over all that runs.

        That is the configs, which tell the networks, and their weights as a file keeps them.
        """
        configs = [to_mapping(self.generator), to_mapping(self.encoder)]
        digest = hashlib.sha256(json.dumps(configs, sort_keys=True).encode())
        for name in sorted(self.tensors):
            digest.update(f"{name}{self.tensors[name].shape}".encode())
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
        known = [style.name for style in self.styles]
        raise StyleNotFoundError(messages.unknown_name("style", name, known))


def check_name(name: str) -> None:
    """Raises UsageError for a name that could not be a file's."""
    if not _NAME.fullmatch(name) or name.endswith(".") or len(name.encode()) > MAX_NAME:
        raise UsageError(
            f"'{name}' can't be a style's name; use letters, digits, '-', '_' and '.', 64 at most, "
            "beginning with a letter or digit"
        )


def _is_metric(item: tuple[Any, Any]) -> bool:
    name, value = item
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(name, str) and len(name) <= 64 and is_number and abs(value) < 1e30


def _under(tensors: Tensors, prefix: str) -> dict[str, np.ndarray]:
    return {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
