"""Several styles as one: `toon:0.7,vangogh:0.3`."""

import dataclasses
import math
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from stylegan_cli.colour import apply_lut, lut_grid
from stylegan_cli.errors import UsageError
from stylegan_cli.styles import (
    DEFAULT_STYLE,
    MAX_CODE_FACTORS,
    Base,
    Mode,
    Style,
    check_name,
    find_style,
    find_styles,
)
from stylegan_cli.styles.exemplars import MAX_EXEMPLARS, decode_exemplars, encode_exemplars
from stylegan_cli.styles.film import FilmGrain, FilmHalation

MAX_MIXED = 8
_MODES: tuple[Mode, ...] = ("colour", "photographic", "drawn")  # the most demanding comes last

Shares = Sequence[tuple[str, float]]


def is_mix(style: str) -> bool:
    """Whether `style` is more than one name."""
    return "," in style or ":" in style


def parse_mix(style: str) -> list[tuple[str, float]]:
    """Names and weights of `NAME:WEIGHT,NAME:WEIGHT`, weights adding up to 1.

    A name alone weighs 1. Raises UsageError for what is no mix.
    """
    shares = [_parse_share(part.strip(), style) for part in style.split(",")]
    names = [name for name, _ in shares]
    if twice := {name for name in names if names.count(name) > 1}:
        raise UsageError(f"'{style}' names {', '.join(sorted(twice))} twice; add up its weights")
    if len(shares) > MAX_MIXED:
        raise UsageError(f"'{style}' mixes {len(shares)} styles; the limit is {MAX_MIXED}")
    total = math.fsum(weight for _, weight in shares)
    if total <= 0:
        raise UsageError(f"the weights in '{style}' are all 0; give one of them a share")
    return [(name, weight / total) for name, weight in shares]


def find_style_or_mix(style: str | None, model: Path | None = None) -> tuple[Base, Style]:
    """The style called `style`, or the mix it describes, and its base.

    Raises what `parse_mix` and `registry.find_style` raise.
    """
    if style is None or not is_mix(style):
        return find_style(style, model)
    shares = parse_mix(style)
    base, styles = find_styles([name for name, _ in shares], model)
    return base, mix(styles, [weight for _, weight in shares])


def find_styles_or_mixes(
    names: Sequence[str], model: Path | None = None
) -> tuple[Base, list[Style]]:
    """Several styles of one base, each found as by `find_style_or_mix`, in one reading."""
    mixes = [parse_mix(style) for style in names]
    base, styles = find_styles([name for shares in mixes for name, _ in shares], model)
    parts = iter(styles)
    found = []
    for style, shares in zip(names, mixes, strict=True):
        mixed = list(islice(parts, len(shares)))
        found.append(mix(mixed, [w for _, w in shares]) if is_mix(style) else mixed[0])
    return base, found


def name_of(style: str | None) -> str:
    """The name of a style or mix, for results. Raises UsageError for what is no mix."""
    if style is None or not is_mix(style):
        return style or DEFAULT_STYLE
    return _name_of(parse_mix(style))


def mix(styles: Sequence[Style], weights: Sequence[float]) -> Style:
    """One style between several of one base; `weights` add up to 1.

    Codes, colour maps and calibrations are averaged and deltas added up, each by its weight. The
    code factors stand side by side, so that one seed varies every style by its share.
    """
    info = dataclasses.replace(
        styles[0].info,
        name=_name_of([(s.name, w) for s, w in zip(styles, weights, strict=True)]),
        display_name=" and ".join(style.info.display_name or style.name for style in styles),
        pictures=sum(style.info.pictures for style in styles),
        licence="; ".join(dict.fromkeys(s.info.licence for s in styles if s.info.licence)),
        working_size=max(style.info.working_size for style in styles),
        mode=max((style.info.mode for style in styles), key=_MODES.index),
        refined=any(style.info.refined for style in styles),
        grain=_grainiest(styles, weights),
        halation=_strongest_halation(styles, weights),
        strokes=min(
            1.0, math.fsum(w * s.info.strokes for s, w in zip(styles, weights, strict=True))
        ),
        metrics={},
    )

    def average(arrays: Sequence[np.ndarray]) -> np.ndarray:
        return np.tensordot(np.asarray(weights, np.float32), np.stack(arrays), 1)

    return Style(
        info=info,
        base_hash=styles[0].base_hash,
        matrix=average([style.matrix for style in styles]),
        offset=average([style.offset for style in styles]),
        code=average([style.code for style in styles]),
        code_factors=_side_by_side(styles, weights),
        calibration=average(_luts_of_one_size(styles)),
        deltas=_added_up(styles, weights),
        exemplars=_exemplars_of_all(styles, weights),
    )


def _parse_share(part: str, style: str) -> tuple[str, float]:
    name, colon, number = part.partition(":")
    check_name(name)
    try:
        weight = float(number) if colon else 1.0
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight) or weight < 0:
        raise UsageError(f"'{number}' in '{style}' is no weight; a mix reads toon:0.7,vangogh:0.3")
    return name, weight


def _name_of(shares: Shares) -> str:
    name = "-".join(f"{name}-{100 * weight:.0f}" for name, weight in shares)
    return name if len(name) <= 64 else f"mix-of-{len(shares)}"


def _grainiest(styles: Sequence[Style], weights: Sequence[float]) -> FilmGrain | None:
    """The strongest grain of those that have any, each by its weight."""
    shares = zip(styles, weights, strict=True)
    found = [style.info.grain.scaled(w) for style, w in shares if style.info.grain and w]
    return max(found, key=lambda grain: max(grain.luma), default=None)


def _strongest_halation(styles: Sequence[Style], weights: Sequence[float]) -> FilmHalation | None:
    """The strongest halation of those that have any, each by its weight."""
    shares = zip(styles, weights, strict=True)
    found = [style.info.halation.scaled(w) for style, w in shares if style.info.halation and w]
    return max(found, key=lambda halation: max(halation.strength), default=None)


def _exemplars_of_all(styles: Sequence[Style], weights: Sequence[float]) -> np.ndarray | None:
    """Exemplars of those that have any, of each in proportion to its weight."""
    shares = [(style, w) for style, w in zip(styles, weights, strict=True) if style.info.strokes]
    found = [(decode_exemplars(s.exemplars), w) for s, w in shares if s.exemplars is not None and w]
    if not found:
        return None
    total = sum(weight for _, weight in found)
    counts = [max(1, round(len(part) * weight / total)) for part, weight in found]
    some = [part[:count] for (part, _), count in zip(found, counts, strict=True)]
    return encode_exemplars(np.concatenate(some)[:MAX_EXEMPLARS])


def _side_by_side(styles: Sequence[Style], weights: Sequence[float]) -> np.ndarray:
    """Code factors, without the shortest ones where there are too many."""
    rows = np.concatenate(
        [w * style.code_factors for style, w in zip(styles, weights, strict=True)]
    )
    longest = np.sort(np.argsort(-np.linalg.norm(rows, axis=1), kind="stable")[:MAX_CODE_FACTORS])
    return np.asarray(rows[longest], np.float32)


def _luts_of_one_size(styles: Sequence[Style]) -> list[np.ndarray]:
    """The calibrations on the finest of their grids; the identity where there is none."""
    size = max(2 if s.calibration is None else len(s.calibration) for s in styles)
    colours = lut_grid(size)
    return [
        (colours if style.calibration is None else apply_lut(colours, style.calibration)).reshape(
            size, size, size, 3
        )
        for style in styles
    ]


def _added_up(styles: Sequence[Style], weights: Sequence[float]) -> dict[str, np.ndarray]:
    """Low-rank deltas whose product is the weighted sum: `up`s beside, `down`s below each other."""
    halves: dict[str, list[np.ndarray]] = {}
    for style, weight in zip(styles, weights, strict=True):
        for key, half in style.deltas.items():
            share = weight * half if key.endswith(".up") else half
            halves.setdefault(key, []).append(np.asarray(share, np.float32))
    return {key: np.concatenate(h, 1 if key.endswith(".up") else 0) for key, h in halves.items()}
