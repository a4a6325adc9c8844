import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from clip_files import QUARTER_TURN, frame_times, make_clip, sound_of
from in_process import in_process
from model_files import write_small_model

from stylegan_cli.clips import ClipFrame, ClipReader, read_info
from stylegan_cli.commands.video import video as video_command
from stylegan_cli.errors import UsageError
from stylegan_cli.stylizer import open_stylizer

video = in_process(video_command)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_model(tmp_path_factory.mktemp("model") / "model.safetensors")


def frames(path: Path) -> list[ClipFrame]:
    with ClipReader(path) as reader:
        return [item for item in reader if isinstance(item, ClipFrame)]


def test_a_phone_clip_comes_back_in_the_creators_look(influ, tmp_path, model) -> None:
    clip = make_clip(tmp_path / "clip.mp4", matrix=QUARTER_TURN, sound="aac")
    # A network of random weights stylizes noise, which halved colour resolution would change.
    picture = ("--steady", "0", "--pix-fmt", "yuv444p", "--crf", "5")
    asked = ("--out", "styled.mp4", "--style", "toon", "--model", model, "--json", *picture)
    done = influ("video", clip, *asked)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["style"], record["frames"], record["complete"]) == ("toon", 20, True)
    assert (record["width"], record["height"]) == (64, 96)
    styled = tmp_path / "styled.mp4"
    assert frame_times(styled) == pytest.approx(frame_times(clip))
    assert sound_of(styled) == sound_of(clip)
    assert read_info(styled).orientation == read_info(clip).orientation
    stylize = open_stylizer("toon", model=model).stylize
    before, after = frames(clip)[7], frames(styled)[7]
    assert np.abs(after.pixels.astype(int) - stylize(before.pixels)).mean() < 4


def test_the_default_creator_is_used_and_named(influ, tmp_path, model) -> None:
    make_clip(tmp_path / "clip.mkv")
    done = influ("video", "clip.mkv", "--model", model)
    assert done.returncode == 0, done.stderr
    assert "creatorA" in done.stderr
    assert done.stdout.strip() == "clip_creatorA.mkv"
    assert len(frames(tmp_path / "clip_creatorA.mkv")) == 20


def test_a_truncated_clip_ends_with_three_and_says_how_much(influ, tmp_path, model) -> None:
    whole = make_clip(
        tmp_path / "whole.mp4",
        times=range(0, 9000, 100),
        container_options={"movflags": "faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    done = influ("video", cut, "--out", "styled.mp4", "--model", model)
    assert done.returncode == 3, done.stderr
    assert "of 90 frames" in done.stderr.replace("\n", " ")
    assert 10 < len(frames(tmp_path / "styled.mp4")) < 80


def test_what_is_no_clip_ends_with_one_sentence(influ, tmp_path, model) -> None:
    (tmp_path / "list.mp4").write_text("ffconcat version 1.0\nfile a.mp4\n")
    done = influ("video", "list.mp4", "--model", model, "--style", "toon")
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "list.mp4" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["list.mp4"]


def test_wrong_use_ends_with_two(influ, tmp_path, model) -> None:
    make_clip(tmp_path / "clip.mp4")
    done = influ("video", "clip.mp4", "--model", model, "--codec", "nonsense")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"out": Path("styled.avi")},
        {"start_s": -1.0},
        {"start_s": 2.0, "end_s": 1.0},
        {"end_s": 2.0, "preview_s": 1.0},
        {"steady": 2.0},
        {"style": "nobody"},
        {"style": "toon", "references": (Path("look.png"),)},
    ],
)
def test_wrong_use_writes_nothing(tmp_path, model, monkeypatch, wrong) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(Path("clip.mp4"))
    with pytest.raises(UsageError):
        video([Path("clip.mp4")], model=model, **wrong)
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_preview_goes_into_a_folder_that_is_made(influ, tmp_path, model) -> None:
    make_clip(tmp_path / "-clip.mp4", sound="aac")
    done = influ("video", "--model", model, "--preview", "0.2", "--out", "new", "--", "-clip.mp4")
    assert done.returncode == 0, done.stderr
    assert len(frames(tmp_path / "new" / "-clip.mp4")) == 6


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_clip_says_how_to_go_on_and_goes_on(influ, tmp_path, model, stop) -> None:
    times = range(0, 50_000, 100)
    clip = make_clip(tmp_path / "clip.mp4", times=times, sound="aac")
    asked = ("video", str(clip), "--model", str(model), "--out", "styled.mp4")
    command = [sys.executable, "-m", "stylegan_cli", *asked]
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        limit_s = time.monotonic() + 600
        while not (tmp_path / ".influ-styled.mp4" / "manifest.json").exists():
            assert process.poll() is None, process.stderr.read() if process.stderr else ""
            assert time.monotonic() < limit_s
            time.sleep(0.02)
        process.send_signal(stop)
        _, says = process.communicate(timeout=300)
    finally:
        process.kill()
    assert process.returncode == 130, says
    assert "interrupted" in says
    assert "--resume goes on" in " ".join(says.split())
    assert sorted(path.name for path in tmp_path.iterdir()) == [".influ-styled.mp4", "clip.mp4"]
    other = influ(*asked, "--resume", "--strength", "0.5")
    assert other.returncode == 2, other.stderr
    assert "was begun with another style" in " ".join(other.stderr.split())
    done = influ(*asked, "--resume", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["frames"] == len(times)
    assert record["resumed_frames"] % 100 == 0 < record["resumed_frames"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip.mp4", "styled.mp4"]
