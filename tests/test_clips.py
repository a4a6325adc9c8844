import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clip_files import (
    QUARTER_TURN,
    add_crop,
    frame_times,
    make_clip,
    ramp_frame,
    write_clip,
)
from PIL import Image

from stylegan_cli.clips import (
    ClipFrame,
    ClipReader,
    ClipWriter,
    ColourTags,
    EncoderOptions,
    Orientation,
    is_clip,
    is_other_scene,
    plan_clip,
    read_info,
    record_clip,
    sample_frames,
    scene_thumbnail,
)
from stylegan_cli.clips.encoders import choose_encoder
from stylegan_cli.clips.tone_mapping import ToneMapper
from stylegan_cli.errors import ClipError, UsageError

LOSSLESS = {"qp": "0", "preset": "ultrafast"}


def frames_of(path: Path, **part: Any) -> list[ClipFrame]:
    with ClipReader(path, **part) as reader:
        return [item for item in reader if isinstance(item, ClipFrame)]


@pytest.mark.parametrize("matrix", [1, 5, 2])
@pytest.mark.parametrize("full", [1, 2])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuv444p"])
def test_colours_come_back_neither_darker_nor_tinted(
    tmp_path: Path, matrix: int, full: int, pix_fmt: str
) -> None:
    source = make_clip(
        tmp_path / "a.mkv",
        tags=(full, 1, 1, matrix),
        options=LOSSLESS,
        pix_fmt=pix_fmt,
        frame_of=lambda number, width, height: ramp_frame(0, width, height)[:, ::-1] // 2 + 60,
    )
    copy = tmp_path / "b.mkv"
    with ClipReader(source) as reader:
        options = EncoderOptions(crf=0, preset="ultrafast", pix_fmt=pix_fmt)
        write_clip(copy, reader, options)
    for before, after in zip(frames_of(source), frames_of(copy), strict=True):
        # Away from the bar, whose edge halved colour resolution blurs.
        difference = (after.pixels.astype(int) - before.pixels)[:, :80]
        assert np.abs(difference.mean((0, 1))).max() < 0.25
        assert np.abs(difference).max() <= 3
    assert read_info(copy).colours == read_info(source).colours


@pytest.mark.parametrize(
    ("degrees", "hflip"),
    [(0, False), (90, False), (180, False), (270, False), (0, True), (90, True)],
)
def test_frames_stand_as_a_player_shows_them(tmp_path: Path, degrees: int, hflip: bool) -> None:
    clip = tmp_path / "a.mp4"
    with av.open(str(clip), "w") as out:
        stream: Any = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv444p"
        stream.codec_context.options = LOSSLESS
        stream.set_display_rotation(degrees, hflip=hflip)
        out.mux(stream.encode(av.VideoFrame.from_ndarray(ramp_frame(3, 96, 64), "rgb24")))
        out.mux(stream.encode(None))
    # PyAV counts counter-clockwise and mirrors what has been turned.
    wanted = np.rot90(ramp_frame(3, 96, 64), degrees // 90)
    wanted = wanted[:, ::-1] if hflip else wanted
    (frame,) = frames_of(clip)
    assert frame.pixels.shape == wanted.shape
    assert np.abs(frame.pixels.astype(int) - wanted).mean() < 2


def test_every_orientation_is_undone_by_its_inverse() -> None:
    pixels = ramp_frame(3, 9, 5)
    for transposed in (False, True):
        for mirrored_x in (False, True):
            for mirrored_y in (False, True):
                orientation = Orientation(transposed, mirrored_x, mirrored_y)
                assert np.array_equal(orientation.stored(orientation.upright(pixels)), pixels)


def test_an_orientation_off_the_quarters_leaves_frames_as_stored() -> None:
    assert Orientation.of((46341, 46341, 0, -46341, 46341, 0, 0, 0, 1 << 30)) == Orientation()
    assert Orientation.of(None) == Orientation()


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("text.mp4", b"this is no film", "format is not known"),
        ("empty.mp4", b"", "is empty"),
        ("list.mp4", b"ffconcat version 1.0\nfile 'a.mp4'\n", "format is not known"),
        (
            "list.mkv",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.mp4\n",
            "format is not known",
        ),
        ("page.mp4", b'<?xml version="1.0"?><MPD type="static"></MPD>', "format is not known"),
        ("picture.mp4", b"\x89PNG\r\n\x1a\n" + bytes(64), "not a clip"),
    ],
)
def test_what_is_no_clip_is_refused_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, says: str
) -> None:
    make_clip(tmp_path / "a.mp4")
    path = tmp_path / name
    path.write_bytes(content)
    assert not is_clip(path)
    with pytest.raises(ClipError, match=says) as error:
        read_info(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["concat:a.mp4|a.mp4", "http://127.0.0.1/a.mp4", "a%01d.mp4"])
def test_a_name_is_never_more_than_a_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(Path("a.mp4"))
    make_clip(Path("a1.mp4"))
    with pytest.raises(ClipError, match="does not exist"):
        read_info(Path(name))


@pytest.mark.parametrize(
    "name", ["-a.mp4", "a%03d.mp4", "a:b.mp4", "concat:a.mp4", "日本 é 🎬.mkv"]
)
def test_clips_of_any_name_are_read(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = make_clip(Path(name))
    assert is_clip(path)
    assert len(frames_of(path)) == 20


def test_sound_alone_is_no_clip(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as out:
        from clip_files import add_sound, sound_packets

        for packet in sound_packets(add_sound(out, "aac"), 0.5):
            out.mux(packet)
    assert not is_clip(path)
    with pytest.raises(ClipError, match="only sound"):
        read_info(path)


def test_a_clip_cut_off_behind_its_index_gives_what_is_there(tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "a.mp4",
        times=range(0, 9000, 100),
        container_options={"movflags": "faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with ClipReader(cut) as reader:
        frames = [item for item in reader if isinstance(item, ClipFrame)]
        assert 10 < len(frames) < 80
        assert reader.shortfall == f"{len(frames) - reader.held_frames} of 90 frames"
    # Frames are stored out of order: the last one may lack those shown just before it.
    times, wanted = [frame.pts for frame in frames], [frame.pts for frame in frames_of(whole)]
    assert times[:-3] == wanted[: len(times) - 3]
    assert set(times) <= set(wanted)


def test_a_part_that_reaches_into_what_is_missing_says_so(tmp_path: Path) -> None:
    whole = make_clip(
        tmp_path / "a.mp4",
        times=range(0, 12_000, 100),
        container_options={"movflags": "faststart"},
    )
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    for path, end_s, is_short in ((cut, 3.5, True), (cut, 0.2, False), (whole, 3.5, False)):
        with ClipReader(path, start_s=0.1, end_s=end_s) as reader:
            assert sum(1 for _ in reader) > 2
            assert (reader.shortfall is not None) == is_short
    with ClipReader(whole, start_s=3.0) as reader:
        assert sum(1 for _ in reader) == 30
        assert reader.shortfall is None


def test_a_clip_cut_off_before_its_index_says_so(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100))
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(ClipError, match="index"):
        read_info(cut)


def test_a_clip_cut_off_without_any_index_tells_the_seconds(tmp_path: Path) -> None:
    whole = make_clip(tmp_path / "a.mkv", times=range(0, 9000, 100))
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size // 3])
    with ClipReader(cut) as reader:
        assert sum(1 for _ in reader) > 5
        assert reader.shortfall is not None
        assert "of 3.0 seconds" in reader.shortfall


def test_the_last_frames_come_out_where_sound_is_the_first_track(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mp4", sound="aac", sound_first=True)
    assert len(frames_of(path)) == 20


def test_a_whole_clip_has_no_shortfall(tmp_path: Path) -> None:
    for name in ("a.mp4", "a.mkv", "a.avi", "a.ts"):
        codec = "mpeg4" if name == "a.avi" else "libx264"
        base = Fraction(1, 30)
        path = make_clip(tmp_path / name, times=range(40), time_base=base, codec=codec)
        with ClipReader(path) as reader:
            assert sum(1 for _ in reader) == 40
            assert reader.shortfall is None


def test_the_frame_before_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    times = range(0, 6000, 100)
    whole = make_clip(
        tmp_path / "a.mp4", times=times, container_options={"movflags": "faststart"}, gop=6
    )
    content = bytearray(whole.read_bytes())
    middle = len(content) * 2 // 3
    content[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    with ClipReader(damaged) as reader:
        frames = [item for item in reader if isinstance(item, ClipFrame)]
        assert reader.held_frames > 0
        assert reader.shortfall is None
    assert [frame.pts for frame in frames] == [frame.pts for frame in frames_of(whole)]


def test_alpha_of_webm_is_read_and_written(tmp_path: Path) -> None:
    def with_hole(number: int, width: int, height: int) -> Any:
        alpha = np.full((height, width, 1), 255, np.uint8)
        alpha[20:40, 30:60] = 0
        return np.concatenate([ramp_frame(number, width, height), alpha], axis=2)

    clip = make_clip(
        tmp_path / "a.webm",
        codec="libvpx-vp9",
        pix_fmt="yuva420p",
        frame_of=with_hole,
        time_base=Fraction(1, 1000),
        times=range(0, 330, 33),
    )
    assert read_info(clip).has_alpha
    frame = frames_of(clip)[4]
    assert frame.alpha is not None
    assert frame.alpha[25:35, 40:50].max() < 20
    assert frame.alpha[50:, :20].min() > 235
    assert frame.over_white()[25:35, 40:50].min() > 235
    shown = frame.over_white()[50:, :20].astype(int) - frame.pixels[50:, :20]
    assert np.abs(shown).max() < 20


def test_frames_without_a_time_are_given_one(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.h264", times=range(30), time_base=Fraction(1, 30))
    with ClipReader(clip) as reader:
        times = [float(f.pts * reader.info.time_base) for f in reader if isinstance(f, ClipFrame)]
        assert reader.retimed_frames == 30
    steps = np.diff(times)
    assert len(times) == 30
    assert np.allclose(steps, steps[0])
    assert steps[0] in (pytest.approx(1 / 30, abs=1e-3), pytest.approx(1 / 25, abs=1e-3))


def test_a_change_of_size_is_brought_to_the_first(tmp_path: Path) -> None:
    small = make_clip(tmp_path / "a.h264", times=range(8), time_base=Fraction(1, 30))
    large = make_clip(
        tmp_path / "b.h264", times=range(8), time_base=Fraction(1, 30), size=(192, 128)
    )
    both = tmp_path / "both.h264"
    both.write_bytes(small.read_bytes() + large.read_bytes())
    with ClipReader(both) as reader:
        frames = [item for item in reader if isinstance(item, ClipFrame)]
        assert reader.resized_frames == 8
    assert {frame.pixels.shape for frame in frames} == {(64, 96, 3)}
    assert len(frames) == 16


def test_a_part_begins_at_nothing_and_ends_in_time(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100), sound="aac")
    with ClipReader(clip, start_s=1.0, end_s=2.0) as reader:
        reader.copied = frozenset([1])
        items = list(reader)
    frames = [item for item in items if isinstance(item, ClipFrame)]
    sound = [item for item in items if not isinstance(item, ClipFrame)]
    assert [frame.pts for frame in frames] == [
        round(number * reader.info.time_base.denominator / 30) for number in range(30)
    ]
    whole = frames_of(clip)[30:60]
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(frames, whole, strict=True))
    starts = [float(packet.pts * packet.time_base) for packet in sound]  # type: ignore[operator]
    assert 0 <= min(starts) < 0.03
    assert 0.95 < max(starts) < 1.0


def test_a_part_of_a_broadcast_is_found_without_an_index(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", times=range(60), time_base=Fraction(1, 30), gop=60)
    assert len(frames_of(clip, start_s=0.5, end_s=1.0)) == 15


def scene_frame(number: int, width: int, height: int) -> Any:
    """Three scenes of 30 frames: red, then blue, then a grey that hardly moves."""
    frame = np.zeros((height, width, 3), np.uint8)
    frame[..., 0 if number < 30 else 2] = 180
    if number >= 60:
        frame[:] = 120
    frame[20:30, number % 60 : number % 60 + 10] = 255
    return frame


def test_frames_are_sampled_once_per_scene(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100), frame_of=scene_frame)
    times = [time_s for time_s, _ in sample_frames(clip, 0.2)]
    assert times == [pytest.approx(0), pytest.approx(1), pytest.approx(2)]


def test_samples_keep_their_distance(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", times=range(0, 9000, 100), frame_of=scene_frame)
    times = [time_s for time_s, _ in sample_frames(clip, 1.5)]
    assert times == [pytest.approx(0), pytest.approx(1.5, abs=0.05)]


def test_samples_are_upright_with_square_pixels(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", matrix=QUARTER_TURN, aspect=Fraction(2, 1))
    ((_, pixels),) = sample_frames(clip, 1.0)
    # 96x64 pixels of twice their height, turned by a quarter: 64 wide, 192 tall, at rest 32x96.
    assert pixels.shape == (96, 32, 3)


def test_noise_and_movement_are_no_other_scene() -> None:
    rng = np.random.default_rng(0)
    frame = ramp_frame(0, 96, 64)
    noisy = np.clip(ramp_frame(5, 96, 64) + rng.normal(0, 8, frame.shape), 0, 255).astype(np.uint8)
    assert not is_other_scene(scene_thumbnail(frame), scene_thumbnail(noisy))
    assert is_other_scene(scene_thumbnail(frame), scene_thumbnail(255 - frame))


@pytest.mark.parametrize(("transfer", "white"), [(16, 0.5807), (18, 0.75)])
def test_tone_mapping_keeps_grey_grey_and_order(transfer: int, white: float) -> None:
    codes = np.linspace(0, 1, 64)
    grey = np.round(codes * 65535).astype(np.uint16)[None, :, None].repeat(3, 2)
    mapped = ToneMapper(ColourTags(primaries=9, transfer=transfer))(grey)[0]
    assert np.ptp(mapped.astype(int), axis=1).max() <= 1
    assert (np.diff(mapped[:, 0].astype(int)) >= 0).all()
    assert mapped[0].max() == 0
    assert mapped[-1].min() >= 254
    # Diffuse white (203 cd/m2, Rep. ITU-R BT.2408) stays bright and leaves room for highlights.
    at_white = mapped[round(white * 63), 0]
    assert 200 < at_white < 245


def test_a_saturated_wide_colour_stays_that_colour() -> None:
    red = np.zeros((1, 1, 3), np.uint16)
    red[..., 0] = round(0.5 * 65535)
    mapped = ToneMapper(ColourTags(primaries=9, transfer=16))(red)[0, 0]
    assert mapped[0] > 100
    assert mapped[1:].max() == 0


@pytest.mark.parametrize(
    ("options", "suffix", "says"),
    [
        (EncoderOptions(codec="nonsense"), ".mp4", "no encoder 'nonsense'"),
        (EncoderOptions(codec="aac"), ".mp4", "does not encode pictures"),
        (EncoderOptions(codec="libx264"), ".webm", "can't contain libx264"),
        (EncoderOptions(pix_fmt="rgb24"), ".mp4", "no pixel format rgb24"),
        (EncoderOptions(codec="prores_ks", crf=9), ".mov", "has no --crf"),
        (EncoderOptions(preset="hasty"), ".mp4", "does not accept"),
        (EncoderOptions(), ".avi", r"\.avi is not a format for clips"),
    ],
)
def test_options_that_do_not_fit_are_named(
    tmp_path: Path, options: EncoderOptions, suffix: str, says: str
) -> None:
    info = read_info(make_clip(tmp_path / "a.mp4"))
    target = tmp_path / f"b{suffix}"
    with pytest.raises(UsageError, match=says):
        ClipWriter(target, plan_clip(suffix, info, (96, 64), options))


def test_a_hardware_encoder_that_is_not_there_gives_way_with_a_word(tmp_path: Path) -> None:
    info = read_info(make_clip(tmp_path / "a.mp4"))
    options = EncoderOptions(codec="h264_v4l2m2m")
    plan = plan_clip(".mp4", info, (96, 64), options)
    assert plan.encoder.name == "libx264"
    assert "no hardware" in plan.notes[0]


@pytest.mark.parametrize(
    ("asked", "codec", "options", "words"),
    [
        (EncoderOptions(codec="h264_nvenc", preset="p5"), "libx264", {"preset": "medium"}, 1),
        (EncoderOptions(codec="h264_qsv", preset="veryslow"), "libx264", {"preset": "veryslow"}, 1),
        (EncoderOptions(codec="av1_nvenc", preset="p7"), "libsvtav1", {"preset": "5"}, 1),
        (EncoderOptions(codec="h264_nvenc", preset="llhq"), "libx264", {"preset": "veryfast"}, 2),
        (EncoderOptions(codec="hevc_nvenc", crf=28, pix_fmt="p010le"), "libx265", {"crf": "28"}, 1),
    ],
)
def test_what_was_asked_of_missing_hardware_means_the_same_to_software(
    tmp_path: Path, asked: EncoderOptions, codec: str, options: dict[str, str], words: int
) -> None:
    if asked.codec not in av.codecs_available:
        pytest.skip(f"this FFmpeg was built without {asked.codec}")
    info = read_info(make_clip(tmp_path / "a.mp4"))
    notes: list[str] = []
    encoder = choose_encoder(asked, "libx264", info, (96, 64), info.colours, notes)
    if encoder.name == asked.codec:
        pytest.skip(f"{asked.codec} finds its hardware here")
    assert encoder.name == codec
    assert options.items() <= encoder.options.items()
    assert encoder.pix_fmt == ("yuv420p10le" if asked.pix_fmt else "yuv420p")
    assert len(notes) == words


def test_a_crop_of_the_container_is_cut_off(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.mp4", options=LOSSLESS, pix_fmt="yuv444p")
    whole = frames_of(clip)[0].pixels
    # 96x64 with 20 px off on the left, 6 on the right, 10 above and 4 below.
    add_crop(clip, size=(70, 50), centre=(7, 3))
    info = read_info(clip)
    assert (info.width, info.height) == (70, 50)
    assert info.coded_size == (96, 64)
    assert np.array_equal(frames_of(clip)[0].pixels, whole[10:60, 20:90])


def test_side_data_without_a_name_is_passed_over(tmp_path: Path) -> None:
    # FFmpeg keeps the EXIF data of a JPEG beside the frame, which PyAV has no name for.
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_mux_stream("mjpeg", rate=25, width=64, height=48)
        for number in range(3):
            file = io.BytesIO()
            Image.fromarray(ramp_frame(number, 64, 48)).save(file, "JPEG", exif=exif)
            packet: Any = av.Packet(file.getvalue())
            packet.pts = packet.dts = 40 * number
            packet.time_base, packet.stream = Fraction(1, 1000), stream
            packet.is_keyframe = True
            out.mux(packet)
    with av.open(str(path)) as clip, pytest.raises(ValueError, match="not a valid Type"):
        next(clip.decode(video=0)).side_data  # noqa: B018
    assert frames_of(path)[0].pixels.shape == (64, 48, 3)  # turned, as the EXIF data says


def test_a_record_has_the_times_in_the_order_they_are_shown(tmp_path: Path) -> None:
    times = [0, 100, 130, 400, 500, 777, 800, 900]
    record = record_clip(make_clip(tmp_path / "a.mp4", times=times, sound="aac"))
    shown = [time * float(record.info.time_base) for time in record.times]
    assert shown == pytest.approx([time / 3000 for time in times])
    assert shown == pytest.approx(frame_times(tmp_path / "a.mp4"))
    assert record.tracks[1][0] > 10
