"""A clip in, the same clip in a creator's look out: streaming, checked, never half written."""

import logging
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Literal

import numpy as np
import numpy.typing as npt

from stylegan_cli.containers import (
    ClipFrame,
    ClipInfo,
    ClipPacket,
    ClipReader,
    ClipWriter,
    Colours,
    EncoderOptions,
    check_suffix,
    record_clip,
)
from stylegan_cli.errors import ClipError, ConfigError, OutputExistsError, UsageError

Pixels = npt.NDArray[np.uint8]
Paint = Callable[[Pixels], Pixels]
OnProgress = Callable[[int, int], None]

_log = logging.getLogger(__name__)

# Enough that no thread waits for a slow moment of its neighbour, few enough for 4K frames.
_QUEUE_LENGTH = 4

_BT709 = Colours(range=1, primaries=1, transfer=1, matrix=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoConfig:
    """What to do with a clip beside painting it.

    start_s, end_s: the part to keep, seconds. sound: whether to keep it. side_by_side: before on
    the left, after on the right. hdr: what to do with PQ and HLG, which no painter understands.
    """

    start_s: float | None = None
    end_s: float | None = None
    sound: bool = True
    side_by_side: bool = False
    hdr: Literal["error", "tonemap"] = "error"
    overwrite: bool = False
    encoder: EncoderOptions = field(default_factory=EncoderOptions)

    def __post_init__(self) -> None:
        if self.hdr not in ("error", "tonemap"):
            raise ConfigError(f"hdr must be error or tonemap, got {self.hdr}")
        if self.start_s is not None and self.start_s < 0:
            raise ConfigError(f"the start must not be negative, got {self.start_s:g} s")
        if self.end_s is not None and self.end_s <= (self.start_s or 0.0):
            raise ConfigError(f"the end ({self.end_s:g} s) must come after the start")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoResult:
    """What came of a clip.

    shortfall: how much of a damaged clip there was ("65 of 180 frames"), None when it was whole.
    notes: a sentence for everything that is not as it was.
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
    paint: Paint,
    config: VideoConfig = VideoConfig(),
    on_progress: OnProgress | None = None,
) -> VideoResult:
    """Paint every frame of `source` and write the clip to `target`, everything else kept.

    paint: (H, W, 3) uint8 RGB, upright → the same shape. Frames stream through three threads;
    `target` appears when the clip is whole and checked, under its name at once. Raises ClipError,
    UsageError for options that do not fit together, OutputExistsError.
    """
    check_suffix(target.suffix)
    _check_target(source, target, config.overwrite)
    with ClipReader(
        source, start_s=config.start_s, end_s=config.end_s, tone_map=config.hdr == "tonemap"
    ) as reader:
        info = reader.info
        if info.colours.is_hdr and config.hdr == "error":
            raise UsageError(
                f"{source} is HDR, whose colours would come out wrong; "
                "add --hdr tonemap to bring it to ordinary range first."
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".influ-{secrets.token_hex(6)}{target.suffix}")
        try:
            with ClipWriter(
                partial,
                target.suffix,
                info,
                _shown_size(info, config),
                options=config.encoder,
                colours=_BT709 if info.colours.is_hdr else None,
            ) as writer:
                writer.begin(reader, sound=config.sound)
                painter = _Painter(paint, side_by_side=config.side_by_side)
                _stream(reader, painter, writer, _counter(info, config, on_progress))
                if not writer.times:
                    raise ClipError(f"{source} has no frame in that part; choose another.")
                writer.finish()
            notes = [*writer.notes, *_repairs(reader)]
            duration_s = _check(partial, writer, info, notes)
            _publish(partial, target, config.overwrite)
        finally:
            partial.unlink(missing_ok=True)
    width, height = _shown_size(info, config)
    return VideoResult(
        target=target,
        codec=writer.codec,
        frames=len(writer.times),
        width=width,
        height=height,
        duration_s=duration_s,
        shortfall=reader.shortfall,
        notes=tuple(notes),
    )


class _Painter:
    """Paints frames one after the other."""

    def __init__(self, paint: Paint, *, side_by_side: bool) -> None:
        self._paint = paint
        self._side_by_side = side_by_side
        self._last: tuple[Pixels, Pixels] | None = None

    def __call__(self, frame: ClipFrame) -> ClipFrame:
        painted = self._painted(frame.pixels)
        if not self._side_by_side:
            return replace(frame, pixels=painted)
        alpha = None if frame.alpha is None else np.hstack([frame.alpha, frame.alpha])
        return replace(frame, pixels=np.hstack([frame.pixels, painted]), alpha=alpha)

    def _painted(self, pixels: Pixels) -> Pixels:
        # A frame held over damage is the very same array, and its result too.
        if self._last is not None and self._last[0] is pixels:
            return self._last[1]
        painted = self._paint(pixels)
        if painted.shape != pixels.shape or painted.dtype != np.uint8:
            raise ValueError(f"paint made {painted.dtype} {painted.shape} of {pixels.shape}")
        self._last = (pixels, painted)
        return painted


class _StoppedError(Exception):
    """Another thread has failed; there is nothing to wait for any more."""


class _Belt:
    """A bounded queue between two threads that lets go of both once `stopped` is set."""

    def __init__(self, stopped: Event) -> None:
        self._queue: Queue[ClipFrame | ClipPacket | None] = Queue(_QUEUE_LENGTH)
        self._stopped = stopped

    def put(self, item: ClipFrame | ClipPacket | None) -> None:
        """Hand over one item; None ends the belt."""
        while not self._stopped.is_set():
            try:
                return self._queue.put(item, timeout=0.1)
            except Full:
                continue
        raise _StoppedError

    def __iter__(self) -> Iterator[ClipFrame | ClipPacket]:
        while not self._stopped.is_set():
            try:
                item = self._queue.get(timeout=0.1)
            except Empty:
                continue
            if item is None:
                return
            yield item
        raise _StoppedError


class _Worker(Thread):
    """A thread whose failure stops the others and is kept for the one who joins it."""

    def __init__(self, work: Callable[[], None], stopped: Event) -> None:
        super().__init__(daemon=True)
        self.failure: BaseException | None = None
        self._work = work
        self._stopped = stopped
        self.start()

    def run(self) -> None:
        """Work until done or stopped."""
        try:
            self._work()
        except _StoppedError:
            pass
        except BaseException as error:
            self.failure = error
            self._stopped.set()


def _stream(
    reader: ClipReader, paint: _Painter, writer: ClipWriter, count: Callable[[], None]
) -> None:
    """Decode, paint and encode at the same time; painting stays in the calling thread."""
    stopped = Event()
    decoded, painted = _Belt(stopped), _Belt(stopped)

    def decode() -> None:
        for item in reader:
            decoded.put(item)
        decoded.put(None)

    def encode() -> None:
        for item in painted:
            if isinstance(item, ClipFrame):
                writer.write(item)
            else:
                writer.copy(item)

    workers = [_Worker(decode, stopped), _Worker(encode, stopped)]
    try:
        for item in decoded:
            if isinstance(item, ClipFrame):
                painted.put(paint(item))
                count()
            else:
                painted.put(item)
        painted.put(None)
        for worker in workers:
            worker.join()
    except _StoppedError:
        pass
    finally:
        stopped.set()
        for worker in workers:
            worker.join()
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure


def _counter(
    info: ClipInfo, config: VideoConfig, on_progress: OnProgress | None
) -> Callable[[], None]:
    done, total = 0, info.estimated_frames
    if config.start_s is not None or config.end_s is not None:
        ends = [second for second in (config.end_s, info.duration_s) if second is not None]
        length_s = min(ends, default=0.0) - (config.start_s or 0.0)
        total = max(0, round(length_s * info.frame_rate))

    def count() -> None:
        nonlocal done
        done += 1
        if on_progress is not None:
            on_progress(done, max(total, done))

    return count


def _shown_size(info: ClipInfo, config: VideoConfig) -> tuple[int, int]:
    """(width, height) of the frames that are written, as a viewer sees them."""
    stored = (info.width, info.height)
    width, height = stored[::-1] if info.orientation.transposed else stored
    return (2 * width if config.side_by_side else width), height


def _check_target(source: Path, target: Path, overwrite: bool) -> None:
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name the file to write.")
    if target.exists() and source.exists() and target.samefile(source):
        raise UsageError(f"{target} is the clip itself; choose another name for the result.")
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"{target} is already there; choose another name or add --overwrite."
        )


def _publish(partial: Path, target: Path, overwrite: bool) -> None:
    """Give the finished file its name, at once and only when all of it is on the disk."""
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    if target.exists() and not overwrite:
        raise OutputExistsError(
            f"{target} has appeared meanwhile; choose another name or add --overwrite."
        )
    partial.replace(target)


def _repairs(reader: ClipReader) -> Iterator[str]:
    """A sentence for each kind of damage that was mended on the way."""
    if count := reader.held_frames:
        yield f"{count} damaged frames could not be decoded; the frame before stands in for each."
    if count := reader.retimed_frames:
        yield f"{count} frames had no time of their own; they were given one by the frame rate."
    if count := reader.resized_frames:
        yield f"{count} frames change size on the way; they were brought to that of the first."


def _check(path: Path, writer: ClipWriter, source: ClipInfo, notes: list[str]) -> float:
    """Compare the written file with what went in; returns its duration in seconds.

    Raises ClipError where it differs in what must be kept; adds to `notes` what a player may miss.
    """
    record = record_clip(path)
    wanted = np.asarray(writer.times, np.float64) * float(source.time_base)
    found = np.asarray(record.times, np.float64) * float(record.info.time_base)
    tick_s = float(max(source.time_base, record.info.time_base))
    # Packets of a broadcast carry headers that a file keeps once for all.
    is_verbatim = source.format_name.startswith(("mov", "matroska"))
    problems = []
    if len(found) != len(wanted):
        problems.append(f"{len(found)} frames instead of {len(wanted)}")
    elif np.abs(found - wanted).max() > tick_s:
        problems.append("frames shown at other times")
    if (record.info.width, record.info.height) != writer.stored_size:
        problems.append(f"a size of {record.info.width}x{record.info.height}")
    if record.info.orientation != source.orientation:
        problems.append("another orientation")
    for track in writer.tracks:
        packets, checksum = record.tracks.get(track.index, (0, ""))
        if track.is_copied and packets != track.packets:
            problems.append(f"{packets} {track.kind} packets instead of {track.packets}")
        elif track.is_copied and is_verbatim and checksum != track.checksum.hexdigest():
            problems.append(f"other {track.kind}")
    if problems:
        raise ClipError(
            f"The written clip has {' and '.join(problems)}, so it was not kept; "
            "try another --codec or suffix."
        )
    if record.info.sample_aspect_ratio != source.sample_aspect_ratio and (
        (record.info.sample_aspect_ratio or 1) != (source.sample_aspect_ratio or 1)
    ):
        notes.append(f"The shape of its pixels ({source.sample_aspect_ratio}) can't be kept there.")
    return record.info.duration_s or float(found[-1] - found[0])
