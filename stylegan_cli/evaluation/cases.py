"""Which photos and pictures each style is evaluated on."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.errors import DataError, UsageError
from stylegan_cli.pictures import find_pictures
from stylegan_cli.preparing.layout import CONTENT_NAME, find_training_data
from stylegan_cli.runtime.resources import starter_dir
from stylegan_cli.styles import DEFAULT_STYLE, read_info

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Case:
    """One style and the files to evaluate it on.

    truths: one per photo, or empty. references: the creator's held-out pictures, or empty.
    unmatched: photos without a truth and truths without a photo.
    """

    style: str
    photos: tuple[Path, ...]
    truths: tuple[Path, ...] = ()
    references: tuple[Path, ...] = ()
    unmatched: tuple[Path, ...] = ()


def find_cases(
    styles: Sequence[str],
    data: Path,
    *,
    paired: Path | None = None,
    creator: str | None = None,
    everything: bool = False,
) -> list[Case]:
    """What to evaluate each of `styles` on; styles without anything to compare with are left out.

    data: a folder as training takes it. paired: the true results, one per photo and of the same
    file stem, in a folder per creator where there are several. creator: whose pictures count,
    where the style has another name. everything: use all pictures, not only those held out.
    Raises DataError where nothing is left, UsageError where the options contradict each other.
    """
    if creator is not None and len(styles) > 1:
        raise UsageError("--creator names the pictures for one style: name that with --style")
    if paired is not None:
        cases = _paired_cases(styles, data, paired, creator)
    else:
        cases = _unpaired_cases(styles, data, creator, everything)
    for style in styles:
        if not any(case.style == style for case in cases):
            log.warning("%s is left out: there is nothing to compare it with", style)
    return cases


def style_names(style: str | None, model: Path | None) -> list[str]:
    """The styles to evaluate: `style`, or every creator of `model`, or the default style."""
    if style is not None or model is None:
        return [style or DEFAULT_STYLE]
    document = read_info(model)
    entries = [document["creator"]] if document["kind"] == "style" else document["creators"]
    if not entries:
        raise DataError(f"{model} has no creators to evaluate; name a model that has some")
    return [entry["name"] for entry in entries]


def _paired_cases(
    styles: Sequence[str], data: Path, paired: Path, creator: str | None
) -> list[Case]:
    photos = _by_stem(_photos_with_truth(data))
    cases = []
    for style in styles:
        folder = paired / (creator or style)
        if not folder.is_dir():
            folder = paired
        if folder == paired and len(styles) > 1:
            continue  # one folder of truths can't be the truth of several styles
        truths = _by_stem(find_pictures(folder))
        both = sorted(photos.keys() & truths.keys())
        if both:
            alone = tuple(
                path
                for side, other in ((photos, truths), (truths, photos))
                for stem, path in sorted(side.items())
                if stem not in other
            )
            results, wanted = (tuple(side[stem] for stem in both) for side in (photos, truths))
            cases.append(Case(style, results, truths=wanted, unmatched=alone))
    if not cases:
        raise DataError(
            f"no picture in {paired} has the name of a photo in {data}: a truth is named like its "
            "photo, and lies in a folder named like its style where there are several styles"
        )
    return cases


def _unpaired_cases(
    styles: Sequence[str], data: Path, creator: str | None, everything: bool
) -> list[Case]:
    found = find_training_data(data, starter=starter_dir())
    sides = {side.name: side for side in found.creators}
    if creator is not None and creator not in sides:
        raise UsageError(f"{data} has no pictures of {creator}; it has {', '.join(sides)}")
    only = next(iter(sides)) if len(sides) == 1 and len(styles) == 1 else None
    photos = found.held_out_content
    if everything:
        photos = tuple(dict.fromkeys((*found.content, *found.held_out_content)))
    cases = []
    for style in styles:
        side = sides.get(creator or style) or sides.get(only or "")
        if side is not None:
            references = side.held_out
            if everything:
                references = tuple(dict.fromkeys((*side.pictures, *side.held_out)))
            cases.append(Case(style, photos, references=references))
    if not cases:
        raise DataError(
            f"{data} has pictures of {', '.join(sides)}, none of them named like a style: "
            "say whose pictures count with --creator"
        )
    return cases


def _photos_with_truth(data: Path) -> list[Path]:
    """The photos that may have truths: held-out ones, where there are some."""
    for part in ("val/" + CONTENT_NAME, "testA", CONTENT_NAME, "."):
        folder = data / part
        if folder.is_dir() and (photos := find_pictures(folder)):
            return photos
    raise DataError(
        f"{data} has no photos; give --data a folder of photos, or what `influ prep` wrote"
    )


def _by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        if path.stem in named:
            raise DataError(
                f"{named[path.stem].name} and {path.name} in {path.parent} can't be told apart as "
                "one pair: leave one of them out"
            )
        named[path.stem] = path
    return named
