"""Distinct files are distinct, and results are told apart by the file system's own rules."""

import os
from pathlib import Path

import pytest
from picture_files import put, saved, scene

from stylegan_cli.batches import Naming, Status, names, plan_batch, run_batch
from stylegan_cli.batches.file_options import FileOptions
from stylegan_cli.batches.names import TakenNames, source_key
from stylegan_cli.pictures import Picture, read_picture


def folds_case(folder: Path) -> bool:
    (folder / "case.probe").touch()
    return (folder / "CASE.PROBE").exists()


def test_every_distinct_file_gets_a_result(tmp_path: Path) -> None:
    spelled = [
        "photo.jpg",
        "photo.JPG",
        "Photo.jpg",
        "straße.png",
        "strasse.png",
        "A/p.jpg",
        "a/p.jpg",
    ]
    source = tmp_path / "in"
    if folds_case(tmp_path):
        pytest.skip("this file system takes them for the same files")
    for number, name in enumerate(spelled):
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, saved(scene() // (number + 1), "PNG"))
    for naming in (Naming(out=tmp_path / "out"), Naming(ending="_toon")):
        jobs = plan_batch([source], naming, recursive=True)
        outcomes = run_batch(jobs, lambda picture: picture, FileOptions())
        assert [outcome.status for outcome in outcomes] == [Status.DONE] * len(spelled)
        levels = sorted(int(read_picture(job.target).pixels[40, 32, 1]) for job in jobs)
        assert len(set(levels)) == len(spelled)


def test_one_file_named_twice_is_one_and_hard_links_are_files_of_their_own(tmp_path: Path) -> None:
    put(tmp_path / "a.png", saved(scene(), "PNG"))
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    jobs = plan_batch([tmp_path, tmp_path / "a.png", tmp_path / "." / "a.png"], Naming(ending="_x"))
    assert [job.source.name for job in jobs] == ["a.png", "b.png"]
    assert source_key(tmp_path / "a.png") != source_key(tmp_path / "b.png")


def test_names_that_the_file_system_takes_for_one_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("x/photo.jpg", "y/PHOTO.png"):
        (tmp_path / name).parent.mkdir()
        put(tmp_path / name, saved(scene(), "PNG"))
    naming = Naming(out=tmp_path / "out", format="PNG")
    sources = [tmp_path / "x/photo.jpg", tmp_path / "y/PHOTO.png"]
    monkeypatch.setattr(names, "_is_one_name", lambda folder, first, second: True)
    targets = [job.target.name for job in plan_batch(sources, naming)]
    assert targets == ["photo.png", "PHOTO-2.png"]
    monkeypatch.setattr(names, "_is_one_name", lambda folder, first, second: False)
    targets = [job.target.name for job in plan_batch(sources, naming)]
    assert targets == ["photo.png", "PHOTO.png"]


def test_asking_the_file_system_leaves_nothing_behind(tmp_path: Path) -> None:
    taken = TakenNames()
    taken.add(tmp_path / "new" / "photo.png")
    assert tmp_path / "new" / "photo.png" in taken
    assert (tmp_path / "new" / "PHOTO.png" in taken) == folds_case(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["case.probe"]


def test_a_result_gets_the_time_of_its_source_where_that_is_asked_for(tmp_path: Path) -> None:
    put(tmp_path / "a.png", saved(scene(), "PNG"))
    os.utime(tmp_path / "a.png", ns=(10**18, 10**18 + 5 * 10**9))

    def same(picture: Picture) -> Picture:
        return picture

    for keep_time in (True, False):
        (job,) = plan_batch([tmp_path / "a.png"], Naming(ending=f"_{keep_time}"))
        run_batch([job], same, FileOptions(keep_time=keep_time))
        assert (job.target.stat().st_mtime_ns == 10**18 + 5 * 10**9) == keep_time
