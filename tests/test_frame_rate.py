from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from clip_files import frame_times, make_clip, sound_of

from stylegan_cli.clips import ClipFrame, read_info
from stylegan_cli.errors import ConfigError
from stylegan_cli.video import VideoConfig, parse_rate, stylize_clip
from stylegan_cli.video.frame_rate import FrameRate
from stylegan_cli.video.optical_flow import Pixels


def counted(calls: list[int]) -> object:
    def stylize(pixels: Pixels) -> Pixels:
        calls.append(1)
        return pixels

    return stylize


@pytest.mark.parametrize(
    ("fps", "frames", "stylized"),
    [("15", 45, 45), ("60", 180, 90), ("24", 72, 72), ("29.97", 90, 90)],
)
def test_frames_are_left_out_or_shown_again_and_sound_stays(
    tmp_path: Path, fps: str, frames: int, stylized: int
) -> None:
    source = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100), sound="aac")
    calls: list[int] = []
    config = VideoConfig(fps=parse_rate(fps), steady=0)
    result = stylize_clip(source, tmp_path / "b.mp4", counted(calls), config)  # type: ignore[arg-type]
    assert (result.frames, len(calls)) == (frames, stylized)
    times = frame_times(tmp_path / "b.mp4")
    assert np.allclose(np.diff(times), 1 / float(parse_rate(fps)), atol=1e-4)
    assert result.duration_s == pytest.approx(read_info(source).duration_s, abs=0.02)
    assert sound_of(tmp_path / "b.mp4") == sound_of(source)
    left_out, repeated = 90 - stylized, max(0, frames - 90)
    said = [note for note in result.notes if "frames a second" in note]
    assert bool(said) == bool(left_out or repeated)
    if said:
        assert f"{left_out} frames were left out and {repeated} shown again" in said[0]


def test_every_frame_is_shown_within_half_a_slot_of_its_time(tmp_path: Path) -> None:
    times = [0, 33, 150, 151, 400, 433, 1000]
    info = read_info(make_clip(tmp_path / "a.mkv", times=times, time_base=Fraction(1, 1000)))
    pixels = np.zeros((4, 4, 3), np.uint8)
    frames = [ClipFrame(pixels + number, None, time, 33) for number, time in enumerate(times)]
    rate = FrameRate(info, Fraction(10))
    shown = list(rate(frames))
    shown_s = [float(frame.pts * rate.info.time_base) for frame in shown]
    assert shown_s == pytest.approx([slot / 10 for slot in range(11)])
    # What is shown at a tenth is the last frame that came no more than half a tenth later.
    wanted = [
        max(n for n, time in enumerate(times) if time < 100 * slot + 50) for slot in range(11)
    ]
    assert [int(frame.pixels[0, 0, 0]) for frame in shown] == wanted
    assert (rate.left_out, rate.repeated) == (3, 7)


def test_what_repeats_a_frame_that_was_left_out_is_no_repeat(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", times=[0, 100], time_base=Fraction(1, 1000))
    pixels = np.zeros((4, 4, 3), np.uint8)
    times = [(0, False), (60, False), (100, True), (210, True)]
    frames = [ClipFrame(pixels, None, time, 10, repeats) for time, repeats in times]
    shown = list(FrameRate(read_info(source), Fraction(10))(frames))
    assert [frame.is_repeat for frame in shown] == [False, False, True]


def test_rates_are_read_as_people_write_them() -> None:
    assert parse_rate("25") == 25
    assert parse_rate("1") == 1
    assert parse_rate("12.5") == Fraction(25, 2)
    assert parse_rate("30000/1001") == parse_rate("29.97") == Fraction(30_000, 1001)
    assert parse_rate("23.976") == Fraction(24_000, 1001)
    for wrong in ("fast", "1/0", ""):
        with pytest.raises(ConfigError):
            parse_rate(wrong)
    for rate in (0, -5, 1000):
        with pytest.raises(ConfigError):
            VideoConfig(fps=Fraction(rate))
