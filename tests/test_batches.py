import hashlib
import io
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from picture_files import put, saved, scene
from PIL import Image

from stylegan_cli.batches import (
    STREAM,
    FileOptions,
    IfThere,
    Job,
    Naming,
    Outcome,
    Planner,
    Status,
    open_log,
    plan_batch,
    raise_for,
    run_batch,
    summary,
    watch_folders,
    write_variations,
)
from stylegan_cli.errors import (
    DataError,
    OutputExistsError,
    PartialFailureError,
    PictureError,
    UsageError,
)
from stylegan_cli.pictures import Picture, read_picture
from stylegan_cli.runtime.files import claimed
from stylegan_cli.runtime.interruption import StopRequest
from stylegan_cli.styles.naming import ending_of


def negative(picture: Picture) -> Picture:
    return picture.map_pixels(lambda pixels: np.iinfo(pixels.dtype).max - pixels)


def put_all(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        format = "PNG" if path.suffix.lower() == ".png" else "JPEG"
        put(path, saved(scene(), format))


def planned(folder: Path, inputs: list[str], naming: Naming, recursive: bool = False) -> list[str]:
    jobs = plan_batch([folder / name for name in inputs], naming, recursive=recursive)
    return [
        f"{job.source.relative_to(folder).as_posix()} > {job.target.relative_to(folder).as_posix()}"
        for job in jobs
    ]


def test_without_out_results_lie_beside_their_sources(tmp_path: Path) -> None:
    put_all(tmp_path, "a.jpg", "in/b.PNG")
    naming = Naming(ending="_toon")
    assert planned(tmp_path, ["a.jpg", "in/b.PNG"], naming) == [
        "a.jpg > a_toon.jpg",
        "in/b.PNG > in/b_toon.PNG",
    ]


def test_out_with_a_picture_suffix_is_the_one_file(tmp_path: Path) -> None:
    put_all(tmp_path, "a.jpg", "b.jpg")
    naming = Naming(out=tmp_path / "new" / "result.png")
    assert planned(tmp_path, ["a.jpg"], naming) == ["a.jpg > new/result.png"]
    with pytest.raises(UsageError, match="one file"):
        planned(tmp_path, ["a.jpg", "b.jpg"], naming)
    with pytest.raises(UsageError, match="one file"):
        planned(tmp_path, ["."], naming)
    with pytest.raises(UsageError, match="no name for JPEG"):
        planned(tmp_path, ["a.jpg"], Naming(out=tmp_path / "result.png", format="JPEG"))
    (tmp_path / "folder.png").mkdir()
    naming = Naming(out=tmp_path / "folder.png")
    assert planned(tmp_path, ["a.jpg"], naming) == ["a.jpg > folder.png/a.jpg"]


def test_a_folder_gives_its_own_pictures_or_with_recursive_its_tree(tmp_path: Path) -> None:
    put_all(tmp_path, "in/a.jpg", "in/deep/er/b.png", "in/.hidden/c.jpg")
    naming = Naming(out=tmp_path / "out")
    assert planned(tmp_path, ["in"], naming) == ["in/a.jpg > out/a.jpg"]
    assert planned(tmp_path, ["in"], naming, recursive=True) == [
        "in/a.jpg > out/a.jpg",
        "in/deep/er/b.png > out/deep/er/b.png",
    ]


def test_names_that_collide_are_told_apart(tmp_path: Path) -> None:
    put_all(tmp_path, "a.jpg", "a.png", "x/a.jpg", "y/A.jpg")
    naming = Naming(out=tmp_path / "out", format="PNG")
    inputs = ["a.jpg", "a.png", "x/a.jpg", "y/A.jpg"]
    targets = [line.split(" > ")[1] for line in planned(tmp_path, inputs, naming)]
    assert targets == ["out/a.png", "out/a-2.png", "out/a_jpg.png", "out/A.png"]
    beside = Naming(ending="_toon", format="PNG")
    targets = [line.split(" > ")[1] for line in planned(tmp_path, ["a.jpg", "a.png"], beside)]
    assert targets == ["a_toon.png", "a_toon-2.png"]


def test_a_picture_named_twice_is_done_once(tmp_path: Path) -> None:
    put_all(tmp_path, "in/a.jpg")
    naming = Naming(out=tmp_path / "out")
    assert planned(tmp_path, ["in", "in/a.jpg"], naming) == ["in/a.jpg > out/a.jpg"]


def test_earlier_results_are_no_inputs(tmp_path: Path) -> None:
    put_all(tmp_path, "in/a.jpg", "in/a_toon.jpg", "in/a_toon-2.jpg", "in/a_noir.jpg")
    put_all(tmp_path, "in/my_toon.jpg", "in/out/a.jpg")
    naming = Naming(ending="_toon", endings_of_results=("_toon", "_noir"))
    assert planned(tmp_path, ["in"], naming) == [
        "in/a.jpg > in/a_toon.jpg",
        "in/my_toon.jpg > in/my_toon_toon.jpg",  # there is no my.jpg it could come from
    ]
    inside = Naming(out=tmp_path / "in" / "out")
    found = planned(tmp_path, ["in"], inside, recursive=True)
    assert not any(line.startswith("in/out/") for line in found)
    assert len(found) == 5
    # What is named is meant.
    assert planned(tmp_path, ["in/a_noir.jpg"], naming) == ["in/a_noir.jpg > in/a_noir_toon.jpg"]


def test_an_input_is_never_a_target(tmp_path: Path) -> None:
    put_all(tmp_path, "in/a.jpg")
    with pytest.raises(UsageError, match="it is an input"):
        planned(tmp_path, ["in"], Naming(out=tmp_path / "in"))
    with pytest.raises(UsageError, match="it is an input"):
        planned(tmp_path, ["in/a.jpg"], Naming(out=tmp_path / "in" / "a.jpg"))
    (tmp_path / "other.jpg").hardlink_to(tmp_path / "in" / "a.jpg")
    with pytest.raises(UsageError, match="it is an input"):
        planned(tmp_path, ["in/a.jpg"], Naming(out=tmp_path / "other.jpg"))


def test_suffixes_follow_the_format(tmp_path: Path) -> None:
    put_all(tmp_path, "a.jpeg", "b.png", "noname")
    out = tmp_path / "out"
    inputs = ["a.jpeg", "b.png", "noname"]
    assert planned(tmp_path, inputs, Naming(out=out, format="JPEG")) == [
        "a.jpeg > out/a.jpeg",
        "b.png > out/b.jpg",
        "noname > out/noname.jpg",
    ]
    assert planned(tmp_path, inputs, Naming(out=out))[2] == "noname > out/noname.png"


def test_an_empty_folder_is_said(tmp_path: Path) -> None:
    put_all(tmp_path, "in/deep/a.jpg")
    with pytest.raises(DataError, match="--recursive"):
        planned(tmp_path, ["in"], Naming(out=tmp_path / "out"))


def test_streams_take_one_picture(tmp_path: Path) -> None:
    put_all(tmp_path, "a.jpg", "b.jpg")
    assert plan_batch([STREAM], Naming(ending="_toon")) == [Job(STREAM, STREAM)]
    assert plan_batch([tmp_path / "a.jpg"], Naming(out=STREAM)) == [Job(tmp_path / "a.jpg", STREAM)]
    assert plan_batch([STREAM], Naming(out=tmp_path / "x")) == [
        Job(STREAM, tmp_path / "x" / "stdin.png")
    ]
    with pytest.raises(UsageError, match="takes one picture"):
        plan_batch([tmp_path / "a.jpg", tmp_path / "b.jpg"], Naming(out=STREAM))
    with pytest.raises(UsageError, match="only once"):
        plan_batch([STREAM, STREAM], Naming(out=tmp_path / "x"))


def test_endings_are_fit_for_a_file_name() -> None:
    assert ending_of("toon") == "_toon"
    assert ending_of("my styles/Über toon.safetensors") == "_Über-toon"
    assert ending_of("***") == "_styled"


# Running


def jobs_for(tmp_path: Path, *names: str) -> list[Job]:
    return [Job(tmp_path / name, tmp_path / "out" / name) for name in names]


def test_a_bad_file_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "c.png")
    put(tmp_path / "b.png", b"text, no picture")
    seen: list[Outcome] = []
    ticks: list[tuple[int, int]] = []
    outcomes = run_batch(
        jobs_for(tmp_path, "a.png", "b.png", "c.png", "d.png"),
        negative,
        FileOptions(),
        on_outcome=seen.append,
        on_progress=lambda done, total: ticks.append((done, total)),
    )
    statuses = [outcome.status.value for outcome in outcomes]
    assert statuses == ["done", "failed", "done", "failed"]
    assert seen == outcomes
    assert ticks[-1] == (4, 4)
    assert "b.png" in str(outcomes[1].error)
    assert "d.png: it does not exist" in str(outcomes[3].error)
    np.testing.assert_array_equal(read_picture(tmp_path / "out/c.png").pixels, 255 - scene())
    with pytest.raises(PartialFailureError, match="2 of 4"):
        raise_for(outcomes)
    record = summary(outcomes)
    assert (record["done"], record["failed"], record["skipped"]) == (2, 2, 0)


def test_a_result_that_is_there_is_refused_skipped_or_replaced(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "out/a.png")
    before = (tmp_path / "out/a.png").read_bytes()
    jobs = jobs_for(tmp_path, "a.png")
    refused = run_batch(jobs, negative, FileOptions())
    with pytest.raises(OutputExistsError):
        raise_for(refused)
    skipped = run_batch(jobs, negative, FileOptions(if_there=IfThere.SKIP))
    assert [outcome.status for outcome in skipped] == [Status.SKIPPED]
    raise_for(skipped)
    assert (tmp_path / "out/a.png").read_bytes() == before
    raise_for(run_batch(jobs, negative, FileOptions(if_there=IfThere.OVERWRITE)))
    np.testing.assert_array_equal(read_picture(tmp_path / "out/a.png").pixels, 255 - scene())


def test_a_refused_result_costs_no_stylizing(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "out/a.png")

    def never(picture: Picture) -> Picture:
        raise AssertionError

    assert run_batch(jobs_for(tmp_path, "a.png"), never, FileOptions())[0].error is not None


def test_all_bad_is_a_failure_and_one_bad_is_its_own(tmp_path: Path) -> None:
    one = run_batch(jobs_for(tmp_path, "a.png"), negative, FileOptions())
    with pytest.raises(PictureError, match=r"can\'t read .*a\.png: it does not exist"):
        raise_for(one)
    two = run_batch(jobs_for(tmp_path, "a.png", "b.png"), negative, FileOptions())
    with pytest.raises(DataError, match="none of the 2") as failure:
        raise_for(two)
    assert failure.value.exit_code == 1


def test_an_animation_is_stylized_frame_by_frame(tmp_path: Path) -> None:
    frames = [scene(), np.roll(scene(), 9, axis=1)]
    images = [Image.fromarray(frame) for frame in frames]
    images[0].save(tmp_path / "a.png", save_all=True, append_images=images[1:], duration=[80, 160])
    raise_for(run_batch(jobs_for(tmp_path, "a.png"), negative, FileOptions()))
    again = read_picture(tmp_path / "out/a.png")
    assert [frame.duration_ms for frame in again.frames] == [80, 160]
    np.testing.assert_array_equal(again.frames[1].pixels, 255 - frames[1])


def test_streams_carry_one_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Pipe:
        def __init__(self, data: bytes = b"") -> None:
            self.buffer = io.BytesIO(data)

    result = Pipe()
    monkeypatch.setattr(sys, "stdin", Pipe(saved(scene(), "PNG")))
    monkeypatch.setattr(sys, "stdout", result)
    outcomes = run_batch([Job(STREAM, STREAM)], negative, FileOptions())
    monkeypatch.undo()
    raise_for(outcomes)
    again = read_picture(result.buffer.getvalue())
    assert again.source_format == "PNG"
    np.testing.assert_array_equal(again.pixels, 255 - scene())


def test_a_name_too_long_for_the_disk_fails_alone(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png")
    jobs = [
        Job(tmp_path / "a.png", tmp_path / ("x" * 300 + ".png")),
        Job(tmp_path / "a.png", tmp_path / ("α" * 120 + ".png")),
    ]
    long, fitting = run_batch(jobs, negative, FileOptions())
    assert "too long" in str(long.error)
    assert fitting.error is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png")
    put(tmp_path / "out", b"a file where the folder should be")
    (outcome,) = run_batch(jobs_for(tmp_path, "a.png"), negative, FileOptions())
    assert "out" in str(outcome.error)
    assert (tmp_path / "out").read_bytes().startswith(b"a file")


# Several at a time


def test_a_picture_is_read_while_another_is_stylized(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "b.png")
    both = threading.Barrier(2)

    def together(picture: Picture) -> Picture:
        both.wait(timeout=300)
        return negative(picture)

    outcomes = run_batch(jobs_for(tmp_path, "a.png", "b.png"), together, FileOptions(), workers=2)
    raise_for(outcomes)
    assert [outcome.job.source.name for outcome in outcomes] == ["a.png", "b.png"]


def test_pixels_in_hand_are_limited_and_a_larger_picture_is_alone(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(9)]
    put_all(tmp_path, *names)
    put(tmp_path / "5.png", saved(scene(480, 640), "PNG"))  # its turn comes after the first two
    lock, in_hand, most = threading.Lock(), 0, {}
    calls, both = itertools.count(), threading.Barrier(2)

    def count(picture: Picture) -> Picture:
        nonlocal in_hand
        with lock:
            in_hand += picture.pixels[..., 0].size
            most[picture.size] = max(most.get(picture.size, 0), in_hand)
            is_early = next(calls) < 2
        if is_early:
            both.wait(timeout=300)
        time.sleep(0.01)  # lets more come in, if there is a way
        with lock:
            in_hand -= picture.pixels[..., 0].size
        return picture

    limit = 2 * 48 * 64
    raise_for(
        run_batch(
            jobs_for(tmp_path, *names), count, FileOptions(), workers=5, max_pixels_in_flight=limit
        )
    )
    assert most == {(48, 64): limit, (480, 640): 480 * 640}


def test_a_stop_drops_what_is_in_hand_and_leaves_nothing_behind(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "b.png", "c.png")
    stop = StopRequest()

    def interrupted(picture: Picture) -> Picture:
        stop.requested = True
        return picture

    outcomes = run_batch(
        jobs_for(tmp_path, "a.png", "b.png", "c.png"), interrupted, FileOptions(), stop=stop
    )
    assert outcomes == []
    assert not (tmp_path / "out").exists()


def test_whatever_was_written_is_told_of_even_when_ctrl_c_is_raised(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(9)]
    put_all(tmp_path, *names)
    told: list[str] = []

    def tell(outcome: Outcome) -> None:
        if not told:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.1)  # meanwhile others are written
        told.append(outcome.job.target.name)

    jobs = jobs_for(tmp_path, *names)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_batch(jobs, negative, FileOptions(), workers=3, on_outcome=tell)
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(told) == sorted(path.name for path in (tmp_path / "out").iterdir())


def test_an_error_in_telling_ends_the_batch(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(9)]
    put_all(tmp_path, *names)
    told: list[Outcome] = []

    def tell(outcome: Outcome) -> None:
        told.append(outcome)
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_batch(jobs_for(tmp_path, *names), negative, FileOptions(), workers=2, on_outcome=tell)
    assert len(told) <= 2
    assert len(list((tmp_path / "out").iterdir())) == len(told)


def test_what_a_library_throws_stops_one_picture_alone(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "b.jpg")

    def picky(picture: Picture) -> Picture:
        if picture.source_format == "PNG":
            raise ZeroDivisionError("inside a library")
        return picture

    bad, good = run_batch(jobs_for(tmp_path, "a.png", "b.jpg"), picky, FileOptions())
    assert good.status is Status.DONE
    assert "a.png can't be done (ZeroDivisionError: inside a library)" in str(bad.error)
    assert bad.error is not None
    assert bad.error.__cause__ is None  # its frames would hold the picture


@settings(max_examples=25, deadline=None)
@given(
    files=st.lists(
        st.tuples(
            st.sampled_from(["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"]),
            st.sampled_from(["RGB", "L", "P", "1"]),
            st.tuples(st.integers(1, 40), st.integers(1, 40)),
            st.one_of(st.none(), st.floats(0, 1)),
        ),
        min_size=1,
        max_size=6,
    )
)
def test_whatever_comes_in_every_file_ends_in_a_result_or_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[str, str, tuple[int, int], float | None]],
) -> None:
    folder = tmp_path_factory.mktemp("any")
    sizes = {}
    for number, (format, mode, size, cut) in enumerate(files):
        # JPEG and WebP have fewer modes than the others.
        mode = "RGB" if format in ("JPEG", "WEBP") and mode in "P1" else mode
        data = saved(scene(80, 80)[: size[0], : size[1]], format, mode)
        path = folder / f"{number}.{format.lower()}"
        put(path, data if cut is None else data[: int(cut * len(data))])
        sizes[path.name] = size
    jobs = jobs_for(folder, *sizes)
    outcomes = run_batch(jobs, negative, FileOptions(), workers=3)
    assert len(outcomes) == len(jobs)
    for outcome, (_, _, _, cut) in zip(outcomes, files, strict=True):
        assert outcome.status is (Status.DONE if cut is None else outcome.status)
        if outcome.status is Status.DONE:
            assert read_picture(outcome.job.target).size == sizes[outcome.job.source.name]
        else:
            assert str(outcome.job.source) in str(outcome.error)
    made = {path.name for path in folder.glob("out/*")}
    assert made == {o.job.target.name for o in outcomes if o.status is Status.DONE}


SHORT_OF_MEMORY = """
import resource, sys, threading
from pathlib import Path
import numpy as np
from stylegan_cli.batches import FileOptions, Job, run_batch

folder, share = Path(sys.argv[1]), int(sys.argv[2])
both = threading.Barrier(2)
tries = []

def hungry(picture):
    tries.append(picture)
    is_early = len(tries) <= 2
    if is_early:
        both.wait(timeout=300)
    try:
        filled = np.ones(share, np.uint8)
    finally:
        if is_early:
            both.wait(timeout=300)  # what one of them got, it has until the other one has tried
    return picture

jobs = [Job(folder / name, folder / "out" / name) for name in ("a.png", "b.png", "c.png")]
used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
limit = used + (600 << 20)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for outcome in run_batch(jobs, hungry, FileOptions(), workers=2):
    print(outcome.job.source.name, outcome.status.value, outcome.error)
print("tried again" if len(tries) > 3 else "never short")
"""


@pytest.mark.parametrize(
    ("share", "status", "reason"),
    [(300 << 20, "done", "None"), (900 << 20, "failed", "does not fit into memory")],
)
def test_without_memory_for_two_at_a_time_each_is_done_alone(
    tmp_path: Path, share: int, status: str, reason: str
) -> None:
    put_all(tmp_path, "a.png", "b.png", "c.png")
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY, tmp_path, str(share)],
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
        env=os.environ | {"MALLOC_ARENA_MAX": "1"},
    )
    *lines, last = done.stdout.splitlines()
    assert last == "tried again"
    assert [line.split()[:2] for line in lines] == [[f"{n}.png", status] for n in "abc"]
    assert all(reason in line for line in lines)


# Several runs at a time


def test_what_another_run_has_in_hand_or_has_just_made_is_left_to_it(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "b.png", "c.png")
    (tmp_path / "out").mkdir()
    jobs = jobs_for(tmp_path, "a.png", "b.png", "c.png")

    def slowly(picture: Picture) -> Picture:
        put_all(tmp_path, "out/c.png")  # the other run is done with it in the meantime
        return negative(picture)

    with claimed(jobs[1].target):
        outcomes = run_batch(jobs, slowly, FileOptions(if_there=IfThere.OVERWRITE))
    assert [outcome.status.value for outcome in outcomes] == ["done", "taken", "taken"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.png", "c.png"]


# The log


def test_the_log_has_a_line_for_each_picture(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png")
    jobs = jobs_for(tmp_path, "a.png", "lost.png")
    for _ in range(2):  # a second run adds to it
        with open_log(tmp_path / "log.jsonl", {"style": "toon", "model": "0123"}) as log:
            run_batch(jobs, negative, FileOptions(with_hash=True), on_outcome=log.add)
    records = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [record["status"] for record in records] == ["done", "failed", "failed", "failed"]
    done, lost = records[:2]
    assert done["sha256"] == hashlib.sha256((tmp_path / "a.png").read_bytes()).hexdigest()
    assert (done["style"], done["model"], done["error"]) == ("toon", "0123", None)
    assert done["seconds"] > 0
    assert "does not exist" in lost["error"]
    with pytest.raises(UsageError, match="can't write"), open_log(tmp_path, {}):
        pass


# Watching


def test_a_file_is_stylized_once_it_has_stopped_growing(tmp_path: Path) -> None:
    put_all(tmp_path, "in/a.png")
    whole, growing = saved(scene(), "PNG"), tmp_path / "in" / "b.png"
    runs: list[list[str]] = []
    stop = StopRequest()
    steps = iter(
        (
            lambda: None,
            lambda: growing.write_bytes(whole[:100]),
            lambda: growing.write_bytes(whole),
            lambda: None,
            lambda: None,
            lambda: setattr(stop, "requested", True),
        )
    )

    def run(jobs: Sequence[Job]) -> list[Outcome]:
        runs.append([job.source.name for job in jobs])
        return run_batch(jobs, negative, FileOptions())

    planner = Planner([tmp_path / "in"], Naming(out=tmp_path / "out"))
    outcomes = watch_folders(planner, run, stop, pause=lambda: next(steps)())
    assert runs == [["a.png"], ["b.png"]]
    assert [outcome.status for outcome in outcomes] == [Status.DONE, Status.DONE]


def test_a_file_that_failed_is_tried_again_when_it_changes(tmp_path: Path) -> None:
    put_all(tmp_path, "in/a.png")
    source = tmp_path / "in" / "a.png"
    whole = source.read_bytes()
    source.write_bytes(whole[:100])
    stop = StopRequest()
    steps = iter(
        (
            lambda: None,
            lambda: None,
            lambda: source.write_bytes(whole),
            lambda: None,
            lambda: setattr(stop, "requested", True),
        )
    )
    planner = Planner([tmp_path / "in"], Naming(out=tmp_path / "out"))
    outcomes = watch_folders(
        planner,
        lambda jobs: run_batch(jobs, negative, FileOptions()),
        stop,
        pause=lambda: next(steps)(),
    )
    assert [outcome.status for outcome in outcomes] == [Status.FAILED, Status.DONE]


def test_a_picture_keeps_its_name_when_others_come_in(tmp_path: Path) -> None:
    put_all(tmp_path, "in/b.png")
    planner = Planner([tmp_path / "in"], Naming(out=tmp_path / "out", format="PNG"))
    first = planner.jobs()
    put_all(tmp_path, "in/b.jpg")
    names = {job.source.name: job.target.name for job in planner.jobs()}
    assert first[0].target.name == names["b.png"] == "b.png"
    assert names["b.jpg"] == "b_jpg.png"


# Variations


def brighter(picture: Picture, seed: int) -> Picture:
    shift = np.uint8(seed)
    return replace(picture, pixels=np.clip(picture.pixels, 0, 200) + shift)


def test_variations_are_one_file_per_seed_and_a_grid(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png")
    pictures, grid = write_variations(tmp_path / "a.png", brighter, [3, 4, 5], ending="_toon")
    names = [path.relative_to(tmp_path).as_posix() for path in (*pictures, grid)]
    folder = "a_toon_variations"
    assert names == [f"{folder}/a_toon_{n}.png" for n in (3, 4, 5)] + [f"{folder}/a_toon_grid.jpg"]
    five = read_picture(pictures[2]).pixels
    np.testing.assert_array_equal(five, np.clip(scene(), 0, 200) + 5)
    assert read_picture(grid).size == (2 * 292 + 4, 2 * 388 + 4)  # rows as low as their pictures


def test_variations_write_nothing_where_one_is_there(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "out/a_toon_4.png")
    arguments = {"ending": "_toon", "folder": tmp_path / "out"}
    with pytest.raises(OutputExistsError, match="a_toon_4"):
        write_variations(tmp_path / "a.png", brighter, [3, 4], **arguments)
    assert len(list((tmp_path / "out").iterdir())) == 1
    write_variations(tmp_path / "a.png", brighter, [3, 4], overwrite=True, **arguments)
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_results_that_differ_get_names_that_differ() -> None:
    assert ending_of("toon", strength=0.6) == "_toon_strength-60"
    assert ending_of("toon", seed=7, keep_colours=True) == "_toon_seed-7_own-colours"
    assert ending_of("toon", strength=0, even=True) == "_toon_strength-0_even"


@pytest.mark.parametrize("inputs", [("a.jpg",), ("a.jpg", "b.jpg")])
@pytest.mark.parametrize("out", ["y.psd", "y.mp4", "y.exr"])
def test_a_file_name_that_no_picture_can_have_makes_no_folder(
    tmp_path: Path, inputs: tuple[str, ...], out: str
) -> None:
    naming = Naming(out=tmp_path / out)
    with pytest.raises(UsageError, match=r"is not a format for a picture; use \.jpg or \.png"):
        plan_batch([tmp_path / name for name in inputs], naming)
    (tmp_path / out).mkdir()
    assert plan_batch([tmp_path / "a.jpg"], naming)[0].target == tmp_path / out / "a.jpg"


def test_a_folder_with_a_dot_takes_the_results_of_many(tmp_path: Path) -> None:
    jobs = plan_batch([tmp_path / "a.jpg", tmp_path / "b.jpg"], Naming(out=tmp_path / "2024.05"))
    assert [job.target.parent.name for job in jobs] == ["2024.05", "2024.05"]
