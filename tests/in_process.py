"""A command called in this process, with its configs, or the fields of these, as keywords."""

from collections.abc import Callable
from typing import Any

from stylegan_cli.commands.options import groups_of


def in_process(command: Callable[..., None]) -> Callable[..., None]:
    """`command`, which takes what its options are called instead of configs."""
    groups = groups_of(command)

    def call(*arguments: Any, **options: Any) -> None:
        plain = [name for name, group in groups.items() if group is None]
        told = dict(zip(plain, arguments, strict=False))
        for name, group in groups.items():
            if name in options:
                told[name] = options.pop(name)
            elif group is not None:
                fields = {setting.name for setting in group.settings()} & set(options)
                told[name] = group.value({field: options.pop(field) for field in fields})
        command(**told, **options)

    return call
