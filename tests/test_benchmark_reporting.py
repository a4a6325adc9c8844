import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import reporting

from stylegan_cli.errors import DataError


def record(method: str, psnr_db: float, **changed: Any) -> dict[str, Any]:
    """A cell of film from 30 pictures, as the benchmark writes it."""
    cell = {"method": method, "look": "film", "pictures": 30, "minutes": 0, "seed": 0}
    cell |= {"split": "people", "content": "photos", "model": None, "kind": "known"}
    figures = {"psnr_db": psnr_db, "ssim": 0.9, "ciede2000": 2.0, "edge_f_score": 0.8}
    edges = {"invented_edges": 0.04, "true_invented_edges": 0.03}
    around = {"judged": 40, "machine": "a processor", "load": 1.0, "code": "abc", "cores": 2}
    return cell | figures | edges | around | changed


RECORDS = [
    record("linear", 31.0),
    record("table", 33.0),
    record("instant", 35.0),
    record("refined", 39.0, minutes=30, seed=0),
    record("refined", 41.0, minutes=30, seed=1),
    record("refined", 57.0, minutes=30, seed=2),
    record("paired", 45.0, minutes=5, pictures=0),
    record("paired", 49.0, minutes=30, pictures=0),
]


def cells_of(text: str, title: str) -> dict[str, list[str]]:
    """Rows of the first Markdown table whose first heading is `title`, by label."""
    lines = text[text.index(f"| {title} |") :].split("\n\n")[0].splitlines()
    rows = [[part.strip() for part in line.strip("|").split("|")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_closed_gap_is_from_the_better_closed_form_to_the_longest_ceiling() -> None:
    gaps = cells_of(reporting.tables(RECORDS), "Closed gap")
    assert gaps["instant, 30 pictures"] == [f"{(35 - 33) / (49 - 33):.2f}"]
    assert gaps["refined, 30 pictures, 30 min, 3 seeds"] == [f"{(41 - 33) / (49 - 33):.2f}"]
    assert "linear, 30 pictures" not in gaps
    assert "paired, 30 min" not in gaps


def test_a_gap_is_taken_from_the_closed_form_of_as_many_pictures() -> None:
    single = [record("linear", 25.0, pictures=1), record("instant", 31.0, pictures=1)]
    gaps = cells_of(reporting.tables(RECORDS + single), "Closed gap")
    assert gaps["instant, one picture"] == [f"{(31 - 25) / (49 - 25):.2f}"]


def test_seeds_come_as_their_median_and_a_cell_as_its_newest_record() -> None:
    text = reporting.tables([*RECORDS, record("instant", 36.0)])
    values = cells_of(text, "PSNR, dB")
    assert values["refined, 30 pictures, 30 min, 3 seeds"] == ["41.00"]
    assert values["instant, 30 pictures"] == ["36.00"]


def test_unseen_kinds_and_mismatched_people_stand_apart() -> None:
    others = [record("linear", 9.0, look="neon"), record("linear", 8.0, split="mismatched")]
    text = reporting.tables(RECORDS + others)
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        "## Cousins of what pre-training draws, people",
        "## Kinds that pre-training never draws, people",
        "## Cousins of what pre-training draws, mismatched",
    ]
    first, unseen, mismatched = text.split("## ")[1:]
    assert "neon" not in first
    assert cells_of(unseen, "PSNR, dB")["linear, 30 pictures"] == ["9.00"]
    assert cells_of(mismatched, "PSNR, dB")["linear, 30 pictures"] == ["8.00"]
    assert "0.04 (0.03)" in text


def test_results_of_other_photos_are_not_mixed_in() -> None:
    cc0 = [record("linear", 28.0, content="cc0")]
    assert "31.00" not in reporting.tables(RECORDS + cc0)
    assert "31.00" in reporting.tables(RECORDS + cc0, content="photos")
    with pytest.raises(DataError, match="cc0, photos"):
        reporting.tables(RECORDS + cc0, content="else")
    with pytest.raises(DataError, match="measure some"):
        reporting.tables([])


def test_plots_are_drawn_for_each_group_that_has_results(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    paths = reporting.draw_plots([*RECORDS, record("linear", 9.0, look="neon")], tmp_path)
    names = ["psnr-pictures-known", "psnr-minutes-known"]
    names += ["psnr-pictures-unseen", "psnr-minutes-unseen"]
    assert [path.stem for path in paths] == names
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
