"""Promises of pictures/sources.py: nothing learns from what `influ` itself has made."""

import logging
from pathlib import Path

import pytest
from picture_files import scene

from stylegan_cli.instant import pictures_in
from stylegan_cli.pictures import AiLabel, Picture, find_own_pictures, write_picture
from stylegan_cli.preparing.layout import find_training_data

LABEL = AiLabel("influ, style toon", "0.1.0, base 0123")


def folder_with_a_result(
    folder: Path, name: str = "a_toon.jpg", label: AiLabel | None = LABEL
) -> Path:
    folder.mkdir()
    for photo in ("a.jpg", "b.jpg"):
        write_picture(Picture(scene()), folder / photo)
    write_picture(Picture(scene()), folder / name, ai_label=label)
    return folder


@pytest.mark.parametrize("name", ["a_toon.jpg", "x.png", "x.webp", "x.tif", "x.heic", "x.avif"])
def test_a_labelled_result_is_left_out_whatever_it_is_called(
    tmp_path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    folder = folder_with_a_result(tmp_path / "mine", name)
    with caplog.at_level(logging.WARNING):
        assert [path.name for path in find_own_pictures(folder)] == ["a.jpg", "b.jpg"]
    assert "1 picture is left out, as made by influ" in caplog.text


@pytest.mark.parametrize("name", ["a_toon.jpg", "a_toon_strength-60.png", "a_toon_seed-3.jpg"])
def test_a_result_without_a_label_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    folder = folder_with_a_result(tmp_path / "mine", name, label=None)
    found = find_own_pictures(folder, endings={"_toon"})
    assert [path.name for path in found] == ["a.jpg", "b.jpg"]
    assert len(find_own_pictures(folder)) == 3


def test_a_folder_of_results_alone_is_what_is_wanted(tmp_path: Path) -> None:
    for name in ("a.jpg", "b.jpg"):
        write_picture(Picture(scene()), tmp_path / name, ai_label=LABEL)
    assert len(find_own_pictures(tmp_path)) == 2


def test_styles_and_training_learn_from_own_pictures_alone(tmp_path: Path) -> None:
    folder = folder_with_a_result(tmp_path / "mine")
    assert [path.name for path in pictures_in(folder)] == ["a.jpg", "b.jpg"]
    (creator,) = find_training_data(folder, content=folder).creators
    assert {path.name for path in creator.readable} == {"a.jpg", "b.jpg"}
