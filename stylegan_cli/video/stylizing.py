"""One clip from end to end."""

import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stylegan_cli.containers import (
    ClipFrame,
    ClipInfo,
    ClipPacket,
    ClipReader,
    ClipRecord,
    ClipWriter,
    Colours,
    check_suffix,
)
from stylegan_cli.errors import ClipError, OutputExistsError, UsageError
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.video.checking import check_clip
from stylegan_cli.video.choices import VideoConfig
from stylegan_cli.video.clip_looks import ClipLook, Paint, clip_look
from stylegan_cli.video.pipeline import run_overlapped

Pixels = npt.NDArray[np.uint8]
OnProgress = Callable[[int, int], None]

_AS_IT_IS = VideoConfig()
_BT709 = Colours(range=1, primaries=1, transfer=1, matrix=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResult:
    """What came of a clip.

    width, height: as it is shown. shortfall: how much of a damaged clip there was, such as "65 of
    180 frames", None when it was whole. notes: a sentence for everything that is not as it was.
    """

    target: Path
    codec: str
    frames: int
    width: int
    height: int
    duration_s: float
    shortfall: str | None
    notes: tuple[str, ...]


def stylize_clip(
    source: Path,
    target: Path,
    paint: Paint | Stylizer,
    config: VideoConfig = _AS_IT_IS,
    on_progress: OnProgress | None = None,
) -> VideoResult:
    """Paint every frame of `source` and write the clip to `target`, everything else kept.

    paint: a look, or a function of (H, W, 3) uint8 RGB, upright → the same shape. on_progress:
    (frames done, frames in all as far as known). Frames stream, so memory does not grow with the
    clip; `target` appears when the clip is whole and checked. Raises ClipError, UsageError,
    OutputExistsError.
    """
    check_suffix(target.suffix)
    _check_target(source, target, config.overwrite)
    with ClipReader(
        source, start_s=config.start_s, end_s=config.end_s, tone_map=config.hdr == "tonemap"
    ) as reader:
        if reader.info.colours.is_hdr and config.hdr == "error":
            raise UsageError(
                f"{source} is HDR, whose colours would come out wrong: "
                "add --hdr tonemap to bring it to ordinary range first"
            )
        _make_folder(target.parent)
        partial = target.with_name(f".influ-{secrets.token_hex(6)}{target.suffix}")
        try:
            writer, record = _write(reader, partial, paint, config, on_progress)
            _publish(partial, target, config.overwrite)
        finally:
            partial.unlink(missing_ok=True)
    width, height = _shown_size(reader.info, config)
    return VideoResult(
        target=target,
        codec=writer.codec,
        frames=len(writer.times),
        width=width,
        height=height,
        duration_s=record.info.duration_s or 0.0,
        shortfall=reader.shortfall,
        notes=(*writer.notes, *_repairs(reader), *_losses(reader.info, record.info)),
    )


def _write(
    reader: ClipReader,
    path: Path,
    paint: Paint | Stylizer,
    config: VideoConfig,
    on_progress: OnProgress | None,
) -> tuple[ClipWriter, ClipRecord]:
    """Write the whole clip to `path`, whatever its name, and check it."""
    info = reader.info
    painter = _Painter(
        clip_look(paint, config.steady, float(info.frame_rate)),
        config,
        _expected_frames(info, config),
        on_progress,
    )
    with ClipWriter(
        path,
        path.suffix,
        info,
        _shown_size(info, config),
        options=config.encoder,
        colours=_BT709 if info.colours.is_hdr else None,
    ) as writer:
        writer.begin(reader, sound=config.sound)
        run_overlapped(reader, painter, writer.put)
        if not writer.times:
            raise ClipError(f"{info.path} has no frame in that part: choose another")
        writer.finish()
    return writer, check_clip(path, writer, info)


class _Painter:
    """Paints the frames among the items of a clip, and counts them."""

    def __init__(
        self,
        paint: ClipLook,
        config: VideoConfig,
        expected: int,
        on_progress: OnProgress | None,
    ) -> None:
        self._paint = paint
        self._side_by_side = config.side_by_side
        self._expected = expected
        self._on_progress = on_progress
        self._done = 0
        self._last: tuple[Pixels, Pixels] | None = None

    def __call__(self, item: ClipFrame | ClipPacket) -> ClipFrame | ClipPacket:
        if not isinstance(item, ClipFrame):
            return item
        frame = replace(item, pixels=self._painted(item.pixels))
        if self._side_by_side:
            alpha = None if item.alpha is None else np.hstack([item.alpha, item.alpha])
            both = np.hstack([item.pixels, frame.pixels])
            frame = replace(frame, pixels=both, alpha=alpha)
        self._done += 1
        if self._on_progress is not None:
            self._on_progress(self._done, max(self._expected, self._done))
        return frame

    def _painted(self, pixels: Pixels) -> Pixels:
        # A frame that stands in for a damaged one is the same array, and so is its result.
        if self._last is not None and self._last[0] is pixels:
            return self._last[1]
        result = self._paint(pixels)
        if result.shape != pixels.shape or result.dtype != np.uint8:
            raise ValueError(f"paint made {result.dtype} {result.shape} of {pixels.shape}")
        self._last = (pixels, result)
        return result


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


def _check_target(source: Path, target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise UsageError(f"{target} is a folder: name the file to write")
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the clip itself: choose another name for the result")
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} is there already: choose another name or --overwrite")


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ClipError(f"the folder {folder} can't be made: {error.strerror}") from error


def _publish(partial: Path, target: Path, overwrite: bool) -> None:
    """Give the finished file its name, once all of it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    if target.exists() and not overwrite:
        raise OutputExistsError(f"{target} appeared meanwhile: choose another name or --overwrite")
    partial.replace(target)


def _repairs(reader: ClipReader) -> Iterator[str]:
    """A sentence for each kind of damage that was mended on the way."""
    if count := reader.held_frames:
        yield f"{count} damaged frames could not be decoded; the frame before stands in for each."
    if count := reader.retimed_frames:
        yield f"{count} frames had no time of their own; they were given one by the frame rate."
    if count := reader.resized_frames:
        yield f"{count} frames had another size; they were brought to that of the first."


def _losses(source: ClipInfo, result: ClipInfo) -> Iterator[str]:
    """A sentence for what the container could not take."""
    if (source.sample_aspect_ratio or 1) != (result.sample_aspect_ratio or 1):
        yield (
            f"This container lost the shape of the pixels ({source.sample_aspect_ratio}), "
            "so the clip is shown too narrow or too wide; an .mp4 keeps it."
        )
