"""Configs from plain values and back: TOML and JSON files, checkpoints, and style files."""

import dataclasses
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin

from stylegan_cli.errors import ConfigError, messages
from stylegan_cli.runtime.config import Setting, settings_of
from stylegan_cli.runtime.files import SEAL, parse_json, read_text, unsealed

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    Config = TypeVar("Config", bound=DataclassInstance)
else:
    Config = TypeVar("Config")

MAX_CONFIG = 1 << 20  # bytes


def load_toml(path: Path) -> dict[str, Any]:
    """The contents of a TOML file; settings at the top may be spelt with dashes, as options are.

    Raises ConfigError when it can't be read or is no TOML.
    """
    try:
        settings = tomllib.loads(read_text(path, ConfigError, max_bytes=MAX_CONFIG))
    except FileNotFoundError as error:
        raise ConfigError(
            messages.cannot_read(path, messages.why(error), "check the name")
        ) from error
    except (ValueError, RecursionError) as error:  # of TOML, and of numbers of too many digits
        why = f"it is not valid TOML: {error}"
        raise ConfigError(messages.cannot_read(path, why, "correct it")) from error
    return {key.replace("-", "_"): value for key, value in settings.items()}


def load_settings(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, or in the config.json that a run wrote.

    Raises ConfigError when it can't be read or is neither, or is changed but still sealed.
    """
    if path.suffix.lower() != ".json":
        return load_toml(path)
    try:
        text = read_text(path, ConfigError, max_bytes=MAX_CONFIG)
    except FileNotFoundError as error:
        raise ConfigError(
            messages.cannot_read(path, messages.why(error), "check the name")
        ) from error
    if f'"{SEAL}"' in text:
        return unsealed(text, ConfigError, str(path), f'take "{SEAL}" out to use it as it is now')
    return parse_json(text, ConfigError, str(path))


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


def read_settings(cls: "type[DataclassInstance]", values: Mapping[str, Any]) -> dict[str, Any]:
    """Plain values by the names of the fields of `cls`, each of its field's type.

    A key is a field's name or its option's. Raises ConfigError as `from_mapping` does.
    """
    return _read_settings(cls, values, "")


def _build(cls: Any, values: Mapping[str, Any], where: str) -> Any:
    given = _read_settings(cls, values, where)
    for setting in settings_of(cls):
        if setting.default is dataclasses.MISSING and setting.name not in given:
            raise ConfigError(f"the setting '{where}{setting.name}' is missing")
    return cls(**given)


def _read_settings(cls: Any, values: Mapping[str, Any], where: str) -> dict[str, Any]:
    settings = {setting.name: setting for setting in settings_of(cls)}
    known = {
        _as_field(flag): setting.name
        for setting in settings.values()
        for flag in setting.flags
        if setting.option is None or not setting.option.off
    }
    known |= {name: name for name in settings}
    given = {}
    for key, value in values.items():
        key = _as_field(key)
        if key not in known:
            kind = f"setting of {where[:-1]}" if where else "setting"
            raise ConfigError(messages.unknown_name(kind, key, settings))
        given[known[key]] = _read_setting(settings[known[key]], value, where + key)
    return given


def _as_field(key: str) -> str:
    return key.lstrip("-").replace("-", "_")


def _read_setting(setting: Setting, value: Any, key: str) -> Any:
    parse = setting.option.parse if setting.option is not None else None
    return parse(value) if parse and isinstance(value, str) else _read(setting.kind, value, key)


def _read(wanted: Any, value: Any, key: str) -> Any:
    """`value` as the annotated type `wanted`; `key` names it in an error."""
    origin, parts = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        if value not in parts:
            raise ConfigError(messages.unknown_name(f"'{key}'", str(value), map(str, parts)))
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
