import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clip_files import Pixels, frame_times, make_clip, sound_of
from test_video import leftovers

from stylegan_cli.containers import ClipFrame, ClipReader
from stylegan_cli.errors import (
    InterruptedByUserError,
)
from stylegan_cli.video import VideoConfig, VideoResult, stylize_clip
from stylegan_cli.video.segments import SEGMENT_FRAMES

# With AVX-512, x264 encodes one run in a hundred otherwise where a row has under eight macroblocks.
SIZE = (128, 64)


def flickering(pixels: Pixels) -> Pixels:
    """A look whose every frame has other grain, so that steadying has much to remember."""
    grain = np.random.default_rng(int(pixels.sum())).normal(0, 25, pixels.shape[:2])
    return np.clip(pixels[..., ::-1] * 0.7 + 30 + grain[..., None], 0, 255).astype(np.uint8)


def interrupted_at(call: int) -> Callable[[Pixels], Pixels]:
    """The same look, but Ctrl-C arrives while it paints for the `call`-th time."""
    calls = 0

    def paint(pixels: Pixels) -> Pixels:
        nonlocal calls
        calls += 1
        if calls == call:
            raise KeyboardInterrupt
        return flickering(pixels)

    return paint


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
