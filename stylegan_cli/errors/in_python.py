"""Messages for readers of Python: what an option is called there."""

import functools
import inspect
import re
from collections.abc import Callable, Iterable
from typing import ParamSpec, TypeVar

from stylegan_cli.errors import InfluError

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def speaks_python(
    function: Callable[_Parameters, _Result], more: Callable[[], Iterable[str]] = tuple
) -> Callable[_Parameters, _Result]:
    """`function`, whose errors name its parameters where a command's would name options.

    "add --overwrite" becomes "add overwrite=True". more: names that it takes beside those of its
    signature. Options that the function does not have stay as they are.
    """

    @functools.wraps(function)
    def call(*arguments: _Parameters.args, **options: _Parameters.kwargs) -> _Result:
        try:
            return function(*arguments, **options)
        except InfluError as error:
            parameters = inspect.signature(function).parameters
            flags = {name for name, one in parameters.items() if isinstance(one.default, bool)}
            error.args = (in_python(str(error), {*parameters, *more()}, flags),)
            raise

    return call


def in_python(message: str, names: Iterable[str], flags: Iterable[str] = ()) -> str:
    """`message` with `name` for each option `--name` among `names`, `name=True` for a flag."""
    known = {name.removesuffix("_s"): name for name in names}
    switched = {"overwrite", "resume", *flags}

    def name_of(option: re.Match[str]) -> str:
        name = known.get(option[1].replace("-", "_"))
        if name is None:
            return option[0]
        return f"{name}=True" if name in switched else name

    return re.sub(r"(?<![\w-])--([a-z][a-z0-9-]*)", name_of, message)
