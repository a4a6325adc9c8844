"""Promises of `influ stylize --manifest`: from folder to folder, each picture once."""

import gzip
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import fsspec
import numpy as np
import pytest
from extras import require
from fsspec.implementations.memory import MemoryFileSystem
from in_process import in_process
from model_files import write_small_model
from picture_files import put, saved, scene

from stylegan_cli.batches.file_options import FileOptions
from stylegan_cli.batches.folders import as_url, is_url, open_folder
from stylegan_cli.batches.large_config import ManifestConfig, Shard, parse_shard
from stylegan_cli.batches.manifest import Manifest, Recipe, Row, open_manifest
from stylegan_cli.batches.stored import Earlier, result_name, stored_job
from stylegan_cli.batches.workers import Worker, WorkerConfig
from stylegan_cli.commands.stylize import stylize as stylize_command
from stylegan_cli.errors import (
    BusyError,
    ConfigError,
    DataError,
    PartialFailureError,
    UsageError,
)
from stylegan_cli.pictures import read_picture
from stylegan_cli.runtime.files import claimed
from stylegan_cli.stylizer import StylizerConfig

COUNT = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with photos in `in` and in a folder inside it."""
    monkeypatch.chdir(tmp_path)
    for number in range(COUNT):
        folder = "in/deep" if number % 2 else "in"
        write_photo(tmp_path / folder / f"{number}.jpg", number)
    return tmp_path


def write_photo(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    put(path, saved(np.roll(scene(24, 32), 5 * seed, axis=1), "JPEG"))


@pytest.fixture
def batch(model: Path, work: Path) -> Any:
    """`influ stylize in -o out --manifest done.db -r` in this process, with options."""

    def run(*inputs: str, **options: Any) -> None:
        usual = {"out": Path("out"), "manifest": "done.db", "workers": 0, "recursive": True}
        style = {"style": "creatorA", "model": model, "precision": "f32"}
        places = [Path(given) for given in inputs or ("in",)]
        in_process(stylize_command)(places, **(style | usual | options))

    return run


def results(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def stamps(folder: Path) -> dict[str, tuple[int, int]]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_ino, path.stat().st_mtime_ns) for path in paths}


def counts(capsys: pytest.CaptureFixture[str]) -> dict[str, int]:
    lines = (line.split() for line in capsys.readouterr().out.splitlines())
    return {words[0]: int(words[1]) for words in lines if words[-1].isdecimal()}


def test_every_picture_is_done_once_and_what_is_done_is_skipped(batch, work, capsys) -> None:
    batch()
    assert counts(capsys) == {"done": COUNT, "skipped": 0, "taken": 0, "failed": 0}
    assert results(work / "out").keys() == results(work / "in").keys()
    before = stamps(work / "out")
    write_photo(work / "in/new.jpg", 9)
    batch()
    assert counts(capsys) == {"done": 1, "skipped": COUNT, "taken": 0, "failed": 0}
    assert stamps(work / "out").items() >= before.items()


def test_results_are_those_of_a_batch_without_a_manifest(batch, work, model) -> None:
    batch()
    plain = {"style": "creatorA", "model": model, "precision": "f32", "recursive": True}
    in_process(stylize_command)([work / "in"], out=work / "plain", **plain)
    assert results(work / "out") == results(work / "plain")


@pytest.mark.parametrize("change", [{"style": "toon"}, {"strength": 0.5}, {"quality": 60}], ids=str)
def test_a_changed_style_or_option_is_done_anew(change, batch, work, capsys) -> None:
    batch()
    first = results(work / "out")
    capsys.readouterr()
    batch(**change)
    assert counts(capsys)["done"] == COUNT
    second = results(work / "out")
    assert all(first[name] != second[name] for name in first)
    batch(**change)
    assert counts(capsys)["skipped"] == COUNT


def test_a_changed_picture_is_done_anew_and_a_touched_one_is_not(batch, work, capsys) -> None:
    batch()
    capsys.readouterr()
    before = stamps(work / "out")
    os.utime(work / "in/0.jpg", (1, 1))
    write_photo(work / "in/2.jpg", 11)
    batch()
    assert counts(capsys) == {"done": 1, "skipped": COUNT - 1, "taken": 0, "failed": 0}
    changed = {name for name, stamp in stamps(work / "out").items() if before[name] != stamp}
    assert changed == {str(work / "out/2.jpg")}


def test_what_influ_did_not_write_is_kept_unless_told_otherwise(batch, work) -> None:
    (work / "out").mkdir()
    put(work / "out/0.jpg", b"somebody's")
    with pytest.raises(PartialFailureError):
        batch()
    assert (work / "out/0.jpg").read_bytes() == b"somebody's"
    batch(overwrite=True)
    assert read_picture(work / "out/0.jpg").size == (24, 32)


def test_a_result_whose_row_was_lost_is_found_and_left_as_it_is(batch, work, capsys) -> None:
    batch()
    before = stamps(work / "out")
    (work / "done.db").unlink()
    capsys.readouterr()
    batch()
    assert counts(capsys)["done"] == COUNT
    assert stamps(work / "out") == before


def test_the_shards_of_a_batch_share_it_without_rest(batch, work, capsys) -> None:
    done = 0
    for part in ("1/3", "2/3", "3/3"):
        batch(shard=parse_shard(part))
        done += counts(capsys)["done"]
    assert done == COUNT
    assert results(work / "out").keys() == results(work / "in").keys()


def test_a_shard_that_is_at_work_is_not_begun_twice(batch, work) -> None:
    with claimed(work / "done.db 1-of-2"), pytest.raises(BusyError, match="at work"):
        batch(shard=Shard(1, 2))
    batch(shard=Shard(2, 2))


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "a/b", "1/0", "-1/3"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="--shard must be like 3/8"):
        parse_shard(text)


def test_a_bad_picture_fails_alone_and_is_tried_again(batch, work, capsys) -> None:
    put(work / "in/bad.jpg", b"text, no picture")
    for done in (COUNT, 0):
        with pytest.raises(PartialFailureError, match="1 of 7"):
            batch()
        assert counts(capsys) == {
            "done": done,
            "skipped": COUNT - done,
            "taken": 0,
            "failed": 1,
        }
    write_photo(work / "in/bad.jpg", 3)
    batch()
    assert counts(capsys)["done"] == 1


@pytest.mark.parametrize(
    "options",
    [
        {"out": None},
        {"watch": True},
        {"keep_time": True},
        {"skip_existing": True},
        {"log": Path("log")},
        {"out": Path("in")},
    ],
    ids=str,
)
def test_what_a_large_batch_cannot_do_is_said_before_it_begins(options, batch, work) -> None:
    with pytest.raises(UsageError):
        batch(**options)
    assert not (work / "done.db").exists()


def test_settings_of_a_large_batch_need_a_manifest() -> None:
    with pytest.raises(ConfigError, match="need --manifest"):
        ManifestConfig(workers=2)
    with pytest.raises(ConfigError, match="--engine ray"):
        ManifestConfig(manifest="a.db", address="auto")


def test_a_url_needs_a_manifest(batch) -> None:
    with pytest.raises(UsageError, match="s3://bucket/in is a URL: add --manifest"):
        batch("s3://bucket/in", manifest=None, workers=None)


def test_an_empty_folder_is_said_to_be_empty(batch, work) -> None:
    (work / "empty").mkdir()
    with pytest.raises(DataError, match="no picture"):
        batch("empty")


def test_a_file_that_is_no_manifest_is_refused_and_kept(batch, work) -> None:
    (work / "done.db").write_text("a text, and a long one at that, which is no database" * 20)
    with pytest.raises(DataError, match="no manifest"):
        batch()
    assert (work / "done.db").read_text().startswith("a text")


def test_a_database_of_something_else_is_refused_and_kept(batch, work) -> None:
    with sqlite3.connect("done.db") as database:
        database.execute("CREATE TABLE results (song TEXT)")
    before = (work / "done.db").read_bytes()
    with pytest.raises(DataError, match="something else"):
        batch()
    assert (work / "done.db").read_bytes() == before
    assert sorted(path.name for path in work.iterdir()) == ["done.db", "in"]


def test_a_damaged_manifest_is_refused_in_a_sentence(batch, work) -> None:
    batch()
    data = bytearray((work / "done.db").read_bytes())
    data[4096 : 3 * 4096] = bytes(range(256)) * 32
    put(work / "done.db", bytes(data))
    with pytest.raises(DataError, match="no manifest"):
        batch()


@pytest.mark.parametrize(
    "change", ["result = 12", "input = 'text'", "stamp = x'00'", "source = x'00'"]
)
def test_a_row_with_values_of_other_kinds_counts_for_nothing(change, batch, work, capsys) -> None:
    batch()
    with sqlite3.connect("done.db") as database:
        database.execute(f"UPDATE results SET {change}")
    capsys.readouterr()
    batch()
    assert counts(capsys)["done"] == COUNT


def test_results_inside_the_input_folder_are_no_inputs(batch, work, capsys) -> None:
    batch(out=Path("in/out"))
    capsys.readouterr()
    batch(out=Path("in/out"))
    assert counts(capsys) == {"done": 0, "skipped": COUNT, "taken": 0, "failed": 0}
    assert len(results(work / "in")) == 2 * COUNT


def test_results_have_names_that_depend_on_their_source_alone() -> None:
    assert result_name("a/b.jpg") == "a/b.jpg"
    assert result_name("a/b.JPG", "_toon", "JPEG") == "a/b_toon.JPG"
    assert result_name("a/b.png", format="JPEG") == "a/b_png.jpg"
    assert result_name("a.b/c.cr2") == "a.b/c_cr2.jpg"


# Processes


def test_workers_make_the_same_as_this_process(batch, work) -> None:
    batch()
    batch(out=Path("two"), manifest="two.db", workers=2)
    assert results(work / "out") == results(work / "two")


def test_a_worker_keeps_its_threads_for_all_its_work(work, model) -> None:
    # OpenCV never frees what it keeps of a thread: a million photos would grow by 100 MB.
    style, out = StylizerConfig(model=model), str(work / "made")
    config = WorkerConfig(style=style, files=FileOptions(), out=out, hands=2)
    worker, threads = Worker(config), set()
    names = [path.name for path in sorted((work / "in").glob("*.jpg"))]
    for name in names:
        job = stored_job(str(work / "in"), name, name, "", Earlier())
        worker.do([job], lambda _: threads.add(threading.current_thread()))
    assert len(names) > 2 >= len(threads)


def test_killed_workers_and_drivers_lose_and_double_nothing(batch, work, model) -> None:
    for number in range(COUNT, 60):
        write_photo(work / f"in/{number}.jpg", number)
    batch()
    call = [sys.executable, "-m", "stylegan_cli", "stylize", "in", "-o", "killed", "-r", "-q"]
    call += ["--manifest", "killed.db", "--workers", "2", "-s", "creatorA"]
    call += ["--model", str(model), "--precision", "f32"]
    killed = {"driver": 0, "worker": 0}
    driver = subprocess.Popen(call, stdout=subprocess.DEVNULL)
    goals = [("worker", 5), ("driver", 15), ("worker", 25), ("worker", 35), ("driver", 45)]
    while driver.poll() is None:
        made = len(list((work / "killed").rglob("*.jpg")))  # drafts come and go
        if goals and made >= goals[0][1]:
            victim, _ = goals.pop(0)
            for process in [driver.pid] if victim == "driver" else grandchildren(driver.pid)[:1]:
                os.kill(process, signal.SIGKILL)
                killed[victim] += 1
            if victim == "driver":
                driver.wait()
                driver = subprocess.Popen(call, stdout=subprocess.DEVNULL)
        time.sleep(0.005)
    assert driver.returncode == 0
    assert killed["driver"]
    assert results(work / "killed") == results(work / "out")
    with sqlite3.connect("killed.db") as database:
        rows = database.execute("SELECT target, status FROM results").fetchall()
    assert {status for _, status in rows} == {"done"}
    targets = sorted(target for target, _ in rows)
    assert targets == sorted(str(work / "killed" / name) for name in results(work / "in"))


DEADLY = """
import os, pathlib, signal

read_bytes = pathlib.Path.read_bytes

def deadly(self):
    if self.name == "deadly.jpg":
        with open(os.environ["DEATHS"], "a") as file:
            file.write("dead ")
        os.kill(os.getpid(), signal.SIGKILL)
    return read_bytes(self)

pathlib.Path.read_bytes = deadly
"""


@pytest.mark.parametrize("engine", ["processes", "ray"])
def test_a_picture_at_which_three_workers_die_is_given_up_and_the_rest_is_done(
    engine, batch, work, model
) -> None:
    if engine == "ray":
        require("ray")
    batch()
    write_photo(work / "in/deadly.jpg", 9)
    (work / "deadly").mkdir()
    put(work / "deadly/sitecustomize.py", DEADLY.encode())  # Python imports it in every process
    path = os.pathsep.join([str(work / "deadly"), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "DEATHS": str(work / "deaths")}
    call = [sys.executable, "-m", "stylegan_cli", "stylize", "in", "-o", "survived", "-r", "-q"]
    call += ["--manifest", "survived.db", "--workers", "2", "--engine", engine]
    call += ["-s", "creatorA", "--model", str(model), "--precision", "f32"]
    ended = subprocess.run(
        call, check=False, capture_output=True, text=True, timeout=300, env=environment
    )
    assert ended.returncode == PartialFailureError.exit_code, ended.stderr
    assert (work / "deaths").read_text().split() == ["dead"] * 3
    assert results(work / "survived") == results(work / "out")
    with sqlite3.connect("survived.db") as database:
        rows = database.execute("SELECT source, error FROM results WHERE status = 'failed'")
        ((source, error),) = rows.fetchall()
    assert source == str(work / "in/deadly.jpg")
    assert "3 processes died at it" in error
    assert error in ended.stderr


def grandchildren(process: int) -> list[int]:
    def children(parent: int) -> list[int]:
        try:
            text = Path(f"/proc/{parent}/task/{parent}/children").read_text()
        except OSError:
            return []
        return [int(child) for child in text.split()]

    return [child for server in children(process) for child in children(server)]


@pytest.mark.filterwarnings("ignore")  # Ray's own
def test_ray_makes_the_same_as_this_process(batch, work, capsys) -> None:
    require("ray")
    batch()
    for done in (COUNT, 0):
        capsys.readouterr()
        batch(out=Path("by-ray"), manifest="by-ray.db", engine="ray", workers=2)
        assert counts(capsys)["done"] == done
    assert results(work / "out") == results(work / "by-ray")


# Stores


@pytest.fixture
def memory() -> Iterator[MemoryFileSystem]:
    system = fsspec.filesystem("memory")
    system.store.clear()
    yield system
    system.store.clear()


def test_a_path_keeps_its_url() -> None:
    for url in ("s3://bucket/a/b.jpg", "memory://a", "simplecache::s3://bucket/a"):
        assert is_url(Path(url))
        assert as_url(Path(url)) == url
    assert not is_url(Path("a/b:c/d"))
    assert open_folder("file:///a/b").url == "/a/b"


def test_pictures_go_from_store_to_store(batch, work, memory, capsys) -> None:
    for name, data in results(work / "in").items():
        memory.pipe_file(f"/photos/{name}", data)
    batch()
    for done in (COUNT, 0):
        capsys.readouterr()
        places = {"out": Path("memory://made/"), "manifest": "memory://manifest"}
        batch("memory://photos", **places)
        assert counts(capsys)["done"] == done
    made = {name.removeprefix("/made/"): memory.cat_file(name) for name in memory.find("/made")}
    assert made == results(work / "out")
    assert [name for name in memory.find("/manifest") if not name.endswith(".jsonl")] == []


class MoodyFileSystem(MemoryFileSystem):
    """A store whose every first call for a file fails."""

    protocol = "moody"
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    failed: ClassVar[set[tuple[str, str]]] = set()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return MemoryFileSystem._strip_protocol(path.removeprefix("moody://"))

    def _fail_once(self, call: str, path: str) -> None:
        if (call, path) not in self.failed:
            self.failed.add((call, path))
            raise OSError("the store is busy")

    def cat_file(self, path: str, *arguments: Any, **options: Any) -> bytes:
        self._fail_once("read", path)
        return super().cat_file(path, *arguments, **options)

    def pipe_file(self, path: str, *arguments: Any, **options: Any) -> None:
        self._fail_once("write", path)
        super().pipe_file(path, *arguments, **options)


def test_a_store_that_fails_for_a_moment_is_asked_again(batch, work, capsys) -> None:
    fsspec.register_implementation("moody", MoodyFileSystem, clobber=True)
    system = fsspec.filesystem("moody")
    for name, data in results(work / "in").items():
        MemoryFileSystem.pipe_file(system, f"/photos/{name}", data)
    batch("moody://photos", out=Path("moody://made"))
    assert counts(capsys) == {"done": COUNT, "skipped": 0, "taken": 0, "failed": 0}
    assert len(system.failed) == 2 * COUNT


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket of a real S3 server, here in this process."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    urlopen(Request(f"http://{host}:{port}/moto-api/reset", method="POST")).close()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    fsspec.get_filesystem_class("s3").clear_instance_cache()  # of the server before
    system = fsspec.filesystem("s3", use_listings_cache=False)
    system.mkdir("bucket")
    yield system
    server.stop()


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_go_from_bucket_to_bucket(workers, batch, work, bucket, capsys) -> None:
    for name, data in results(work / "in").items():
        bucket.pipe_file(f"bucket/photos/{name}", data)
    batch()
    places = {"out": Path("s3://bucket/made"), "manifest": "s3://bucket/manifest"}
    for done in (COUNT, 0):
        capsys.readouterr()
        batch("s3://bucket/photos", workers=workers, **places)
        assert counts(capsys)["done"] == done
    bucket.pipe_file("bucket/photos/0.jpg", saved(scene(24, 32)[::-1], "JPEG"))
    batch("s3://bucket/photos", workers=workers, **places)
    assert counts(capsys)["done"] == 1
    made = {name.removeprefix("bucket/made/"): name for name in bucket.find("bucket/made")}
    expected = results(work / "out")
    assert made.keys() == expected.keys()
    assert all(bucket.cat_file(made[name]) == expected[name] for name in made if name != "0.jpg")


# Tar shards


def write_tar(path: Path, files: dict[str, bytes]) -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, data in files.items():
            about = tarfile.TarInfo(name)
            about.size, about.mtime = len(data), 1_700_000_000
            shard.addfile(about, io.BytesIO(data))


def read_tar(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as shard:
        return {about.name: shard.extractfile(about).read() for about in shard}


def test_a_shard_becomes_a_shard_with_its_captions(batch, work, capsys) -> None:
    photos = results(work / "in")
    files = {}
    for name, data in photos.items():
        files |= {f"./{name}": data, f"./{name}".replace(".jpg", ".txt"): name.encode()}
    write_tar(work / "tars/a.tar", files)
    write_tar(work / "tars/b.tar", {"bad.jpg": b"none", "bad.txt": b"caption", "c.txt": b"alone"})
    batch()
    capsys.readouterr()
    with pytest.raises(PartialFailureError):
        batch("tars", out=Path("made"), manifest="tars.db")
    assert counts(capsys) == {"done": COUNT, "skipped": 0, "taken": 0, "failed": 1}
    made, expected = read_tar(work / "made/a.tar"), results(work / "out")
    assert list(made) == list(files)
    for name in photos:
        assert made[f"./{name}"] == expected[name]
        assert made[f"./{name}".replace(".jpg", ".txt")] == name.encode()
    assert read_tar(work / "made/b.tar") == {"c.txt": b"alone"}  # a sample without its picture
    before = stamps(work / "made")
    batch("tars", out=Path("made"), manifest="tars.db")
    assert counts(capsys) == {"done": 0, "skipped": 2, "taken": 0, "failed": 0}
    assert stamps(work / "made") == before


def test_a_torn_shard_is_named_and_the_rest_goes_on(batch, work) -> None:
    write_tar(work / "tars/a.tar", {"a.jpg": (work / "in/0.jpg").read_bytes()})
    put(work / "tars/b.tar", (work / "tars/a.tar").read_bytes()[:700])
    with pytest.raises(PartialFailureError, match="1 of 2"):
        batch("tars", out=Path("made"))
    assert list(results(work / "made")) == ["a.tar"]


def entry(name: str, **more: Any) -> tarfile.TarInfo:
    about = tarfile.TarInfo(name)
    for key, value in more.items():
        setattr(about, key, value)
    return about


@pytest.mark.parametrize(
    ("about", "why"),
    [
        (entry("../evil.jpg"), "leads out"),
        (entry("/evil.jpg"), "leads out"),
        (entry("a/../../evil.txt"), "leads out"),
        (entry("big.jpg", size=8 << 60), "cut short"),
        (entry("big.jpg", size=600), "cut short"),
    ],
    ids=["above", "root", "through", "endless", "long"],
)
def test_a_shard_that_no_tar_should_be_is_named_and_nothing_is_made(
    about, why, batch, work, capsys
) -> None:
    (work / "tars").mkdir()
    put(work / "tars/a.tar", about.tobuf(tarfile.GNU_FORMAT) + bytes(512))
    with pytest.raises(DataError):
        batch("tars", out=Path("made"))
    assert why in capsys.readouterr().err
    assert not (work / "made").exists()
    assert not (work.parent / "evil.jpg").exists()


def test_a_shard_is_no_compressed_tar(batch, work, capsys) -> None:
    write_tar(work / "tars/a.tar", {"a.jpg": (work / "in/0.jpg").read_bytes()})
    put(work / "tars/a.tar", gzip.compress((work / "tars/a.tar").read_bytes()))
    with pytest.raises(DataError):
        batch("tars", out=Path("made"))
    assert "no whole tar" in capsys.readouterr().err


def test_two_pictures_of_one_name_in_a_shard_are_refused(batch, work, capsys) -> None:
    photos = [(work / name).read_bytes() for name in ("in/0.jpg", "in/2.jpg")]
    write_tar(work / "tars/a.tar", {"a.jpg": photos[0], "./a.jpg": photos[1]})
    with pytest.raises(DataError):
        batch("tars", out=Path("made"))
    assert "same name" in capsys.readouterr().err


def test_a_link_in_a_shard_is_not_followed(batch, work) -> None:
    photo = (work / "in/0.jpg").read_bytes()
    (work / "tars").mkdir()
    with tarfile.open(work / "tars/a.tar", "w") as shard:
        shard.addfile(entry("l.jpg", type=tarfile.SYMTYPE, linkname=str(work / "in/2.jpg")))
        shard.addfile(entry("h.jpg", type=tarfile.LNKTYPE, linkname="a.jpg"))
        shard.addfile(entry("a.jpg", size=len(photo)), io.BytesIO(photo))
    batch("tars", out=Path("made"))
    assert list(read_tar(work / "made/a.tar")) == ["a.jpg"]


@pytest.mark.parametrize("manifest", ["done.db", "done"])
def test_names_need_not_be_utf8(manifest, batch, work, capsys) -> None:
    name = os.fsdecode(b"caf\xe9.jpg")
    put(work / "in" / name, (work / "in/0.jpg").read_bytes())
    for done in (COUNT + 1, 0):
        batch(manifest=manifest)
        assert counts(capsys)["done"] == done
    assert name in results(work / "out")


# Manifests


@pytest.fixture(params=["done.db", "done"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / request.param)


def row(target: str, **more: Any) -> Row:
    usual = {"source": "in/a", "stamp": "1", "status": "done", "input": "aa", "result": "bb"}
    return Row(target=target, **(usual | more))


def test_a_manifest_knows_what_others_wrote(place: str) -> None:
    first = open_manifest(place, Recipe("style", "options"), "one")
    first.add([row("a"), row("b", status="failed", error="torn", result="")])
    first.close()
    other = open_manifest(place, Recipe("other style", "options"), "two")
    assert other.earlier("a", "in/a").stamps == frozenset()
    assert other.earlier("a", "in/a").results == {"bb"}
    assert other.earlier("a", "in/other").results == frozenset()
    other.add([row("a", result="cc")])
    other.close()
    again = open_manifest(place, Recipe("style", "options"), "three")
    assert again.earlier("a", "in/a").stamps == {"1"}
    assert again.earlier("a", "in/a").made == {"aa": "bb"}
    assert again.earlier("a", "in/a").results == {"bb", "cc"}
    assert again.earlier("b", "in/a").stamps == frozenset()
    again.close()


def test_a_failure_does_not_undo_a_result(place: str) -> None:
    manifest: Manifest = open_manifest(place, Recipe("style", "options"), "one")
    manifest.add([row("a")])
    manifest.add([row("a", status="failed", error="the store is busy", result="")])
    assert manifest.earlier("a", "in/a").made == {"aa": "bb"}
    manifest.close()


def test_a_damaged_line_costs_its_own_row(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    place, recipe = str(tmp_path / "done"), Recipe("style", "options")
    manifest = open_manifest(place, recipe, "one")
    manifest.add([row("a"), row("b")])
    manifest.close()
    (file,) = (tmp_path / "done").iterdir()
    file.write_bytes(file.read_bytes()[:-20])
    manifest = open_manifest(place, recipe, "two")
    assert manifest.earlier("a", "in/a").made
    assert not manifest.earlier("b", "in/a").made
    assert "damaged" in caplog.text
    manifest.close()


@pytest.mark.parametrize(
    "change",
    [
        {"target": 5},
        {"target": "\ud800"},
        {"source": None},
        {"stamp": {}},
        {"input": "zz"},
        {"input": 12},
        {"seconds": 1e999},
        {"seconds": True},
        {"time": 10**400},
        {"error": [1]},
        {"style": []},
        {"more": 1},
    ],
    ids=str,
)
def test_a_line_with_odd_values_is_left_out(change: dict[str, Any], tmp_path: Path) -> None:
    recipe = Recipe("style", "options")
    manifest = open_manifest(str(tmp_path / "done"), recipe, "one")
    manifest.add([row("a")])
    manifest.close()
    (file,) = (tmp_path / "done").iterdir()
    values = json.loads(file.read_text())
    odd = json.dumps({**values, "target": "b", **change}).encode()
    put(file, odd + b"\n" + b"[" * 50_000 + b"\n" + file.read_bytes())
    manifest = open_manifest(str(tmp_path / "done"), recipe, "two")
    assert manifest.earlier("a", "in/a").made
    assert not manifest.earlier("b", "in/a").made
    manifest.close()
