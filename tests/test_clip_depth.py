"""Clips of more than 8 bits, HDR among them, and of colours at more than half resolution."""

import os
from contextlib import suppress
from fractions import Fraction
from itertools import count
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from clip_files import make_clip

from stylegan_cli.clips import EncoderOptions, ToneMapper, read_info
from stylegan_cli.clips.colour_tags import ColourTags
from stylegan_cli.clips.pixel_formats import PixelShape
from stylegan_cli.errors import ClipError, UsageError
from stylegan_cli.video import VideoConfig, stylize_clip
from stylegan_cli.video.clip_styles import AnyClipStyle
from stylegan_cli.video.deep import DeepClipStyle

HDR10 = (
    "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):"
    "max-cll=800,200"
)
PQ, HLG = 16, 18


def same(pixels: Any) -> Any:
    return pixels.copy()


def grey(pixels: Any) -> Any:
    return cv2.cvtColor(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def hdr_clip(path: Path, transfer: int, parameters: str = "", frames: int = 6) -> Path:
    return make_clip(
        path,
        times=range(0, 100 * frames, 100),
        codec="libx265",
        pix_fmt="yuv420p10le",
        tags=(1, 9, transfer, 9),
        options={"crf": "8", "x265-params": ":".join(filter(None, ["log-level=none", parameters]))},
    )


def planes_of(path: Path) -> Any:
    """The numbers of all frames as they are stored."""
    with av.open(str(path)) as clip:
        return np.stack([frame.to_ndarray() for frame in clip.decode(video=0)])


def psnr(before: Any, after: Any, peak: float) -> float:
    error = np.mean(np.square(before.astype(np.float64) - after))
    return float(10 * np.log10(peak**2 / error))


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="scheduling is Linux's")
def test_no_encoder_makes_the_process_real_time(tmp_path: Path) -> None:
    before = os.sched_getscheduler(0)
    source = hdr_clip(tmp_path / "a.mp4", HLG, HDR10, frames=12)
    numbers = count(1)
    seen = set()

    def look(pixels: Any) -> Any:
        # Few frames wait to be written: at the last one the encoder has long been opened.
        if next(numbers) == 12:
            for task in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):  # The thread has ended meanwhile.
                    seen.add(os.sched_getscheduler(int(task.name)))
        return same(pixels)

    stylize_clip(source, tmp_path / "b.webm", look, VideoConfig(steady=0))
    assert seen == {before}
    assert os.sched_getscheduler(0) == before


@pytest.mark.parametrize("transfer", [PQ, HLG])
@pytest.mark.parametrize("name", ["b.mp4", "b.mov", "b.mkv", "b.webm"])
def test_hdr_stays_hdr(tmp_path: Path, transfer: int, name: str) -> None:
    source = hdr_clip(tmp_path / "a.mp4", transfer, HDR10)
    result = stylize_clip(source, tmp_path / name, same, VideoConfig(steady=0))
    info = read_info(tmp_path / name)
    assert result.codec == ("libsvtav1" if name == "b.webm" else "libx265")
    assert info.pix_fmt == "yuv420p10le"
    assert info.colours == read_info(source).colours
    assert info.mastering.primaries == pytest.approx(
        (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329), abs=1e-4
    )
    assert info.mastering.luminance == pytest.approx((0.005, 1000), abs=1e-3)
    assert info.mastering.levels == (800, 200)
    assert psnr(planes_of(source), planes_of(tmp_path / name), 1023) > 45


def test_what_a_look_does_reaches_hdr(tmp_path: Path) -> None:
    source = hdr_clip(tmp_path / "a.mp4", HLG)
    stylize_clip(source, tmp_path / "b.mp4", grey, VideoConfig(steady=0))
    height = read_info(source).height
    luma, colour = np.split(planes_of(tmp_path / "b.mp4"), [height], axis=1)
    assert np.abs(colour.astype(int) - 512).max() < 12
    # What is as bright as before is as bright as before.
    before = planes_of(source)[:, :height]
    assert np.abs(luma.astype(int) - before).mean() < 60


def test_hdr_can_be_refused_or_brought_to_ordinary_range(tmp_path: Path) -> None:
    source = hdr_clip(tmp_path / "a.mp4", HLG)
    with pytest.raises(UsageError, match="--hdr tonemap"):
        stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(hdr="error"))
    assert not (tmp_path / "b.mp4").exists()
    result = stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(hdr="tonemap"))
    info = read_info(tmp_path / "b.mp4")
    assert (info.colours.primaries, info.colours.transfer, info.colours.matrix) == (1, 1, 1)
    assert (result.codec, info.pix_fmt) == ("libx264", "yuv420p")


@pytest.mark.parametrize(
    "asked", [EncoderOptions(codec="libvpx-vp9"), EncoderOptions(pix_fmt="yuv420p")]
)
def test_hdr_that_the_encoder_can_not_keep_is_tone_mapped_with_a_word(
    tmp_path: Path, asked: EncoderOptions
) -> None:
    source = hdr_clip(tmp_path / "a.mp4", PQ)
    result = stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(encoder=asked))
    assert "tone mapping" in result.notes[0]
    assert read_info(tmp_path / "b.mp4").colours.transfer == 1


@pytest.mark.parametrize("transfer", [PQ, HLG])
def test_tone_mapping_can_be_undone(transfer: int) -> None:
    mapper = ToneMapper(ColourTags(primaries=9, transfer=transfer))
    # All colours in steps, up to 1,000 cd/m2.
    steps = np.linspace(0, 0.75 if transfer == PQ else 1, 17) * 65535
    codes = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(-1, 17, 3).astype(np.uint16)
    found = mapper.codes(mapper.levels(codes)).astype(int)
    # 64 are one of 10 bits; what is dark beside what is bright is not told so exactly.
    assert np.abs(found - codes).max() < 64 * 6
    assert np.abs(found - codes).mean() < 4


@pytest.mark.parametrize("transfer", [None, PQ, HLG])
def test_a_smooth_change_of_a_smooth_frame_is_smooth(transfer: int | None) -> None:
    mapper = None if transfer is None else ToneMapper(ColourTags(primaries=9, transfer=transfer))
    ramp = np.linspace(20_000, 40_000, 2048).astype(np.uint16)
    frame = np.repeat(np.repeat(ramp[None, :, None], 64, 0), 3, 2)

    def contrast(pixels: Any) -> Any:
        return np.clip(np.rint(pixels * 1.25 - 20), 0, 255).astype(np.uint8)

    untouched = DeepClipStyle(AnyClipStyle(same, 0.0), mapper)(frame)
    assert np.abs(untouched.astype(int) - frame).max() < 64
    stylized = DeepClipStyle(AnyClipStyle(contrast, 0.0), mapper)(frame)
    # Without the order in which the copy rounds up, every step would be an 8-bit level (257) high.
    means = stylized[..., 1].reshape(64, -1, 8).mean((0, 2))
    steps = np.diff(means)
    assert np.count_nonzero(steps > 0) > 0.97 * len(steps)
    assert steps.max() < 3.5 * np.median(steps)


def test_wide_colours_turn_grey_where_the_look_makes_them_so() -> None:
    mapper = ToneMapper(ColourTags(primaries=9, transfer=HLG))
    green = np.full((8, 8, 3), (0, 40_000, 0), np.uint16)  # BT.709 has none like it
    stylized = DeepClipStyle(AnyClipStyle(grey, 0.0), mapper)(green).astype(int)
    assert np.ptp(stylized, axis=2).max() < 300
    untouched = DeepClipStyle(AnyClipStyle(same, 0.0), mapper)(green).astype(int)
    assert np.abs(untouched - green).max() < 300


def test_a_black_line_over_a_highlight_is_black() -> None:
    mapper = ToneMapper(ColourTags(primaries=9, transfer=PQ))
    sun = np.full((8, 8, 3), 60_000, np.uint16)  # some 4,000 cd/m2

    def with_line(pixels: Any) -> Any:
        stylized = pixels.copy()
        stylized[3] = 0
        return stylized

    stylized = DeepClipStyle(AnyClipStyle(with_line, 0.0), mapper)(sun)
    assert stylized[3].max() < 300
    assert np.abs(stylized[5].astype(int) - sun[5]).max() < 64


@pytest.mark.parametrize(
    ("pix_fmt", "name", "wanted", "says"),
    [
        ("yuv422p10le", "b.mp4", "yuv422p10le", "stays 4:2:2 in 10 bits"),
        ("yuv420p10le", "b.mp4", "yuv420p10le", None),
        ("yuv444p", "b.mp4", "yuv444p", "stays 4:4:4 in 8 bits"),
        ("yuv422p", "b.webm", "yuv422p", "stays 4:2:2 in 8 bits"),
        ("yuv422p10le", "b.webm", "yuv420p10le", "4:2:2 in 10 bits and is written with libsvtav1"),
        ("yuv420p", "b.mp4", "yuv420p", None),
        ("bgr0", "b.mp4", "yuv420p", "RGB in 8 bits and is written with libx264 as 4:2:0"),
        ("gray", "b.mp4", "yuv420p", None),
        ("yuv444p12le", "b.mp4", "yuv444p10le", "in 12 bits and is written"),
    ],
)
def test_bits_and_colours_are_kept_or_their_loss_is_said(
    tmp_path: Path, pix_fmt: str, name: str, wanted: str, says: str | None
) -> None:
    source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt=pix_fmt, times=range(0, 500, 100))
    result = stylize_clip(source, tmp_path / name, same, VideoConfig(steady=0))
    assert read_info(tmp_path / name).pix_fmt == wanted
    assert [says in note for note in result.notes] == [True] if says else result.notes == ()


def test_more_than_8_bits_go_through_stylizing(tmp_path: Path) -> None:
    source = make_clip(
        tmp_path / "a.mkv", codec="ffv1", pix_fmt="yuv422p10le", times=range(0, 300, 100)
    )
    stylize_clip(source, tmp_path / "b.mkv", same, VideoConfig(steady=0))
    before, after = (planes_of(tmp_path / name)[..., 0:64] for name in ("a.mkv", "b.mkv"))
    assert psnr(before, after, 1023) > 48


@pytest.mark.parametrize(("matrix", "name"), [(10, "constant luminance"), (14, "ICtCp")])
def test_colours_that_can_not_be_read_are_never_guessed(
    tmp_path: Path, matrix: int, name: str
) -> None:
    source = make_clip(tmp_path / "a.mp4", tags=(1, 9, HLG, matrix))
    with pytest.raises(ClipError, match=name):
        stylize_clip(source, tmp_path / "b.mp4", same)
    assert not (tmp_path / "b.mp4").exists()


@pytest.mark.parametrize("full", [1, 2])
def test_ycgco_comes_out_in_its_own_colours(tmp_path: Path, full: int) -> None:
    colours = [(200, 60, 40), (30, 160, 90), (250, 240, 230), (20, 20, 120)]
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as out:
        stream: Any = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        stream.codec_context.colorspace, stream.codec_context.color_range = 8, full
        for number, (red, green, blue) in enumerate(colours):
            # Rec. ITU-T H.273, equations 44 to 46.
            luma = 0.5 * green + 0.25 * (red + blue)
            numbers = [luma, 0.5 * green - 0.25 * (red + blue), 0.5 * (red - blue)]
            if full == 1:
                numbers = [16 + numbers[0] * 219 / 255, *(n * 224 / 255 for n in numbers[1:])]
            planes = [numbers[0], 128 + numbers[1], 128 + numbers[2]]
            array = np.stack([np.full((48, 64), round(plane), np.uint8) for plane in planes])
            frame = av.VideoFrame.from_ndarray(array, "yuv444p", channel_last=False)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            frame.colorspace, frame.color_range = 8, full
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    seen: list[Any] = []

    def stylize(pixels: Any) -> Any:
        seen.append(pixels.mean((0, 1)))
        return pixels

    result = stylize_clip(path, tmp_path / "b.mp4", stylize, VideoConfig(steady=0))
    assert np.abs(np.array(seen) - colours).max() <= 2
    assert any("YCgCo" in note for note in result.notes)
    assert read_info(tmp_path / "b.mp4").colours.matrix != 8


def bars(number: int, width: int, height: int) -> Any:
    """Saturated bars, which RGB can't bring back from colour at half of the size."""
    colours = [[255, 0, 0], [0, 255, 255], [0, 0, 255], [255, 255, 0], [255, 0, 255], [0, 255, 0]]
    row = np.array(colours, np.uint8)[(np.arange(width) + number) // 7 % len(colours)]
    return np.tile(row, (height, 1, 1))


def bars_clip(path: Path, pix_fmt: str, transfer: int) -> Path:
    tags = (2 if pix_fmt.startswith("yuvj") else 1, 9, transfer, 9)
    times = range(0, 300, 100)
    return make_clip(
        path, times=times, codec="ffv1", pix_fmt=pix_fmt, tags=tags, frame_of=bars, size=(98, 66)
    )


@pytest.mark.parametrize(("primaries", "matrix"), [(9, 9), (1, 6)])
def test_rgb_gets_the_matrix_of_its_primaries(tmp_path: Path, primaries: int, matrix: int) -> None:
    tags = (2, primaries, PQ if primaries == 9 else 1, 0)
    source = make_clip(tmp_path / "a.mkv", codec="ffv1", pix_fmt="gbrp10le", tags=tags)
    stylize_clip(source, tmp_path / "b.mkv", same, VideoConfig(steady=0))
    assert read_info(tmp_path / "b.mkv").colours.matrix == matrix


@pytest.mark.parametrize(
    ("pix_fmt", "name"), [("yuv440p", "4:4:0"), ("yuv411p", "4:1:1"), ("yuv410p", "4:1:0")]
)
def test_every_way_to_share_colours_has_a_name(pix_fmt: str, name: str) -> None:
    assert str(PixelShape.of(pix_fmt)) == f"{name} in 8 bits"


@pytest.mark.parametrize("function", [same, lambda pixels: pixels], ids=["equal", "untouched"])
@pytest.mark.parametrize(
    ("pix_fmt", "transfer"), [("yuv420p", 1), ("yuv422p", 1), ("yuv420p10le", HLG)]
)
def test_what_no_style_changes_is_written_in_the_numbers_of_the_source(
    tmp_path: Path, pix_fmt: str, transfer: int, function: Any
) -> None:
    source = bars_clip(tmp_path / "a.mkv", pix_fmt, transfer)
    config = VideoConfig(steady=0, encoder=EncoderOptions(codec="ffv1"))
    stylize_clip(source, tmp_path / "b.mkv", function, config)
    difference = planes_of(tmp_path / "b.mkv").astype(int) - planes_of(source)
    is_tone_mapped = transfer == HLG and function is same  # and back, which rounds
    assert abs(difference).max() <= 2 * is_tone_mapped


@pytest.mark.parametrize(("pix_fmt", "transfer"), [("yuv420p", 1), ("yuv420p10le", HLG)])
def test_a_grey_clip_of_saturated_bars_has_no_colour_at_their_edges(
    tmp_path: Path, pix_fmt: str, transfer: int
) -> None:
    source = bars_clip(tmp_path / "a.mkv", pix_fmt, transfer)
    config = VideoConfig(steady=0, encoder=EncoderOptions(codec="ffv1"))
    stylize_clip(source, tmp_path / "b.mkv", grey, config)
    colour = planes_of(tmp_path / "b.mkv")[:, 66:].astype(int)
    middle = 512 if transfer == HLG else 128
    assert abs(colour - middle).max() <= middle / 64
