"""Promises of training/report.py: the page as a parser and as a real browser see it."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch
from browser import BROWSER, Page

from stylegan_cli.training.diagnostics import Note
from stylegan_cli.training.report import (
    MAX_TIMELINE,
    REFRESH_S,
    Album,
    CreatorReport,
    RunReport,
    State,
    chart,
    write_report,
)

RED, BLUE = (255, 0, 0), (0, 0, 255)


def _plain(colour: tuple[int, int, int], count: int = 1) -> list[torch.Tensor]:
    levels = torch.tensor(colour).float() / 127.5 - 1
    return [levels[None, :, None, None].expand(1, 3, 64, 64)] * count


def _album(*steps: int) -> Album:
    """One photo, red; blue since it learns."""
    album = Album.of(_plain(RED), _plain(RED), _plain(BLUE, 2))
    for step in steps:
        album.show(step, _plain(BLUE))
    return album


def _report(album: Album, best_step: int = 0, state: State = "finished") -> RunReport:
    rows = [{"step": "10", "content": "0.5"}, {"step": "20", "content": "nan"}]
    rows += [
        {"step": str(step), "content": "0.25", "anna <b>/score": str(1 - step / 100)}
        for step in (30, 40)
    ]
    creator = CreatorReport(
        name="anna <b>",
        album=album,
        best_step=best_step,
        best_score=0.6,
        counts=(25, 5),
        working_size=320,
        done=False,
    )
    return RunReport(
        state=state,
        step=40,
        total_steps=100,
        elapsed_s=61.0,
        creators=[creator],
        content=(108, 12),
        notes=[Note(30, "anna <b>", "collapse", "different photos come out alike; do & say <i>")],
        metrics=rows,
        losses=("content", "cycle"),
        columns=("texture", "score"),
        command="influ train --data 'my faces' --steps 100",
        settings={"lr_g": 0.0002},
    )


class _Tags(HTMLParser):
    """What a page consists of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        found = [attributes for name, attributes in self.tags if name == tag]
        return [x for x in found if all(x.get(key) == value for key, value in wanted.items())]


def _read(path: Path) -> _Tags:
    return _Tags(path.read_text(encoding="utf-8"))


def test_the_page_holds_all_it_shows(tmp_path: Path) -> None:
    album = _album(20, 40)
    album.choose_latest()
    path = write_report(tmp_path, _report(album, best_step=40))
    page = _read(path)
    assert not re.search(r"(src|href)=\"(?!data:)|url\(|@import|https?:", path.read_text())
    assert len(page.all("input", type="range")) == 2  # photo | result, instant | result
    assert [x["alt"] for x in page.all("img")][:4] == ["photo", "step 40", "instant", "step 40"]
    assert len(page.all("polyline")) == 2  # content and score; what has no figures has no curve
    assert "influ train --data 'my faces' --steps 100" in page.text
    assert "Step 30, anna <b>" in page.text
    assert "do & say <i>" in page.text
    assert not page.all("i")
    assert "step 40 of 100, 1 min 1 s" in page.text
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(("state", "follows"), [("running", True), ("stopped", False)])
def test_a_browser_follows_only_what_goes_on(tmp_path: Path, state: State, follows: bool) -> None:
    page = _read(write_report(tmp_path, _report(_album(), state=state)))
    assert bool(page.all("meta", content=str(REFRESH_S))) == follows


def test_without_a_gain_the_instant_style_is_the_result(tmp_path: Path) -> None:
    begun = _read(write_report(tmp_path, _report(_album())))
    assert [x["alt"] for x in begun.all("img")][:2] == ["photo", "instant"]
    assert len(begun.all("input", type="range")) == 1
    later = _read(write_report(tmp_path, _report(_album(20))))
    assert [x["alt"] for x in later.all("img")][:4] == ["photo", "instant", "instant", "step 20"]
    assert "Nothing beats the instant style" in later.text


def test_progress_shows_the_whole_way_in_few_pictures() -> None:
    album = _album(*range(10, 2000, 10))
    steps = [step for step, _ in album.timeline]
    assert len(steps) <= MAX_TIMELINE
    assert steps == sorted(steps)
    assert (steps[0], steps[-1]) == (0, 1990)
    resumed = _album()
    resumed.load_state_dict(album.state_dict())
    assert resumed == album


def test_a_curve_goes_from_its_highest_to_its_lowest_value() -> None:
    drawn = chart("score", range(1, 1001), [1 - step / 2000 for step in range(1000)], base=1.0)
    heights = [float(point.split(",")[1]) for point in drawn.points.split()]
    assert heights == sorted(heights)
    assert len(heights) <= 120
    assert drawn.base is not None
    assert drawn.base < heights[0]
    level = chart("content", [5], [0.5], base=None)
    assert (level.low, level.high) == ("0.5", "0.5")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium here")
def test_a_browser_draws_the_page_and_its_slider_is_dragged(tmp_path: Path) -> None:
    album = _album(40)
    album.choose_latest()
    path = write_report(tmp_path, _report(album, best_step=40))
    with Page(path, tmp_path / "profile") as page:
        page.drag_slider(0, 0.25)
        pixels = page.pixels().astype(int)
        assert not page.errors
    red, blue = (np.abs(pixels - colour).max(-1) < 12 for colour in (RED, BLUE))
    row = int(np.flatnonzero(blue.any(1))[0]) + 20  # across the first slider
    assert (red | blue)[row].sum() > 200
    assert red[row].sum() / (red | blue)[row].sum() == pytest.approx(0.25, abs=0.03)
    assert (pixels < 80).all(-1).sum() > 500  # text


def test_a_run_that_goes_on_with_other_photos_still_has_a_report(tmp_path: Path) -> None:
    before = _album(20)
    before.choose_latest()
    now = Album.of(_plain(RED, 2), _plain(RED, 2), _plain(BLUE, 2))
    now.load_state_dict(before.state_dict())
    write_report(tmp_path, _report(now, best_step=20))
    assert (tmp_path / "report.html").exists()
