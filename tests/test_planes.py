from pathlib import Path

import numpy as np
import pytest
from av.video.frame import VideoFrame
from clip_files import QUARTER_TURN, make_clip, ramp_frame

from stylegan_cli.clips import (
    ClipFrame,
    ClipReader,
    ColourTags,
    EncoderOptions,
    FrameEncoder,
    Orientation,
    YuvCodes,
    plan_clip,
    planes_of,
)
from stylegan_cli.clips.description import EXACT
from stylegan_cli.clips.planes import turned


@pytest.mark.parametrize("matrix", [1, 4, 5, 7, 9, 2])
@pytest.mark.parametrize("full", [1, 2])
def test_codes_mean_what_ffmpeg_takes_them_for(matrix: int, full: int) -> None:
    colours = ColourTags(range=full, matrix=matrix)
    codes, pixels = YuvCodes(colours, 64), ramp_frame(0, 96, 64)
    stored = codes.of_rgb(pixels)
    theirs = VideoFrame.from_ndarray(stored.transpose(2, 0, 1), "yuv444p").reformat(
        format="rgb24",
        src_colorspace=colours.swscale_matrix(64),
        src_color_range=colours.swscale_range,
        interpolation=EXACT,
    )
    ours = codes.to_rgb(stored).astype(int)
    assert np.abs(ours - theirs.to_ndarray()).max() <= 1
    assert np.abs((ours - pixels).mean((0, 1))).max() < 0.25


def test_planes_are_views_of_their_frame() -> None:
    frame = np.zeros((15, 6), np.uint8)  # ten rows, so that a colour difference ends within one
    for number, plane in enumerate(planes_of(frame)):
        plane[:] = number + 1
    assert frame.ravel().tolist() == [1] * 60 + [2] * 15 + [3] * 15


def test_a_turned_frame_turns_back() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (96, 96), np.uint8)
    orientation = Orientation(transposed=True, mirrored_x=True)
    upright = turned(frame, orientation.upright)
    assert [plane.shape for plane in planes_of(upright)] == [(96, 64), (48, 32), (48, 32)]
    assert np.array_equal(turned(upright, orientation.stored), frame)


@pytest.mark.parametrize("matrix", [None, QUARTER_TURN])
@pytest.mark.parametrize("pix_fmt", ["yuv420p", "yuvj420p"])
def test_planar_frames_are_written_as_they_were_read(
    tmp_path: Path, pix_fmt: str, matrix: tuple[int, ...] | None
) -> None:
    source = make_clip(tmp_path / "a.mp4", pix_fmt=pix_fmt, matrix=matrix)
    with ClipReader(source) as reader:
        reader.converter.is_planar = True
        frames = [item for item in reader if isinstance(item, ClipFrame)]
        size = (64, 96) if matrix else (96, 64)
        options = EncoderOptions(codec="ffv1", pix_fmt="yuv420p")
        plan = plan_clip(".mkv", reader.info, size, options)
    assert frames[0].pixels.shape == (size[1] * 3 // 2, size[0])
    assert plan.takes_planes
    encoder = FrameEncoder(plan, tmp_path / "b.mkv")
    stored = [encoder._to_video_frame(frame).to_ndarray() for frame in frames]
    upright = [turned(frame, reader.info.orientation.upright) for frame in stored]
    for frame, again in zip(frames, upright, strict=True):
        assert np.array_equal(frame.pixels, again)
