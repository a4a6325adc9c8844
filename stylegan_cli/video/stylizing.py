"""One clip from end to end."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.clips import (
    ClipPlan,
    ClipReader,
    ClipRecord,
    ClipWriter,
    check_suffix,
    record_clip,
)
from stylegan_cli.errors import ClipError, InterruptedByUserError, OutputExistsError
from stylegan_cli.runtime.files import check_target, claimed, make_folder, move_into_place
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.clip_styles import StylizeFunction
from stylegan_cli.video.config import VideoConfig
from stylegan_cli.video.frame_stylizer import OnProgress
from stylegan_cli.video.notes import words_on_colours, words_on_losses
from stylegan_cli.video.segments import ingredients
from stylegan_cli.video.shares import open_source, opened_clip, stylize_share
from stylegan_cli.video.verification import check_clip, spoilt_sound
from stylegan_cli.video.workers import ShareFolders, check_shareable, run_shares

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
    check_shareable(stylizer, config)
    with opened_clip(source, target.suffix, config) as clip:
        make_folder(target.parent)
        # A function has no name that would tell it from another.
        fingerprint = stylizer.fingerprint if isinstance(stylizer, Stylizer) else ""
        made_of = ingredients(source, fingerprint, config)
        with _claimed(target, config.overwrite), ShareFolders(target, made_of, config) as work:
            resumed_frames = work.frames
            joined = work.path / f"joined{clip.plan.suffix}"
            with _promising_to_go_on(work):
                _refuse_early(joined, clip.plan, clip.reader, config)
                if config.workers == 1:
                    words = stylize_share(clip, stylizer, work.folders[0], config, on_progress)
                else:
                    words = run_shares(source, target, stylizer, work, config, on_progress)
                if not work.frames:
                    raise ClipError(f"{source} has no frame in that part: choose another")
                writer, record = _join(joined, clip.plan, work, config)
                with _no_second_time(work):
                    check_clip(record, writer)
                move_into_place(joined, target, overwrite=config.overwrite)
            work.remove()
    return VideoResult(
        target=target,
        codec=clip.plan.encoder.name,
        frames=len(writer.times),
        resumed_frames=resumed_frames,
        width=clip.size[0],
        height=clip.size[1],
        duration_s=record.info.duration_s or 0.0,
        shortfall=words.shortfall,
        notes=(
            *writer.notes,
            *words_on_colours(clip.info, clip.plan),
            *words.notes,
            *words_on_losses(record, writer),
        ),
    )


@contextmanager
def _claimed(target: Path, overwrite: bool) -> Iterator[None]:
    """This run alone works on `target`, which no other has finished since it was checked."""
    with claimed(target):
        check_target(target, overwrite=overwrite)
        yield


def _refuse_early(path: Path, plan: ClipPlan, reader: ClipReader, config: VideoConfig) -> None:
    """Raise now, not after hours of stylizing, what the container or the encoder will not take."""
    with ClipWriter(path, plan) as writer:
        writer.begin(reader, sound=config.sound)
        writer.abort()


def _join(
    path: Path,
    plan: ClipPlan,
    work: ShareFolders,
    config: VideoConfig,
    encoded: frozenset[int] = frozenset(),
) -> tuple[ClipWriter, ClipRecord]:
    """Put the segments together with the other tracks of the source, as `path`, and read it back.

    encoded: numbers of tracks of sound to encode again. Those that don't come out of a copy as they
    went in are added to them.
    """
    source = plan.like.path
    with open_source(source, config) as reader, ClipWriter(path, plan, encoded) as writer:
        writer.begin(reader, sound=config.sound)
        writer.join(work.files, work.end, reader.packets())
    with _no_second_time(work):
        record = record_clip(path)
    if spoilt := spoilt_sound(record, writer):
        return _join(path, plan, work, config, encoded | spoilt)
    return writer, record


@contextmanager
def _no_second_time(work: ShareFolders) -> Iterator[None]:
    """Remove what is done where the clip came out wrong: it would do so again."""
    try:
        yield
    except ClipError:
        work.remove()
        raise


@contextmanager
def _promising_to_go_on(work: ShareFolders) -> Iterator[None]:
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
