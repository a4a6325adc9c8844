import io
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from picture_files import put, saved, scene
from PIL import Image

from stylegan_cli.batches import (
    STREAM,
    FileOptions,
    IfThere,
    Job,
    Naming,
    Outcome,
    Status,
    ending_of,
    plan_batch,
    raise_for,
    run_batch,
    summary,
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
    assert targets == ["out/a.png", "out/a-2.png", "out/a_jpg.png", "out/A_jpg-2.png"]
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
    with pytest.raises(UsageError, match="over an input"):
        planned(tmp_path, ["in"], Naming(out=tmp_path / "in"))
    with pytest.raises(UsageError, match="over an input"):
        planned(tmp_path, ["in/a.jpg"], Naming(out=tmp_path / "in" / "a.jpg"))
    (tmp_path / "other.jpg").hardlink_to(tmp_path / "in" / "a.jpg")
    with pytest.raises(UsageError, match="over an input"):
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
    assert "d.png does not exist" in str(outcomes[3].error)
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


def test_a_refused_result_costs_no_painting(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "out/a.png")

    def never(picture: Picture) -> Picture:
        raise AssertionError

    assert run_batch(jobs_for(tmp_path, "a.png"), never, FileOptions())[0].error is not None


def test_all_bad_is_a_failure_and_one_bad_is_its_own(tmp_path: Path) -> None:
    one = run_batch(jobs_for(tmp_path, "a.png"), negative, FileOptions())
    with pytest.raises(PictureError, match=r"a\.png does not exist"):
        raise_for(one)
    two = run_batch(jobs_for(tmp_path, "a.png", "b.png"), negative, FileOptions())
    with pytest.raises(DataError, match="none of the 2") as failure:
        raise_for(two)
    assert failure.value.exit_code == 1


def test_an_animation_is_painted_frame_by_frame(tmp_path: Path) -> None:
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
    assert read_picture(grid).size == (2 * 388 + 4, 2 * 388 + 4)


def test_variations_write_nothing_where_one_is_there(tmp_path: Path) -> None:
    put_all(tmp_path, "a.png", "out/a_toon_4.png")
    arguments = {"ending": "_toon", "folder": tmp_path / "out"}
    with pytest.raises(OutputExistsError, match="a_toon_4"):
        write_variations(tmp_path / "a.png", brighter, [3, 4], **arguments)
    assert len(list((tmp_path / "out").iterdir())) == 1
    write_variations(tmp_path / "a.png", brighter, [3, 4], overwrite=True, **arguments)
    assert len(list((tmp_path / "out").iterdir())) == 3
