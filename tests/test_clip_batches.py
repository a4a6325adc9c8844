import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from clip_files import Pixels, frame_times, make_clip
from model_files import write_small_model

from stylegan_cli.batches import Job, Naming, Status, plan_batch
from stylegan_cli.batches.clips import CLIPS, ClipOutcome, raise_for_clips, run_clips
from stylegan_cli.errors import ClipError, DataError, PartialFailureError, UsageError
from stylegan_cli.video import VideoConfig, stylize_clip


def same(pixels: Pixels) -> Pixels:
    return pixels


def run(jobs: list[Job], **options: bool) -> list[ClipOutcome]:
    def quiet(job: Job) -> AbstractContextManager[Callable[[int, int], None]]:
        return nullcontext(lambda done, total: None)

    told: list[ClipOutcome] = []
    outcomes = run_clips(
        jobs, same, VideoConfig(), on_outcome=told.append, progress_of=quiet, **options
    )
    assert told == outcomes
    return outcomes


def a_folder(folder: Path) -> Path:
    """Two clips of one stem, one in a folder inside, something hidden and something else."""
    (folder / "inside").mkdir(parents=True)
    times = range(0, 500, 100)
    make_clip(folder / "a.mp4", times=times)
    make_clip(folder / "a.mkv", times=times)
    make_clip(folder / "inside" / "b.MOV", times=times, format="mov")
    (folder / ".hidden.mp4").write_bytes(b"?")
    (folder / "notes.txt").write_text("no clip")
    return folder


def test_results_are_named_after_clip_and_style(tmp_path: Path) -> None:
    def target_of(source: str, out: str | None, ending: str = "") -> Path:
        naming = Naming(kind=CLIPS, out=None if out is None else Path(out), ending=ending)
        (job,) = plan_batch([Path(source)], naming)
        return job.target

    assert target_of("in/clip.MOV", None, "_toon") == Path("in/clip_toon.MOV")
    assert target_of("in/clip.avi", None, "_toon") == Path("in/clip_toon.mp4")
    assert target_of("in/clip.MOV", "out.webm") == Path("out.webm")
    assert target_of("in/clip.MOV", "out") == Path("out/clip.MOV")
    (tmp_path / "v1.mp4").mkdir()
    assert target_of("in/clip.MOV", str(tmp_path / "v1.mp4")) == tmp_path / "v1.mp4" / "clip.MOV"


def test_a_folder_of_clips_is_mirrored_in_another(tmp_path: Path) -> None:
    folder, out = a_folder(tmp_path / "in"), tmp_path / "out"
    jobs = plan_batch([folder], Naming(kind=CLIPS, out=out), recursive=True)
    assert [job.target.relative_to(out).as_posix() for job in jobs] == [
        "a.mkv",
        "a.mp4",
        "inside/b.MOV",
    ]
    outcomes = run(jobs)
    raise_for_clips(outcomes)
    assert all(len(frame_times(job.target)) == 5 for job in jobs)
    assert {outcome.status for outcome in run(jobs, skip_existing=True)} == {Status.SKIPPED}


def test_a_folder_takes_every_suffix_and_says_what_becomes_of_it(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    frames: dict[str, Any] = {"times": range(5), "time_base": Fraction(1, 30)}
    make_clip(folder / "a.VOB", format="vob", codec="mpeg2video", **frames)
    make_clip(folder / "b.m2t", format="mpegts", **frames)
    make_clip(folder / "c.mp4", **frames)
    jobs = plan_batch([folder], Naming(kind=CLIPS, out=out))
    assert [job.target.name for job in jobs] == ["a.mp4", "b.mp4", "c.mp4"]
    notes = [outcome.result.notes if outcome.result else None for outcome in run(jobs)]
    assert notes == [
        ("A clip can't be written as .vob; the result is a.mp4.",),
        ("A clip can't be written as .m2t; the result is b.mp4.",),
        (),
    ]


def test_results_beside_their_clips_are_no_clips_to_stylize(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "in")
    naming = Naming(kind=CLIPS, ending="_toon", endings_of_results={"_toon"})
    first = plan_batch([folder], naming)
    assert {job.target.name for job in first} == {"a_toon.mp4", "a_toon.mkv"}
    run(first)
    assert plan_batch([folder], naming) == first


def test_one_bad_clip_never_stops_the_rest(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "in")
    (folder / "a.mp4").write_text("no film")
    jobs = plan_batch([folder], Naming(kind=CLIPS, out=tmp_path / "out"), recursive=True)
    outcomes = run(jobs)
    assert [o.status for o in outcomes] == [Status.DONE, Status.FAILED, Status.DONE]
    assert sorted(path.name for path in (tmp_path / "out").rglob("*") if path.is_file()) == [
        "a.mkv",
        "b.MOV",
    ]
    with pytest.raises(PartialFailureError, match="1 of 3 clips failed"):
        raise_for_clips(outcomes)
    with pytest.raises(ClipError, match="format is not known"):
        raise_for_clips(outcomes[1:2])


def test_a_damaged_clip_of_many_is_kept_and_told(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "in")
    index_first = {"movflags": "faststart"}
    whole = make_clip(
        tmp_path / "whole.mp4", times=range(0, 6000, 100), container_options=index_first
    )
    content = whole.read_bytes()
    (folder / "a.mp4").write_bytes(content[: len(content) // 2])
    jobs = plan_batch([folder], Naming(kind=CLIPS, out=tmp_path / "out"))
    outcomes = run(jobs)
    assert [o.result is not None and o.result.shortfall is None for o in outcomes] == [True, False]
    with pytest.raises(PartialFailureError, match="1 of 2 clips are damaged"):
        raise_for_clips(outcomes)


def test_a_folder_without_clips_and_one_file_for_many_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no clip in"):
        plan_batch([tmp_path / "empty"], Naming(kind=CLIPS))
    with pytest.raises(UsageError, match="one file"):
        plan_batch([a_folder(tmp_path / "in")], Naming(kind=CLIPS, out=Path("all.mp4")))


def test_a_folder_on_the_command_line_ends_with_what_became_of_it(influ, tmp_path) -> None:
    model = write_small_model(tmp_path / "model.safetensors")
    folder = a_folder(tmp_path / "in")
    (folder / "a.mp4").write_text("no film")
    ask = ("video", folder, "-r", "-o", tmp_path / "out", "--style", "toon", "--model", model)
    done = influ(*ask, "--strength", "0", "--json")
    assert done.returncode == 3, done.stderr
    record = json.loads(done.stdout)
    assert (record["done"], record["failed"]) == (2, 1)
    assert [file["frames"] for file in record["files"] if file["status"] == "done"] == [5, 5]
    assert done.stderr.count("a.mp4") == 1
    (folder / "a.mp4").unlink()
    again = influ(*ask, "--skip-existing")
    assert again.returncode == 0, again.stderr
    assert "2 left out" in again.stderr


def test_a_library_that_fails_on_one_clip_does_not_end_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = a_folder(tmp_path / "in")

    def fails_on_mkv(source: Path, *given: Any) -> Any:
        if source.suffix == ".mkv":
            raise IndexError("far out")
        return stylize_clip(source, *given)

    monkeypatch.setattr("stylegan_cli.batches.clips.stylize_clip", fails_on_mkv)
    outcomes = run(plan_batch([folder], Naming(kind=CLIPS, out=tmp_path / "out")))
    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.DONE]
    assert "a.mkv can't be done (IndexError: far out)" in str(outcomes[0].error)
