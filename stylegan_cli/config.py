"""Config dataclasses to and from plain mappings: TOML, JSON in style files, checkpoints."""

import dataclasses
import difflib
import json
import re
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from stylegan_cli.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Config = TypeVar("Config", bound=DataclassInstance)
else:
    Config = TypeVar("Config")


def load_toml(path: Path) -> dict[str, Any]:
    """The contents of a TOML file; settings at the top may be spelt with dashes, as options are.

    Raises ConfigError when it can't be read or is no TOML.
    """
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read the config file {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no TOML file: it is not UTF-8 text") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no valid TOML: {error}") from error
    return {key.replace("-", "_"): value for key, value in settings.items()}


def load_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, or in the config.json that a run wrote.

    Raises ConfigError when it can't be read or is neither.
    """
    if path.suffix.lower() != ".json":
        return load_toml(path)
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"can't read the config file {path}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{path} is no valid JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{path} holds no settings; name a TOML file or a run's config.json")
    return settings


def from_mapping(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Build the config dataclass `cls` from plain values; what is not named keeps its default.

    Understands bool, int, float, str, Path, Literal, `X | None`, tuples, mappings and nested
    config dataclasses. Keys may be spelt with dashes, as on the command line.

    Raises ConfigError for an unknown or missing key, a value of the wrong type, or one the
    dataclass itself rejects.
    """
    config: Config = _build(cls, values, "")
    return config


def to_mapping(config: "DataclassInstance") -> dict[str, Any]:
    """The plain values of a config, ready for JSON or TOML: None is left out, paths are text."""
    named = ((field.name, getattr(config, field.name)) for field in dataclasses.fields(config))
    return {name: _to_plain(value) for name, value in named if value is not None}


def _to_plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return to_mapping(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _to_plain(item) for key, item in value.items()}
    return value


def _build(cls: type[Any], values: Mapping[str, Any], where: str) -> Any:
    fields = {field.name: field for field in dataclasses.fields(cls) if field.init}
    hints = get_type_hints(cls)
    given = {key.replace("-", "_"): value for key, value in values.items()}
    for key in given:
        if key not in fields:
            raise ConfigError(f"unknown setting '{where}{key}'{_suggest(key, list(fields))}")
    for name, field in fields.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in given:
            raise ConfigError(f"the setting '{where}{name}' is missing")
    return cls(**{key: _read(hints[key], value, where + key) for key, value in given.items()})


def _suggest(key: str, known: list[str]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are: {', '.join(known)}"


def _read(wanted: Any, value: Any, key: str) -> Any:
    """`value` as the annotated type `wanted`; `key` names it in an error."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        if value not in parts:
            choices = ", ".join(str(part) for part in parts)
            raise ConfigError(f"'{key}' must be one of {choices}; got {value!r}")
        return value
    if origin in (Union, types.UnionType):
        return _read_union(parts, value, key)
    if origin is tuple:
        return _read_tuple(parts, value, key)
    if dataclasses.is_dataclass(wanted) and isinstance(wanted, type):
        if not isinstance(value, Mapping):
            raise _wrong(key, "a table of settings", value)
        return _build(wanted, value, f"{key}.")
    return _read_scalar(origin or wanted, value, key)


def _read_union(parts: tuple[Any, ...], value: Any, key: str) -> Any:
    if value is None and type(None) in parts:
        return None
    choices = [part for part in parts if part is not type(None)]
    for part in choices[:-1]:
        try:
            return _read(part, value, key)
        except ConfigError:
            continue
    return _read(choices[-1], value, key)


def _read_tuple(parts: tuple[Any, ...], value: Any, key: str) -> tuple[Any, ...]:
    if not isinstance(value, (list, tuple)):
        raise _wrong(key, "a list", value)
    repeated = len(parts) == 2 and parts[1] is Ellipsis
    if not repeated and len(value) != len(parts):
        raise _wrong(key, f"a list of {len(parts)}", value)
    kinds = [parts[0]] * len(value) if repeated else parts
    pairs = zip(kinds, value, strict=True)
    return tuple(_read(kind, item, f"{key}[{index}]") for index, (kind, item) in enumerate(pairs))


def _read_scalar(wanted: Any, value: Any, key: str) -> Any:
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if wanted is Path and isinstance(value, (str, Path)):
        return Path(value)
    # To Python a bool is an int; to a reader of a config it is not.
    mistaken = isinstance(value, bool) and wanted is not bool
    if wanted is Any or (isinstance(value, wanted) and not mistaken):
        return value
    raise _wrong(key, getattr(wanted, "__name__", str(wanted)), value)


def _wrong(key: str, wanted: str, value: Any) -> ConfigError:
    return ConfigError(f"'{key}' must be {wanted}, got {value!r}")


_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0}


def parse_duration(text: str) -> float:
    """Seconds in "90s", "2m", "0.5h" or "1h30m".

    Raises ConfigError for anything else, and for a duration of nothing.
    """
    parts = re.findall(r"(\d+(?:\.\d+)?)([smh])", text.strip().lower())
    seconds = sum(float(number) * _UNIT_S[unit] for number, unit in parts)
    if "".join(number + unit for number, unit in parts) != text.strip().lower() or seconds <= 0:
        raise ConfigError(f"'{text}' is no duration; write it like 90s, 2m, 0.5h or 1h30m")
    return seconds
