import itertools
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from clip_files import (
    QUARTER_TURN,
    Pixels,
    add_sound,
    frame_times,
    make_clip,
    ramp_frame,
    sound_of,
    sound_packets,
    write_clip,
)

from stylegan_cli.clips import (
    ClipFrame,
    ClipReader,
    ClipWriter,
    EncoderOptions,
    read_info,
    record_clip,
)
from stylegan_cli.errors import ClipError, ConfigError, OutputExistsError, UsageError, WriteError
from stylegan_cli.video import VideoConfig, parse_time, stylize_clip
from stylegan_cli.video.optical_flow import TemporalSmoother
from stylegan_cli.video.pipeline import run_overlapped
from stylegan_cli.video.verification import check_clip

AS_IT_IS = {"avoid_negative_ts": "disabled"}


def warm(pixels: Pixels) -> Pixels:
    """A look in closed form: red and blue exchanged, darker."""
    return (pixels[..., ::-1] * 0.8).astype(np.uint8)


def shown(path: Path) -> list[ClipFrame]:
    with ClipReader(path) as reader:
        return [item for item in reader if isinstance(item, ClipFrame)]


def leftovers(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_every_frame_is_stylized_and_shown_at_its_time(tmp_path: Path) -> None:
    times = [33, 66, 100, 250, 251, 400, 1000, 1033, 2000]
    source = make_clip(tmp_path / "a.mkv", times=times, time_base=Fraction(1, 1000))
    for name in ("b.mkv", "b.mp4", "b.mov", "b.webm"):
        result = stylize_clip(source, tmp_path / name, warm)
        assert result.frames == len(times)
        assert result.shortfall is None
        wanted = [(time - times[0]) / 1000 for time in times]
        assert frame_times(tmp_path / name) == pytest.approx(wanted, abs=5e-4)
    for before, after in zip(shown(source), shown(tmp_path / "b.mp4"), strict=True):
        assert np.abs(after.pixels.astype(int) - warm(before.pixels)).mean() < 4


def test_sound_title_chapters_and_tags_are_those_of_the_source(tmp_path: Path) -> None:
    chapters = [
        {
            "id": 1,
            "start": 0,
            "end": 1000,
            "time_base": Fraction(1, 1000),
            "metadata": {"title": "x"},
        }
    ]
    source = make_clip(
        tmp_path / "a.mp4", sound="aac", title="Größe", chapters=chapters, tags=(2, 9, 14, 9)
    )
    target = tmp_path / "b.mp4"
    stylize_clip(source, target, warm)
    assert sound_of(target) == sound_of(source)
    assert read_info(target).colours == read_info(source).colours
    with av.open(str(target)) as clip:
        assert clip.metadata["title"] == "Größe"
        assert clip.chapters()[0]["metadata"]["title"] == "x"
        assert clip.streams.audio[0].metadata["language"] == "deu"


def test_the_last_frame_lasts_as_long_as_in_the_source(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", times=[0, 100, 200, 300, 900, 1000])
    for name, codec in (("b.mp4", "libx264"), ("c.mp4", "libvpx-vp9"), ("d.mov", "libx265")):
        result = stylize_clip(
            source, tmp_path / name, warm, VideoConfig(encoder=EncoderOptions(codec=codec))
        )
        assert result.duration_s == pytest.approx(1000 / 3000 + 1 / 30, abs=0.04)


@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv"])
def test_a_clip_of_stills_is_as_long_as_it_was(tmp_path: Path, name: str) -> None:
    # Frames far apart, put in another order by the encoder, end where the last one ends.
    times = [*range(0, 1000, 100), *range(1000, 9001, 2000), 9100]
    source = make_clip(tmp_path / "a.mp4", times=times)
    stylize_clip(source, tmp_path / name, warm)
    with av.open(str(tmp_path / name)) as clip:
        assert clip.duration is not None
        assert clip.duration / av.time_base == pytest.approx(9200 / 3000, abs=2e-3)
        pictures = clip.streams.video[0]
        if pictures.duration is not None and pictures.time_base is not None:
            length_s = pictures.duration * pictures.time_base
            assert float(length_s) == pytest.approx(9200 / 3000, abs=1e-3)
    writer = stylize_and_join(source, tmp_path / "c.mp4")
    writer.end += 3000
    with pytest.raises(ClipError, match="a length of"):
        check_clip(record_clip(tmp_path / "c.mp4"), writer)


def stylize_and_join(source: Path, target: Path) -> ClipWriter:
    with ClipReader(source) as reader:
        return write_clip(target, reader, EncoderOptions())


def test_all_tracks_begin_at_nothing_and_keep_their_distance(tmp_path: Path) -> None:
    late = range(3_600_000, 3_602_000, 40)
    source = make_clip(
        tmp_path / "a.mkv", times=late, time_base=Fraction(1, 1000), container_options=AS_IT_IS
    )
    for name in ("b.mp4", "b.mkv"):
        result = stylize_clip(source, tmp_path / name, warm)
        assert frame_times(tmp_path / name)[0] == pytest.approx(0, abs=1e-3)
        assert result.duration_s == pytest.approx(2, abs=0.05)


def test_chapters_move_along_with_the_start(tmp_path: Path) -> None:
    chapters = [
        {"id": n, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {}}
        for n, (start, end) in enumerate([(0, 500), (500, 1500), (1500, 2000)])
    ]
    source = make_clip(tmp_path / "a.mp4", times=range(0, 6000, 100), chapters=chapters)
    stylize_clip(source, tmp_path / "b.mp4", warm, VideoConfig(start_s=1.0, end_s=1.4))
    stylize_clip(source, tmp_path / "c.mp4", warm, VideoConfig(start_s=1.0))
    for name, wanted in (("b.mp4", [(0, 0.4)]), ("c.mp4", [(0, 0.5), (0.5, 1.0)])):
        with av.open(str(tmp_path / name)) as clip:
            found = [
                (float(c["start"] * c["time_base"]), float(c["end"] * c["time_base"]))  # type: ignore[operator]
                for c in clip.chapters()
            ]
        assert found == wanted


def test_the_generator_sees_frames_upright_and_the_file_stays_turned(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", matrix=QUARTER_TURN)
    seen = set()

    def stylize(pixels: Pixels) -> Pixels:
        seen.add(pixels.shape)
        return warm(pixels)

    for name in ("b.mp4", "b.mov", "b.mkv", "b.webm"):
        stylize_clip(source, tmp_path / name, stylize)
        info = read_info(tmp_path / name)
        assert (info.width, info.height) == (96, 64)
        assert info.orientation == read_info(source).orientation
        before, after = shown(source)[5], shown(tmp_path / name)[5]
        assert np.abs(after.pixels.astype(int) - warm(before.pixels)).mean() < 5
    assert seen == {(96, 64, 3)}


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (97, 63)])
@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.webm"])
def test_odd_sizes_stay_odd(tmp_path: Path, size: tuple[int, int], name: str) -> None:
    source = make_clip(tmp_path / "a.mkv", size=size, codec="ffv1", times=range(0, 500, 100))
    result = stylize_clip(source, tmp_path / name, warm)
    frame = shown(tmp_path / name)[2]
    assert frame.pixels.shape == (size[1], size[0], 3)
    assert np.abs(frame.pixels.astype(int) - warm(shown(source)[2].pixels)).mean() < 5
    assert any("4:4:4" in note for note in result.notes) == (name != "b.webm")


def test_the_shape_of_pixels_is_kept_or_its_loss_said(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", aspect=Fraction(4, 3))
    for name in ("b.mp4", "b.mkv", "b.webm"):
        result = stylize_clip(source, tmp_path / name, warm)
        is_kept = read_info(tmp_path / name).sample_aspect_ratio == Fraction(4, 3)
        assert is_kept != any("shape of the pixels" in note for note in result.notes)
        assert is_kept or name == "b.webm"


def test_transparency_stays_in_webm_and_turns_white_with_a_word_elsewhere(tmp_path: Path) -> None:
    def with_hole(number: int, width: int, height: int) -> Any:
        alpha = np.full((height, width, 1), 255, np.uint8)
        alpha[:32] = 0
        return np.concatenate([ramp_frame(number, width, height), alpha], axis=2)

    source = make_clip(
        tmp_path / "a.webm",
        codec="libvpx-vp9",
        pix_fmt="yuva420p",
        frame_of=with_hole,
        times=range(0, 330, 33),
        time_base=Fraction(1, 1000),
    )
    assert stylize_clip(source, tmp_path / "b.webm", warm).notes == ()
    alpha = shown(tmp_path / "b.webm")[3].alpha
    assert alpha is not None
    assert alpha[:28].max() < 20
    assert alpha[36:].min() > 235
    assert "white" in stylize_clip(source, tmp_path / "b.mp4", warm).notes[0]
    assert shown(tmp_path / "b.mp4")[3].pixels[:28].min() > 240


def test_sound_that_does_not_fit_is_encoded_again_with_a_word(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", sound="aac")
    result = stylize_clip(source, tmp_path / "b.webm", warm)
    assert any("encoded again with libopus" in note for note in result.notes)
    first_s, samples, _ = sound_of(tmp_path / "b.webm")
    wanted_s, wanted, _ = sound_of(source)
    assert first_s == pytest.approx(wanted_s, abs=0.01)
    assert samples == pytest.approx(wanted, abs=1500)


@pytest.mark.parametrize(
    ("before", "after"), [("a.mp4", "b.mkv"), ("a.ts", "b.mp4"), ("a.mkv", "b.mov")]
)
def test_another_container_changes_no_time(tmp_path: Path, before: str, after: str) -> None:
    source = make_clip(tmp_path / before, sound="aac", sound_first=True)
    stylize_clip(source, tmp_path / after, warm)
    tick_s = 6e-4 if after == "b.mkv" else 2e-5
    delay_s = frame_times(source)[0] - sound_of(source)[0] if before == "a.ts" else 0.0
    wanted = np.array(frame_times(source)) - frame_times(source)[0] + delay_s
    assert frame_times(tmp_path / after) == pytest.approx(wanted.tolist(), abs=tick_s)
    assert len(sound_of(tmp_path / after)[2]) == len(sound_of(source)[2])


def test_raw_sound_of_old_files_reaches_mp4(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "a.avi",
        codec="mjpeg",
        pix_fmt="yuvj420p",
        sound="pcm_s16le",
        times=range(20),
        time_base=Fraction(1, 30),
    )
    result = stylize_clip(source, tmp_path / "b.mp4", warm)
    assert any("pcm_s16le" in note for note in result.notes)
    assert sound_of(tmp_path / "b.mp4")[1] == pytest.approx(sound_of(source)[1], abs=2100)


def test_sound_can_be_left_out(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", sound="aac")
    stylize_clip(source, tmp_path / "b.mp4", warm, VideoConfig(sound=False))
    with av.open(str(tmp_path / "b.mp4")) as clip:
        assert not clip.streams.audio


def test_subtitles_and_attachments_are_kept_where_they_fit(tmp_path: Path) -> None:
    from subtitle_files import add_subtitles

    source = add_subtitles(make_clip(tmp_path / "a.mkv"), tmp_path / "s.mkv")
    stylize_clip(source, tmp_path / "b.mkv", warm)
    with av.open(str(tmp_path / "b.mkv")) as clip:
        assert [stream.type for stream in clip.streams] == ["video", "subtitle", "attachment"]
        words = [bytes(packet) for packet in clip.demux(clip.streams[1]) if packet.size]
    assert words == [b"Hello", b"World"]
    notes = stylize_clip(source, tmp_path / "b.webm", warm).notes
    assert any("Subtitle track" in note for note in notes)
    assert any("attachment" in note for note in notes)


def test_a_part_keeps_pictures_and_sound_together(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100), sound="aac")
    target = tmp_path / "b.mp4"
    result = stylize_clip(source, target, warm, VideoConfig(start_s=1.0, end_s=2.0))
    assert result.frames == 30
    assert frame_times(target) == pytest.approx([number / 30 for number in range(30)])
    first_s, samples, packets = sound_of(target)
    assert 0 <= first_s < 0.03
    assert samples == pytest.approx(48_000, abs=2048)
    whole = sound_of(source)[2]
    start = whole.index(packets[3])
    assert packets == whole[start - 3 : start - 3 + len(packets)]
    assert (start - 3 - 1) * 1024 / 48_000 == pytest.approx(1.0 + first_s, abs=0.001)


def test_a_part_beyond_the_end_is_refused(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    with pytest.raises(ClipError, match="no frame in that part"):
        stylize_clip(source, tmp_path / "b.mp4", warm, VideoConfig(start_s=60))
    assert leftovers(tmp_path) == ["a.mp4"]


def test_side_by_side_shows_before_on_the_left(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", matrix=QUARTER_TURN)
    result = stylize_clip(source, tmp_path / "b.mp4", warm, VideoConfig(side_by_side=True))
    assert (result.width, result.height) == (128, 96)
    before, both = shown(source)[4].pixels, shown(tmp_path / "b.mp4")[4].pixels.astype(int)
    assert np.abs(both[:, :64] - before).mean() < 5
    assert np.abs(both[:, 64:] - warm(before)).mean() < 5


def test_what_can_be_decoded_of_a_truncated_clip_is_kept(tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "a.mp4",
        times=range(0, 9000, 100),
        sound="aac",
        container_options={"movflags": "faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    result = stylize_clip(cut, tmp_path / "b.mp4", warm)
    assert result.shortfall is not None
    assert "of 90 frames" in result.shortfall
    assert 10 < len(shown(tmp_path / "b.mp4")) == result.frames < 80


def test_damage_in_the_middle_costs_no_sync(tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "a.mp4",
        times=range(0, 6000, 100),
        gop=6,
        sound="aac",
        container_options={"movflags": "faststart"},
    )
    content = bytearray(whole.read_bytes())
    middle = len(content) * 2 // 3
    content[middle : middle + 400] = np.random.default_rng(1).bytes(400)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    result = stylize_clip(damaged, tmp_path / "b.mp4", warm)
    assert frame_times(tmp_path / "b.mp4") == pytest.approx(frame_times(whole))
    assert any("damaged frames" in note for note in result.notes)
    assert result.shortfall is None


def test_raw_frames_without_times_and_of_two_sizes_become_a_clip_and_it_is_said(
    tmp_path: Path,
) -> None:
    ticks: dict[str, Any] = {"times": range(8), "time_base": Fraction(1, 30)}
    small = make_clip(tmp_path / "small.h264", **ticks)
    large = make_clip(tmp_path / "large.h264", **ticks, size=(192, 128))
    source = tmp_path / "both.h264"
    source.write_bytes(small.read_bytes() + large.read_bytes())
    result = stylize_clip(source, tmp_path / "b.mp4", warm)
    assert any("16 frames had no time" in note for note in result.notes)
    assert any("8 frames had another size" in note for note in result.notes)
    assert {frame.pixels.shape for frame in shown(tmp_path / "b.mp4")} == {(64, 96, 3)}
    steps = np.diff(frame_times(tmp_path / "b.mp4"))
    assert len(steps) == 15
    assert np.allclose(steps, steps[0], atol=1e-4)


def test_sound_with_a_cover_picture_is_no_clip_and_a_clip_may_have_one(tmp_path: Path) -> None:
    for name, with_film in (("song.mp4", False), ("film.mp4", True)):
        with av.open(str(tmp_path / name), "w") as out:
            film: Any = out.add_stream("libx264", rate=30) if with_film else None
            voice = add_sound(out, "aac")
            cover: Any = out.add_stream("png", rate=1)
            cover.width, cover.height, cover.pix_fmt = 32, 32, "rgb24"
            cover.disposition = Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(ramp_frame(0, 32, 32), "rgb24")
            if film is not None:
                film.width, film.height, film.pix_fmt = 96, 64, "yuv420p"
                for number in range(5):
                    frame = av.VideoFrame.from_ndarray(ramp_frame(number, 96, 64), "rgb24")
                    out.mux(film.encode(frame))
                out.mux(film.encode(None))
            for packet in sound_packets(voice, 0.5):
                out.mux(packet)
            out.mux(cover.encode(picture))
            out.mux(cover.encode(None))
    with pytest.raises(ClipError, match="only sound and a cover picture"):
        stylize_clip(tmp_path / "song.mp4", tmp_path / "b.mp4", warm)
    assert stylize_clip(tmp_path / "film.mp4", tmp_path / "b.mp4", warm).frames == 5
    assert leftovers(tmp_path) == ["b.mp4", "film.mp4", "song.mp4"]


def test_a_clip_is_never_written_over_unless_told(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    target = tmp_path / "b.mp4"
    target.write_bytes(b"mine")
    with pytest.raises(OutputExistsError):
        stylize_clip(source, target, warm)
    assert target.read_bytes() == b"mine"
    stylize_clip(source, target, warm, VideoConfig(overwrite=True))
    assert len(shown(target)) == 20
    (tmp_path / "link.mp4").symlink_to(source)
    for itself, error, says in (
        (source, UsageError, "is an input"),
        (tmp_path / "link.mp4", WriteError, "symbolic link"),
    ):
        with pytest.raises(error, match=says):
            stylize_clip(source, itself, warm, VideoConfig(overwrite=True))
    assert len(shown(source)) == 20


def test_a_result_that_appears_meanwhile_is_not_written_over(tmp_path: Path) -> None:
    source, target = make_clip(tmp_path / "a.mp4"), tmp_path / "b.mp4"

    def stylize(pixels: Pixels) -> Pixels:
        target.write_bytes(b"mine")
        return pixels

    with pytest.raises(OutputExistsError, match="20 frames are done, and --resume"):
        stylize_clip(source, target, stylize)
    assert target.read_bytes() == b"mine"
    target.unlink()
    stylize_clip(source, target, stylize, VideoConfig(resume=True))
    assert len(shown(target)) == 20
    assert leftovers(tmp_path) == ["a.mp4", "b.mp4"]


@pytest.mark.parametrize("error", [RuntimeError("no memory"), KeyboardInterrupt()])
def test_a_failure_before_the_first_segment_leaves_nothing_behind(
    tmp_path: Path, error: BaseException
) -> None:
    source = make_clip(tmp_path / "a.mp4", times=range(0, 20_000, 100), sound="aac")
    done = 0

    def stylize(pixels: Pixels) -> Pixels:
        nonlocal done
        done += 1
        if done == 90:
            raise error
        return warm(pixels)

    before = threading.active_count()
    with pytest.raises(type(error)):
        stylize_clip(source, tmp_path / "b.mp4", stylize)
    assert leftovers(tmp_path) == ["a.mp4"]
    assert threading.active_count() == before


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """As if the disk were full after so many bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_a_full_disk_is_named_and_leaves_nothing_behind(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100), sound="aac")
    with largest_file(6000), pytest.raises(ClipError, match="make room"):
        stylize_clip(source, tmp_path / name, warm)
    assert leftovers(tmp_path) == ["a.mp4"]


def test_a_written_clip_that_lost_frames_is_not_accepted(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mkv", times=range(0, 6000, 100))
    target = tmp_path / "b.mkv"
    with ClipReader(source) as reader:
        writer = write_clip(target, reader, EncoderOptions())
    check_clip(record_clip(target), writer)
    target.write_bytes(target.read_bytes()[: target.stat().st_size // 2])
    with pytest.raises(ClipError, match="frames instead of 60"):
        check_clip(record_clip(target), writer)


@pytest.mark.parametrize(
    "name", ["-a.mp4", "a%03d.mp4", "a:b.mp4", "concat:a.mp4", "日本 é 🎬.mkv"]
)
def test_clips_of_any_name_are_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(Path(name))
    stylize_clip(Path(name), Path("pipe:1") / name, warm)
    assert len(shown(Path("pipe:1") / name)) == 20
    assert leftovers(tmp_path / "pipe:1") == [name]


def test_progress_counts_every_frame_up_to_the_total(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4")
    told: list[tuple[int, int]] = []
    stylize_clip(source, tmp_path / "b.mp4", warm, on_progress=lambda *now: told.append(now))
    assert told == [(number, 20) for number in range(1, 21)]


def test_reading_never_runs_far_ahead_of_writing() -> None:
    read, written = [], []

    def source() -> Iterator[int]:
        for number in range(200):
            read.append(number)
            yield number

    def slow(number: int) -> None:
        time.sleep(0.001)
        written.append(number)
        assert len(read) - len(written) < 15

    run_overlapped(source(), lambda number: number + 1, slow)
    assert written == list(range(1, 201))


@pytest.mark.parametrize("stage", ["read", "work", "write"])
def test_the_first_failure_of_any_stage_ends_all_of_them(stage: str) -> None:
    def fail_in(name: str, number: int) -> int:
        if name == stage and number == 30:
            raise ClipError(f"{stage} failed")
        return number

    numbers = (fail_in("read", number) for number in range(10_000))
    before = threading.active_count()
    with pytest.raises(ClipError, match=f"{stage} failed"):
        run_overlapped(
            numbers,
            lambda number: fail_in("work", number),
            lambda number: fail_in("write", number) and None,
        )
    assert threading.active_count() == before


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12.5", 12.5), ("0", 0), ("1:30", 90), ("1:02:03.5", 3723.5), ("5s", 5), ("1m30s", 90)],
)
def test_times_are_read_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_time(text) == seconds


@pytest.mark.parametrize("text", ["", "five", "-3", "1:2:3:4", "1:", "3 parsecs"])
def test_words_that_are_no_times_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_time(text)


def test_a_preview_counts_from_the_start() -> None:
    assert VideoConfig(start_s=10, preview_s=5) == VideoConfig(start_s=10, end_s=15)
    assert VideoConfig(preview_s=5) == VideoConfig(end_s=5)
    with pytest.raises(UsageError, match="--end and --preview exclude each other"):
        VideoConfig(end_s=9, preview_s=5)
    with pytest.raises(ConfigError):
        VideoConfig(start_s=2.0, end_s=1.0)


def textured(shift: int, width: int = 200, height: int = 150) -> Pixels:
    """A natural-looking scene, moved to the right by so many pixels."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 60, 3)).astype(np.uint8)
    large = cv2.resize(noise, (600, 200), interpolation=cv2.INTER_CUBIC)
    return np.ascontiguousarray(large[:height, 300 - shift : 300 - shift + width])


def flickering(seed: int, pixels: Pixels) -> Pixels:
    """Lines that jump about, as a drawn look makes them of noise."""
    lines = np.random.default_rng(seed).normal(0, 12, pixels.shape[:2])[..., None]
    return np.clip(pixels * 0.8 + 25 + lines, 0, 255).astype(np.uint8)


def warping_error(frames: list[Pixels], step: int) -> float:
    """Mean squared change along the known movement, away from the sides."""
    pairs = itertools.pairwise(frame.astype(float) for frame in frames)
    moved = [
        after[20:-20, 40:-40] - before[20:-20, 40 - step : -40 - step] for before, after in pairs
    ]
    return float(np.mean(np.square(moved)))


@pytest.mark.parametrize("step", [0, 3])
def test_steadying_halves_flicker_and_keeps_detail(step: int) -> None:
    sources = [textured(step * number) for number in range(12)]
    stylized = [flickering(number, source) for number, source in enumerate(sources)]
    steadier = TemporalSmoother(0.55)
    steadied = [steadier(*pair) for pair in zip(sources, stylized, strict=True)]
    assert warping_error(steadied, step) < 0.5 * warping_error(stylized, step)
    clean = sources[-1] * 0.8 + 25
    detail = [
        np.square(np.diff(picture.astype(float), axis=1)).mean()
        for picture in (clean, steadied[-1])
    ]
    assert detail[1] > 0.95 * detail[0]
    assert np.abs(steadied[-1] - clean).mean() < np.abs(stylized[-1] - clean).mean()


def test_steadying_lets_go_at_a_cut_and_where_something_new_appears() -> None:
    first, second = textured(0), 255 - textured(250)
    steadier = TemporalSmoother(1.0)
    steadier(first, first)
    assert np.array_equal(steadier(second, second), second)
    with_object = second.copy()
    with_object[60:110, 80:130] = (250, 20, 20)
    shown_now = steadier(with_object, with_object)
    assert np.abs(shown_now[65:105, 85:125].astype(int) - with_object[65:105, 85:125]).max() <= 2


def test_no_steadying_is_every_frame_for_itself() -> None:
    steadier = TemporalSmoother(0.0)
    for number in range(3):
        stylized = flickering(number, textured(0))
        assert steadier(textured(0), stylized) is stylized


def test_steady_works_on_turned_clips_and_can_be_switched_off(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "a.mp4", matrix=QUARTER_TURN, frame_of=lambda *_: textured(0, 96, 64)
    )
    changes = []
    for steady in (0.0, 0.9):
        counter = itertools.count()
        config = VideoConfig(steady=steady, overwrite=True)
        stylize_clip(
            source, tmp_path / "b.mp4", lambda p, c=counter: flickering(next(c), p), config
        )
        frames = [frame.pixels.astype(int) for frame in shown(tmp_path / "b.mp4")]
        changes.append(np.mean([np.abs(b - a).mean() for a, b in itertools.pairwise(frames[4:])]))
    assert changes[1] < 0.5 * changes[0]
    with pytest.raises(ConfigError):
        VideoConfig(steady=1.5)
