"""What ships with the package is where the package looks for it."""

from pathlib import Path

from PIL import Image

from stylegan_cli.runtime import resources


def test_the_starter_photos_are_small_and_in_a_fixed_order() -> None:
    photos = sorted(resources.starter_dir().glob("*.jpg"))
    assert 100 <= len(photos) <= 140
    assert [photo.name[:3] for photo in photos] == [f"{n:03d}" for n in range(1, len(photos) + 1)]
    for photo in photos:
        with Image.open(photo) as picture:
            assert min(picture.size) == 256
            assert picture.mode == "RGB"


def test_the_rights_to_the_starter_photos_are_stated() -> None:
    assert "CC0" in (resources.starter_dir() / "CREDITS.md").read_text()


def test_a_clone_keeps_its_weights_beside_the_package() -> None:
    assert resources.weights_dir() == Path(resources.__file__).resolve().parents[2] / "weights"
