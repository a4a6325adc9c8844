"""Options made from the fields of configs, so that nothing about them is said twice.

A command names the configs that it needs in its signature: `style_config: StylizerConfig`. A user
sees an option for each of their fields, and the function gets them built.
`Annotated[StylizerConfig, Without("seed")]` leaves fields out.
`typed: Annotated[Given, OptionsOf(TrainingConfig)]` is only what was typed, by field, for a command
that adds the settings of a config file.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

import typer

from stylegan_cli.runtime.config import Option, Setting, is_config, settings_of

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Command = Callable[..., None]
Given = dict[str, Any]
"""Settings by the name of their field."""

_CONTEXT = "context"


class Without(tuple[str, ...]):
    """The fields of a config that a command does not offer."""

    __slots__ = ()

    def __new__(cls, *names: str) -> "Without":
        """names: of fields."""
        return super().__new__(cls, names)


@dataclass(frozen=True, slots=True)
class OptionsOf:
    """The config whose typed options a command wants as they are."""

    config: "type[DataclassInstance]"


@dataclass(frozen=True, slots=True)
class Group:
    """One config in the signature of a command, and which of its fields are options."""

    config: "type[DataclassInstance]"
    without: tuple[str, ...]
    as_given: bool

    def settings(self) -> Iterator[Setting]:
        """Those with an option."""
        yield from _on_command_line(self.config, self.without)

    def value(self, typed: Given) -> Any:
        """What the command gets."""
        return typed if self.as_given else _built(self.config, typed)


def with_config_options(function: Command) -> Command:
    """`function` with an option for each field of the configs in its signature."""
    signature = inspect.signature(function, eval_str=True)
    groups = groups_of(function)
    if not any(groups.values()):
        return function

    def command(**values: Any) -> None:
        context: typer.Context = values.pop(_CONTEXT)
        arguments = {}
        for name, group in groups.items():
            if group is None:
                arguments[name] = values[name]
                continue
            typed = {
                setting.name: _read(setting, values[setting.name])
                for setting in group.settings()
                if _is_typed(context, setting.name)
            }
            arguments[name] = group.value(typed)
        function(**arguments)

    parameters = []
    for name, parameter in signature.parameters.items():
        if (group := groups[name]) is None:
            parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        else:
            parameters += [_parameter(setting) for setting in group.settings()]
    context = inspect.Parameter(_CONTEXT, inspect.Parameter.KEYWORD_ONLY, annotation=typer.Context)
    command.__signature__ = inspect.Signature([*parameters, context])  # type: ignore[attr-defined]
    command.__doc__ = function.__doc__
    return command


def groups_of(function: Command) -> dict[str, Group | None]:
    """The parameters of a command, with the config that each stands for, if any."""
    signature = inspect.signature(function, eval_str=True)
    return {name: _group(item) for name, item in signature.parameters.items()}


def _group(parameter: inspect.Parameter) -> Group | None:
    kind, extras = parameter.annotation, []
    if get_origin(kind) is Annotated:
        kind, *extras = get_args(kind)
    without = next((tuple(item) for item in extras if isinstance(item, Without)), ())
    given = next((item.config for item in extras if isinstance(item, OptionsOf)), None)
    if given is not None:
        return Group(given, without, as_given=True)
    return Group(kind, without, as_given=False) if is_config(kind) else None


def _on_command_line(
    config: "type[DataclassInstance]", without: tuple[str, ...]
) -> Iterator[Setting]:
    """The fields with an option, those of configs inside it as well."""
    for setting in settings_of(config):
        if setting.name in without:
            continue
        if setting.config is not None:
            yield from _on_command_line(setting.config, without)
        elif setting.option is not None and setting.option.on_command_line:
            yield setting


def _built(config: "type[DataclassInstance]", typed: Given) -> Any:
    values = {}
    for setting in settings_of(config):
        if setting.config is not None:
            values[setting.name] = _built(setting.config, typed)
        elif setting.name in typed:
            values[setting.name] = typed[setting.name]
    return config(**values)


def _is_typed(context: typer.Context, parameter: str) -> bool:
    """Whether the user gave this option, rather than leaving it at its default."""
    source = context.get_parameter_source(parameter)
    return source is not None and source.name == "COMMANDLINE"


def _read(setting: Setting, value: Any) -> Any:
    """What the user typed, as the field takes it."""
    option = setting.option
    assert option is not None
    if option.off:
        return not value
    if option.parse is not None and isinstance(value, str):
        return option.parse(value)
    return tuple(value) if isinstance(value, list) else value


def _parameter(setting: Setting) -> inspect.Parameter:
    """The option of one field, as Typer takes it."""
    option = setting.option
    assert option is not None
    kind, default = _typed_kind(setting, option), setting.default
    if default is MISSING:
        default = inspect.Parameter.empty
    elif option.off:
        default = False
    elif option.parse is not None or default == ():
        default = None
    shown = option.shown if option.shown is not None else default != ""
    typer_option = typer.Option(
        *setting.flags,
        help=option.help,
        metavar=_metavar(option, kind),
        show_default=shown,
        rich_help_panel=option.panel,
    )
    return inspect.Parameter(
        setting.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[kind, typer_option],
    )


def _typed_kind(setting: Setting, option: Option) -> Any:
    """The type that Typer reads the option as."""
    if option.parse is not None:
        return str | None
    if get_origin(setting.kind) is tuple:
        return list[get_args(setting.kind)[0]] | None  # type: ignore[misc]
    return setting.kind


def _metavar(option: Option, kind: Any) -> str | None:
    """What stands for the value: its type with the bounds, which the config checks."""
    if option.parse is not None or not option.range():
        return option.metavar
    number = float if float in (kind, *get_args(kind)) else int
    return f"{option.metavar or f'<{number.__name__}>'} [{option.range()}]"
