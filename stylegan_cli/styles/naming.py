"""What marks the name of a file as the result of a style."""

import re
from contextlib import suppress
from pathlib import Path

from stylegan_cli.errors import InfluError
from stylegan_cli.styles.registry import list_styles


def ending_of(
    name: str,
    *,
    strength: float = 1.0,
    grain: float = 1.0,
    halation: float = 1.0,
    strokes: float = 1.0,
    seed: int | None = None,
    keep_colours: bool = False,
    even: bool = False,
) -> str:
    """What marks a result of the style called `name`: "_toon", fit for a file name.

    Results that differ get names that differ: "_toon_strength-60_seed-7_own-colours".
    """
    ending = "_" + (re.sub(r"[^\w.-]+", "-", Path(name).stem).strip("-.") or "styled")
    ending += f"_strength-{100 * strength:g}" if strength != 1 else ""
    ending += f"_grain-{100 * grain:g}" if grain != 1 else ""
    ending += f"_halation-{100 * halation:g}" if halation != 1 else ""
    ending += f"_strokes-{100 * strokes:g}" if strokes != 1 else ""
    ending += f"_seed-{seed}" if seed is not None else ""
    ending += "_own-colours" if keep_colours else ""
    return ending + ("_even" if even else "")


def endings_of_results(ending: str = "", model: Path | None = None) -> set[str]:
    """`ending` and those of every style there is: what marks a file as an earlier result."""
    endings = {ending}
    with suppress(InfluError):  # without a shipped model there is only this ending
        endings |= {ending_of(found.name) for found in list_styles(model)}
    return endings - {""}
