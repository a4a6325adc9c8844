"""A share of a clip: every so many-th part of it, stylized into segments of a folder of its own."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stylegan_cli.clips import ClipFrame, ClipInfo, ClipPlan, ClipReader, plan_clip
from stylegan_cli.errors import ClipError, UsageError
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_parts import ALL, Share, position
from stylegan_cli.video.clip_styles import ClipStyle, StylizeFunction, clip_style
from stylegan_cli.video.config import VideoConfig
from stylegan_cli.video.deep import DeepClipStyle
from stylegan_cli.video.face_tracking import FacesOnly
from stylegan_cli.video.fields import FieldClipStyle
from stylegan_cli.video.film_clips import with_film
from stylegan_cli.video.frame_rate import FrameRate
from stylegan_cli.video.frame_stylizer import FrameStylizer, OnProgress
from stylegan_cli.video.notes import words_on_repairs
from stylegan_cli.video.pipeline import run_overlapped
from stylegan_cli.video.planar import planar_style
from stylegan_cli.video.segments import SegmentWriter, WorkFolder


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenClip:
    """A clip that is open, and how it is written. info, size: of the result as it is shown."""

    reader: ClipReader
    rate: FrameRate | None
    info: ClipInfo
    size: tuple[int, int]
    plan: ClipPlan


@dataclass(frozen=True, slots=True)
class Words:
    """What there is to say of a clip that was read through.

    shortfall: as in VideoResult. mended, faces: a sentence for each thing.
    """

    shortfall: str | None
    mended: tuple[str, ...]
    faces: tuple[str, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """All sentences."""
        return (*self.mended, *self.faces)


@contextmanager
def opened_clip(source: Path, suffix: str, config: VideoConfig) -> Iterator[OpenClip]:
    """Open a clip, and plan how it is written. Raises ClipError, UsageError."""
    with open_source(source, config) as reader:
        _refuse_colours(reader.info, config)
        rate = None if config.fps is None else FrameRate(reader.info, config.fps)
        info = reader.info if rate is None else rate.info
        size = _shown_size(info, config)
        plan = plan_clip(
            suffix,
            info,
            size,
            config.encoder,
            tone_map=config.hdr == "tonemap",
            keep_fields=config.interlaced == "keep",
        )
        yield OpenClip(reader=reader, rate=rate, info=info, size=size, plan=plan)


def stylize_share(
    clip: OpenClip,
    stylizer: StylizeFunction | Stylizer,
    work: WorkFolder,
    config: VideoConfig,
    on_progress: OnProgress | None,
    share: Share = ALL,
) -> Words:
    """Stylize the frames of a share that are not done yet into segments of `work`."""
    style, words_on_faces = _clip_style(stylizer, clip.plan, clip.reader, config)
    frames = _frames_to_do(clip.reader, clip.rate, position(work.memory))
    _stylize_segments(frames, style, clip.plan, work, config, share, on_progress)
    mended = (*words_on_repairs(clip.reader), *(clip.rate.notes if clip.rate else ()))
    return Words(clip.reader.shortfall, mended, tuple(words_on_faces()))


def open_source(source: Path, config: VideoConfig) -> ClipReader:
    """A reader of the part of the clip that is wanted."""
    return ClipReader(source, start_s=config.start_s, end_s=config.end_s)


def _refuse_colours(info: ClipInfo, config: VideoConfig) -> None:
    if info.colours.is_hdr and config.hdr == "error":
        raise UsageError(
            f"{info.path} is HDR: --hdr keep stylizes it as it is, and --hdr tonemap brings it to "
            "ordinary range"
        )
    if (name := info.unreadable_colours) is not None:
        raise ClipError(
            f"{info.path} stores its colours as {name}, which can't be converted: bring it to "
            "BT.709 or BT.2020 first"
        )


def _clip_style(
    stylizer: StylizeFunction | Stylizer, plan: ClipPlan, reader: ClipReader, config: VideoConfig
) -> tuple[ClipStyle, Callable[[], Iterable[str]]]:
    """What stylizes the frames as `reader` is told here to give them, and its words at the end."""
    rate = float(plan.like.frame_rate)
    style = clip_style(stylizer, config.steady, rate)
    frames = reader.converter
    frames.tone_map, frames.is_deep = plan.tone_maps, plan.is_deep
    frames.keeps_stored = plan.keeps_stored and not config.side_by_side
    words: Callable[[], Iterable[str]] = tuple
    is_plain = not plan.is_deep and not config.faces_only and not config.side_by_side
    planar = None
    if plan.fields is not None:
        reader.keep_fields()
    elif is_plain and not _has_colour_film(stylizer):
        planar = planar_style(style, plan)
    style = with_film(planar or style, stylizer)
    if config.faces_only:
        faces = FacesOnly(style, rate)
        style, words = faces, lambda: faces.notes
    if plan.is_deep:
        style = DeepClipStyle(style, frames.tone_mapper)
    if plan.fields is not None:
        return FieldClipStyle(style, plan.fields), words
    frames.is_planar = planar is not None
    frames.keeps_stored &= planar is None
    return style, words


def _has_colour_film(stylizer: StylizeFunction | Stylizer) -> bool:
    """Whether there is halation, or grain that half of the size of colour is too small for."""
    if not isinstance(stylizer, Stylizer):
        return False
    grain = stylizer.grain
    return stylizer.halation is not None or (grain is not None and any(grain.colour))


def _frames_to_do(reader: ClipReader, rate: FrameRate | None, done: int) -> Iterable[ClipFrame]:
    """The frames to stylize, without the first `done`."""
    # Frames are counted as they are written: whatever changes their number has to skip behind it.
    frames = (item for item in reader if isinstance(item, ClipFrame))
    if rate is not None:
        return islice(rate(frames), done, None)
    reader.skipped = done
    return frames


def _stylize_segments(
    frames: Iterable[ClipFrame],
    style: ClipStyle,
    plan: ClipPlan,
    work: WorkFolder,
    config: VideoConfig,
    share: Share,
    on_progress: OnProgress | None,
) -> None:
    expected = _expected_frames(plan.like, config)
    if on_progress is not None and work.frames:
        on_progress(work.frames, max(expected, work.frames))
    stylizer_of_frames = FrameStylizer(
        style,
        share=share,
        side_by_side=config.side_by_side,
        expected=expected,
        done=work.frames,
        memory=work.memory,
        on_progress=on_progress,
    )
    with SegmentWriter(work, plan) as segments:
        run_overlapped(frames, stylizer_of_frames, segments.put)
        segments.finish()


def _expected_frames(info: ClipInfo, config: VideoConfig) -> int:
    if not config.is_cut:
        return info.estimated_frames
    ends = [second for second in (config.end_s, info.duration_s) if second is not None]
    length_s = min(ends, default=0.0) - (config.start_s or 0.0)
    return max(0, round(length_s * info.frame_rate))


def _shown_size(info: ClipInfo, config: VideoConfig) -> tuple[int, int]:
    """(width, height) of the frames that are written, as a viewer sees them."""
    width, height = info.width, info.height
    if info.orientation.transposed:
        width, height = height, width
    return (2 * width if config.side_by_side else width), height
