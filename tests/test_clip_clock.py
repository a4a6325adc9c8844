from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clip_files import Pixels, frame_times, make_clip, sound_of

from stylegan_cli.clips import ClipReader
from stylegan_cli.video import VideoConfig, stylize_clip


def same(pixels: Pixels) -> Pixels:
    return pixels


def joined_recordings(folder: Path, suffix: str, *starts_s: float) -> Path:
    """Recordings of a second with sound, each with a clock of its own, joined byte by byte."""
    joined = folder / f"joined{suffix}"
    for start_s in starts_s:
        part = make_clip(
            folder / f"part{suffix}",
            times=range(30),
            time_base=Fraction(1, 30),
            sound="mp2",
            codec="mpeg2video" if suffix == ".vob" else "libx264",
            container_options={"output_ts_offset": str(start_s)},
        )
        with joined.open("ab") as file:
            file.write(part.read_bytes())
    return joined


@pytest.mark.parametrize("suffix", [".ts", ".vob"])
@pytest.mark.parametrize("starts_s", [(10, 10), (10, 500), (500, 10, 9)])
def test_joined_recordings_follow_one_another(
    tmp_path: Path, suffix: str, starts_s: tuple[float, ...]
) -> None:
    source = joined_recordings(tmp_path, suffix, *starts_s)
    parts = len(starts_s)
    with ClipReader(source) as reader:
        assert reader.parts == parts
    result = stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(steady=0))
    assert result.shortfall is None
    assert result.frames == 30 * parts
    assert result.duration_s == pytest.approx(parts * 1.05, abs=0.15)
    assert any(f"joined of {parts} parts" in note for note in result.notes)
    steps = np.diff(frame_times(tmp_path / "b.mp4"))
    # Where a part's sound is longer than its pictures, the next part waits for it.
    assert steps.min() == pytest.approx(1 / 30, abs=2e-3)
    assert steps.max() < 0.2
    assert sound_of(tmp_path / "b.mp4")[1] == pytest.approx(48_000 * 1.05 * parts, rel=0.1)


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.mov"])
def test_recordings_whose_ends_overlap_a_little_are_joined(tmp_path: Path, name: str) -> None:
    source = joined_recordings(tmp_path, ".ts", 10, 10.98)
    with av.open(str(source)) as clip:
        times = [packet.dts for packet in clip.demux(audio=0) if packet.size]
    assert np.diff(np.array(times, np.int64)).min() < 0
    result = stylize_clip(source, tmp_path / name, same, VideoConfig(steady=0))
    assert result.frames == 60
    assert sound_of(tmp_path / name)[2] == sound_of(source)[2]
    assert result.duration_s == pytest.approx(2, abs=0.1)


def test_a_part_of_joined_recordings_is_found_on_the_one_clock(tmp_path: Path) -> None:
    source = joined_recordings(tmp_path, ".ts", 500, 10)
    config = VideoConfig(steady=0, start_s=0.9, end_s=1.5)
    result = stylize_clip(source, tmp_path / "b.mp4", same, config)
    assert result.frames == pytest.approx(16, abs=3)
    assert result.duration_s == pytest.approx(0.6, abs=0.1)


def test_stills_far_apart_are_one_recording_where_the_sound_goes_on(tmp_path: Path) -> None:
    times = [0, *range(150, 330, 10)]  # five seconds of one picture
    source = make_clip(tmp_path / "a.ts", times=times, time_base=Fraction(1, 30), sound="mp2")
    interleaved = tmp_path / "b.ts"
    with av.open(str(source)) as clip, av.open(str(interleaved), "w") as out:
        tracks = [out.add_stream_from_template(stream) for stream in clip.streams]
        packets: list[Any] = [packet for packet in clip.demux() if packet.size]
        for packet in sorted(packets, key=lambda packet: packet.dts * packet.time_base):
            packet.stream = tracks[packet.stream.index]
            out.mux(packet)
    with ClipReader(interleaved) as reader:
        assert reader.parts == 1


def test_a_clock_that_turns_over_costs_nothing(tmp_path: Path) -> None:
    # The clock of a broadcast has 33 bits at 90 kHz, a little more than 26 hours.
    source = make_clip(
        tmp_path / "a.ts",
        times=range(90),
        time_base=Fraction(1, 30),
        sound="mp2",
        container_options={"output_ts_offset": "95442"},
    )
    result = stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(steady=0))
    assert result.shortfall is None
    assert result.frames == 90
    assert result.duration_s == pytest.approx(3.1, abs=0.1)
    assert frame_times(tmp_path / "b.mp4")[0] == pytest.approx(0, abs=0.05)


@pytest.mark.parametrize("options", [{"bf": "0"}, {"bf": "2"}], ids=["in order", "reordered"])
def test_pictures_of_an_avi_begin_with_its_sound(tmp_path: Path, options: dict[str, str]) -> None:
    source = make_clip(
        tmp_path / "a.avi",
        times=range(25),
        time_base=Fraction(1, 25),
        sound="mp2",
        options={"preset": "medium", **options},
    )
    stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(steady=0))
    times = frame_times(tmp_path / "b.mp4")
    assert times[0] == pytest.approx(0, abs=1e-3)
    assert times[-1] == pytest.approx(24 / 25, abs=0.05)
