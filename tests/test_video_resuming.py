import hashlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clip_files import Pixels, frame_times, make_clip, ramp_frame, sound_of
from test_video import largest_file, leftovers

from stylegan_cli.clips import ClipFrame, ClipReader, EncoderOptions
from stylegan_cli.errors import (
    BusyError,
    ClipError,
    InterruptedByUserError,
    OutputExistsError,
    UsageError,
)
from stylegan_cli.runtime.files import claimed, sealed
from stylegan_cli.video import VideoConfig, VideoResult, stylize_clip
from stylegan_cli.video.segments import SEGMENT_FRAMES, WorkFolder, ingredients

SIZE = (128, 64)


def flickering(pixels: Pixels) -> Pixels:
    """A look whose every frame has other grain, so that steadying has much to remember."""
    grain = np.random.default_rng(int(pixels.sum())).normal(0, 25, pixels.shape[:2])
    return np.clip(pixels[..., ::-1] * 0.7 + 30 + grain[..., None], 0, 255).astype(np.uint8)


def interrupted_at(call: int) -> Callable[[Pixels], Pixels]:
    """The same look, but Ctrl-C arrives while it stylizes for the `call`-th time."""
    calls = 0

    def stylize(pixels: Pixels) -> Pixels:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return flickering(pixels)

    return stylize


def frames_of(path: Path) -> list[tuple[int, int, str]]:
    """Of each decoded frame: pts, duration, and MD5 over what is seen."""
    with ClipReader(path) as reader:
        return [
            (item.pts, item.duration, _checksum(item))
            for item in reader
            if isinstance(item, ClipFrame)
        ]


def _checksum(frame: ClipFrame) -> str:
    alpha = b"" if frame.alpha is None else frame.alpha.tobytes()
    return hashlib.md5(frame.pixels.tobytes() + alpha, usedforsecurity=False).hexdigest()


def uneven_times(count: int) -> list[int]:
    """Times of frames as phones make them, worst where two segments meet."""
    steps = np.random.default_rng(3).integers(40, 160, count)
    steps[SEGMENT_FRAMES - 3 : SEGMENT_FRAMES + 3] = (1, 2, 1, 3000, 1, 9000)
    return [int(time) for time in np.cumsum(steps)]


def stop_and_go_on(source: Path, target: Path, *calls: int, **options: Any) -> VideoResult:
    """Interrupt the work after so many frames, again and again, and then let it end."""
    for call in calls:
        config = VideoConfig(resume=True, **options)
        with pytest.raises(InterruptedByUserError, match="--resume"):
            stylize_clip(source, target, interrupted_at(call), config)
        assert not target.exists()
    return stylize_clip(source, target, flickering, VideoConfig(resume=True, **options))


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_a_resumed_clip_equals_an_uninterrupted_one(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "a.mp4", times=uneven_times(230), size=SIZE, sound="aac")
    whole, resumed = tmp_path / f"whole_{name}", tmp_path / name
    stylize_clip(source, whole, flickering)
    result = stop_and_go_on(source, resumed, 150, 120, 20)
    assert result.resumed_frames == 200
    assert frames_of(resumed) == frames_of(whole)
    assert sound_of(resumed) == sound_of(whole)
    assert sound_of(resumed)[2] == sound_of(source)[2]
    tick_s = 6e-4 if name == "b.mkv" else 1e-6
    assert frame_times(resumed) == pytest.approx(frame_times(source), abs=tick_s)
    assert leftovers(tmp_path) == sorted(["a.mp4", name, whole.name])


def test_a_transparent_clip_resumes_too(tmp_path: Path) -> None:
    def with_hole(number: int, width: int, height: int) -> Any:
        alpha = np.full((height, width, 1), 255, np.uint8)
        alpha[: number % height] = 0
        return np.concatenate([ramp_frame(number, width, height), alpha], axis=2)

    source = make_clip(
        tmp_path / "a.webm",
        codec="libvpx-vp9",
        pix_fmt="yuva420p",
        options={"deadline": "realtime", "cpu-used": "8"},
        frame_of=with_hole,
        size=SIZE,
        times=range(0, 120 * 33, 33),
        time_base=Fraction(1, 1000),
    )
    options = {"encoder": EncoderOptions(preset="8")}
    stylize_clip(source, tmp_path / "whole.webm", flickering, VideoConfig(**options))
    stop_and_go_on(source, tmp_path / "b.webm", 110, **options)
    assert frames_of(tmp_path / "b.webm") == frames_of(tmp_path / "whole.webm")
    assert frame_times(tmp_path / "b.webm") == pytest.approx(frame_times(source))
    with ClipReader(tmp_path / "b.webm") as reader:
        assert reader.info.has_alpha


def test_damage_where_two_segments_meet_is_mended_as_without_a_stop(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "whole.mp4", times=range(0, 13_000, 100), size=SIZE, gop=4)
    content = bytearray(whole.read_bytes())
    packets = packets_of(whole)
    # From the middle of one frame before the seam to the middle of one behind it.
    for position, size in packets[SEGMENT_FRAMES - 2 : SEGMENT_FRAMES + 3]:
        content[position + 8 : position + size] = bytes(size - 8)
    source = tmp_path / "a.mp4"
    source.write_bytes(content)
    result = stylize_clip(source, tmp_path / "through.mp4", flickering)
    assert any("stands in" in note for note in result.notes)
    resumed = stop_and_go_on(source, tmp_path / "b.mp4", 110)
    assert resumed.notes == result.notes
    assert frames_of(tmp_path / "b.mp4") == frames_of(tmp_path / "through.mp4")
    assert frame_times(tmp_path / "b.mp4") == pytest.approx(frame_times(whole))


def packets_of(path: Path) -> list[tuple[int, int]]:
    """Where each packet of pictures lies in the file, and how long it is."""
    with av.open(str(path)) as clip:
        return [(packet.pos or 0, packet.size) for packet in clip.demux(video=0) if packet.size]


def test_another_frame_rate_goes_on_where_it_stopped(tmp_path: Path) -> None:
    times = range(0, 13_000, 100)
    source = make_clip(tmp_path / "a.mp4", times=times, size=SIZE, sound="aac")
    options = {"fps": Fraction(27)}
    stylize_clip(source, tmp_path / "whole.mp4", flickering, VideoConfig(**options))
    result = stop_and_go_on(source, tmp_path / "b.mp4", 110, **options)
    assert result.frames == 117
    assert frames_of(tmp_path / "b.mp4") == frames_of(tmp_path / "whole.mp4")


RUN = """
import sys
from pathlib import Path
from sudden_end import die_after_change
from test_video_resuming import flickering
from stylegan_cli.runtime.files import claimed
from stylegan_cli.video import VideoConfig, stylize_clip
source, target, work = map(Path, sys.argv[1:4])
die_after_change(work, int(sys.argv[4]), float(sys.argv[5]))
stylize_clip(source, target, flickering, VideoConfig(resume=True))
"""


def test_a_clip_killed_at_random_moments_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", times=uneven_times(520), size=SIZE, sound="aac")
    target, work = tmp_path / "b.mp4", tmp_path / ".influ-b.mp4"
    moment = random.Random(2)
    # Of six segments each process ends one, or none: a tenth change would be the end of another.
    for change in moment.sample(range(3, 10), 5):
        call = [sys.executable, "-c", RUN, source, target, work]
        call += [str(change), str(moment.uniform(0, 0.4))]
        ended = subprocess.run(call, cwd=Path(__file__).parent)
        assert ended.returncode == -signal.SIGKILL
        kept = [name for name in leftovers(tmp_path) if not name.endswith(".claim")]
        assert kept == [work.name, "a.mp4"]
    assert stylize_clip(source, target, flickering, VideoConfig(resume=True)).resumed_frames >= 100
    stylize_clip(source, tmp_path / "whole.mp4", flickering)
    assert frames_of(target) == frames_of(tmp_path / "whole.mp4")
    assert sound_of(target) == sound_of(source)
    assert leftovers(tmp_path) == ["a.mp4", "b.mp4", "whole.mp4"]


@pytest.fixture
def unfinished(tmp_path: Path) -> tuple[Path, Path]:
    """A clip, and the name of its result, of which 100 of 130 frames are done."""
    source = make_clip(tmp_path / "a.mp4", times=range(0, 13_000, 100), size=SIZE, sound="aac")
    with pytest.raises(InterruptedByUserError, match="100 frames are done"):
        stylize_clip(source, tmp_path / "b.mp4", interrupted_at(115))
    return source, tmp_path / "b.mp4"


@pytest.mark.parametrize(
    ("other", "name"),
    [
        ({"steady": 0.3}, "steady"),
        ({"side_by_side": True}, "side-by-side"),
        ({"encoder": EncoderOptions(crf=30)}, "crf"),
        ({"end_s": 3.0, "sound": False}, "end and another sound"),
    ],
)
def test_other_options_are_refused_and_what_is_done_stays(
    unfinished: tuple[Path, Path], other: dict[str, Any], name: str
) -> None:
    source, target = unfinished
    with pytest.raises(UsageError, match=f"b.mp4 was begun with another {name}: "):
        stylize_clip(source, target, flickering, VideoConfig(resume=True, **other))
    assert stop_and_go_on(source, target).resumed_frames == 100


def test_another_clip_is_refused(unfinished: tuple[Path, Path]) -> None:
    source, target = unfinished
    make_clip(source, times=range(0, 13_000, 100), size=SIZE)
    with pytest.raises(UsageError, match="begun with another clip: "):
        stop_and_go_on(source, target)


def test_what_is_unfinished_is_lost_only_when_told(unfinished: tuple[Path, Path]) -> None:
    source, target = unfinished
    with pytest.raises(OutputExistsError, match="with 100 frames done: --resume goes on"):
        stylize_clip(source, target, flickering, VideoConfig(steady=0.3))
    result = stylize_clip(source, target, flickering, VideoConfig(steady=0.3, overwrite=True))
    assert (result.frames, result.resumed_frames) == (130, 0)
    assert leftovers(target.parent) == ["a.mp4", "b.mp4"]


def test_nothing_unlisted_or_damaged_gets_into_a_clip(unfinished: tuple[Path, Path]) -> None:
    source, target = unfinished
    work = target.with_name(".influ-b.mp4")
    assert json.loads((work / "manifest.json").read_text())["segments"][0]["frames"] == 100
    (work / "00001.packets").write_bytes(b"half a segment")
    assert stop_and_go_on(source, target, 10).resumed_frames == 100
    whole = frames_of(target)
    target.unlink()
    with pytest.raises(InterruptedByUserError):
        stylize_clip(source, target, interrupted_at(115))
    packets = work / "00000.packets"
    packets.write_bytes(packets.read_bytes()[:-1])
    assert stop_and_go_on(source, target).resumed_frames == 0
    assert frames_of(target) == whole


def test_two_runs_never_work_on_one_clip(unfinished: tuple[Path, Path]) -> None:
    source, target = unfinished
    made_of = ingredients(source, "", VideoConfig())
    with (
        claimed(target),
        WorkFolder(target, made_of, resume=True, overwrite=False) as work,
    ):
        with pytest.raises(BusyError, match=f"process {os.getpid()} of influ is at work"):
            stop_and_go_on(source, target)
        assert work.frames == 100
    assert stop_and_go_on(source, target).resumed_frames == 100


def test_a_run_that_waited_for_another_to_end_begins_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"

    def end_the_other_first(*arguments: Any) -> Any:
        monkeypatch.undo()
        stylize_clip(source, target, flickering)
        return ingredients(*arguments)

    monkeypatch.setattr("stylegan_cli.video.stylizing.ingredients", end_the_other_first)
    with pytest.raises(OutputExistsError, match=r"^[^;]*exists already; add --overwrite[^;]*$"):
        stylize_clip(source, target, interrupted_at(1))
    assert leftovers(tmp_path) == ["a.mp4", "b.mp4"]


def test_a_memory_that_unpacks_to_much_is_not_believed(
    unfinished: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    source, target = unfinished
    work = target.with_name(".influ-b.mp4")
    manifest = json.loads((work / "manifest.json").read_text())
    memory = work / manifest["memory"]
    with memory.open("wb") as file:
        np.savez_compressed(file, source=np.zeros(1 << 20, np.uint8))
    manifest["memory_sha256"] = hashlib.sha256(memory.read_bytes()).hexdigest()
    del manifest["sha256"]
    (work / "manifest.json").write_text(sealed(manifest))
    assert stop_and_go_on(source, target).resumed_frames == 0
    assert "unpacks to" in caplog.text


def test_a_disk_that_fills_up_at_the_end_costs_nothing(unfinished: tuple[Path, Path]) -> None:
    source, target = unfinished
    work = target.with_name(".influ-b.mp4")
    largest = max(path.stat().st_size for path in work.iterdir())
    with largest_file(largest + 2000), pytest.raises(ClipError, match=r"make room.*130 frames"):
        stop_and_go_on(source, target)
    assert not target.exists()
    assert not list(work.glob("joined*"))
    assert stop_and_go_on(source, target).resumed_frames == 130
    assert sound_of(target) == sound_of(source)
