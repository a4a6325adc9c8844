"""Promises of commands/streams.py: what goes to a terminal obeys nobody's names."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Influ

from stylegan_cli.commands.streams import MAX_LINE_LETTERS, printable

EVIL = "\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202eevil"


def test_what_a_terminal_would_obey_is_escaped() -> None:
    shown = printable(EVIL)
    assert shown == r"\x1b]0;PWNED\x07\x1b[2J\x9b31m\u202eevil"
    assert printable("Zoë 画家\n\tx") == "Zoë 画家\n\tx"
    assert len(printable("x" * 500_000)) <= MAX_LINE_LETTERS + 1


def test_a_name_with_escapes_reaches_no_terminal(tmp_path: Path) -> None:
    name = f"{EVIL}.jpg"
    main, end = pty.openpty()
    call = [sys.executable, "-m", "stylegan_cli", "stylize", name]
    done = subprocess.run(call, cwd=tmp_path, stdin=end, stdout=end, stderr=end)
    os.close(end)
    said = os.read(main, 1 << 16).decode()
    os.close(main)
    assert done.returncode
    assert r"\x1b]0;PWNED" in said
    assert "\x1b]0;" not in said
    assert "\x9b" not in said


def test_a_name_that_is_no_text_leaves_a_pipe_as_it_is(tmp_path: Path, photo: Path) -> None:
    source = tmp_path / os.fsdecode(b"caf\xe9.jpg")
    photo.rename(source)
    (tmp_path / "out").mkdir()
    call = [sys.executable, "-m", "stylegan_cli", "stylize", source, "-o", tmp_path / "out"]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    written = Path(os.fsdecode(done.stdout.rstrip(b"\n")))
    assert written.exists()
    assert b"caf\xe9" in done.stdout


@pytest.mark.parametrize("numbers", ["0", "1", "2", "0 1 2"])
def test_closed_streams_stop_nobody(tmp_path: Path, photo: Path, numbers: str) -> None:
    closing = " ".join(f"{n}>&-" for n in numbers.split())
    command = f'exec "$0" -m stylegan_cli stylize "$1" -o a.jpg {closing}'
    done = subprocess.run(["sh", "-c", command, sys.executable, photo], cwd=tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "a.jpg").read_bytes()[:2] == b"\xff\xd8"


def test_a_full_output_is_one_sentence(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        call = [sys.executable, "-m", "stylegan_cli", "styles", "list"]
        done = subprocess.run(call, cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no space" in done.stderr


def test_ascii_is_enough_for_every_name(tmp_path: Path, photo: Path, influ: Influ) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = influ("stylize", photo, "-o", "é.jpg", env=environment)
    assert (done.returncode, done.stdout.strip()) == (0, r"\xe9.jpg")
    assert (tmp_path / "é.jpg").exists()


def test_a_name_that_holds_lines_makes_one_line(influ: Influ) -> None:
    done = influ("stylize", "a\nb.jpg", "-o", "c.jpg", "--style", "noir")
    assert done.stderr == "influ: can't read a\\nb.jpg: it does not exist; check the name\n"
    done = influ("styles", "pack", "no\nir")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["stylize", "--help"]])
def test_a_help_that_finds_no_room_is_one_sentence(influ: Influ, words: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = influ(*words, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "no space is left" in done.stderr
