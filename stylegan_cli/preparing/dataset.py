"""Pictures, folders and clips in; `{train,val}/NAME/*.jpg`, a manifest and a report out."""

import hashlib
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt

from stylegan_cli.clips import CLIP_SUFFIXES, is_clip, sample_frames
from stylegan_cli.errors import (
    ConfigError,
    DataError,
    OutputExistsError,
    PictureError,
    UsageError,
    WriteError,
    messages,
)
from stylegan_cli.pictures import (
    PICTURE_SUFFIXES,
    Picture,
    find_own_pictures,
    read_rgb,
    write_picture,
)
from stylegan_cli.pictures.faces import Face, FaceDetector, detect_faces
from stylegan_cli.pictures.pages import is_our_page
from stylegan_cli.preparing.framing import Crop, cut_out, frame_face, frame_whole
from stylegan_cli.preparing.manifest import (
    MANIFEST_NAME,
    Entry,
    Reason,
    Side,
    read_manifest,
    write_manifest,
)
from stylegan_cli.preparing.quality import (
    RELATED_PICTURES,
    SAME_PICTURE,
    SHARPNESS_SIDE,
    hash_distance,
    perceptual_hash,
    sharpness,
)
from stylegan_cli.preparing.report import REPORT_NAME, SHOWN_PER_SHEET, thumbnail, write_report
from stylegan_cli.runtime.config import Option, check, parse_duration
from stylegan_cli.runtime.files import claimed, explained, make_folder, path_inside

log = logging.getLogger(__name__)

Pixels = npt.NDArray[np.uint8]
Progress = Callable[[int, int], None]

LARGEST_ENLARGEMENT = 2  # more would teach blur
JPEG_QUALITY = 95


class FacesRule(StrEnum):
    """What faces are to a data set."""

    REQUIRED = "required"  # a picture without one is rejected
    PREFER = "prefer"  # a picture without one is cut to its middle
    OFF = "off"  # every picture is cut to its middle


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepConfig:
    """How pictures become a data set."""

    name: Annotated[
        str, Option("Whose pictures these are.", names=("--as",), metavar="content|CREATOR")
    ] = "content"
    size: Annotated[int, Option("Side of the square results, px.", at_least=32, at_most=4096)] = 512
    faces: Annotated[FacesRule, Option("Whether a picture needs a face.")] = FacesRule.PREFER
    margin: Annotated[
        float,
        Option("Margin around a face, in face heights.", at_least=0, at_most=10),
    ] = 0.6
    every_s: Annotated[
        float,
        Option(
            "Shortest time between two frames of a clip, like 2s.",
            names=("--every",),
            above=0,
            shown="2s",
            parse=parse_duration,
        ),
    ] = 2.0
    val_share: Annotated[
        float,
        Option(
            "Share of the pictures that is held out of training.",
            names=("--val",),
            at_least=0,
            at_most=0.9,
        ),
    ] = 0.1
    min_size: Annotated[
        int | None,
        Option("Reject pictures from fewer px than this.", at_least=1, shown="half of --size"),
    ] = None
    min_sharpness: Annotated[
        float, Option("Reject pictures that are less sharp; 0 accepts all.", at_least=0)
    ] = 0.6  # see quality.sharpness

    def __post_init__(self) -> None:
        """Raises ConfigError for a value out of range."""
        check(self)
        if not self.name or self.name.startswith(".") or set(self.name) & set('/\\:*?"<>|\0'):
            raise ConfigError(
                f"'{self.name}' can't be the name of a folder; give --as another name"
            )

    @property
    def min_side(self) -> int:
        """px of the source that a result is made from, at least."""
        return self.min_size or -(-self.size // LARGEST_ENLARGEMENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepSummary:
    """What a run did, and where the result is."""

    new: int  # pictures added by this run
    present: int  # looked at again and already there
    removed: int  # added by an earlier run and deleted since by the user; left alone
    train: int  # in the data set now, under this name
    val: int
    rejected: dict[str, int]  # by reason, of this run
    report: Path


@dataclass(frozen=True, slots=True)
class _Inspection:
    """One picture, or one frame of a clip, ready to be judged."""

    source: Path
    sha256: str
    time_s: float | None
    pixels: Pixels


@dataclass(slots=True)
class _Run:
    """What one run knows: the data set so far, and what happened."""

    folder: Path
    config: PrepConfig
    detector: FaceDetector | None
    entries: dict[tuple[str, str, str, float], Entry]
    happened: Counter[str] = field(default_factory=Counter)
    thumbnails: dict[Entry, bytes] = field(default_factory=dict)

    def add(self, source: Path) -> None:
        """Judge a file, all frames if it is a clip, and take what is good."""
        sha256 = ""
        try:
            sha256 = _sha256(source)
            for inspection in _looks(source, sha256, self.config.every_s):
                self._check_quality(inspection)
        except (DataError, WriteError):
            raise
        except Exception as error:  # one bad file never ends a run, whatever a library makes of it
            blank = Entry(name=self.config.name, source=str(source.resolve()), sha256=sha256)
            self._reject(blank, Reason.UNREADABLE, _why(error, source), None)

    def _check_quality(self, inspection: _Inspection) -> None:
        config = self.config
        entry = Entry(
            name=config.name,
            source=str(inspection.source.resolve()),
            sha256=inspection.sha256,
            time_s=None if inspection.time_s is None else round(inspection.time_s, 3),
        )
        before = self.entries.get(entry.key)
        if before is not None and before.output is not None:
            present = (self.folder / before.output).exists()
            self.happened["present" if present else "removed"] += 1
            return
        faces = self._faces(inspection.pixels)
        crop = self._frame(inspection.pixels, faces)
        picture = cut_out(inspection.pixels, crop, self.config.size)
        entry = replace(
            entry,
            box=crop.box,
            angle_deg=round(crop.angle_deg, 2),
            faces=None if faces is None else len(faces),
            sharpness=round(_sharpness_of(inspection.pixels, crop), 3),
            phash=f"{perceptual_hash(inspection.pixels):064x}",
        )
        fault = self._fault(entry, crop.side)
        if fault is None:
            self._take(entry, picture)
        else:
            self._reject(entry, *fault, inspection.pixels)

    def _fault(self, entry: Entry, side: int) -> tuple[Reason, str | None] | None:
        """Why a picture, `side` px of the source, is not good enough; None when it is."""
        config, sharp = self.config, entry.sharpness or 0.0
        if side < config.min_side:
            return Reason.TOO_SMALL, f"{side} px, at least {config.min_side} are needed"
        if config.faces is FacesRule.REQUIRED and not entry.faces:
            return Reason.NO_FACE, None
        if sharp < config.min_sharpness:
            return (
                Reason.BLURRED,
                f"sharpness {sharp:.2f}, at least {config.min_sharpness:g} is needed",
            )
        nearest, distance = self._nearest(entry, same_name=True)
        if nearest is not None and distance <= SAME_PICTURE:
            return Reason.REPEATED, f"like {Path(nearest.source).name}"
        return None

    def _faces(self, pixels: Pixels) -> list[Face] | None:
        if self.config.faces is FacesRule.OFF:
            return None
        return detect_faces(pixels, self.detector)

    def _frame(self, pixels: Pixels, faces: list[Face] | None) -> Crop:
        height, width = pixels.shape[:2]
        if not faces:
            return frame_whole(height, width)
        config = self.config
        return frame_face(faces[0], height, width, config.margin, config.size, config.min_side)

    def _take(self, entry: Entry, picture: Pixels) -> None:
        group = self._group(entry)
        stem = entry.sha256[:16] + ("" if entry.time_s is None else f"-{entry.time_s * 1000:08.0f}")
        output = f"{self._side(group)}/{entry.name}/{stem}.jpg"
        self._write(self.folder / output, picture)
        entry = replace(entry, output=output, size=self.config.size, group=group)
        self.entries[entry.key] = entry
        self.happened["new"] += 1

    def _write(self, target: Path, picture: Pixels) -> None:
        path_inside(self.folder, str(target.relative_to(self.folder)), DataError)
        make_folder(target.parent)
        # A file of that name is this picture, left by a run that was killed.
        write_picture(Picture(picture), target, quality=JPEG_QUALITY, overwrite=True)

    def _reject(
        self, entry: Entry, reason: Reason, detail: str | None, pixels: Pixels | None
    ) -> None:
        entry = replace(entry, reason=reason.value, detail=detail)
        self.entries[entry.key] = entry
        self.happened[reason] += 1
        if pixels is not None and self.happened[reason] <= SHOWN_PER_SHEET:
            self.thumbnails[entry] = thumbnail(pixels)

    def _nearest(self, entry: Entry, same_name: bool) -> tuple[Entry | None, int]:
        """The taken picture most like `entry`, and the distance of their hashes."""
        own = int(entry.phash or "0", 16)
        best, least = None, 257
        for other in self.entries.values():
            if (
                other.output is None
                or other.phash is None
                or (same_name and other.name != entry.name)
            ):
                continue
            distance = hash_distance(own, int(other.phash, 16))
            if distance < least:
                best, least = other, distance
        return best, least

    def _group(self, entry: Entry) -> str:
        """Frames of one clip belong together, and pictures that are almost the same."""
        for other in self.entries.values():
            if other.group is not None and other.sha256 == entry.sha256:
                return other.group
        nearest, distance = self._nearest(entry, same_name=False)
        if nearest is not None and nearest.group is not None and distance <= RELATED_PICTURES:
            return nearest.group
        return entry.sha256

    def _side(self, group: str) -> Side:
        for other in self.entries.values():
            if other.group == group and other.side is not None:
                return other.side
        return "val" if _draw(group) < self.config.val_share else "train"

    def fill_both_sides(self) -> None:
        """No side of the split stays empty where two groups are there to share.

        The group whose draw came closest moves over, so that order plays no part in it.
        """
        sides = {side: self._groups_on(side) for side in ("train", "val")}
        if not sides["train"] and sides["val"]:
            self._move(max(sides["val"], key=_draw), "train")
        elif not sides["val"] and len(sides["train"]) > 1 and self.config.val_share > 0:
            self._move(min(sides["train"], key=_draw), "val")

    def _groups_on(self, side: str) -> set[str]:
        return {
            entry.group
            for entry in self.entries.values()
            if entry.name == self.config.name and entry.side == side and entry.group is not None
        }

    def _move(self, group: str, side: Side) -> None:
        """Bring a group to the other side, pictures and entries."""
        for key, entry in self.entries.items():
            if entry.group != group or entry.output is None or entry.side == side:
                continue
            output = f"{side}/{entry.output.partition('/')[2]}"
            if (self.folder / entry.output).exists():
                target = path_inside(self.folder, output, DataError)
                make_folder(target.parent)
                with explained(target):
                    path_inside(self.folder, entry.output, DataError).replace(target)
            self.entries[key] = replace(entry, output=output)

    def count_on(self, side: Side) -> int:
        """Pictures under this name that are there now."""
        return sum(
            entry.name == self.config.name
            and entry.side == side
            and (self.folder / str(entry.output)).exists()
            for entry in self.entries.values()
        )


def prepare(
    sources: Sequence[Path],
    folder: Path,
    config: PrepConfig,
    *,
    detector: FaceDetector | None = None,
    on_progress: Progress | None = None,
) -> PrepSummary:
    """Add the pictures of `sources` to the data set in `folder`.

    sources: picture files, clips, and folders of both, searched through and through. They are only
    read. What was added before is not added again, and what the user deleted stays away.
    Raises DataError when there is nothing to read, WriteError when the data set can't be written,
    BusyError when another process adds to it, OutputExistsError when the folder has a report of
    something else, UsageError when the data set holds pictures of another size under this name.
    """
    files = find_sources(sources, folder)
    if not files:
        raise DataError(
            f"no pictures or clips in {_listed(sources)}; name files or folders that have some"
        )
    made = not folder.exists()
    make_folder(folder)
    try:
        with claimed(folder / "data set"):
            return _prepare(files, folder, config, detector, on_progress)
    finally:
        if made:
            with suppress(OSError):  # it is not empty
                folder.rmdir()


def _prepare(
    files: Sequence[Path],
    folder: Path,
    config: PrepConfig,
    detector: FaceDetector | None,
    on_progress: Progress | None,
) -> PrepSummary:
    entries = {entry.key: entry for entry in read_manifest(folder)}
    report = folder / REPORT_NAME
    if not (folder / MANIFEST_NAME).exists() and report.exists() and not is_our_page(report):
        remedy = "it is not of a data set; name another --out"
        raise OutputExistsError(messages.exists_already(report, remedy))
    _check_size(entries.values(), config)
    run = _Run(folder, config, detector, entries)
    try:
        for done, source in enumerate(files, start=1):
            run.add(source)
            if on_progress is not None:
                on_progress(done, len(files))
        run.fill_both_sides()
    finally:
        # Also when interrupted: the manifest must know the pictures that are there.
        write_manifest(folder, run.entries.values())
    ordered = sorted(run.entries.values(), key=lambda entry: entry.key)
    return PrepSummary(
        new=run.happened["new"],
        present=run.happened["present"],
        removed=run.happened["removed"],
        train=run.count_on("train"),
        val=run.count_on("val"),
        rejected={reason.value: run.happened[reason] for reason in Reason if run.happened[reason]},
        report=write_report(folder, ordered, run.thumbnails),
    )


def find_sources(sources: Iterable[Path], data_folder: Path) -> list[Path]:
    """Pictures and clips among `sources`, each once, sorted; nothing of the data set itself.

    A file that is named is taken whatever its suffix; folders are searched by suffix.
    """
    own = data_folder.resolve()
    found = set()
    for source in sources:
        if source.is_dir():
            found |= {*find_own_pictures(source, recursive=True), *_find_clips(source)}
        else:
            found.add(source)
    unique = {path.resolve(): path for path in sorted(found)}
    return sorted(path for real, path in unique.items() if not real.is_relative_to(own))


def _find_clips(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(root, name)
            if not name.startswith(".") and path.suffix.lower() in CLIP_SUFFIXES and path.is_file():
                yield path


def _looks(source: Path, sha256: str, every_s: float) -> Iterator[_Inspection]:
    """What there is to see in a file. Raises PictureError or ClipError when it can't be read."""
    suffix = source.suffix.lower()
    if suffix in CLIP_SUFFIXES or (suffix not in PICTURE_SUFFIXES and is_clip(source)):
        for time_s, pixels in sample_frames(source, every_s):
            yield _Inspection(source, sha256, time_s, pixels)
    else:
        yield _Inspection(source, sha256, None, read_rgb(source))


def _sharpness_of(pixels: Pixels, crop: Crop) -> float:
    # Of the source, not of the result: reduced to few pixels, every picture is sharp.
    return sharpness(cut_out(pixels, crop, min(crop.side, SHARPNESS_SIDE)))


def _sha256(path: Path) -> str:
    if not path.is_file():  # reading a pipe would wait for ever
        raise PictureError(messages.cannot_read(path, "it is not a regular file", "leave it out"))
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _draw(group: str) -> float:
    """A number in [0, 1) that depends on the content alone."""
    return int(hashlib.sha256(f"split/{group}".encode()).hexdigest()[:8], 16) / 2**32


def _check_size(entries: Iterable[Entry], config: PrepConfig) -> None:
    sizes = {
        entry.size for entry in entries if entry.name == config.name and entry.output is not None
    }
    for size in sizes - {config.size}:
        raise UsageError(
            f"the data set holds pictures of '{config.name}' at {size} px, not {config.size}; "
            f"use --size {size}, or another --out"
        )


def _why(error: Exception, source: Path) -> str:
    """The error alone: its file stands beside it, its remedy is for single files."""
    sentence = str(error).removeprefix(f"can't read {source}: ").removeprefix("it is ")
    sentence = sentence.removeprefix(f"{source} ").removeprefix("is ")
    return re.sub(r"[:;] [^:;]*$", "", sentence).removesuffix(".")


def _listed(sources: Sequence[Path]) -> str:
    return ", ".join(str(source) for source in sources)
