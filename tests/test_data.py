"""Promises of training/data.py and preparing/layout.py."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
import torch
from PIL import Image

from stylegan_cli.errors import DataError
from stylegan_cli.learning.shares import Share, whole
from stylegan_cli.pictures import resize
from stylegan_cli.preparing.layout import find_training_data, hold_out
from stylegan_cli.training import data
from stylegan_cli.training.data import (
    HistoryPool,
    PictureSet,
    augment,
    median_short_side,
    same_treatment,
    to_pixels,
    to_tensor,
)

Folder = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """Make a folder with pictures, each of one colour."""

    def make(name: str, count: int = 3, size: tuple[int, int] = (40, 48)) -> Path:
        place = tmp_path / name
        place.mkdir(parents=True)
        for index in range(count):
            pixels = np.full((*size, 3), 40 * index % 256, np.uint8)
            Image.fromarray(pixels).save(place / f"{index}.png")
        return place

    return make


def test_a_flat_folder_is_one_creator_named_after_it(folder: Folder) -> None:
    data = find_training_data(folder("faces", 12), starter=folder("starter", 4))
    (creator,) = data.creators
    assert creator.name == "faces"
    assert (len(creator.pictures), len(creator.held_out)) == (9, 3)
    assert creator.readable == tuple(sorted(creator.pictures + creator.held_out))
    assert {path.parent.name for path in data.content} == {"starter"}
    assert data.readable_content == tuple(sorted(data.content + data.held_out_content))


def test_what_prep_writes_keeps_its_split(folder: Folder, tmp_path: Path) -> None:
    for part, count in (("content", 5), ("anna", 4), ("ben", 3)):
        folder(f"data/train/{part}", count)
        folder(f"data/val/{part}", 2)
    data = find_training_data(tmp_path / "data")
    assert [creator.name for creator in data.creators] == ["anna", "ben"]
    assert [len(creator.pictures) for creator in data.creators] == [4, 3]
    assert {len(creator.held_out) for creator in data.creators} == {2}
    assert all(creator.readable == creator.pictures for creator in data.creators)
    assert len(data.content) == 5
    assert {path.parent.parent.name for path in data.held_out_content} == {"val"}
    assert data.readable_content == data.content


def test_content_beside_a_folder_per_creator(folder: Folder, tmp_path: Path) -> None:
    folder("data/content", 10)
    folder("data/anna", 10)
    data = find_training_data(tmp_path / "data", starter=folder("starter"))
    assert [creator.name for creator in data.creators] == ["anna"]
    assert {path.parent.name for path in data.content + data.held_out_content} == {"content"}
    assert not set(data.content) & set(data.held_out_content)


def test_cyclegan_folders_are_understood(folder: Folder, tmp_path: Path) -> None:
    for part in ("trainA", "trainB", "testA", "testB"):
        folder(f"monet/{part}")
    data = find_training_data(tmp_path / "monet")
    assert data.creators[0].name == "monet"
    assert {path.parent.name for path in data.creators[0].held_out} == {"testB"}
    assert {path.parent.name for path in data.content} == {"trainA"}


def test_other_photos_can_be_named(folder: Folder, tmp_path: Path) -> None:
    folder("data/content")
    folder("data/anna")
    data = find_training_data(tmp_path / "data", content=folder("mine"))
    assert {path.parent.name for path in data.content} == {"mine"}


def test_what_is_missing_is_said(folder: Folder, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        find_training_data(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures of a creator"):
        find_training_data(tmp_path / "empty", starter=folder("starter"))
    with pytest.raises(DataError, match="--content"):
        find_training_data(folder("faces"))
    with pytest.raises(DataError, match="no pictures"):
        find_training_data(tmp_path / "faces", content=tmp_path / "empty")


@pytest.mark.parametrize(("count", "held_out"), [(3, 1), (12, 3), (20, 5), (40, 5), (80, 8)])
def test_a_tenth_is_held_out_or_five_where_there_are_enough(
    tmp_path: Path, count: int, held_out: int
) -> None:
    _, held = hold_out([tmp_path / f"{index}.jpg" for index in range(count)])
    assert len(held) == held_out


def test_what_is_held_out_depends_on_the_names_alone_and_is_never_everything(
    tmp_path: Path,
) -> None:
    paths = [tmp_path / f"{index}.jpg" for index in range(40)]
    learned, held = hold_out(paths)
    assert set(learned) | set(held) == set(paths)
    assert hold_out(list(reversed(paths))) == (learned, held)
    assert [len(part) for part in hold_out(paths[:2])] == [1, 1]
    assert hold_out(paths[:1]) == ((paths[0],), (paths[0],))


def test_crops_depend_on_the_draw_alone_and_know_where_faces_are(folder: Folder) -> None:
    place = folder("faces", 2, (64, 64))
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    for path in place.iterdir():
        Image.fromarray(pixels).save(path)
    pictures = PictureSet(sorted(place.iterdir()), 64, boxes_of=lambda _: [(0.5, 0.0, 1.0, 1.0)])
    draws = [pictures.crops(np.random.default_rng(1), whole(6), 32, 64) for _ in range(2)]
    torch.testing.assert_close(draws[0], draws[1], rtol=0, atol=0)
    images, faces = draws[0]
    part = pictures.crops(np.random.default_rng(1), Share(range(1, 6, 2), 6), 32, 64)
    torch.testing.assert_close(part, (images[1::2], faces[1::2]), rtol=0, atol=0)
    assert images.shape == (6, 3, 32, 32)
    # The box covers exactly the white half, mirrored or not.
    torch.testing.assert_close(faces, (images[:, :1] > 0).float())


def test_a_picture_that_can_not_be_read_is_left_out_by_name(
    folder: Folder, caplog: pytest.LogCaptureFixture
) -> None:
    place = folder("faces", 2)
    (place / "broken.png").write_bytes(b"no picture")
    assert len(PictureSet(sorted(place.iterdir()), 32)) == 2
    assert "broken.png" in caplog.text
    with pytest.raises(DataError, match="could be read"):
        PictureSet([place / "broken.png"], 32)


def test_pictures_keep_their_own_scale_up_to_the_largest(folder: Folder) -> None:
    place = folder("faces", 2, (96, 96))
    for path in place.iterdir():
        Image.fromarray(np.indices((96, 96, 3)).sum(0).astype(np.uint8)).save(path)
    pictures = PictureSet(sorted(place.iterdir()), 200)

    def step_between_pixels(short_side: int) -> float:
        images, _ = pictures.crops(np.random.default_rng(0), whole(4), 32, short_side)
        return float(images[:, 0].diff(dim=1).mean() * 127.5)

    assert step_between_pixels(200) == pytest.approx(1)  # not enlarged
    assert step_between_pixels(96) == pytest.approx(1)
    assert step_between_pixels(48) == pytest.approx(2, rel=0.05)
    assert PictureSet(sorted(place.iterdir()), 48).pictures[0].shape == (48, 48, 3)


def test_middles_of_pictures_fit_the_network(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = PictureSet(sorted(folder("faces", 3, (50, 77)).iterdir()), 64)
    assert [tuple(x.shape) for x in pictures.centres(2, 40)] == [(1, 3, 40, 56)] * 2
    assert pictures.centres(1, 64)[0].shape == (1, 3, 48, 72)  # at their own scale
    monkeypatch.setattr(data, "CENTRE_SIDE", 32)
    (middle,) = pictures.centres(1, 64)
    (picture,) = to_tensor(resize(pictures.pictures[0], (48, 72))[None])
    torch.testing.assert_close(middle[0], picture[:, 8:40, 20:52])
    assert median_short_side(sorted((folder("b", 3, (50, 77))).iterdir())) == 50


def test_sizes_come_from_headers_of_every_kind_of_picture(tmp_path: Path) -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pillow_heif.from_bytes("RGB", (96, 64), pixels.tobytes()).save(tmp_path / "a.heic")
    (tmp_path / "b.heic").write_bytes(b"no picture")
    assert median_short_side(sorted(tmp_path.iterdir())) == 64


def test_every_pixel_value_survives_the_round_trip() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    assert np.array_equal(to_pixels(to_tensor(values)), values)


def test_the_pool_shows_fakes_of_before_and_comes_back_as_it_was() -> None:
    pools = [HistoryPool(4, seed=0), HistoryPool(4, seed=0)]
    shown = [pools[0].swap(torch.full((2, 3, 4, 4), step / 100), step) for step in range(20)]
    values = torch.stack(shown)[:, :, 0, 0, 0] * 100
    age = torch.arange(20)[:, None] - values
    assert (age > 1).any()
    assert (age < 0.5).any()
    pools[1].load_state_dict(pools[0].state_dict())
    fresh = torch.zeros(2, 3, 4, 4)
    torch.testing.assert_close(pools[0].swap(fresh, 20), pools[1].swap(fresh, 20), rtol=0, atol=0)


def test_a_pool_of_nothing_shows_every_fake_once() -> None:
    fakes = torch.rand(2, 3, 4, 4)
    pool = HistoryPool(0, seed=0)
    assert all(torch.equal(pool.swap(fakes, step), fakes) for step in range(5))


def test_treatment_is_the_same_for_all_and_lets_gradients_through() -> None:
    image = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    fake = image.clone().requires_grad_()
    sides = set()
    for step in range(6):
        first, second = same_treatment((image, fake), 0, step)
        torch.testing.assert_close(first, second)
        sides.add(first.shape[-1])
    assert len(sides) > 1
    second.sum().backward()
    assert fake.grad is not None
    assert fake.grad.abs().mean() > 0.5


def test_treatment_leaves_what_compression_leaves() -> None:
    noise = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    (treated,) = same_treatment((noise,), 0, 0)
    levels = (treated + 1) * 127.5
    torch.testing.assert_close(levels, levels.round(), atol=1e-3, rtol=0)


def test_augmentation_moves_dims_and_covers_but_stays_differentiable() -> None:
    image = torch.zeros(4, 3, 32, 32, requires_grad=True)
    first, again = (augment(image + 0.5, 0, 3, "fakes", whole(4)) for _ in range(2))
    part = augment(image[2:] + 0.5, 0, 3, "fakes", Share(range(2, 4), 4))
    torch.testing.assert_close(part, first[2:], rtol=0, atol=0)
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert (first == 0).float().mean() > 0.02
    assert len({round(float(v), 3) for v in first.detach().amax(dim=(1, 2, 3))}) == 4
    first.sum().backward()
    assert image.grad is not None
    assert not torch.equal(first, augment(image + 0.5, 0, 4, "fakes", whole(4)))


@pytest.mark.parametrize("name", ["Content", "photos", "PHOTOS"])
def test_a_folder_of_photos_is_known_by_its_name_in_any_letters(
    folder: Folder, tmp_path: Path, name: str
) -> None:
    folder(f"data/{name}", 10)
    folder("data/anna", 10)
    data = find_training_data(tmp_path / "data", starter=folder("starter"))
    assert [creator.name for creator in data.creators] == ["anna"]
    assert {path.parent.name for path in data.content} == {name}
    assert data.content_from == tmp_path / "data" / name


def test_cyclegan_folders_are_known_in_any_letters(folder: Folder, tmp_path: Path) -> None:
    for part in ("TrainA", "trainb"):
        folder(f"monet/{part}")
    data = find_training_data(tmp_path / "monet")
    assert data.creators[0].name == "monet"
    assert {path.parent.name for path in data.content} == {"TrainA"}


def test_what_can_be_understood_in_two_ways_is_asked_about(folder: Folder, tmp_path: Path) -> None:
    folder("empty/trainB")
    (tmp_path / "empty" / "trainA").mkdir()
    for name in ("two/content", "two/photos", "two/anna", "alike/anna", "alike/Anna"):
        folder(name)
    for name, reason in (("empty", "trainA has no"), ("two", "two folders"), ("alike", "capital")):
        with pytest.raises(DataError, match=reason):
            find_training_data(tmp_path / name, starter=folder(f"starter-{name}"))


def test_a_name_that_is_no_text_is_a_name(folder: Folder, tmp_path: Path) -> None:
    place = folder("faces", 5)
    (place / "0.png").rename(place / os.fsdecode(b"caf\xe9.png"))
    data = find_training_data(place, starter=folder("starter"))
    assert len(data.creators[0].readable) == 5
