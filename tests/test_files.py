"""Promises of files/: whole or not at all, never through a link, never anyone else's."""

import errno
import fcntl
import json
import os
import re
import resource
import socket
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

import pytest

from stylegan_cli.errors import BusyError, DataError, OutputExistsError, UsageError, WriteError
from stylegan_cli.runtime.files import (
    OwnFolder,
    check_target,
    claimed,
    parse_json,
    path_inside,
    read_sealed,
    sealed,
    write_atomically,
)
from stylegan_cli.runtime.files.leftovers import claim_name, draft_name, is_leftover_name

NAMES = re.compile(r"\d{5}\.packets|samples/(\d+\.jpg)?")


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Writing


def test_a_new_file_has_the_mode_that_the_user_s_mask_leaves(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"old")
    (tmp_path / "a").chmod(0o604)
    write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o604


@pytest.mark.parametrize("call", ["open", "fsync", "replace", "link"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_call_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    target = tmp_path / "a"
    if call != "link":
        target.write_bytes(b"mine")

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    if call == "link":  # a file system without hard links
        write_atomically(target, b"new", overwrite=False)
        assert target.read_bytes() == b"new"
        return
    with pytest.raises(WriteError, match="/a"):
        write_atomically(target, b"new")
    monkeypatch.undo()
    assert target.read_bytes() == b"mine"
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("size", [100, 100_000])  # less and more than is buffered
def test_a_disk_that_stays_full_is_one_sentence(tmp_path: Path, size: int) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(WriteError, match="make room and try again"):
            write_atomically(tmp_path / "a", b"x" * size)
        with pytest.raises(WriteError, match="make room"), claimed(tmp_path / "b"):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write(file: object) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_atomically(tmp_path / "a", write)
    assert names_in(tmp_path) == []


def test_drafts_of_a_killed_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    ours, of_the_user = draft_name(), ".influ-0123456789abcdef0123456789abcdef.part"
    for name in (ours, of_the_user, ".influ-notes.part", "a.part"):
        (tmp_path / name).write_bytes(b"x")
    link = draft_name()
    (tmp_path / link).symlink_to("a.part")
    assert is_leftover_name(ours)
    assert not is_leftover_name(of_the_user)
    write_atomically(tmp_path / "result", b"y")
    left = {of_the_user, ".influ-notes.part", "a.part", link, "result"}
    assert set(names_in(tmp_path)) == left


def test_the_draft_of_a_living_process_stays(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from stylegan_cli.runtime.files import draft_beside\n"
        "with draft_beside(Path(sys.argv[1])) as (draft, file): print(draft.name, flush=True); "
        "time.sleep(60)"
    )
    call = [sys.executable, "-c", script, tmp_path / "a"]
    with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        draft = holder.stdout.readline().strip()
        tidy = [sys.executable, "-c", script.replace("time.sleep(60)", ""), tmp_path / "b"]
        subprocess.run(tidy, check=True, capture_output=True)
        assert names_in(tmp_path) == [draft]
        holder.kill()
    subprocess.run(tidy, check=True, capture_output=True)
    assert names_in(tmp_path) == []


def test_a_draft_that_another_process_tidies_up_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, taken = fcntl.flock, []

    def lock_after_another(descriptor: int, operation: int) -> None:
        if not taken:
            taken.append(next(tmp_path.glob(".influ-*.part")))
            with taken[0].open("rb") as file:
                lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                lock(descriptor, operation)
        lock(descriptor, operation)

    def write(file: BinaryIO) -> None:
        taken[0].unlink()
        file.write(b"x")

    monkeypatch.setattr(fcntl, "flock", lock_after_another)
    write_atomically(tmp_path / "a", write)
    assert (tmp_path / "a").read_bytes() == b"x"
    assert names_in(tmp_path) == ["a"]


@pytest.mark.parametrize("is_signed", [False, True])
def test_a_claim_that_another_process_tidies_up_is_waited_for(
    tmp_path: Path, is_signed: bool
) -> None:
    target = tmp_path / "a"
    claim = tmp_path / claim_name(target)
    dead = {"influ": "claim", "process": 999_999_999, "host": socket.gethostname()}
    claim.write_text(json.dumps(dead) if is_signed else "")
    claim_file = claim.open("rb")
    fcntl.flock(claim_file, fcntl.LOCK_EX)
    timer = threading.Timer(0.2, claim_file.close)
    timer.start()
    with claimed(target):
        assert claim_file.closed
    timer.join()


def test_inputs_are_never_targets(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"mine")
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    with pytest.raises(UsageError, match="is an input"):
        check_target(tmp_path / "b", overwrite=True, inputs=[tmp_path / "a"])


# Claims


def test_a_process_that_is_killed_holds_nothing_up(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path\n"
        "from stylegan_cli.runtime.files import claimed\n"
        "with claimed(Path(sys.argv[1])): print('mine', flush=True); time.sleep(60)"
    )
    target = tmp_path / "result.png"
    with subprocess.Popen([sys.executable, "-c", script, target], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"mine\n"
        busy = pytest.raises(BusyError, match=f"process {holder.pid} .*result.png")
        with busy, claimed(target):
            pass
        holder.kill()
    assert len(names_in(tmp_path)) == 1  # what it left
    with claimed(target):
        pass
    assert names_in(tmp_path) == []


def test_a_folder_has_one_claim_by_whichever_path_it_is_reached(tmp_path: Path) -> None:
    folder, link = tmp_path / "data", tmp_path / "link"
    folder.mkdir()
    link.symlink_to("data")
    busy = pytest.raises(BusyError, match=f"at work on {link}:")
    with claimed(folder), busy, claimed(link):
        pass
    assert names_in(folder) == []


def test_claims_by_many_at_once_are_never_shared(tmp_path: Path) -> None:
    lock, holders, max_bytes = threading.Lock(), 0, 0

    def contend() -> None:
        nonlocal holders, max_bytes
        for _ in range(300):
            try:
                with claimed(tmp_path / "result.png"):
                    with lock:
                        holders += 1
                        max_bytes = max(max_bytes, holders)
                    time.sleep(0.0001)  # lets another one come in, if there is a way
                    with lock:
                        holders -= 1
            except BusyError:
                continue

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max_bytes == 1
    assert names_in(tmp_path) == []


def _claim_of(target: Path) -> Path:
    with claimed(target):
        return next(target.parent.glob(".influ-*.claim"))


@pytest.mark.parametrize("kind", ["link", "text", "folder", "pipe"])
def test_a_claim_is_never_someone_else_s_file(tmp_path: Path, kind: str) -> None:
    (tmp_path / "mine.txt").write_text("taxes")
    claim = _claim_of(tmp_path / "a.png")
    if kind == "link":
        claim.symlink_to("mine.txt")
    elif kind == "text":
        claim.write_text("taxes")
    elif kind == "folder":
        claim.mkdir()
    else:
        os.mkfifo(claim)
    before = claim.lstat()
    with pytest.raises(WriteError), claimed(tmp_path / "a.png"):
        pass
    assert os.path.samestat(claim.lstat(), before)
    assert (tmp_path / "mine.txt").read_text() == "taxes"


def test_a_file_that_has_its_name_is_written_even_where_its_draft_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "broken disk")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", fail)
        write_atomically(tmp_path / "a.txt", b"whole", overwrite=False)
    assert (tmp_path / "a.txt").read_bytes() == b"whole"


# Folders


def test_a_folder_is_made_marked_and_removed_again(tmp_path: Path) -> None:
    folder = OwnFolder(tmp_path / "a" / "b", "work folder", NAMES)
    folder.make()
    assert folder.is_ours()
    assert not OwnFolder(folder.path, "training run", NAMES).is_ours()
    (folder.path / "00000.packets").write_bytes(b"")
    (folder.path / "samples").mkdir()
    (folder.path / "samples" / "1.jpg").write_bytes(b"")
    folder.remove()
    assert names_in(tmp_path) == []


def test_only_names_of_its_own_pattern_are_removed_and_no_link_is_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "1.jpg").write_bytes(b"mine")
    folder = OwnFolder(tmp_path / "work", "work folder", NAMES)
    folder.make()
    (folder.path / "taxes.txt").write_bytes(b"mine")
    (folder.path / "samples").symlink_to(precious)
    (folder.path / "00001.packets").symlink_to(precious / "1.jpg")
    folder.remove()
    assert names_in(folder.path) == [".influ-folder.json", "samples", "taxes.txt"]
    assert names_in(precious) == ["1.jpg"]


@pytest.mark.parametrize("kind", ["link", "file", "full", "other"])
def test_a_folder_of_somebody_else_is_refused_and_left_alone(tmp_path: Path, kind: str) -> None:
    path, precious = tmp_path / "work", tmp_path / "precious"
    precious.mkdir()
    (precious / "00000.packets").write_bytes(b"mine")
    if kind == "link":
        path.symlink_to(precious)
    elif kind == "file":
        path.write_bytes(b"mine")
    else:
        path.mkdir()
        (path / "00000.packets").write_bytes(b"mine")
    if kind == "other":
        (path / ".influ-folder.json").write_text('{"influ": "training run"}')
    folder = OwnFolder(path, "work folder", NAMES)
    with pytest.raises(OutputExistsError, match="not a work folder of influ"):
        folder.make()
    folder.remove()
    assert names_in(precious) == ["00000.packets"]
    assert path.exists()


# Reading


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[]", "no JSON object"),
        (b'"x"', "no JSON object"),
        (b"{", "no JSON"),
        (b"\xff{}", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b" " * 2000, "larger than 1,000 bytes"),
        (b'{"a": 1}', "damaged or was changed; restore it"),
        (sealed({"a": 1}).replace("1", "2", 1).encode(), "damaged or was changed; restore it"),
        (sealed({"a": 10**800, "é": "\udcff"}).encode(), None),
    ],
)
def test_json_of_a_wrong_kind_is_one_sentence(
    tmp_path: Path, data: bytes, reason: str | None
) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(data)
    max_bytes = 1000 if len(data) <= 2000 else 1 << 20
    if reason is None:
        assert read_sealed(path, DataError, "", max_bytes=max_bytes) == {
            "a": 10**800,
            "é": "\udcff",
        }
        return
    with pytest.raises(DataError, match=reason) as refused:
        read_sealed(path, DataError, "restore it", max_bytes=max_bytes)
    assert "\n" not in str(refused.value)


def test_a_number_of_a_million_digits_is_one_sentence() -> None:
    with pytest.raises(DataError, match="no JSON"):
        parse_json(b'{"a": ' + b"9" * 1_000_000 + b"}", DataError, "a.json")


def test_a_pipe_is_no_file_to_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.json")
    with pytest.raises(DataError, match="not a regular file"):
        read_sealed(tmp_path / "a.json", DataError, "")


@pytest.mark.parametrize("name", ["", "../x", "/etc/passwd", "a/../../x", "link/x", "a\0b", ".."])
def test_names_that_lead_out_of_a_folder_are_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(DataError):
        path_inside(folder, name, DataError)


def test_names_inside_of_a_folder_are_paths_in_it(tmp_path: Path) -> None:
    assert path_inside(tmp_path, "train/a.jpg", DataError) == tmp_path / "train/a.jpg"
