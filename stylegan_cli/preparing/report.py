"""The page that shows what was taken and what was not: one HTML file that needs nothing else."""

import base64
import html
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stylegan_cli.errors import PictureError
from stylegan_cli.pictures import Picture, encode_picture, read_rgb, resize
from stylegan_cli.preparing.manifest import Entry, Reason, write_text

log = logging.getLogger(__name__)

REPORT_NAME = "report.html"
THUMBNAIL_PX = 128
SHOWN_PER_SHEET = 240  # more would make a page that browsers scroll badly

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fafafa }
table { border-collapse: collapse } td, th { padding: .2rem 1rem .2rem 0; text-align: right }
td:first-child, th:first-child { text-align: left }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, 136px); gap: 10px }
figure { margin: 0 } figcaption { font-size: 11px; color: #666; overflow-wrap: anywhere }
.picture { width: 136px; height: 136px; display: grid; place-items: center; background: #eee }
"""


def thumbnail(pixels: npt.NDArray[np.uint8]) -> bytes:
    """A small JPEG of pixels (H, W, 3) uint8, shape kept."""
    height, width = pixels.shape[:2]
    scale = min(1.0, THUMBNAIL_PX / max(height, width))
    small = resize(pixels, (max(1, round(height * scale)), max(1, round(width * scale))))
    return encode_picture(Picture(small), "JPEG", quality=80)


def write_report(
    folder: Path, entries: Sequence[Entry], rejected_thumbnails: Mapping[Entry, bytes]
) -> Path:
    """Write the report of the data set in `folder`; returns its path.

    rejected_thumbnails: what rejected pictures look like, where that is known; taken ones are read
    from the data set. Raises DataError when the page can't be written.
    """
    names = sorted({entry.name for entry in entries})
    parts = ["<h1>Data set</h1>", _summary(names, entries)]
    for name in names:
        own = [entry for entry in entries if entry.name == name]
        for side in ("train", "val"):
            taken = [entry for entry in own if entry.side == side]
            parts.append(
                _sheet(f"{name}: {side}", [_taken(folder, e) for e in _shown(taken)], len(taken))
            )
        for reason in Reason:
            left_out = [entry for entry in own if entry.reason == reason]
            cards = [_rejected(e, rejected_thumbnails.get(e)) for e in _shown(left_out)]
            parts.append(_sheet(f"{name}: rejected, {reason}", cards, len(left_out)))
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Data set</title>'
        f"<style>{_STYLE}</style>{''.join(parts)}</html>\n"
    )
    path = folder / REPORT_NAME
    write_text(path, page)
    return path


def _summary(names: Sequence[str], entries: Sequence[Entry]) -> str:
    heads = ["", "train", "val", *Reason]
    rows = [f"<tr>{''.join(f'<th>{html.escape(head)}</th>' for head in heads)}</tr>"]
    for name in names:
        count = Counter(entry.side or entry.reason for entry in entries if entry.name == name)
        cells = [name, *(str(count[head]) for head in heads[1:])]
        rows.append(f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in cells)}</tr>")
    return f"<table>{''.join(rows)}</table>"


def _shown(entries: Sequence[Entry]) -> Sequence[Entry]:
    return entries[:SHOWN_PER_SHEET]


def _sheet(title: str, cards: Sequence[str], total: int) -> str:
    if not total:
        return ""
    count = f"{total}" if len(cards) == total else f"the first {len(cards)} of {total}"
    return f'<h2>{html.escape(title)} ({count})</h2><div class="sheet">{"".join(cards)}</div>'


def _taken(folder: Path, entry: Entry) -> str:
    caption = [Path(entry.source).name, _time(entry)]
    if entry.faces:
        caption.append(f"face, turned {entry.angle_deg:.0f}°" if entry.angle_deg else "face")
    try:
        pixels = read_rgb(folder / str(entry.output), short_side=THUMBNAIL_PX)
    except PictureError as error:
        log.info("no thumbnail: %s", error)
        return _card(None, [*caption, "removed since"], entry.source)
    return _card(thumbnail(pixels), caption, entry.source)


def _rejected(entry: Entry, picture: bytes | None) -> str:
    return _card(picture, [Path(entry.source).name, _time(entry), entry.detail or ""], entry.source)


def _card(picture: bytes | None, caption: Sequence[str], title: str) -> str:
    image = ""
    if picture is not None:
        image = f'<img alt="" src="data:image/jpeg;base64,{base64.b64encode(picture).decode()}">'
    text = "<br>".join(html.escape(line) for line in caption if line)
    return (
        f'<figure title="{html.escape(title)}"><div class="picture">{image}</div>'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _time(entry: Entry) -> str:
    return "" if entry.time_s is None else f"at {entry.time_s:.2f} s"
