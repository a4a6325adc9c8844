from fractions import Fraction
from pathlib import Path

import av
import pytest
from clip_files import make_clip

from stylegan_cli.clips.timecodes import moved_timecode
from stylegan_cli.video import VideoConfig, stylize_clip

FILM, NTSC = Fraction(24_000, 1001), Fraction(30_000, 1001)


@pytest.mark.parametrize(
    ("text", "start_s", "rate", "new_rate", "wanted"),
    [
        ("10:00:00:02", 0, Fraction(25), Fraction(25), "10:00:00:02"),
        ("10:00:00:02", 1, Fraction(25), Fraction(25), "10:00:01:02"),
        ("10:00:00:24", Fraction(1, 25), Fraction(25), Fraction(25), "10:00:01:00"),
        ("23:59:59:24", Fraction(1, 25), Fraction(25), Fraction(25), "00:00:00:00"),
        # Two numbers are dropped each minute but the tenth.
        ("10:00:59;29", Fraction(1001, 30_000), NTSC, NTSC, "10:01:00;02"),
        ("10:09:59;29", Fraction(1001, 30_000), NTSC, NTSC, "10:10:00;00"),
        ("10:00:59:29", Fraction(1001, 30_000), NTSC, NTSC, "10:01:00:00"),
        ("10:00:00;02", 0, NTSC, Fraction(25), "10:00:00:02"),
        ("10:00:00:29", 0, NTSC, FILM, "10:00:00:23"),
        ("10:00:00:12", 0, Fraction(25), Fraction(50), "10:00:00:24"),
        ("about noon", 0, Fraction(25), Fraction(25), None),
    ],
)
def test_a_timecode_moves_along(text, start_s, rate, new_rate, wanted) -> None:
    assert moved_timecode(text, Fraction(start_s), rate, new_rate) == wanted


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        (VideoConfig(), "10:00:00;02"),
        (VideoConfig(start_s=0.5), "10:00:00;17"),
        (VideoConfig(fps=Fraction(25)), "10:00:00:02"),
    ],
)
def test_a_clip_keeps_its_timecode(tmp_path: Path, config: VideoConfig, wanted: str) -> None:
    source = make_clip(
        tmp_path / "a.mov",
        times=range(0, 30_030, 1001),
        time_base=1 / NTSC / 1001,
        timecode="10:00:00;02",
    )
    stylize_clip(source, tmp_path / "b.mov", lambda pixels: pixels, config)
    with av.open(str(tmp_path / "b.mov")) as clip:
        assert clip.streams.video[0].metadata["timecode"] == wanted
