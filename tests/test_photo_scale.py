"""benchmarks/photo_scale.py holds the same part of a picture against itself at every size."""

import sys
from pathlib import Path

import numpy as np

from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.instant.render_mode import render_mode_photos

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import photo_scale  # noqa: E402


def test_copies_have_the_short_side_that_was_asked_for() -> None:
    photo = np.zeros((300, 500, 3), np.uint8)
    assert photo_scale.copy_of(photo, 150).shape == (150, 250, 3)
    assert photo_scale.copy_of(photo.transpose(1, 0, 2), 100).shape == (167, 100, 3)


def test_a_tile_shows_the_same_part_of_the_picture_at_every_size() -> None:
    photo = photo_scale.large_photo(render_mode_photos()[0])
    small = photo_scale.copy_of(photo, photo_scale.SMALL)
    for place in photo_scale.places(photo):
        tiles = [photo_scale.seen(picture, place) for picture in (photo, small)]
        assert [tile.shape for tile in tiles] == [(photo_scale.TILE, photo_scale.TILE, 3)] * 2
        assert psnr(*tiles) > 30
