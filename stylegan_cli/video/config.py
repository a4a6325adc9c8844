"""What the user may choose about a clip, and what their words for it mean."""

import math
import re
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from stylegan_cli.clips import EncoderOptions
from stylegan_cli.config import parse_duration
from stylegan_cli.errors import ConfigError, UsageError

STEADY = 0.55
"""Takes more than half of the flicker of a drawn look and leaves nine tenths of its gradients."""


MAX_FPS = 240


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoConfig:
    """What to do with a clip beside painting it.

    start_s, end_s: the part to keep, seconds. fps: frames a second, None for those of the clip.
    sound: whether to keep it. side_by_side: before on the left, after on the right. faces_only:
    paint nothing but faces. hdr: what to do with PQ and HLG, which no painter understands.
    steady: from 0, every frame for itself, to 1, as little flicker as can be. resume: go on where
    an interrupted run with the same choices stopped, if there is one.
    """

    start_s: float | None = None
    end_s: float | None = None
    fps: Fraction | None = None
    sound: bool = True
    side_by_side: bool = False
    faces_only: bool = False
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
        if self.fps is not None and not 0 < self.fps <= MAX_FPS:
            raise ConfigError(f"--fps must be from 1 to {MAX_FPS}, got {float(self.fps):g}")
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


def parse_rate(text: str) -> Fraction:
    """Frames a second in "24", "23.976" (meant as 24000/1001) or "30000/1001".

    Raises ConfigError for anything else.
    """
    try:
        rate = Fraction(text.strip())
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(f"--fps must be a number like 25 or 30000/1001, got {text}") from error
    # Television's rates are a thousandth slower than they are called.
    exact = Fraction(math.ceil(rate) * 1000, 1001)
    is_rounded = rate.denominator != 1 and abs(rate - exact) < Fraction(1, 200)
    return exact if is_rounded else rate


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
