"""Pictures, folders and clips in; `{train,val}/NAME/*.jpg`, a manifest and a report out."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from stylegan_cli.errors import DataError, OutputExistsError, WriteError, messages
from stylegan_cli.pictures.faces import Face, FaceDetector, detect_faces
from stylegan_cli.pictures.pages import is_our_page
from stylegan_cli.preparing.config import PrepConfig
from stylegan_cli.preparing.dataset import DataSet
from stylegan_cli.preparing.framing import Crop, cut_out, frame_face, frame_whole
from stylegan_cli.preparing.manifest import (
    MANIFEST_NAME,
    Entry,
    Reason,
    read_manifest,
    write_manifest,
)
from stylegan_cli.preparing.quality import SAME_PICTURE, SHARPNESS_SIDE, perceptual_hash, sharpness
from stylegan_cli.preparing.report import REPORT_NAME, SHOWN_PER_SHEET, thumbnail, write_report
from stylegan_cli.preparing.sources import Pixels, View, find_sources, sha256_of, views_of
from stylegan_cli.runtime.files import claimed, make_folder

Progress = Callable[[int, int], None]


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


@dataclass(slots=True)
class _Run:
    """One run over the sources. counts: of pictures, by what became of them."""

    dataset: DataSet
    config: PrepConfig
    detector: FaceDetector | None
    counts: Counter[str] = field(default_factory=Counter)
    thumbnails: dict[Entry, bytes] = field(default_factory=dict)

    def add(self, source: Path) -> None:
        """Add what is good of a picture, or of all frames of a clip."""
        sha256 = ""
        try:
            sha256 = sha256_of(source)
            for view in views_of(source, sha256, self.config.every_s):
                self._add_view(view)
        except (DataError, WriteError):
            raise
        except Exception as error:  # one bad file never ends a run, whatever a library makes of it
            blank = Entry(name=self.config.name, source=str(source.resolve()), sha256=sha256)
            self._reject(blank, Reason.UNREADABLE, _why(error, source), None)

    def _add_view(self, view: View) -> None:
        entry = Entry(
            name=self.config.name,
            source=str(view.source.resolve()),
            sha256=view.sha256,
            time_s=None if view.time_s is None else round(view.time_s, 3),
        )
        before = self.dataset.entries.get(entry.key)
        if before is not None and before.output is not None:
            self.counts["present" if self.dataset.has(before) else "removed"] += 1
            return
        faces = self._faces(view.pixels)
        crop = self._frame(view.pixels, faces)
        picture = cut_out(view.pixels, crop, self.config.size)
        entry = replace(
            entry,
            box=crop.box,
            angle_deg=round(crop.angle_deg, 2),
            faces=None if faces is None else len(faces),
            sharpness=round(_sharpness_of(view.pixels, crop), 3),
            phash=f"{perceptual_hash(view.pixels):064x}",
        )
        fault = self._fault(entry, crop.side)
        if fault is None:
            self.dataset.add(entry, picture)
            self.counts["new"] += 1
        else:
            self._reject(entry, *fault, view.pixels)

    def _fault(self, entry: Entry, side: int) -> tuple[Reason, str | None] | None:
        """Why a picture, `side` px of the source, is not good enough; None when it is."""
        config, sharp = self.config, entry.sharpness or 0.0
        if side < config.min_side:
            return Reason.TOO_SMALL, f"{side} px, at least {config.min_side} are needed"
        if config.faces == "required" and not entry.faces:
            return Reason.NO_FACE, None
        if sharp < config.min_sharpness:
            return (
                Reason.BLURRED,
                f"sharpness {sharp:.2f}, at least {config.min_sharpness:g} is needed",
            )
        nearest, distance = self.dataset.nearest(entry, same_name=True)
        if nearest is not None and distance <= SAME_PICTURE:
            return Reason.REPEATED, f"like {Path(nearest.source).name}"
        return None

    def _faces(self, pixels: Pixels) -> list[Face] | None:
        if self.config.faces == "off":
            return None
        return detect_faces(pixels, self.detector)

    def _frame(self, pixels: Pixels, faces: list[Face] | None) -> Crop:
        height, width = pixels.shape[:2]
        if not faces:
            return frame_whole(height, width)
        config = self.config
        return frame_face(faces[0], height, width, config.margin, config.size, config.min_side)

    def _reject(
        self, entry: Entry, reason: Reason, detail: str | None, pixels: Pixels | None
    ) -> None:
        entry = replace(entry, reason=reason.value, detail=detail)
        self.dataset.entries[entry.key] = entry
        self.counts[reason] += 1
        if pixels is not None and self.counts[reason] <= SHOWN_PER_SHEET:
            self.thumbnails[entry] = thumbnail(pixels)


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
        with claimed(folder):
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
    dataset = DataSet(folder, config.name, config.size, config.val_share, entries)
    dataset.check_size()
    run = _Run(dataset, config, detector)
    try:
        for done, source in enumerate(files, start=1):
            run.add(source)
            if on_progress is not None:
                on_progress(done, len(files))
        dataset.fill_both_sides()
    finally:
        # Also when interrupted: the manifest must know the pictures that are there.
        write_manifest(folder, entries.values())
    ordered = sorted(entries.values(), key=lambda entry: entry.key)
    return PrepSummary(
        new=run.counts["new"],
        present=run.counts["present"],
        removed=run.counts["removed"],
        train=dataset.count_on("train"),
        val=dataset.count_on("val"),
        rejected={reason.value: run.counts[reason] for reason in Reason if run.counts[reason]},
        report=write_report(folder, ordered, run.thumbnails),
    )


def _sharpness_of(pixels: Pixels, crop: Crop) -> float:
    # Of the source, not of the result: reduced to few pixels, every picture is sharp.
    return sharpness(cut_out(pixels, crop, min(crop.side, SHARPNESS_SIDE)))


def _why(error: Exception, source: Path) -> str:
    """The error alone: its file stands beside it, its remedy is for single files."""
    sentence = str(error).removeprefix(f"can't read {source}: ").removeprefix("it is ")
    sentence = sentence.removeprefix(f"{source} ").removeprefix("is ")
    return re.sub(r"[:;] [^:;]*$", "", sentence).removesuffix(".")


def _listed(sources: Sequence[Path]) -> str:
    return ", ".join(str(source) for source in sources)
