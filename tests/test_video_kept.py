"""benchmarks/video_kept.py sees what a clip has lost, and nothing where nothing is."""

import sys
from pathlib import Path
from typing import Any

import pytest
from clip_files import make_clip

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import video_kept  # noqa: E402


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, []),
        ({"size": (96, 62)}, ["size: (96, 64) -> (96, 62)"]),
        ({"times": range(0, 1900, 100)}, ["frames: 20 -> 19", "packets differ", "samples"]),
        ({"times": [0, 130, *range(200, 2000, 100)]}, ["times: up to 0.0100 s off"]),
        ({"tags": (2, 1, 1, 1)}, ["colours"]),
        ({"sound": None}, ["sounds: 1 -> 0"]),
    ],
)
def test_what_differs_is_named(changes: dict[str, Any], words: list[str], tmp_path: Path) -> None:
    given: dict[str, Any] = {"sound": "aac", "tags": (1, 1, 1, 1)}
    before = video_kept.contents(make_clip(tmp_path / "before.mp4", **given))
    after = video_kept.contents(make_clip(tmp_path / "after.mp4", **given | changes))
    found = video_kept.differences(before, after)
    assert len(found) == len(words)
    assert all(word in line for word, line in zip(words, found, strict=True))
