"""Many pictures in one call: which go in, what each result is called, what became of it."""

import logging
import math
import re
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np

from stylegan_cli.errors import (
    DataError,
    InfluError,
    OutputExistsError,
    PartialFailureError,
    PictureError,
    UsageError,
)
from stylegan_cli.pictures import (
    FORMATS,
    JPEG_QUALITY,
    MAX_PIXELS,
    Picture,
    change_depth,
    check_target,
    contact_sheet,
    find_pictures,
    format_of,
    over_white,
    read_picture,
    resize_within,
    write_picture,
)

logger = logging.getLogger(__name__)

STREAM: Final = Path("-")
"""Standard input or output, as a name on the command line."""

_GRID_TILE: Final = 384


class IfThere(StrEnum):
    """What to do when a result is there already."""

    REFUSE = "refuse"
    SKIP = "skip"
    OVERWRITE = "overwrite"


class Status(StrEnum):
    """What became of one picture."""

    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """One picture to read and the file its result goes to; `STREAM` for either is a pipe."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job; `error` is set when it failed."""

    job: Job
    status: Status
    seconds: float = 0.0
    error: InfluError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How results are named.

    out: a file (picture suffix, one input), a folder, `STREAM`, or None for beside the input.
    ending: goes between stem and suffix.
    format: of every result; without it the input's own, or PNG where there is no telling.
    endings_of_results: endings that mark a file beside its input as an earlier result.
    """

    out: Path | None = None
    ending: str = ""
    format: str | None = None
    endings_of_results: Collection[str] = ()

    def out_is_file(self) -> bool:
        """Whether `out` names the one result rather than a folder for results."""
        return self.out is not None and format_of(self.out) is not None and not self.out.is_dir()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileOptions:
    """How files are read and written in a batch; as in `read_picture` and `write_picture`."""

    max_pixels: int = MAX_PIXELS
    allow_truncated: bool = False
    keep_colours: bool = False
    format: str | None = None
    quality: int = JPEG_QUALITY
    keep_gps: bool = False
    if_there: IfThere = IfThere.REFUSE


def ending_of(name: str) -> str:
    """What marks a result of the style called `name`: "_toon", fit for a file name."""
    return "_" + (re.sub(r"[^\w.-]+", "-", Path(name).stem).strip("-.") or "styled")


def plan_batch(inputs: Sequence[Path], naming: Naming, *, recursive: bool = False) -> list[Job]:
    """The jobs for these files, folders and `STREAM`, each with a target of its own.

    A folder stands for its own pictures, with `recursive` for its whole tree, which is mirrored in
    the output folder. Earlier results are no inputs: neither what lies in an output folder inside
    an input folder, nor what lies beside its source under a result's name. A file that is named is
    taken as it is, whatever it is called; it may turn out to be no picture when it is read.

    Raises UsageError for a call that makes no sense, DataError when there is nothing to do.
    """
    if naming.out_is_file() and (len(inputs) > 1 or inputs[0].is_dir()):
        raise UsageError(f"{naming.out} is one file: name a folder for the results of many")
    if naming.out_is_file() and naming.format not in (None, format_of(naming.out or Path())):
        raise UsageError(f"{naming.out} is no name for {naming.format}: change -o or --format")
    if naming.out == STREAM and (len(inputs) > 1 or inputs[0].is_dir()):
        raise UsageError("standard output takes one picture: name a folder with -o for many")
    if list(inputs).count(STREAM) > 1:
        raise UsageError("standard input can be read only once")
    jobs: list[Job] = []
    taken: set[str] = set()
    for source, inside in _expanded(inputs, naming, recursive):
        target = _target(source, inside, naming)
        if target != STREAM:
            target = _told_apart(target, source, taken)
            taken.add(_identity(target))
        jobs.append(Job(source, target))
    _refuse_inputs_as_targets(jobs)
    return jobs


def run_batch(
    jobs: Sequence[Job],
    paint: Callable[[Picture], Picture],
    options: FileOptions,
    *,
    on_outcome: Callable[[Outcome], None] | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> list[Outcome]:
    """Read, paint and write every job in turn; one that fails is told of and the rest goes on."""
    outcomes: list[Outcome] = []
    for job in jobs:
        if on_progress is not None:
            on_progress(len(outcomes), len(jobs))
        outcome = _run(job, paint, options)
        outcomes.append(outcome)
        if on_outcome is not None:
            on_outcome(outcome)
    if on_progress is not None:
        on_progress(len(jobs), len(jobs))
    return outcomes


def _run(job: Job, paint: Callable[[Picture], Picture], options: FileOptions) -> Outcome:
    started_s = time.monotonic()
    overwrite = options.if_there is IfThere.OVERWRITE
    try:
        if job.target != STREAM and job.target.parent.is_dir():
            if options.if_there is IfThere.SKIP and job.target.is_file():
                return Outcome(job, Status.SKIPPED)
            check_target(job.target, overwrite=overwrite)
        picture = read_picture(
            sys.stdin.buffer if job.source == STREAM else job.source,
            max_pixels=options.max_pixels,
            allow_truncated=options.allow_truncated,
            keep_colours=options.keep_colours,
        )
        painted = paint(picture)
        _make_folder(job.target)
        write_picture(
            painted,
            sys.stdout.buffer if job.target == STREAM else job.target,
            format=options.format,
            quality=options.quality,
            overwrite=overwrite,
            keep_gps=options.keep_gps,
        )
    except InfluError as error:
        return Outcome(job, Status.FAILED, time.monotonic() - started_s, error)
    except OSError as error:
        failure = PictureError(f"{job.source} can't be done: {error.strerror or error}")
        return Outcome(job, Status.FAILED, time.monotonic() - started_s, failure)
    except MemoryError:
        too_big = PictureError(f"{job.source} does not fit into memory: use a smaller picture")
        return Outcome(job, Status.FAILED, time.monotonic() - started_s, too_big)
    return Outcome(job, Status.DONE, time.monotonic() - started_s)


def _make_folder(target: Path) -> None:
    if target == STREAM:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"the folder {target.parent} can't be made: {error.strerror}") from error


def _expanded(
    inputs: Iterable[Path], naming: Naming, recursive: bool
) -> Iterable[tuple[Path, Path]]:
    """Every picture once, with its place inside the folder it was found in."""
    seen: set[str] = set()
    empty = []
    for given in inputs:
        found = _in_folder(given, naming, recursive) if given.is_dir() else [given]
        if not found:
            empty.append(given)
        for source in found:
            if _identity(source) not in seen:
                seen.add(_identity(source))
                yield source, source.relative_to(given).parent if given.is_dir() else Path()
    if empty and not seen:
        names = ", ".join(str(folder) for folder in empty)
        hint = "" if recursive else "; --recursive looks into the folders inside it"
        raise DataError(f"there is no picture in {names}{hint}")
    for folder in empty:
        logger.warning("there is no picture in %s", folder)


def _in_folder(folder: Path, naming: Naming, recursive: bool) -> list[Path]:
    found = find_pictures(folder, recursive)
    if naming.out is None:
        sources = {(path.parent, path.stem) for path in found}
        endings = naming.endings_of_results
        return [path for path in found if not _is_result(path, endings, sources)]
    out, here = naming.out.resolve(), folder.resolve()
    if out == here or here not in out.parents:
        return found
    return [path for path in found if out not in path.resolve().parents]


def _is_result(path: Path, endings: Collection[str], sources: Collection[tuple[Path, str]]) -> bool:
    """Whether a picture was written beside its source by an earlier call: photo_toon.jpg."""
    for ending in endings:
        match = re.fullmatch(rf"(.+){re.escape(ending)}(_[a-z0-9]+)?(-\d+)?", path.stem)
        if match is not None and (path.parent, match.group(1)) in sources:
            return True
    return False


def _target(source: Path, inside: Path, naming: Naming) -> Path:
    if naming.out == STREAM or (naming.out is None and source == STREAM):
        return STREAM
    if naming.out is not None and naming.out_is_file():
        return naming.out
    if naming.format is not None:
        suffix = (
            source.suffix
            if format_of(source) == naming.format
            else FORMATS[naming.format].suffixes[0]
        )
    else:
        suffix = source.suffix if format_of(source) is not None else ".png"
    stem = "stdin" if source == STREAM else source.stem if format_of(source) else source.name
    folder = source.parent if naming.out is None else naming.out / inside
    return folder / f"{stem}{naming.ending}{suffix}"


def _told_apart(target: Path, source: Path, taken: Collection[str]) -> Path:
    """A target that no other job has: photo.png, photo_jpg.png, photo_jpg-2.png."""
    if _identity(target) not in taken:
        return target
    kind = source.suffix.lower().removeprefix(".")
    stem = target.stem if source.suffix == target.suffix else f"{target.stem}_{kind}"
    names = [stem, *(f"{stem}-{number}" for number in range(2, len(taken) + 3))]
    candidates = (target.with_name(name + target.suffix) for name in names)
    return next(path for path in candidates if _identity(path) not in taken)


def _identity(path: Path) -> str:
    # Some file systems take photo.JPG and photo.jpg for one file.
    return str(path.parent.resolve() / path.name).casefold()


def _refuse_inputs_as_targets(jobs: Iterable[Job]) -> None:
    jobs = list(jobs)
    inputs = {_file_number(job.source) for job in jobs if job.source != STREAM} - {None}
    for job in jobs:
        if job.target != STREAM and _file_number(job.target) in inputs:
            raise UsageError(
                f"{job.target} would be written over an input: choose another -o or add --suffix"
            )


def _file_number(path: Path) -> tuple[int, int] | None:
    """What makes two names the same file, links and all; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The outcomes as one JSON object: counts, then a record for each file."""
    counts = {status.value: sum(o.status is status for o in outcomes) for status in Status}
    files = [
        {
            "source": str(outcome.job.source),
            "target": str(outcome.job.target),
            "status": outcome.status.value,
            "seconds": round(outcome.seconds, 3),
            "error": None if outcome.error is None else str(outcome.error),
        }
        for outcome in outcomes
    ]
    return counts | {"files": files}


def raise_for(outcomes: Sequence[Outcome]) -> None:
    """The error a batch ends with: none, that of its only picture, all of them, or some.

    Raises that error; DataError when every picture of many failed; PartialFailureError for some.
    """
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if not errors:
        return
    if len(outcomes) == 1:
        raise errors[0]
    if len(errors) == len(outcomes):
        if all(isinstance(error, OutputExistsError) for error in errors):
            raise OutputExistsError(f"all {len(errors)} results are there already: use --overwrite")
        raise DataError(
            f"none of the {len(errors)} pictures could be styled: the lines above say why"
        )
    raise PartialFailureError(
        f"{len(errors)} of {len(outcomes)} pictures failed: the lines above say why"
    )


def write_variations(
    photo: Path,
    paint: Callable[[Picture, int], Picture],
    seeds: Sequence[int],
    *,
    ending: str,
    folder: Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Path], Path]:
    """Paint one photo once per seed; the paths of the results, in order, and of their grid.

    paint: (picture, seed) -> picture. folder: made if needed; by default one beside the photo.
    Raises PictureError, and OutputExistsError before any work when a result is there already.
    """
    picture = read_picture(photo)
    stem = f"{photo.stem}{ending}"
    folder = folder if folder is not None else photo.with_name(f"{stem}_variations")
    suffix = photo.suffix if format_of(photo) else FORMATS[picture.source_format].suffixes[0]
    targets = [folder / f"{stem}_{seed}{suffix}" for seed in seeds]
    grid = folder / f"{stem}_grid.jpg"
    _make_folder(grid)
    for target in (*targets, grid):
        check_target(target, overwrite=overwrite)
    tiles = []
    for done, (seed, target) in enumerate(zip(seeds, targets, strict=True)):
        if on_progress is not None:
            on_progress(done, len(targets))
        painted = paint(picture, seed)
        write_picture(painted, target, overwrite=overwrite)
        shown = over_white(painted.pixels, painted.alpha)
        tiles.append(change_depth(resize_within(shown, _GRID_TILE), np.uint8))
    across = math.ceil(math.sqrt(len(tiles)))
    rows = [tiles[start : start + across] for start in range(0, len(tiles), across)]
    sheet = contact_sheet(rows, tile=_GRID_TILE)
    write_picture(Picture(sheet, source_format="JPEG"), grid, overwrite=overwrite)
    if on_progress is not None:
        on_progress(len(targets), len(targets))
    return targets, grid
