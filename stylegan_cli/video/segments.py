"""A clip made in pieces, so that whatever ends the work costs seconds of it.

    source ── decode, skip what is done ─► stylize ─► encode ─► 00000.packets 00001.packets …
                                             └─ memory ──────► 00001.npz          (a folder beside
                                                               manifest.json       the target)
    packets of all segments + other tracks of the source ─ join, nothing encoded again ─► target

Every clip is made like this, interrupted or not, so both ways end in the same frames:

- A segment is a fixed number of frames, or fewer at the end of a part (see `clip_parts`). Its
  encoder starts anew, so it begins with a keyframe and depends on nothing before it.
- What a stylizer remembers of the frames before (the steadied result, the small source, the maps
  carried along) is kept with the last segment and given to the stylizer that goes on.
- To go on, the source is decoded again from its beginning, without stylizing: decoders are not
  exact after a search, least of all in damaged clips, and decoding is the cheap part.
- A segment counts once the manifest lists it. The manifest is replaced in one step, after its
  files have reached the disk; what it does not list is removed.
- The manifest says what the clip is made of: hash of the source, of the style, every option, the
  versions of the software. Segments of anything else are never continued.
- Sound and subtitles are copied at the end, when all pictures are there.
"""

import hashlib
import json
import logging
import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from stylegan_cli.clips import ClipPlan, FrameEncoder, append_packet, explained
from stylegan_cli.clips.tracks import ClipPacket
from stylegan_cli.errors import ClipError, ConfigError, OutputExistsError, UsageError
from stylegan_cli.runtime.files import (
    OwnFolder,
    check_archive,
    open_regular,
    path_inside,
    read_sealed,
    sealed,
    write_atomically,
)
from stylegan_cli.runtime.mappings import from_mapping, to_mapping
from stylegan_cli.runtime.version import __version__
from stylegan_cli.video.config import VideoConfig
from stylegan_cli.video.frame_stylizer import StyledFrame
from stylegan_cli.video.optical_flow import Memory

_log = logging.getLogger(__name__)

SEGMENT_FRAMES = 100
"""Seconds of work that can be lost, against a keyframe more in so many frames."""

_MANIFEST = "manifest.json"
_MAX_MANIFEST = 64 << 20  # bytes
_NAMES = re.compile(r"\d{5}\.(packets|npz)|joined\.\w{1,8}|manifest\.json")
_MAX_NAME = 200  # bytes; a file system takes no more than 255

Ingredients = Mapping[str, Any]


def ingredients(source: Path, style: str, config: VideoConfig) -> Ingredients:
    """All that decides what a clip becomes, by the name a user knows it by.

    style: what stylizes it, as in `Stylizer.fingerprint`.
    """
    options = asdict(config)
    encoder = options.pop("encoder")
    if options["workers"] == 1:
        options.pop("workers")
    for name in ("overwrite", "resume", "preview_s"):  # ways of writing, and of saying the end
        options.pop(name)
    with source.open("rb") as file:
        content = hashlib.file_digest(file, "sha256").hexdigest()
    known = {"clip": content, "style": style, **options, **encoder}
    known["version of influ"] = f"{__version__}, PyAV {av.__version__}"
    plain: Ingredients = json.loads(json.dumps(known, default=str))
    return plain


@dataclass(frozen=True, slots=True)
class Segment:
    """One file of packets. frames: in it; end: of its last frame, ticks; sha256: of its bytes."""

    name: str
    frames: int
    end: int
    sha256: str

    def __post_init__(self) -> None:
        """Raises ConfigError for what no segment is."""
        if not re.fullmatch(r"\d{5}\.packets", self.name) or not 0 < self.frames <= SEGMENT_FRAMES:
            raise ConfigError(f"'{self.name[:80]}' is no segment")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Manifest:
    """What a work folder holds. made_of: as from `ingredients`; memory: the stylizer's, a file."""

    made_of: Mapping[str, Any]
    memory: str
    memory_sha256: str
    segments: tuple[Segment, ...]

    def __post_init__(self) -> None:
        """Raises ConfigError for what no work folder holds."""
        if not re.fullmatch(r"\d{5}\.npz", self.memory):
            raise ConfigError(f"'{self.memory[:80]}' is no memory")


def work_path(target: Path) -> Path:
    """The work folder of a clip."""
    name = os.fsencode(target.name)[:_MAX_NAME].decode(errors="ignore")
    return target.with_name(f".influ-{name}")


class WorkFolder:
    """The hidden folder beside `target` where its segments gather; leave it to keep or remove them.

    It stays where segments are finished and `remove` was not called, else nothing of it does.
    resume: go on with the segments that are there; overwrite: begin anew instead. Raises
    OutputExistsError where neither is said or where the name of the folder has something else,
    UsageError where the segments are of another clip. The caller has the claim on `target`.
    """

    def __init__(
        self, target: Path, made_of: Ingredients, *, resume: bool, overwrite: bool
    ) -> None:
        self.path = work_path(target)
        self.segments: list[Segment] = []
        self.memory: Memory | None = None
        self._made_of = made_of
        self._memory_name = ""
        self._folder = OwnFolder(self.path, "work folder of a clip", _NAMES)
        self._folder.make()
        self._open(target, resume, overwrite)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.segments:
            with suppress(OSError):  # What is not listed is removed when the work goes on, too.
                self._tidy()
        else:
            self.remove()

    def look_again(self) -> None:
        """Find what another process has finished in the folder since."""
        manifest = self._read_manifest()
        if manifest is not None:
            self._adopt(manifest)

    @property
    def frames(self) -> int:
        """How many frames are finished."""
        return sum(segment.frames for segment in self.segments)

    @property
    def files(self) -> list[Path]:
        """The segments in their order."""
        return [self.path / segment.name for segment in self.segments]

    @property
    def next_file(self) -> Path:
        """Where to write the packets of the next segment."""
        return self.path / f"{len(self.segments):05d}.packets"

    def add(self, frames: int, end: int, memory: Memory) -> None:
        """Keep what was written to `next_file`, and what the stylizer remembers after it."""
        file = self.next_file
        with explained(file):
            state = file.with_suffix(".npz")
            arrays: dict[str, Any] = dict(memory)
            np.savez(state, **arrays)
            for path in (file, state):
                _flush(path)
            self.segments.append(Segment(file.name, frames, end, _sum_of(file)))
            old, self._memory_name = self._memory_name, state.name
            self._write_manifest()
            if old:
                (self.path / old).unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the folder and what is ours in it."""
        self.segments = []
        with suppress(OSError):
            # First, so that half of a folder never passes for a whole one.
            (self.path / _MANIFEST).unlink(missing_ok=True)
            self._folder.remove()

    def _open(self, target: Path, resume: bool, overwrite: bool) -> None:
        manifest = self._read_manifest()
        segments = manifest.segments if manifest else ()
        if manifest and resume and segments:
            self._check_same(target, manifest.made_of)
            self._adopt(manifest)
        elif segments and not overwrite:
            frames = sum(segment.frames for segment in segments)
            raise OutputExistsError(
                f"{target} is unfinished, with {frames} frames done: --resume goes on, "
                "--overwrite begins anew"
            )
        with explained(self.path):
            self._tidy()

    def _check_same(self, target: Path, made_of: Ingredients) -> None:
        others = [
            name.removesuffix("_s").replace("_", "-")
            for name in {**made_of, **self._made_of}
            if made_of.get(name) != self._made_of.get(name)
        ]
        if others:
            raise UsageError(
                f"{target} was begun with another {' and another '.join(others)}: give the same "
                "as then, or --overwrite without --resume to begin anew"
            )

    def _adopt(self, manifest: "_Manifest") -> None:
        try:
            for segment in manifest.segments:
                _check_sum(self.path / segment.name, segment.sha256)
            memory = self.path / manifest.memory
            _check_sum(memory, manifest.memory_sha256)
            with open_regular(memory, ClipError) as file:
                check_archive(file, ClipError)
                with np.load(file, allow_pickle=False) as arrays:
                    self.memory = dict(arrays)
        # A damaged archive raises whatever the decoders of the standard library raise.
        except Exception as error:
            _log.warning("what was done can't be used and is done again: %s", error)
            return
        self.segments, self._memory_name = list(manifest.segments), manifest.memory

    def _read_manifest(self) -> "_Manifest | None":
        try:
            stored = read_sealed(
                self.path / _MANIFEST, ClipError, "nothing of it is used", max_bytes=_MAX_MANIFEST
            )
            manifest = from_mapping(_Manifest, stored)
            for name in (manifest.memory, *(segment.name for segment in manifest.segments)):
                path_inside(self.path, name, ClipError)
        except FileNotFoundError:
            return None
        except (ClipError, ConfigError) as error:
            _log.warning("what was done can't be used and is done again: %s", error)
            return None
        return manifest

    def _write_manifest(self) -> None:
        manifest = _Manifest(
            made_of=self._made_of,
            memory=self._memory_name,
            memory_sha256=_sum_of(self.path / self._memory_name),
            segments=tuple(self.segments),
        )
        text = sealed(to_mapping(manifest), indent=1)
        write_atomically(self.path / _MANIFEST, text.encode())

    def _tidy(self) -> None:
        """Remove what the manifest does not list, and the manifest if it lists nothing of ours."""
        known = {segment.name for segment in self.segments} | {self._memory_name}
        if self.segments:
            known.add(_MANIFEST)
        self._folder.remove_files(keep=frozenset(known))


class SegmentWriter:
    """Encodes stylized frames as `plan` says into segments of `work`."""

    def __init__(self, work: WorkFolder, plan: ClipPlan) -> None:
        self._work = work
        self._plan = plan
        self._open: _OpenSegment | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._open is not None:
            with suppress(OSError):  # What is still to be written is not wanted any more.
                self._open.file.close()

    def put(self, stylized: StyledFrame) -> None:
        """Encode the next frame; a part begins with a segment of its own."""
        if stylized.begins:
            self.finish()
        if self._open is None:
            self._open = _OpenSegment(self._work.next_file, self._plan)
        self._open.put(stylized)
        if len(self._open.times) == SEGMENT_FRAMES:
            self.finish()

    def finish(self) -> None:
        """End the segment that is open, if any."""
        if self._open is not None:
            end, memory = self._open.finish()
            self._work.add(len(self._open.times), end, memory)
            self._open = None


class _OpenSegment:
    """A segment that takes frames."""

    def __init__(self, path: Path, plan: ClipPlan) -> None:
        self.times: list[int] = []
        self._packet_times: list[int] = []
        self._path = path
        self._plan = plan
        self._last: StyledFrame
        self._encoder = FrameEncoder(plan, path)
        with explained(path):
            self.file = path.open("xb")

    def put(self, stylized: StyledFrame) -> None:
        self.times.append(stylized.frame.pts)
        self._last = stylized
        self._write(self._encoder.encode(stylized.frame))

    def finish(self) -> tuple[int, Memory]:
        """When the last frame ends, ticks, and what is remembered of it."""
        self._write(self._encoder.finish())
        with explained(self._path):
            self.file.close()
        if sorted(self._packet_times) != self.times:
            raise ClipError(
                f"{self._plan.encoder.name} does not keep every frame at its time: "
                "try another --codec"
            )
        frame = self._last.frame
        return frame.pts + (frame.duration or self._plan.usual_duration), self._last.memory

    def _write(self, packets: Iterable[ClipPacket]) -> None:
        with explained(self._path):
            for packet in packets:
                append_packet(self.file, packet)
                self._packet_times.append(packet.pts or 0)


def _sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_sum(path: Path, sha256: str) -> None:
    """Raises ValueError where a file is not the one that was written."""
    if path.is_symlink() or not path.is_file() or _sum_of(path) != sha256:
        raise ValueError(f"{path.name} is damaged")


def _flush(path: Path) -> None:
    """Wait until what was written to `path` is on the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
