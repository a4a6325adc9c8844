"""One clip from end to end."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from stylegan_cli.clips import (
    ClipFrame,
    ClipInfo,
    ClipPlan,
    ClipReader,
    ClipRecord,
    ClipWriter,
    check_suffix,
    plan_clip,
    record_clip,
)
from stylegan_cli.errors import (
    ClipError,
    InterruptedByUserError,
    OutputExistsError,
    UsageError,
)
from stylegan_cli.runtime.files import check_target, claimed, make_folder, move_into_place
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import ClipStyle, StylizeFunction, clip_style
from stylegan_cli.video.config import VideoConfig
from stylegan_cli.video.deep import DeepClipStyle
from stylegan_cli.video.face_tracking import FacesOnly
from stylegan_cli.video.fields import FieldClipStyle
from stylegan_cli.video.frame_rate import FrameRate
from stylegan_cli.video.frame_stylizer import FrameStylizer, OnProgress
from stylegan_cli.video.notes import words_on_colours, words_on_losses, words_on_repairs
from stylegan_cli.video.pipeline import run_overlapped
from stylegan_cli.video.planar import planar_style
from stylegan_cli.video.segments import SegmentWriter, WorkFolder, ingredients
from stylegan_cli.video.verification import check_clip, spoilt_sound

_log = logging.getLogger(__name__)

_AS_IT_IS = VideoConfig()


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResult:
    """What came of a clip.

    width, height: as it is shown. resumed_frames: how many were there from an interrupted run.
    shortfall: how much of a damaged clip there was, such as "65 of 180 frames", None when it was
    whole. notes: a sentence for everything that is not as it was.
    """

    target: Path
    codec: str
    frames: int
    resumed_frames: int
    width: int
    height: int
    duration_s: float
    shortfall: str | None
    notes: tuple[str, ...]


def stylize_clip(
    source: Path,
    target: Path,
    stylizer: StylizeFunction | Stylizer,
    config: VideoConfig = _AS_IT_IS,
    on_progress: OnProgress | None = None,
) -> VideoResult:
    """Stylize every frame of `source` and write the clip to `target`, everything else kept.

    stylizer: a style, or a function of (H, W, 3) uint8 RGB, upright → the same shape. on_progress:
    (frames done, frames in all as far as known). Frames stream, so memory does not grow with the
    clip; `target` appears when the clip is whole and checked, and until then a hidden folder beside
    it keeps what is done (see `segments`).

    Raises ClipError, UsageError, OutputExistsError, and InterruptedByUserError instead of
    KeyboardInterrupt where something is kept.
    """
    check_suffix(target.suffix)
    if target.parent.is_dir():
        check_target(target, overwrite=config.overwrite, inputs=(source,))
    with _open_source(source, config) as reader:
        _refuse_colours(reader.info, config)
        rate = None if config.fps is None else FrameRate(reader.info, config.fps)
        info = reader.info if rate is None else rate.info
        size = _shown_size(info, config)
        plan = plan_clip(
            target.suffix,
            info,
            size,
            config.encoder,
            tone_map=config.hdr == "tonemap",
            keep_fields=config.interlaced == "keep",
        )
        style, words_on_faces = _clip_style(stylizer, plan, reader, config)
        make_folder(target.parent)
        # A function has no name that would tell it from another.
        fingerprint = stylizer.fingerprint if isinstance(stylizer, Stylizer) else ""
        made_of = ingredients(source, fingerprint, config)
        with (
            _claimed(target, config.overwrite),
            WorkFolder(target, made_of, resume=config.resume, overwrite=config.overwrite) as work,
        ):
            resumed_frames = work.frames
            joined = work.path / f"joined{plan.suffix}"
            with _promising_to_go_on(work):
                _refuse_early(joined, plan, reader, config)
                frames = _frames_to_do(reader, rate, work.frames)
                _stylize_segments(frames, style, plan, work, config, on_progress)
                writer, record = _join(joined, plan, work, config)
                with _no_second_time(work):
                    check_clip(record, writer)
                move_into_place(joined, target, overwrite=config.overwrite)
            work.remove()
    return VideoResult(
        target=target,
        codec=plan.encoder.name,
        frames=len(writer.times),
        resumed_frames=resumed_frames,
        width=size[0],
        height=size[1],
        duration_s=record.info.duration_s or 0.0,
        shortfall=reader.shortfall,
        notes=(
            *writer.notes,
            *words_on_colours(info, plan),
            *words_on_repairs(reader),
            *(rate.notes if rate else ()),
            *words_on_faces(),
            *words_on_losses(record, writer),
        ),
    )


@contextmanager
def _claimed(target: Path, overwrite: bool) -> Iterator[None]:
    """This run alone works on `target`, which no other has finished since it was checked."""
    with claimed(target):
        check_target(target, overwrite=overwrite)
        yield


def _open_source(source: Path, config: VideoConfig) -> ClipReader:
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
    if plan.fields is not None:
        reader.keep_fields()
    if config.faces_only:
        faces = FacesOnly(style, rate)
        style, words = faces, lambda: faces.notes
    if plan.is_deep:
        style = DeepClipStyle(style, frames.tone_mapper)
    if plan.fields is not None:
        return FieldClipStyle(style, plan.fields), words
    if not plan.is_deep and not config.faces_only and not config.side_by_side:
        planar = planar_style(style, plan)
        frames.is_planar = planar is not None
        style = planar or style
        frames.keeps_stored &= planar is None
    return style, words


def _refuse_early(path: Path, plan: ClipPlan, reader: ClipReader, config: VideoConfig) -> None:
    """Raise now, not after hours of stylizing, what the container or the encoder will not take."""
    with ClipWriter(path, plan) as writer:
        writer.begin(reader, sound=config.sound)
        writer.abort()


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
    on_progress: OnProgress | None,
) -> None:
    """Stylize the frames that are not done yet into segments of `work`."""
    expected = _expected_frames(plan.like, config)
    if on_progress is not None and work.frames:
        on_progress(work.frames, max(expected, work.frames))
    stylizer_of_frames = FrameStylizer(
        style,
        side_by_side=config.side_by_side,
        expected=expected,
        done=work.frames,
        memory=work.memory,
        on_progress=on_progress,
    )
    with SegmentWriter(work, plan) as segments:
        run_overlapped(frames, stylizer_of_frames, segments.put)
        segments.finish()
    if not work.frames:
        raise ClipError(f"{plan.like.path} has no frame in that part: choose another")


def _join(
    path: Path,
    plan: ClipPlan,
    work: WorkFolder,
    config: VideoConfig,
    encoded: frozenset[int] = frozenset(),
) -> tuple[ClipWriter, ClipRecord]:
    """Put the segments together with the other tracks of the source, as `path`, and read it back.

    encoded: numbers of tracks of sound to encode again. Those that don't come out of a copy as they
    went in are added to them.
    """
    source = plan.like.path
    with _open_source(source, config) as reader, ClipWriter(path, plan, encoded) as writer:
        writer.begin(reader, sound=config.sound)
        writer.join(work.files, work.segments[-1].end, reader.packets())
    with _no_second_time(work):
        record = record_clip(path)
    if spoilt := spoilt_sound(record, writer):
        return _join(path, plan, work, config, encoded | spoilt)
    return writer, record


@contextmanager
def _no_second_time(work: WorkFolder) -> Iterator[None]:
    """Remove what is done where the clip came out wrong: it would do so again."""
    try:
        yield
    except ClipError:
        work.remove()
        raise


@contextmanager
def _promising_to_go_on(work: WorkFolder) -> Iterator[None]:
    """Add to an error how to go on from what is done, if anything is."""
    try:
        yield
    except (KeyboardInterrupt, ClipError, OutputExistsError) as error:
        if not work.frames:
            raise
        promise = f"{work.frames} frames are done, and --resume goes on after them"
        if isinstance(error, KeyboardInterrupt):
            raise InterruptedByUserError(f"interrupted; {promise}") from None
        raise type(error)(f"{error}; {promise}") from error
    except Exception:
        if work.frames:
            _log.warning("%d frames are done; --resume goes on after them", work.frames)
        raise


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
