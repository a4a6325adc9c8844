"""What the user may choose about a clip, and what their words for it mean."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stylegan_cli.containers import WRITABLE_SUFFIXES, EncoderOptions
from stylegan_cli.errors import ConfigError, UsageError
from stylegan_cli.schedules import parse_duration

STEADY = 0.55
"""Halves the flicker of a drawn look and leaves nine tenths of its gradients."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoConfig:
    """What to do with a clip beside painting it.

    start_s, end_s: the part to keep, seconds. sound: whether to keep it. side_by_side: before on
    the left, after on the right. hdr: what to do with PQ and HLG, which no painter understands.
    steady: from 0, every frame for itself, to 1, as little flicker as can be. resume: go on where
    an interrupted run with the same choices stopped, if there is one.
    """

    start_s: float | None = None
    end_s: float | None = None
    sound: bool = True
    side_by_side: bool = False
    steady: float = STEADY
    hdr: Literal["error", "tonemap"] = "error"
    overwrite: bool = False
    resume: bool = False
    encoder: EncoderOptions = field(default_factory=EncoderOptions)

    def __post_init__(self) -> None:
        if self.hdr not in ("error", "tonemap"):
            raise ConfigError(f"hdr must be error or tonemap, got {self.hdr}")
        if not 0 <= self.steady <= 1:
            raise ConfigError(f"steady must be from 0 to 1, got {self.steady:g}")
        if self.start_s is not None and self.start_s < 0:
            raise ConfigError(f"the start must not be negative, got {self.start_s:g} s")
        if self.end_s is not None and self.end_s <= (self.start_s or 0.0):
            raise ConfigError(f"the end ({self.end_s:g} s) must come after the start")

    @property
    def is_cut(self) -> bool:
        """Whether only a part of the clip is wanted."""
        return self.start_s is not None or self.end_s is not None


def parse_time(text: str) -> float:
    """Seconds in "12.5", "0:12.5", "1:02:03" or a duration like "90s" and "1m30s".

    Raises ConfigError for anything else.
    """
    if re.fullmatch(r"(\d+:){0,2}\d+(\.\d+)?", text.strip()):
        seconds = 0.0
        for part in text.strip().split(":"):
            seconds = seconds * 60 + float(part)
        return seconds
    return parse_duration(text)


def part_of(
    start: str | None, end: str | None, preview: str | None
) -> tuple[float | None, float | None]:
    """(start, end) in seconds of a part given in words; None where it has no bound.

    Raises ConfigError for words that are no times, UsageError where two contradict each other.
    """
    if end is not None and preview is not None:
        raise UsageError("--end and --preview exclude each other: use one of them")
    start_s = None if start is None else parse_time(start)
    if preview is not None:
        return start_s, (start_s or 0.0) + parse_time(preview)
    return start_s, None if end is None else parse_time(end)


def target_of(source: Path, out: Path | None, ending: str) -> Path:
    """The file to write: `out`, or in the folder `out`, or beside `source` with `ending`.

    A clip of a kind that can only be read becomes an .mp4. A name without a suffix is a folder.
    """
    suffix = source.suffix if source.suffix.lower() in WRITABLE_SUFFIXES else ".mp4"
    if out is None:
        return source.with_name(f"{source.stem}{ending}{suffix}")
    if out.suffix and not out.is_dir():
        return out
    return out / f"{source.stem}{suffix}"
