"""Config classes: the fields, their options on the command line, and their bounds.

A config is a class under `@config_class`. A field of it is stated once:
`size: Annotated[int, Option("Crops, px.", at_least=64)] = 128`. Its option on the command line, its
row in the help and its bounds come from there.
"""

import dataclasses
import re
import types
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from functools import cache, partial
from numbers import Real
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from stylegan_cli.errors import ConfigError, messages

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


EVERYWHERE = "Everywhere"
"""The group in the help of what every command has in common."""


@dataclass(frozen=True, slots=True)
class Option:
    """What a field of a config says of itself.

    help: its row in the help. names: on the command line; `--field-name` where none are given.
    at_least, above, at_most, below: its bounds. metavar: what stands for the value in the help.
    shown: what the help calls the default, where the value says little. parse: reads the text of
    an option or of a config file; raises ConfigError. off: the option turns a true default off.
    must_exist: a path to a file or a folder that must be there. panel: its group in the help.
    on_command_line: False for what only config files and Python set.
    """

    help: str
    _: KW_ONLY
    names: tuple[str, ...] = ()
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    below: float | None = None
    metavar: str | None = None
    shown: str | None = None
    parse: Callable[[str], Any] | None = None
    off: bool = False
    must_exist: Literal["file", "folder"] | None = None
    panel: str | None = None
    on_command_line: bool = True

    def bounds(self) -> str:
        """The bounds in words: "from 0 to 1", "more than 0"; nothing where there are none."""
        low = f"{self.at_least:.10g}" if self.at_least is not None else ""
        low = f"above {self.above:.10g}" if self.above is not None else low
        high = f"{self.at_most:.10g}" if self.at_most is not None else ""
        high = f"below {self.below:.10g}" if self.below is not None else high
        if low and high:
            return f"from {low} to {high}"
        if low:
            return f"at least {low}" if self.above is None else f"more than {self.above:.10g}"
        return f"at most {high}" if self.at_most is not None else high

    def range(self) -> str:
        """The bounds in signs: "0<=x<=1", "x>0"; nothing where there are none."""
        if self.at_most is self.below is None:
            low = "" if self.at_least is None else f"x>={self.at_least:.10g}"
            return low if self.above is None else f"x>{self.above:.10g}"
        low = "" if self.at_least is None else f"{self.at_least:.10g}<="
        low = low if self.above is None else f"{self.above:.10g}<"
        return f"{low}x<={self.at_most:.10g}" if self.below is None else f"{low}x<{self.below:.10g}"

    def allows(self, value: float) -> bool:
        """Whether a number is within the bounds; an infinite number or NaN is not."""
        return (
            abs(value) <= _LARGEST
            and (self.at_least is None or value >= self.at_least)
            and (self.above is None or value > self.above)
            and (self.at_most is None or value <= self.at_most)
            and (self.below is None or value < self.below)
        )


_LARGEST = 1e15  # magnitude of any number, so that nothing computed from it overflows

DEVICE = Option("Device for the network.", metavar="auto|cpu|cuda[:N]", panel=EVERYWHERE)
OVERWRITE = Option("Replace existing files.")
SEED = Option("Seed of all random numbers.")

file_option = partial(Option, on_command_line=False)
"""An Option for what only config files and Python set."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of a config dataclass: name, type, default and what it says of itself."""

    name: str
    kind: Any
    default: Any
    option: Option | None

    @property
    def label(self) -> str:
        """What a message calls it: the option that a user types, or the field."""
        if self.option is None or not self.option.on_command_line:
            return self.name
        return self.flags[0]

    @property
    def flags(self) -> tuple[str, ...]:
        """Its names on the command line, the long one first."""
        given = self.option.names if self.option is not None else ()
        return given or ("--" + self.name.replace("_", "-"),)

    @property
    def config(self) -> "type[DataclassInstance] | None":
        """Its type, where that is a config of its own."""
        return self.kind if is_config(self.kind) else None


@cache
def settings_of(cls: "type[DataclassInstance]") -> tuple[Setting, ...]:
    """The fields of a config dataclass, in order."""
    hints = get_type_hints(cls, include_extras=True)
    settings = []
    for one in dataclasses.fields(cls):
        if not one.init:
            continue
        kind, option = hints[one.name], None
        if get_origin(kind) is Annotated:
            kind, *extras = get_args(kind)
            option = next((item for item in extras if isinstance(item, Option)), None)
        default = one.default
        if one.default_factory is not dataclasses.MISSING:
            default = one.default_factory()
        settings.append(Setting(one.name, kind, default, option))
    return tuple(settings)


@dataclass_transform(
    frozen_default=True, kw_only_default=True, field_specifiers=(dataclasses.field,)
)
def config_class(cls: type[Any]) -> type[Any]:
    """Make a class a config: a frozen dataclass that can't be built with a value out of bounds.

    Every field is checked, then the class's own `__post_init__` runs, for what depends on several.
    A value that is not allowed raises ConfigError, which names the option.
    """
    own: Callable[[Any], None] | None = cls.__dict__.get("__post_init__")

    def check(self: Any) -> None:
        for setting in settings_of(self.__class__):
            value = getattr(self, setting.name)
            for item in value if isinstance(value, tuple) else (value,):
                _check_value(setting, item)
        if own is not None:
            own(self)

    cls.__post_init__ = check
    return dataclass(frozen=True, slots=True, kw_only=True)(cls)


def _check_value(setting: Setting, value: Any) -> None:
    option, choices = setting.option, _choices(setting.kind)
    if value is None:
        return
    if choices and value not in choices:
        raise ConfigError(messages.unknown_name(setting.label, str(value), map(str, choices)))
    if option is None:
        return
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if is_number and not option.allows(value):
        bounds = option.bounds() or f"a number up to {_LARGEST:g}"
        raise ConfigError(f"{setting.label} must be {bounds}, got {value!s:.20}")
    if option.must_exist is not None and isinstance(value, Path):
        _check_exists(value, option.must_exist)


def _check_exists(path: Path, kind: Literal["file", "folder"]) -> None:
    if not path.exists():
        raise ConfigError(messages.does_not_exist(path))
    if kind == "folder" and not path.is_dir():
        raise ConfigError(messages.cannot_read(path, "it is a file", "name a folder"))
    if kind == "file" and path.is_dir():
        raise ConfigError(messages.cannot_read(path, "it is a folder", "name a file"))


def _choices(kind: Any) -> tuple[Any, ...]:
    """The values of a Literal, also inside `Literal[...] | None`; nothing for other types."""
    if get_origin(kind) is Literal:
        return get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        return tuple(choice for part in get_args(kind) for choice in _choices(part))
    return ()


def exclusive(*options: tuple[str, bool]) -> None:
    """Raise ConfigError where more than one of these options is given: (name, whether it is)."""
    given = [name for name, is_given in options if is_given]
    if len(given) > 1:
        raise ConfigError(f"{' and '.join(given[:2])} exclude each other: use one of them")


def is_config(kind: Any) -> bool:
    """Whether a type is a config dataclass whose fields say what they are."""
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        return False
    return any(item.option is not None or item.config is not None for item in settings_of(kind))


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
