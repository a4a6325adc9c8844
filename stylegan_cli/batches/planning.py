"""Which files go into a batch, and what each result is called."""

import logging
import mimetypes
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Final

from stylegan_cli.batches.file_kinds import PICTURES, FileKind
from stylegan_cli.batches.names import TakenNames, source_key
from stylegan_cli.errors import DataError, UsageError, messages
from stylegan_cli.pictures import FORMATS, PICTURE_SUFFIXES, find_files, is_named_like_result

logger = logging.getLogger(__name__)

STREAM: Final = Path("-")
"""Standard input or output, as a name on the command line."""

# Suffixes of pictures and clips that the standard library does not know as such.
_OTHER_MEDIA: Final = frozenset(
    {".jxl", ".heic", ".heif", ".avif", ".webp", ".psd", ".exr", ".dng", ".cr2", ".cr3", ".nef"}
    | {".arw", ".orf", ".rw2", ".raf", ".wmv", ".flv"}
)


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read and the file its result goes to; `STREAM` for either is a pipe."""

    source: Path
    target: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Naming:
    """How results are named.

    kind: of the files.
    out: a file (suffix of that kind, one input), a folder, `STREAM`, or None for beside the input.
    ending: goes between stem and suffix.
    format: of every result, for pictures; without it the input's own where it can be written.
    endings_of_results: endings that mark a file beside its input as an earlier result.
    """

    kind: FileKind = PICTURES
    out: Path | None = None
    ending: str = ""
    format: str | None = None
    endings_of_results: Collection[str] = ()

    def out_is_file(self) -> bool:
        """Whether `out` names the one result rather than a folder for results."""
        out = self.out
        return out is not None and self.kind.format_of(out) is not None and not out.is_dir()


def plan_batch(inputs: Sequence[Path], naming: Naming, *, recursive: bool = False) -> list[Job]:
    """The jobs for these files, folders and `STREAM`; see Planner.

    Raises UsageError for a call that makes no sense, DataError when there is nothing to do.
    """
    jobs = Planner(inputs, naming, recursive=recursive).jobs()
    if not jobs:
        raise DataError(_nothing_to_do(inputs, naming.kind, recursive))
    for given in inputs:
        if given.is_dir() and not any(given in job.source.parents for job in jobs):
            logger.warning("there is no %s in %s", naming.kind.noun, given)
    return jobs


def holds_clips(source: Path) -> bool:
    """Whether a file is a clip, or a folder has clips.

    Raises UsageError for a folder of both.
    """
    from stylegan_cli.clips import CLIP_SUFFIXES

    if source.is_file():
        return source.suffix.lower() in CLIP_SUFFIXES
    clips = bool(find_files(source, CLIP_SUFFIXES))
    if clips and find_files(source, PICTURE_SUFFIXES):
        raise UsageError(f"{source} contains photos and clips: put the clips into another folder")
    return clips


def _nothing_to_do(inputs: Sequence[Path], kind: FileKind, recursive: bool) -> str:
    """What to say of folders without a file of the kind, and of what they hold instead."""
    from stylegan_cli.clips import CLIP_SUFFIXES

    names = [str(given) for given in inputs]
    folders = [given for given in inputs if given.is_dir()]
    is_picture = kind is PICTURES
    suffixes = CLIP_SUFFIXES if is_picture else PICTURE_SUFFIXES
    if any(find_files(folder, suffixes, recursive) for folder in folders):
        held, wanted = ("only clips", "pictures") if is_picture else ("only pictures", "clips")
        command = "video" if is_picture else "stylize"
        holds = f"a folder of {held}"
        return messages.wrong_kind(", ".join(names), holds, wanted, "influ", command, *names)
    remedy = "name another" if recursive else "--recursive looks into the folders inside it"
    return f"there is no {kind.noun} in {', '.join(names)}; {remedy}"


class Planner:
    """Gives each of some files, folders and `STREAM` a target of its own, and keeps to it.

    A folder stands for its own files of the kind, with `recursive` for its whole tree, which is
    mirrored in the output folder. Earlier results are no inputs: neither what lies in an output
    folder inside an input folder, nor what lies beside its source under a result's name. A file
    that is named is taken as it is, whatever it is called; it may turn out to be something else
    when it is read.

    Raises UsageError for a call that makes no sense.
    """

    def __init__(self, inputs: Sequence[Path], naming: Naming, *, recursive: bool = False) -> None:
        many = len(inputs) > 1 or inputs[0].is_dir()
        if naming.out_is_file() and many:
            raise UsageError(f"{naming.out} is one file: name a folder for the results of many")
        if naming.out_is_file() and naming.format not in (
            None,
            naming.kind.format_of(naming.out or Path()),
        ):
            raise UsageError(f"{naming.out} is no name for {naming.format}: change -o or --format")
        if naming.out == STREAM and many:
            raise UsageError(
                f"standard output takes one {naming.kind.noun}: name a folder with -o for many"
            )
        if not naming.out_is_file() and _names_a_file(naming.out, many):
            raise UsageError(
                messages.cannot_write(
                    str(naming.out),
                    f"{(naming.out or Path()).suffix} is not a format for a {naming.kind.noun}",
                    f"use {naming.kind.examples}, or make a folder of that name first",
                )
            )
        if list(inputs).count(STREAM) > 1:
            raise UsageError("standard input can be read only once")
        self._inputs, self._naming, self._recursive = inputs, naming, recursive
        self._target_of: dict[tuple[object, ...], Path] = {}
        self._taken = TakenNames()

    def jobs(self) -> list[Job]:
        """The jobs for what is there now; a picture that was there before keeps its target."""
        jobs = [
            Job(source, self._target(source, inside))
            for source, inside in _expanded(self._inputs, self._naming, self._recursive)
        ]
        _refuse_inputs_as_targets(jobs)
        return jobs

    def _target(self, source: Path, inside: Path) -> Path:
        key = source_key(source)
        if key not in self._target_of:
            target = _target(source, inside, self._naming)
            if target != STREAM:
                target = _told_apart(target, source, self._taken)
                self._taken.add(target)
            self._target_of[key] = target
        return self._target_of[key]


def _names_a_file(out: Path | None, many: bool) -> bool:
    """Whether a place for results that is no folder yet reads as a file's name.

    For one input anything with a suffix does; for many only what is known as a picture or a clip.
    """
    if out is None or out == STREAM or not out.suffix or out.is_dir():
        return False
    media = (mimetypes.guess_type(out.name)[0] or "").partition("/")[0]
    return not many or media in ("image", "video", "audio") or out.suffix.lower() in _OTHER_MEDIA


def _expanded(
    inputs: Iterable[Path], naming: Naming, recursive: bool
) -> Iterator[tuple[Path, Path]]:
    """Every file once, with its place inside the folder it was found in."""
    seen: set[tuple[object, ...]] = set()
    for given in inputs:
        for source in _in_folder(given, naming, recursive) if given.is_dir() else [given]:
            key = source_key(source)
            if key not in seen:
                seen.add(key)
                yield source, source.relative_to(given).parent if given.is_dir() else Path()


def _in_folder(folder: Path, naming: Naming, recursive: bool) -> list[Path]:
    found = naming.kind.find(folder, recursive)
    if naming.out is None:
        sources = {(path.parent, path.stem) for path in found}
        endings = naming.endings_of_results
        return [path for path in found if not is_named_like_result(path, endings, sources)]
    out, here = naming.out.resolve(), folder.resolve()
    if out == here or here not in out.parents:
        return found
    return [path for path in found if out not in path.resolve().parents]


def _target(source: Path, inside: Path, naming: Naming) -> Path:
    if naming.out == STREAM or (naming.out is None and source == STREAM):
        return STREAM
    if naming.out is not None and naming.out_is_file():
        return naming.out
    kind = naming.kind
    if naming.format is not None and kind.format_of(source) != naming.format:
        suffix = FORMATS[naming.format].suffixes[0]
    else:
        suffix = kind.suffix_of_result(source)
    stem = "stdin" if source == STREAM else source.stem if kind.format_of(source) else source.name
    folder = source.parent if naming.out is None else naming.out / inside
    return folder / f"{stem}{naming.ending}{suffix}"


def _told_apart(target: Path, source: Path, taken: TakenNames) -> Path:
    """A target that no other job has: photo.png, photo_jpg.png, photo_jpg-2.png."""
    if target not in taken:
        return target
    kind = source.suffix.lower().removeprefix(".")
    stem = target.stem if source.suffix == target.suffix else f"{target.stem}_{kind}"
    names = chain([stem], (f"{stem}-{number}" for number in count(2)))
    candidates = (target.with_name(name + target.suffix) for name in names)
    return next(path for path in candidates if path not in taken)


def _refuse_inputs_as_targets(jobs: Iterable[Job]) -> None:
    jobs = list(jobs)
    inputs = {_file_number(job.source) for job in jobs if job.source != STREAM} - {None}
    for job in jobs:
        if job.target != STREAM and _file_number(job.target) in inputs:
            raise UsageError(
                messages.cannot_write(
                    job.target, "it is an input", "choose another -o, or add --suffix"
                )
            )


def _file_number(path: Path) -> tuple[int, int] | None:
    """What makes two names the same file, links and all; None when there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
