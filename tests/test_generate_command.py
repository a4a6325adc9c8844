import json
from pathlib import Path

import numpy as np
import pytest
from in_process import in_process
from model_files import write_small_model
from picture_files import put, saved, scene

from stylegan_cli.commands.generate import generate as generate_command
from stylegan_cli.errors import OutputExistsError, PictureError
from stylegan_cli.pictures import read_picture
from stylegan_cli.stylizer import open_stylizer

generate = in_process(generate_command)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def test_variations_differ_from_each_other_and_depend_on_the_seed_alone(
    tmp_path: Path, model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photo = put(tmp_path / "a.png", saved(scene(), "PNG"))
    generate(photo, style="toon", model=model, count=3, seed=5, as_json=True)
    record = json.loads(capsys.readouterr().out)
    pictures = [read_picture(Path(made["picture"])).pixels for made in record["pictures"]]
    assert [made["seed"] for made in record["pictures"]] == [5, 6, 7]
    assert len({pixels.tobytes() for pixels in pictures}) == 3
    own_look = open_stylizer("toon", model=model).stylize(scene())
    assert not any(np.array_equal(pixels, own_look) for pixels in pictures)
    generate(photo, style="toon", model=model, count=1, seed=6, out=tmp_path / "again")
    again = read_picture(tmp_path / "again" / "a_toon_6.png").pixels
    np.testing.assert_array_equal(again, pictures[1])
    assert read_picture(Path(record["grid"])).source_format == "JPEG"
    for made in (*(Path(made["picture"]) for made in record["pictures"]), Path(record["grid"])):
        assert b'AISystemUsed="influ, style toon"' in (read_picture(made).xmp or b"")


def test_nothing_is_written_over_and_no_photo_is_said(tmp_path: Path, model: Path) -> None:
    photo = put(tmp_path / "a.png", saved(scene(), "PNG"))
    generate(photo, style="toon", model=model, count=1)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        generate(photo, style="toon", model=model, count=2)
    folder = tmp_path / "a_toon_variations"
    assert sorted(path.name for path in folder.iterdir()) == ["a_toon_0.png", "a_toon_grid.jpg"]
    generate(photo, style="toon", model=model, count=2, overwrite=True)
    assert len(list(folder.iterdir())) == 3
    with pytest.raises(PictureError, match=r"can\'t read .*lost\.jpg: it does not exist"):
        generate(tmp_path / "lost.jpg", style="toon", model=model)


def test_the_command_line_makes_files_and_a_grid(influ, photo, model) -> None:
    done = influ("generate", photo, "--model", model, "--count", "2", "--seed", "1")
    assert done.returncode == 0, done.stderr
    assert "using creatorA" in done.stderr
    paths = [Path(line) for line in done.stdout.splitlines()]
    assert [path.name for path in paths] == [
        "photo_creatorA_1.jpg",
        "photo_creatorA_2.jpg",
        "photo_creatorA_grid.jpg",
    ]
    assert all(path.is_file() for path in paths)
    assert read_picture(paths[0]).size == read_picture(photo).size
