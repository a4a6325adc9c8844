"""The timecode of a clip's first frame, moved along with its start and its rate (SMPTE ST 12-1)."""

import math
from fractions import Fraction

from timecode.timecode import Timecode, TimecodeError


def moved_timecode(text: str, start_s: Fraction, rate: Fraction, new_rate: Fraction) -> str | None:
    """The timecode that lies `start_s` behind `text`, in frames of another rate.

    text: "10:00:00:02", or "10:00:00;02" where frame numbers are dropped. rate, new_rate: frames a
    second. Hours, minutes and seconds name the same moment at both rates. None for what is no
    timecode at that rate.
    """
    try:
        first = Timecode(_name(rate), text, force_non_drop_frame=not _is_dropping(text))
        passed = math.ceil(start_s * rate)
        moved = first + passed if passed else first
    except (ValueError, TimecodeError):
        return None
    if new_rate == rate:
        return str(moved)
    frames = min(round(moved.frs * new_rate / rate), math.ceil(new_rate) - 1)
    drops = _is_dropping(text) and new_rate in (Fraction(30_000, 1001), Fraction(60_000, 1001))
    return f"{moved.hrs:02d}:{moved.mins:02d}:{moved.secs:02d}{';' if drops else ':'}{frames:02d}"


def _is_dropping(text: str) -> bool:
    return ";" in text or "." in text


def _name(rate: Fraction) -> str:
    return f"{rate.numerator}/{rate.denominator}" if rate.denominator != 1 else str(rate)
