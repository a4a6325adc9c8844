"""Promises of pretraining/data.py."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.errors import DataError
from stylegan_cli.instant.render_mode import render_mode_photos
from stylegan_cli.networks.architecture import (
    READ_SHORT_SIDE,
    READ_TILE,
)
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pretraining.config import DrawConfig
from stylegan_cli.pretraining.data import PairedLooks
from stylegan_cli.pretraining.loading import echo
from stylegan_cli.pretraining.looks import PARAMETERS_DIM, draw_look
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos

DRAWS = DrawConfig(looks=3, pictures=3, max_pictures=5, targets=2, size=64)


@pytest.fixture(scope="module")
def domains() -> dict[str, list[Path]]:
    return {"people": starter_photos()[:6], "others": starter_photos()[6:12]}


@pytest.fixture(scope="module")
def batch(domains: dict[str, list[Path]]) -> dict[str, np.ndarray]:
    return PairedLooks(domains, DRAWS)[1]


def test_a_batch_has_the_documented_shapes(batch: dict[str, np.ndarray]) -> None:
    assert {name: value.shape for name, value in batch.items()} == {
        "references": (batch["shown"].sum(), READ_TILE, READ_TILE, 3),
        "shown": (3, 2),
        "photos": (3, 2, 2, 64, 64, 3),
        "truths": (3, 2, 2, 64, 64, 3),
        "short_side": (3,),
        "statistics": (3, 2, STATISTICS_DIM),
        "matrix": (3, 2, 3, 3),
        "offset": (3, 2, 3),
        "parameters": (3, PARAMETERS_DIM),
        "pointwise": (3,),
    }
    assert all(np.isfinite(value).all() for value in batch.values())
    assert not np.array_equal(batch["photos"], batch["truths"])


def test_odd_and_damaged_pictures_end_no_batch(tmp_path: Path) -> None:
    for name, size in (("dot", (1, 1)), ("line", (900, 1)), ("column", (1, 900))):
        Image.new("RGB", size, "teal").save(tmp_path / f"{name}.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "line.png").read_bytes()[:40])
    odd = PairedLooks({"odd": sorted(tmp_path.iterdir())}, DRAWS)
    for step in range(3):
        assert odd[step]["photos"].shape == (3, 2, 2, 64, 64, 3)
    with pytest.raises(DataError, match="none of the pictures can be read"):
        PairedLooks({"odd": [tmp_path / "cut.png"]}, DRAWS)[0]


def test_a_batch_marks_looks_of_colour_alone(domains: dict[str, list[Path]]) -> None:
    config = dataclasses.replace(DRAWS, looks=6, pictures=1, max_pictures=1, targets=1)
    pointwise = PairedLooks(domains, config)[0]["pointwise"]
    looks = [draw_look(numpy_generator(config.seed, 0, f"looks {k}")) for k in range(6)]
    assert pointwise.tolist() == [look.pointwise for look in looks]
    assert 0 < pointwise.sum() < 6


def test_of_a_larger_set_more_is_read() -> None:
    domains = {"all": starter_photos()[:40]}  # sides of up to 20
    drawn = [PairedLooks(domains, DRAWS)[step]["shown"] for step in range(8)]
    assert np.min(drawn) == DRAWS.pictures
    assert np.max(drawn) == DRAWS.max_pictures


def test_photos_are_those_that_are_read_where_the_scale_is_the_same() -> None:
    config = dataclasses.replace(DRAWS, looks=12, size=READ_TILE, targets=1)
    drawn = PairedLooks({"large": render_mode_photos()}, config)[0]
    first = np.cumsum(drawn["shown"]).reshape(-1, 2) - drawn["shown"]
    off = np.abs(drawn["references"][first] - drawn["truths"][:, :, 0].astype(int)).mean((2, 3, 4))
    same = drawn["short_side"] == READ_SHORT_SIDE
    assert 0 < same.sum() < len(same)
    assert off[same].max() < 12  # some are compressed
    assert off[~same].min() > 12


def test_a_large_set_has_the_colours_of_all_its_pictures() -> None:
    looks = (draw_look(numpy_generator(5, k, "test")) for k in itertools.count())
    look = next(look for look in looks if "halation" in look.families)  # no function of colour
    pictures = PairedLooks({"all": starter_photos()}, DrawConfig())
    photos = [read_rgb(path, 256) / np.float32(255) for path in starter_photos()]
    wanted = np.mean([look(photo, 256).mean((0, 1)) for photo in photos], 0)
    every = np.arange(len(photos))
    creators, drawn = [every, every[::-1]], []
    for seed in range(4):
        rng = numpy_generator(0, seed, "test")
        shown = [rng.permutation(creator)[:24] for creator in creators]
        read = [pictures._styled_crops(look, s, READ_SHORT_SIDE, READ_TILE, rng) for s in shown]
        drawn.append(pictures._set_colours(look, creators, read, rng))
    assert np.abs(np.mean(drawn, axis=2) - wanted).max() < 0.03  # 0.1 from a crop of eighteen


def test_a_batch_depends_on_seed_and_step_alone(domains: dict[str, list[Path]]) -> None:
    def drawn(step: int, seed: int = 0, purpose: str = "looks") -> bytes:
        config = DrawConfig(looks=1, pictures=1, targets=1, size=64, seed=seed)
        item = PairedLooks(domains, config, purpose)[step]
        return b"".join(item[name].tobytes() for name in sorted(item))

    assert drawn(4) == drawn(4)
    assert len({drawn(4), drawn(5), drawn(4, seed=1), drawn(4, purpose="validation looks")}) == 4


def test_processes_share_the_looks_that_one_would_draw(
    domains: dict[str, list[Path]], batch: dict[str, np.ndarray]
) -> None:
    shares = [PairedLooks(domains, DRAWS, share=(k, 2))[1] for k in range(2)]
    for name, whole in batch.items():
        if name == "references":  # a look's lie together
            whole = np.split(whole, np.cumsum(batch["shown"].sum(1))[:-1])
            np.testing.assert_array_equal(shares[0][name], np.concatenate(whole[0::2]))
            np.testing.assert_array_equal(shares[1][name], whole[1])
        else:
            np.testing.assert_array_equal(shares[0][name], whole[0::2])
            np.testing.assert_array_equal(shares[1][name], whole[1::2])


def test_a_window_is_echoed_before_the_next() -> None:
    drawn = iter([{"step": torch.tensor(k)} for k in range(64)])
    steps = [int(batch["step"]) for batch in itertools.islice(echo(drawn, 2, 32), 128)]
    assert steps == [*range(32), *range(32), *range(32, 64), *range(32, 64)]
