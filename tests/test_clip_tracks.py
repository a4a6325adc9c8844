"""What becomes of the tracks beside the pictures."""

import io
import struct
from collections.abc import Collection
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition
from clip_files import Pixels, make_clip, sound_of
from PIL import Image
from subtitle_files import add_subtitles

from stylegan_cli.clips import Track, read_info
from stylegan_cli.clips.avi import sound_units
from stylegan_cli.video import VideoConfig, VideoResult, stylize_clip


def same(pixels: Pixels) -> Pixels:
    return pixels


def styled(source: Path, target: str) -> VideoResult:
    return stylize_clip(source, source.with_name(target), same)


def words_of(path: Path) -> tuple[str, list[tuple[float, float, str]]]:
    """(codec, [(start, length in seconds, words)]) of the first subtitle track."""
    found = []
    with av.open(str(path)) as clip:
        stream: Any = clip.streams.subtitles[0]
        for packet in clip.demux(stream):
            for words in packet.decode() if packet.size else ():
                text = words.dialogue.decode().strip()
                start, length = (float(t * packet.time_base) for t in (packet.pts, packet.duration))
                found.append((round(start, 2), round(length, 2), text))
        return stream.codec_context.name, found


SAID = [(0.1, 0.2, "Hello"), (0.4, 0.2, "World")]


@pytest.mark.parametrize(
    ("name", "codec"),
    [("b.mp4", "mov_text"), ("b.mov", "mov_text"), ("b.webm", "webvtt"), ("b.mkv", "srt")],
)
def test_text_goes_into_every_container_and_back(tmp_path: Path, name: str, codec: str) -> None:
    source = add_subtitles(make_clip(tmp_path / "a.mkv"), tmp_path / "words.mkv")
    assert words_of(source)[1] == SAID
    result = styled(source, name)
    assert words_of(tmp_path / name) == (codec, SAID)
    assert any("converted into" in note for note in result.notes) == (codec != "srt")
    styled(tmp_path / name, "c.mkv")
    assert words_of(tmp_path / "c.mkv")[1] == SAID


TOGETHER = """\
1
00:00:00,100 --> 00:00:00,400
<i>one</i>

2
00:00:00,100 --> 00:00:00,300
two

3
00:00:00,200 --> 00:00:00,600
three
"""


@pytest.mark.parametrize("name", ["b.mp4", "b.mov"])
def test_words_that_are_shown_together_are_still_shown_together(tmp_path: Path, name: str) -> None:
    source = add_subtitles(make_clip(tmp_path / "a.mkv"), tmp_path / "words.mkv", TOGETHER)
    styled(source, name)
    assert words_of(tmp_path / name)[1] == [
        (0.1, 0.1, "{\\i1}one{\\r}\ntwo"),
        (0.2, 0.1, "{\\i1}one{\\r}\ntwo\nthree"),
        (0.3, 0.1, "{\\i1}one{\\r}\nthree"),
        (0.4, 0.2, "three"),
    ]


@pytest.mark.parametrize("name", ["b.webm", "b.mkv"])
def test_words_that_overlap_stay_whole_where_they_may(tmp_path: Path, name: str) -> None:
    source = add_subtitles(make_clip(tmp_path / "a.mkv"), tmp_path / "words.mkv", TOGETHER)
    styled(source, name)
    times = [time for *time, _ in words_of(tmp_path / name)[1]]
    assert times == [[0.1, 0.3], [0.1, 0.2], [0.2, 0.4]]


def clip_with_sound(
    path: Path, codec: str, rate: int, layout: str, sample_format: str, second: str = "fra"
) -> Path:
    """Two tracks of a third of a second; the second, in another language, is the one to play."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        voices: list[Any] = []
        for language in ("eng", second):
            voice: Any = out.add_stream(codec, rate=rate)
            voice.layout, voice.format, voice.bit_rate = layout, sample_format, 128_000
            voice.metadata["language"] = language
            voice.disposition = Disposition.default if language == second else Disposition(0)
            voices.append(voice)
        for number in range(8):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
        for voice in voices:
            channels = len(voice.layout.channels)
            tone = (np.sin(np.arange(rate // 3) / 20) * 9000).astype(np.int16)
            sound: Any = av.AudioFrame.from_ndarray(np.repeat(tone, channels)[None], "s16", layout)
            sound.sample_rate, sound.pts, sound.time_base = rate, 0, Fraction(1, rate)
            for packet in (*voice.encode(sound), *voice.encode(None)):
                out.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "rate", "layout", "sample_format", "says"),
    [
        ("a.mov", "pcm_s16le", 192_000, "mono", "s16", "aac, at 96000 Hz."),
        ("a.mov", "pcm_s16le", 50_000, "stereo", "s16", "aac, at 64000 Hz."),
        ("a.mkv", "pcm_s16le", 48_000, "hexadecagonal", "s16", "aac, as stereo."),
        ("a.avi", "adpcm_ms", 44_100, "stereo", "s16", "adpcm_ms, which can't"),
        ("a.avi", "wmav2", 48_000, "stereo", "fltp", "wmav2, which can't be copied into .mp4"),
    ],
)
def test_sound_of_any_kind_reaches_mp4(
    tmp_path: Path, name: str, codec: str, rate: int, layout: str, sample_format: str, says: str
) -> None:
    source = clip_with_sound(tmp_path / name, codec, rate, layout, sample_format)
    result = styled(source, "b.mp4")
    assert sum(says in note for note in result.notes) == 2
    with av.open(str(tmp_path / "b.mp4")) as clip:
        for stream in clip.streams.audio:
            is_french = stream.index == 2
            if name != "a.avi":  # which knows neither
                assert bool(stream.disposition & Disposition.default) == is_french
                assert stream.language == ("fra" if is_french else "eng")
    _, samples, _ = sound_of(tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as clip:
        assert samples / clip.streams.audio[0].rate == pytest.approx(1 / 3, abs=0.06)


def clip_with_tones(path: Path, codec: str, rate: int, pieces: Collection[int] = range(25)) -> Path:
    """A second of 25 frames, and a tone while those are shown that are named in `pieces`."""
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("mpeg4", rate=25)
        stream.width, stream.height = 64, 48
        voice: Any = out.add_stream(codec, rate=rate)
        voice.layout = "mono"
        for number in range(25):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
            if number in pieces:
                tone = (np.sin(np.arange(rate // 25) / 5) * 9000).astype(np.int16)
                sound: Any = av.AudioFrame.from_ndarray(tone[None], "s16", "mono")
                sound.sample_rate, sound.time_base = rate, Fraction(1, rate)
                sound.pts = number * (rate // 25)
                out.mux(voice.encode(sound))
        out.mux(stream.encode(None))
        out.mux(voice.encode(None))
    return path


# In an AVI, FFmpeg states the length of a packet as the unit for these, and counts in bytes.
@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.webm"])
@pytest.mark.parametrize(
    ("codec", "rate"), [("g726", 8000), ("g722", 16_000), ("eac3", 48_000), ("dfpwm", 48_000)]
)
def test_sound_of_an_avi_lasts_as_long_as_its_samples(
    tmp_path: Path, codec: str, rate: int, name: str
) -> None:
    source = clip_with_tones(tmp_path / "a.avi", codec, rate)
    with av.open(str(source)) as clip:
        times = [packet.pts * packet.time_base for packet in clip.demux(audio=0) if packet.size]
    assert not 0.8 < max(times) < 1.2
    styled(source, name)
    with av.open(str(tmp_path / name)) as clip:
        ends = [frame.pts * frame.time_base for frame in clip.decode(audio=0)]
        assert float(max(ends)) == pytest.approx(1, abs=0.2)
        assert clip.duration / av.time_base == pytest.approx(1, abs=0.2)


def test_sound_of_an_avi_whose_bytes_a_second_vary_counts_by_their_mean(tmp_path: Path) -> None:
    path = clip_with_tones(tmp_path / "a.avi", "libmp3lame", 44_100)
    with av.open(str(path)) as clip:
        total = sum(packet.size for packet in clip.demux(audio=0))
    content = bytearray(path.read_bytes())
    header = content.index(b"auds")  # AVISTREAMHEADER: scale, rate, length, size of a sample
    struct.pack_into("<II", content, header + 20, 1, 3 * total)  # The rest is much louder.
    struct.pack_into("<I", content, header + 32, total)
    struct.pack_into("<I", content, header + 44, 1)
    form = content.index(b"strf", header) + 8  # WAVEFORMATEX: bytes a second, size of a block
    struct.pack_into("<IHH", content, form + 8, 3 * total, 1, 0)
    path.write_bytes(content)
    info = read_info(path)
    with av.open(str(path)) as clip:
        assert clip.streams.audio[0].time_base == Fraction(1, 3 * total)
    assert sound_units(info) == {}


def test_a_part_of_an_avi_has_the_sound_of_its_samples(tmp_path: Path) -> None:
    source = clip_with_tones(tmp_path / "a.avi", "g722", 16_000)
    stylize_clip(source, tmp_path / "b.mkv", same, VideoConfig(start_s=0.4))
    _, samples, _ = sound_of(tmp_path / "b.mkv")
    assert samples / 16_000 == pytest.approx(0.6, abs=0.1)


def test_sound_that_a_decoder_holds_back_is_not_lost(tmp_path: Path) -> None:
    source = clip_with_sound(tmp_path / "a.avi", "wmav2", 48_000, "stereo", "fltp")
    styled(source, "b.mkv")
    _, before, _ = sound_of(source)
    _, after, _ = sound_of(tmp_path / "b.mkv")
    assert after >= before


@pytest.mark.parametrize("name", ["b.mp4", "b.webm"])
def test_a_gap_in_sound_that_is_encoded_again_stays(tmp_path: Path, name: str) -> None:
    pieces = {*range(8), *range(18, 25)}
    styled(clip_with_tones(tmp_path / "a.mkv", "pcm_s16le", 48_000, pieces), name)
    with av.open(str(tmp_path / name)) as clip:
        times = [float(frame.pts * frame.time_base) for frame in clip.decode(audio=0)]
    assert np.diff(times).max() == pytest.approx(0.4, abs=0.06)
    assert max(times) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.mov"])
def test_a_language_with_two_names_is_kept(tmp_path: Path, name: str) -> None:
    styled(clip_with_sound(tmp_path / "a.mkv", "aac", 48_000, "mono", "fltp", "deu"), name)
    with av.open(str(tmp_path / name)) as clip:
        languages = [stream.language for stream in clip.streams.audio]
    assert languages == ["eng", "ger" if name == "b.mov" else "deu"]


def described_clip(path: Path) -> Path:
    """Subtitles in Irish, to be shown in any case, and a tag that nobody has a name for."""
    source = add_subtitles(make_clip(path.with_name("plain.mkv")), path.with_name("words.mkv"))
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        new.metadata["dog"] = "Laika"
        tracks = {stream.index: new.add_stream_from_template(stream) for stream in old.streams}
        for stream in old.streams.subtitles:
            words: Any = tracks[stream.index]
            words.metadata["language"] = "gle"
            words.disposition = Disposition.forced
        for packet in old.demux():
            if packet.size:
                packet.stream = tracks[packet.stream.index]
                new.mux(packet)
    return path


@pytest.mark.parametrize("name", ["b.mkv", "b.mp4", "b.mov"])
def test_what_a_container_forgets_of_tracks_and_tags_is_said(tmp_path: Path, name: str) -> None:
    result = styled(described_clip(tmp_path / "a.mkv"), name)
    with av.open(str(tmp_path / name)) as clip:
        words = clip.streams.subtitles[0]
        assert (words.language == "gle") == (name != "b.mov")
        assert bool(words.disposition & Disposition.forced) == (name != "b.mov")
        assert {tag.lower() for tag in clip.metadata}.issuperset({"dog"}) == (name == "b.mkv")
    lost = "The subtitle track 1 loses its language (gle) and the mark 'forced' in .mov"
    assert any(lost in note for note in result.notes) == (name == "b.mov")
    assert any("tags, DOG can't" in note for note in result.notes) == (name != "b.mkv")


def test_a_timecode_that_becomes_a_track_is_not_called_lost(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mov", timecode="01:00:00:00")
    styled(source, "b.mkv")
    assert not styled(tmp_path / "b.mkv", "c.mp4").notes


def test_sound_that_a_copy_spoils_is_encoded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_clip(tmp_path / "a.mp4", sound="aac")
    monkeypatch.setattr(Track, "take", lambda track, packet: [])
    result = styled(source, "b.mp4")
    assert any("can't be copied into .mp4; it is encoded again" in note for note in result.notes)
    assert sound_of(tmp_path / "b.mp4")[1]


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv", "b.mov"])
def test_a_cover_is_kept_or_its_loss_is_said(tmp_path: Path, name: str) -> None:
    clip = make_clip(tmp_path / "a.mp4")
    file = io.BytesIO()
    Image.new("RGB", (40, 30), (200, 30, 30)).save(file, "JPEG")
    covered = tmp_path / "covered.mkv"
    with av.open(str(clip)) as source, av.open(str(covered), "w") as out:
        track = out.add_stream_from_template(source.streams.video[0])
        out.add_attachment("cover.jpg", "image/jpeg", file.getvalue())
        for packet in source.demux(video=0):
            if packet.size:
                packet.stream = track
                out.mux(packet)
    result = styled(covered, name)
    with av.open(str(tmp_path / name)) as clip_again:
        covers = [s for s in clip_again.streams.video if s.disposition & Disposition.attached_pic]
        contents = [bytes(p) for s in covers for p in clip_again.demux(s) if p.size]
    is_said = any("cover picture is left out" in note for note in result.notes)
    assert (contents == [file.getvalue()]) != is_said
    assert is_said == (name == "b.mov")


def test_data_that_does_not_fit_is_said(tmp_path: Path) -> None:
    source = tmp_path / "a.ts"
    with av.open(str(source), "w") as out:
        stream: Any = out.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        data: Any = out.add_data_stream("klv")
        for number in range(10):
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            out.mux(stream.encode(frame))
            packet: Any = av.Packet(b"height 100 m")
            packet.pts = packet.dts = number
            packet.time_base, packet.stream = Fraction(1, 25), data
            out.mux(packet)
        out.mux(stream.encode(None))
    assert styled(source, "b.mp4").notes == (
        "Data track 1 (KLVA) can't be kept in .mp4 and is left out.",
    )


@pytest.mark.parametrize("name", ["b.mp4", "b.mkv"])
def test_sound_before_the_first_picture_is_kept_by_a_cut(tmp_path: Path, name: str) -> None:
    source = make_clip(tmp_path / "a.mkv", times=range(2100, 6000, 100), sound="aac")
    config = VideoConfig(steady=0, start_s=0.2)
    stylize_clip(source, tmp_path / name, same, config)
    with av.open(str(tmp_path / name)) as clip:
        begins = {
            stream.type: float((stream.start_time or 0) * (stream.time_base or 0))
            for stream in clip.streams
        }
    assert begins["video"] == pytest.approx(0.5, abs=0.01)
    assert begins["audio"] < 0.05
