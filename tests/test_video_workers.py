"""Promises of `influ video --workers`: the clip of one process, made by several."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_files import Pixels, frame_times, make_clip, ramp_frame, sound_of
from model_files import GRAIN, HALATION, small_model, write_small_model
from test_video import leftovers
from test_video_resuming import flickering, frames_of

from stylegan_cli.clips import ClipFrame
from stylegan_cli.errors import OutputExistsError, UsageError
from stylegan_cli.styles import write_model
from stylegan_cli.stylizer import Stylizer, open_stylizer
from stylegan_cli.video import VideoConfig, stylize_clip
from stylegan_cli.video.clip_parts import PART_FRAMES, PartFinder
from stylegan_cli.video.workers import ShareFolders

SCENES = (40, 130, 20, 115, 105, 30)  # frames of each
SIZE = (96, 64)


def scenes_frame(number: int, width: int, height: int) -> Pixels:
    """Scenes whose colours nothing of the one before has."""
    scene = int(np.searchsorted(np.cumsum(SCENES), number, side="right"))
    frame = ramp_frame(number, width, height)
    return np.roll(frame if scene % 2 else 255 - frame, scene, axis=2)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    steps = np.random.default_rng(5).integers(40, 160, sum(SCENES))
    times = [int(time) for time in np.cumsum(steps)]
    path = tmp_path_factory.mktemp("clip") / "a.mp4"
    return make_clip(path, times=times, size=SIZE, frame_of=scenes_frame, sound="aac")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


@pytest.fixture(scope="module")
def style(model: Path) -> Stylizer:
    return open_stylizer("creatorA", model=model, precision="f32")


def test_parts_begin_with_the_first_cut_that_is_late_enough() -> None:
    found, finder = [], PartFinder()
    for number in range(sum(SCENES)):
        frame = ClipFrame(scenes_frame(number, *SIZE), None, number, 1)
        if finder.begins(frame):
            found.append(number)
        finder = PartFinder(finder.memory)
    assert found == [0, 170, 305, 410]  # 40 and 190 come too early
    assert min(np.diff(found)) >= PART_FRAMES


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
@pytest.mark.parametrize(
    "options", [{}, {"fps": Fraction(15)}, {"faces_only": True}], ids=["plain", "fps", "faces"]
)
def test_several_processes_make_the_clip_of_one(options, name, clip, style, tmp_path) -> None:
    one, many = tmp_path / f"one_{name}", tmp_path / name
    alone = stylize_clip(clip, one, style, VideoConfig(**options))
    shared = stylize_clip(clip, many, style, VideoConfig(workers=3, **options))
    assert frames_of(many) == frames_of(one)
    assert frame_times(many) == frame_times(one)
    assert sound_of(many) == sound_of(one)
    assert (shared.frames, shared.notes, shared.duration_s) == (
        alone.frames,
        alone.notes,
        alone.duration_s,
    )
    assert leftovers(tmp_path) == sorted([one.name, name])


def test_several_processes_paint_the_film_of_one(clip, tmp_path) -> None:
    model = small_model()
    grainy = tuple(style.with_info(grain=GRAIN, halation=HALATION) for style in model.styles)
    write_model(dataclasses.replace(model, styles=grainy), tmp_path / "model.safetensors")
    style = open_stylizer("creatorA", model=tmp_path / "model.safetensors", precision="f32")
    stylize_clip(clip, tmp_path / "one.mp4", style)
    stylize_clip(clip, tmp_path / "many.mp4", style, VideoConfig(workers=3))
    assert frames_of(tmp_path / "many.mp4") == frames_of(tmp_path / "one.mp4")
    stylize_clip(clip, tmp_path / "none.mp4", style.without_film())
    assert frames_of(tmp_path / "none.mp4") != frames_of(tmp_path / "one.mp4")


def test_what_a_process_has_done_is_not_done_again(clip, model, style, tmp_path) -> None:
    call = [sys.executable, "-m", "stylegan_cli", "video", str(clip), "--out", "b.mp4", "--workers"]
    call += ["2", "-s", "creatorA", "--model", str(model), "--precision", "f32"]
    process = subprocess.Popen(call, cwd=tmp_path, stdout=subprocess.DEVNULL)
    while process.poll() is None and not list(tmp_path.glob(".influ-*/00000.npz")):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)  # its workers end at their next frame
    target = tmp_path / "b.mp4"
    if not target.exists():
        with pytest.raises(OutputExistsError, match="--resume"):
            stylize_clip(clip, target, style, VideoConfig(workers=2))
        with pytest.raises(UsageError, match="another --workers"):
            stylize_clip(clip, target, style, VideoConfig(workers=3, resume=True))
        result = stylize_clip(clip, target, style, VideoConfig(workers=2, resume=True))
        assert result.resumed_frames > 0
    stylize_clip(clip, tmp_path / "one.mp4", style)
    assert frames_of(target) == frames_of(tmp_path / "one.mp4")
    assert leftovers(tmp_path) == ["b.mp4", "one.mp4"]


def test_processes_have_folders_of_their_own_where_the_name_is_long(tmp_path: Path) -> None:
    target = tmp_path / ("é" * 110 + ".mp4")
    with ShareFolders(target, {}, VideoConfig(workers=2)) as work:
        assert len({folder.path for folder in work.folders}) == 2
        work.folders[0].next_file.write_bytes(b"packets")
        work.folders[0].add(1, 1, {})
    with pytest.raises(UsageError, match="another --workers"):
        ShareFolders(target, {}, VideoConfig(workers=3, resume=True))


def test_a_function_has_one_process(clip, tmp_path) -> None:
    with pytest.raises(UsageError, match="--workers"):
        stylize_clip(clip, tmp_path / "b.mp4", flickering, VideoConfig(workers=2))
