"""Promises of messages.py and runtime/file_kind.py: each kind of failure is said in one way."""

import errno
from pathlib import Path

import pytest
from clip_files import make_clip
from conftest import Influ
from picture_files import saved, scene

from stylegan_cli.errors import messages
from stylegan_cli.runtime.file_kind import media_of, media_of_file


def test_a_close_name_is_offered_and_a_far_one_gets_the_list() -> None:
    known = ("creatorA", "toon", "vangogh")
    assert messages.unknown_name("style", "toom", known) == (
        "there is no style 'toom'; did you mean 'toon'?"
    )
    assert messages.unknown_name("style", "CREATORa", known).endswith("did you mean 'creatorA'?")
    assert messages.unknown_name("style", "xyz", known).endswith("creatorA, toon, vangogh")


def test_a_command_to_copy_is_quoted_for_the_shell() -> None:
    said = messages.wrong_kind(
        "my clip.mp4", "a clip", "a picture", "influ", "video", "my clip.mp4"
    )
    assert said == "my clip.mp4 is a clip, not a picture; use: influ video 'my clip.mp4'"


def test_what_the_system_says_reads_as_the_middle_of_a_sentence() -> None:
    assert messages.why(IsADirectoryError(errno.EISDIR, "Is a directory")) == "it is a folder"
    assert messages.why(OSError(errno.EACCES, "Permission denied")) == "permission denied"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "AVIF", "HEIF"])
def test_a_picture_is_known_by_its_first_bytes(format: str) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener()
    assert media_of(saved(scene(), format)[:256]) == "picture"


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".avi", ".ts"])
def test_a_clip_is_known_by_its_first_bytes(tmp_path: Path, suffix: str) -> None:
    clip = make_clip(tmp_path / f"clip{suffix}", times=(0, 100))
    assert media_of_file(clip) == "clip"


def test_text_and_nothing_are_neither() -> None:
    assert media_of(b"hello, I am a text") is None
    assert media_of(b"") is None


def test_a_file_of_the_wrong_kind_gets_the_command_that_takes_it(
    influ: Influ, photo: Path, tmp_path: Path
) -> None:
    clip = make_clip(tmp_path / "clip.mp4", times=(0, 100))
    disguised = tmp_path / "disguised.jpg"
    disguised.write_bytes(clip.read_bytes())
    for name in ("clip.mp4", "disguised.jpg"):
        refused = influ("stylize", name)
        assert refused.returncode == 1
        assert f"{name} is a clip, not a picture; use: influ video {name}" in refused.stderr
    refused = influ("video", "photo.jpg")
    assert refused.returncode == 1
    assert "photo.jpg is a picture, not a clip; use: influ stylize photo.jpg" in refused.stderr


def test_a_folder_where_a_picture_is_needed_is_one_sentence(influ: Influ) -> None:
    for command in (("compare", ".", "."), ("generate", "."), ("sheet", ".")):
        refused = influ(*command)
        assert refused.returncode == 1
        assert "can't read .: it is a folder; name a picture file" in refused.stderr


def test_a_wrong_word_on_the_command_line_is_one_sentence(influ: Influ, photo: Path) -> None:
    for words, said in (
        (("stylise", "a.jpg"), "there is no command 'stylise'; did you mean 'stylize'?"),
        (("stylize", "a.jpg", "--sytle", "x"), "no option '--sytle'; did you mean '--style'?"),
        (("stylize", "a.jpg", "--backend", "onx"), "no --backend 'onx'; did you mean 'onnx'?"),
        (("train", "--data", ".", "--gan", "w"), "no --gan 'w'; choose one of hinge, lsgan, bce"),
        (("styles", "add", "anna", "lost"), "can't read lost: it does not exist; check the name"),
        (("train", "--data", "lost"), "can't read lost: it does not exist; check the name"),
        (("train", "--data", "photo.jpg"), "can't read photo.jpg: it is a file; name a folder"),
    ):
        refused = influ(*words)
        assert refused.returncode == 2
        assert said in refused.stderr
        assert len(refused.stderr.splitlines()) == 1
