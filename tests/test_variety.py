"""What benchmarks/variety.py counts as variety, and what not."""

import sys
from pathlib import Path

import numpy as np

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import variety  # noqa: E402
from picture_files import scene  # noqa: E402


def test_a_look_of_colour_and_light_alone_is_no_variety() -> None:
    photo = scene(60, 80).astype(np.float32)
    darker = (photo * 0.6 + 20).astype(np.uint8)
    tinted = (photo[..., :1] * 0 + photo @ np.array([[0.299], [0.587], [0.114]])).repeat(3, -1)
    tinted = (tinted * [1.0, 0.8, 0.6]).astype(np.uint8)
    lines = np.where(np.arange(80) % 8 < 2, 0, photo.transpose(0, 2, 1)).transpose(0, 2, 1)
    photo = photo.astype(np.uint8)
    results = [photo, darker, tinted, lines.astype(np.uint8)]
    same, dark, tint, drawn = variety.without_colour(results, [photo] * 4)
    assert np.ptp(drawn, axis=-1).max() == 0
    assert np.abs(dark.astype(int) - same).max() <= 3
    assert np.abs(tint.astype(int) - same).max() <= 4
    assert np.abs(drawn.astype(int) - same).mean() > 10


def test_distance_is_between_results_of_one_photo() -> None:
    first, moved = np.array([[0.0, 0.0], [10.0, 0.0]]), np.array([[0.0, 3.0], [10.0, 3.0]])
    assert variety.distance_between([first, moved, first]) == 2.0
