from pathlib import Path

import numpy as np
import pytest
from clip_files import QUARTER_TURN, make_clip
from test_clip_styles import a_stylizer, closeness, scene

from stylegan_cli.clips import ClipFrame, ClipReader, EncoderOptions, plan_clip
from stylegan_cli.errors import InterruptedByUserError
from stylegan_cli.styles import Mode
from stylegan_cli.video import VideoConfig, stylize_clip
from stylegan_cli.video.clip_styles import clip_style
from stylegan_cli.video.optical_flow import Pixels
from stylegan_cli.video.planar import planar_style

LOSSLESS = {"qp": "0", "preset": "ultrafast"}
MILD = 0.3  # a look of random weights at this strength still changes more than real ones


def moving_clip(
    path: Path,
    *,
    count: int = 12,
    pix_fmt: str = "yuv420p",
    matrix: tuple[int, ...] | None = None,
    tags: tuple[int, int, int, int] | None = None,
    width: int = 256,
) -> Path:
    return make_clip(
        path,
        times=range(0, 100 * count, 100),
        size=(width, 192),
        frame_of=lambda number, width, height: scene(number, width=width, height=height),
        pix_fmt=pix_fmt,
        matrix=matrix,
        tags=tags,
        options=LOSSLESS,
    )


def shown(path: Path) -> list[Pixels]:
    with ClipReader(path) as reader:
        return [item.pixels for item in reader if isinstance(item, ClipFrame)]


def is_planar(source: Path, mode: Mode, **options: str) -> bool:
    with ClipReader(source) as reader:
        size = (reader.info.width, reader.info.height)
        plan = plan_clip(".mp4", reader.info, size, EncoderOptions(**options))  # type: ignore[arg-type]
        return planar_style(clip_style(a_stylizer(mode), 0.55, 30.0), plan) is not None


@pytest.mark.parametrize("mode", ["colour", "photographic"])
@pytest.mark.parametrize(
    ("tags", "matrix"),
    [(None, None), ((1, 1, 1, 1), QUARTER_TURN), ((2, 1, 1, 5), None), ((1, 9, 14, 9), None)],
)
def test_a_planar_clip_looks_as_if_it_were_stylized_in_rgb(
    tmp_path: Path,
    mode: Mode,
    tags: tuple[int, int, int, int] | None,
    matrix: tuple[int, ...] | None,
) -> None:
    source = moving_clip(tmp_path / "a.mp4", tags=tags, matrix=matrix)
    assert is_planar(source, mode)
    stylizer = a_stylizer(mode, MILD)
    config = VideoConfig(encoder=EncoderOptions(crf=0, preset="ultrafast"))
    stylize_clip(source, tmp_path / "b.mp4", stylizer, config)
    in_rgb = clip_style(stylizer, config.steady, 30.0)
    for before, after in zip(shown(source), shown(tmp_path / "b.mp4"), strict=True):
        wanted = in_rgb(before)
        assert closeness(after, wanted) > 42
        assert np.abs(after.mean((0, 1)) - wanted.mean((0, 1))).max() < 0.6


def test_looks_with_lines_and_clips_that_are_not_halved_stay_in_rgb(tmp_path: Path) -> None:
    halved = moving_clip(tmp_path / "a.mp4", count=1)
    assert not is_planar(halved, "drawn")
    assert not is_planar(halved, "photographic", pix_fmt="yuv444p")
    whole = moving_clip(tmp_path / "b.mp4", count=1, pix_fmt="yuv444p")
    assert not is_planar(whole, "photographic")
    odd = moving_clip(tmp_path / "c.mp4", count=1, pix_fmt="yuv444p", width=255)
    assert not is_planar(odd, "photographic")


def test_a_resumed_planar_clip_equals_an_uninterrupted_one(tmp_path: Path) -> None:
    source = moving_clip(tmp_path / "a.mp4", count=125)
    stylizer = a_stylizer("photographic", MILD)

    def interrupt(done: int, _: int) -> None:
        if done == 112:
            raise KeyboardInterrupt

    stylize_clip(source, tmp_path / "whole.mp4", stylizer)
    with pytest.raises(InterruptedByUserError):
        stylize_clip(source, tmp_path / "b.mp4", stylizer, on_progress=interrupt)
    result = stylize_clip(source, tmp_path / "b.mp4", stylizer, VideoConfig(resume=True))
    assert result.resumed_frames == 100
    for whole, resumed in zip(
        shown(tmp_path / "whole.mp4"), shown(tmp_path / "b.mp4"), strict=True
    ):
        assert np.array_equal(whole, resumed)
