"""`report.html` of a run: its pictures, its curves, and the command that repeats it."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.pictures.pages import jpeg_within, render_page
from stylegan_cli.runtime.files import write_atomically
from stylegan_cli.training.data import to_pixels
from stylegan_cli.training.diagnostics import Note

REPORT_NAME = "report.html"
SHOWN_PHOTOS = 4
SHOWN_PX, SMALL_PX = 480, 180
MAX_TIMELINE = 12
REFRESH_S = 60  # how often a browser that follows a run reads its page again
CHART_WIDTH, CHART_HEIGHT, CHART_POINTS = 230, 90, 120  # px, px, at most

State = Literal["running", "stopped", "finished"]
Row = Mapping[str, str]


@dataclass(slots=True)
class Album:
    """JPEGs of one creator's validation photos.

    untouched, instant, held_out: made again by each call of a run. best, latest, timeline: results
    of training, part of its state; best and latest are empty before the first validation.
    """

    untouched: list[bytes]
    instant: list[bytes]
    held_out: list[bytes]
    best: list[bytes]
    latest: list[bytes]
    timeline: list[tuple[int, bytes]]  # step, the first photo

    @classmethod
    def of(
        cls, photos: Sequence[Tensor], instant: Sequence[Tensor], held_out: Sequence[Tensor]
    ) -> "Album":
        """Tensors (1, 3, H, W) each; `instant`: the photos in the instant style."""
        return cls(
            _jpegs(photos, SHOWN_PX),
            _jpegs(instant, SHOWN_PX),
            _jpegs(held_out, SMALL_PX),
            best=[],
            latest=[],
            timeline=[(0, _jpeg(instant[0], SMALL_PX))],
        )

    def show(self, step: int, stylized: Sequence[Tensor]) -> None:
        """Show `stylized` as the present; of a long timeline every other one is kept."""
        self.latest = _jpegs(stylized, SHOWN_PX)
        if len(self.timeline) >= MAX_TIMELINE:
            self.timeline = self.timeline[::2]
        self.timeline.append((step, _jpeg(stylized[0], SMALL_PX)))

    def choose_latest(self) -> None:
        """Show the present as the result."""
        self.best = self.latest

    def state_dict(self) -> dict[str, Any]:
        """What a resumed run can't make again."""
        return {
            "best": [_packed(picture) for picture in self.best],
            "latest": [_packed(picture) for picture in self.latest],
            "moments": [[step, _packed(picture)] for step, picture in self.timeline],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on with the pictures of `state`; not with those of another number of photos."""
        best, latest = ([_unpacked(item) for item in state[name]] for name in ("best", "latest"))
        self.best = best if len(best) == len(self.untouched) else []
        self.latest = latest if len(latest) == len(self.untouched) else []
        self.timeline = [(step, _unpacked(picture)) for step, picture in state["moments"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreatorReport:
    """One creator: the pictures, and the step and score of the best; step 0 is the instant style.

    counts: pictures learned from and held out. done: whether it is no longer trained.
    """

    name: str
    album: Album
    best_step: int
    best_score: float
    counts: tuple[int, int]
    working_size: int
    done: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """All that the page says.

    content: photos learned from and held out. losses, columns: the columns of the metrics to draw,
    the latter for each creator.
    """

    state: State
    step: int
    total_steps: int | None
    elapsed_s: float
    creators: Sequence[CreatorReport]
    content: tuple[int, int]
    notes: Sequence[Note]
    metrics: Sequence[Row]
    losses: Sequence[str]
    columns: Sequence[str]
    command: str
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Chart:
    """One curve as the template draws it; positions in px, values as text."""

    title: str
    points: str
    low: str
    high: str
    last_step: int
    base: float | None  # height of the instant style
    best: float | None  # position of the best step
    width: int = CHART_WIDTH
    height: int = CHART_HEIGHT


def write_report(folder: Path, report: RunReport) -> Path:
    """Replace the page in `folder` in one step; returns its path. Raises PictureError."""
    names = [creator.name for creator in report.creators]
    page = render_page(
        "training.html",
        title=f"Refining {', '.join(names)}",
        refresh_s=REFRESH_S if report.state == "running" else None,
        state=_state(report),
        written=f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC",
        notes=report.notes,
        creators=[_creator(creator, report) for creator in report.creators],
        losses=_charts(report.metrics, report.losses),
        data=_data(report),
        command=report.command,
        settings=report.settings,
    )
    path = folder / REPORT_NAME
    write_atomically(path, page.encode())
    return path


def chart(
    title: str, steps: Sequence[int], values: Sequence[float], *, best: int = 0, base: float | None
) -> Chart:
    """A curve of finite values over rising steps, averaged down to CHART_POINTS of them.

    base: a value to compare with. best: a step to mark, or 0.
    """
    groups = np.array_split(np.arange(len(steps)), min(len(steps), CHART_POINTS))
    centres = [float(np.mean([steps[i] for i in group])) for group in groups]
    heights = [float(np.mean([values[i] for i in group])) for group in groups]
    shown = heights if base is None else [*heights, base]
    low, high = min(shown), max(shown)
    margin = 14.0  # px above and below, for the numbers
    tall = CHART_HEIGHT - 2 * margin

    def across(step: float) -> float:
        return round(CHART_WIDTH * step / max(1, steps[-1]), 1)

    def down(value: float) -> float:
        share = (high - value) / (high - low) if high > low else 0.5
        return round(margin + tall * share, 1)

    return Chart(
        title=title,
        points=" ".join(f"{across(s)},{down(v)}" for s, v in zip(centres, heights, strict=True)),
        low=f"{low:.4g}",
        high=f"{high:.4g}",
        last_step=steps[-1],
        base=None if base is None else down(base),
        best=across(best) if best else None,
    )


def _charts(rows: Sequence[Row], columns: Iterable[str], best: int = 0) -> list[Chart]:
    charts = []
    for column in columns:
        known = [(int(row["step"]), float(row[column])) for row in rows if row.get(column)]
        finite = [(step, value) for step, value in known if math.isfinite(value)]
        if finite:
            steps, values = zip(*finite, strict=True)
            name = column.rpartition("/")[2]
            base = 1.0 if name == "score" else None
            charts.append(chart(name.replace("_", " "), steps, values, best=best, base=base))
    return charts


def _state(report: RunReport) -> str:
    of = f" of {report.total_steps}" if report.total_steps else ""
    minutes, seconds = divmod(round(report.elapsed_s), 60)
    return (
        f"{report.state.capitalize()}: step {report.step}{of}, "
        f"{minutes} min {seconds} s of training."
    )


def _creator(creator: CreatorReport, report: RunReport) -> dict[str, Any]:
    album, step = creator.album, creator.best_step
    columns = [f"{creator.name}/{column}" for column in report.columns]
    result = album.best or album.instant
    refined = album.best or album.latest or album.instant
    keys = ("untouched", "instant", "result", "refined")
    photos = zip(album.untouched, album.instant, result, refined, strict=True)
    refined_name = f"step {step or album.timeline[-1][0]}" if album.latest else ""
    return {
        "name": creator.name,
        "verdict": _verdict(creator),
        "result_name": f"step {step}" if step else "instant",
        "refined_name": refined_name,
        "photos": [dict(zip(keys, photo, strict=True)) for photo in photos],
        "held_out": album.held_out,
        "progress": [
            {"label": f"step {moment}" if moment else "instant", "picture": picture}
            for moment, picture in album.timeline
        ],
        "charts": _charts(report.metrics, columns, step),
    }


def _verdict(creator: CreatorReport) -> str:
    if creator.best_step:
        verdict = f"The result is that of step {creator.best_step}, score {creator.best_score:.3f} "
        verdict += "where the instant style has 1."
    else:
        verdict = "Nothing beats the instant style so far, so it is the result."
    return verdict + (" It no longer improved and is done." if creator.done else "")


def _data(report: RunReport) -> list[list[str | int]]:
    rows: list[list[str | int]] = [["photos", *report.content, ""]]
    return rows + [[c.name, *c.counts, c.working_size] for c in report.creators]


def _jpegs(pictures: Sequence[Tensor], side_px: int) -> list[bytes]:
    return [_jpeg(picture, side_px) for picture in pictures[:SHOWN_PHOTOS]]


def _jpeg(picture: Tensor, side_px: int) -> bytes:
    return jpeg_within(to_pixels(picture)[0], side_px)


def _packed(data: bytes) -> Tensor:
    return torch.from_numpy(np.frombuffer(data, np.uint8).copy())


def _unpacked(data: Tensor) -> bytes:
    return data.numpy().tobytes()
