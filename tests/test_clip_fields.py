"""Interlaced clips."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from clip_files import QUARTER_TURN, make_clip, ramp_frame

from stylegan_cli.clips import EncoderOptions, read_info
from stylegan_cli.errors import UsageError
from stylegan_cli.video import VideoConfig, VideoResult, stylize_clip

FIELDS = {"flags": "+ildct+ilme", "crf": "4"}


def woven(number: int, width: int, height: int) -> Any:
    """A bar that moves from one field to the next."""
    frame = ramp_frame(0, width, height)
    fields = [ramp_frame(2 * number + late, width, height) for late in (1, 0)]  # bottom first
    frame[0::2], frame[1::2] = fields[0][0::2], fields[1][1::2]
    return frame


def same(pixels: Any) -> Any:
    return pixels.copy()


def combs(path: Path) -> float:
    """How much each row differs from those above and below it, levels."""
    with av.open(str(path)) as clip:
        frames = [frame.to_ndarray(format="gray").astype(int) for frame in clip.decode(video=0)]
    rows = np.stack(frames)[4:8]
    return float(np.abs(2 * rows[:, 1:-1] - rows[:, :-2] - rows[:, 2:]).mean())


def test_interlaced_frames_are_made_whole_with_a_word(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frame_of=woven, options=FIELDS)
    assert read_info(source).fields is not None
    result = stylize_clip(source, tmp_path / "b.mp4", same, VideoConfig(steady=0))
    assert result.frames == 20
    assert result.duration_s == pytest.approx(20 / 30, abs=0.01)
    assert result.notes == ("The clip is interlaced; 20 frames were deinterlaced (bwdif).",)
    assert read_info(tmp_path / "b.mp4").fields is None
    assert combs(tmp_path / "b.mp4") < combs(source) / 2


def test_a_part_of_an_interlaced_clip_is_whole(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frame_of=woven, options=FIELDS)
    config = VideoConfig(steady=0, start_s=0.2, end_s=0.5)
    assert stylize_clip(source, tmp_path / "b.mp4", same, config).frames == 9


def kept(source: Path, target: Path, stylize: Any, codec: str | None = None) -> VideoResult:
    config = VideoConfig(steady=0, interlaced="keep", encoder=EncoderOptions(codec=codec, crf=None))
    return stylize_clip(source, target, stylize, config)


def test_fields_are_kept_and_stylized_by_themselves(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frame_of=woven, options=FIELDS)
    seen: list[Any] = []

    def stylize(pixels: Any) -> Any:
        seen.append(pixels)
        return pixels.copy()

    result = kept(source, tmp_path / "b.mp4", stylize)
    assert result.notes == ()
    assert read_info(tmp_path / "b.mp4").fields == read_info(source).fields
    assert combs(tmp_path / "b.mp4") > combs(source) * 0.8
    assert {pixels.shape for pixels in seen} == {(32, 96, 3)}
    assert len(seen) == 40
    # The bar moves by 4 px from field to field, in the order in which they are shown.
    lefts = [int((pixels[..., 2].astype(int) > 170).any(0).argmax()) for pixels in seen[:12]]
    assert lefts == sorted(lefts)


def test_an_encoder_without_fields_is_named(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frame_of=woven, options=FIELDS)
    with pytest.raises(UsageError, match="libvpx-vp9 does not keep fields"):
        kept(source, tmp_path / "b.webm", same)
    assert not (tmp_path / "b.webm").exists()


def test_fields_that_can_not_be_kept_are_made_whole_with_a_word(tmp_path: Path) -> None:
    source = make_clip(tmp_path / "a.mp4", frame_of=woven, options=FIELDS, matrix=QUARTER_TURN)
    result = kept(source, tmp_path / "b.mp4", same)
    assert "can't be kept" in result.notes[0]
    assert "deinterlaced" in result.notes[1]
