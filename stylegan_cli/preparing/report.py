"""The page that shows what was taken and what was not: one HTML file that needs nothing else."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pictures.pages import jpeg_within, render_page
from stylegan_cli.preparing.manifest import Entry, Reason
from stylegan_cli.runtime.files import write_atomically

log = logging.getLogger(__name__)

REPORT_NAME = "report.html"
THUMBNAIL_PX = 128
SHOWN_PER_SHEET = 240  # more would make a page that browsers scroll badly


@dataclass(frozen=True, slots=True)
class _Card:
    """One picture with the lines under it."""

    title: str
    caption: list[str]
    picture: bytes | None  # JPEG


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The first cards of `total`."""

    title: str
    cards: list[_Card]
    total: int


def thumbnail(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A small JPEG of pixels (H, W, 3) uint8, shape kept."""
    return jpeg_within(pixels, THUMBNAIL_PX)


def write_report(
    folder: Path, entries: Sequence[Entry], rejected_thumbnails: Mapping[Entry, bytes]
) -> Path:
    """Write the report of the data set in `folder`; returns its path.

    rejected_thumbnails: what rejected pictures look like, where that is known; taken ones are read
    from the data set. Raises WriteError.
    """
    names = sorted({entry.name for entry in entries})
    sheets = []
    for name in names:
        own = [entry for entry in entries if entry.name == name]
        for side in ("train", "val"):
            taken = [entry for entry in own if entry.side == side]
            cards = [_taken(folder, entry) for entry in _shown(taken)]
            sheets.append(_Sheet(f"{name}: {side}", cards, len(taken)))
        for reason in Reason:
            left_out = [entry for entry in own if entry.reason == reason]
            cards = [_rejected(e, rejected_thumbnails.get(e)) for e in _shown(left_out)]
            sheets.append(_Sheet(f"{name}: rejected, {reason}", cards, len(left_out)))
    columns = ["train", "val", *Reason]
    path = folder / REPORT_NAME
    page = render_page(
        "data_set.html",
        title="Data set",
        heads=["", *columns],
        counts=[_counts(name, entries, columns) for name in names],
        sheets=sheets,
    )
    write_atomically(path, page.encode("utf-8", "backslashreplace"))
    return path


def _counts(name: str, entries: Sequence[Entry], columns: Sequence[str]) -> list[str | int]:
    count = Counter(entry.side or entry.reason for entry in entries if entry.name == name)
    return [name, *(count[column] for column in columns)]


def _shown(entries: Sequence[Entry]) -> Sequence[Entry]:
    return entries[:SHOWN_PER_SHEET]


def _taken(folder: Path, entry: Entry) -> _Card:
    caption = [Path(entry.source).name, _time(entry)]
    if entry.faces:
        caption.append(f"face, turned {entry.angle_deg:.0f}°" if entry.angle_deg else "face")
    try:
        pixels = read_rgb(folder / str(entry.output), short_side=THUMBNAIL_PX)
    except PictureError as error:
        log.info("no thumbnail: %s", error)
        return _card(entry, [*caption, "removed since"], None)
    return _card(entry, caption, thumbnail(pixels))


def _rejected(entry: Entry, picture: bytes | None) -> _Card:
    return _card(entry, [Path(entry.source).name, _time(entry), entry.detail or ""], picture)


def _card(entry: Entry, caption: Sequence[str], picture: bytes | None) -> _Card:
    return _Card(entry.source, [line for line in caption if line], picture)


def _time(entry: Entry) -> str:
    return "" if entry.time_s is None else f"at {entry.time_s:.2f} s"
