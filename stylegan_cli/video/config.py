"""What the user may choose about a clip, and what their words for it mean."""

import math
import re
from dataclasses import field
from fractions import Fraction
from typing import Annotated, Literal

from stylegan_cli.clips import EncoderOptions
from stylegan_cli.errors import ConfigError
from stylegan_cli.runtime.config import OVERWRITE, Option, config_class, exclusive, parse_duration

STEADY = 0.55
"""Takes more than half of the flicker of a drawn style and leaves nine tenths of its gradients."""


MAX_FPS = 240


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


@config_class
class VideoConfig:
    """What to do with a clip beside stylizing it.

    start_s, end_s: the part to keep, seconds; preview_s tells the end by the length of the part.
    fps: frames a second, None for those of the clip. hdr: what to do with PQ and HLG.
    """

    start_s: Annotated[
        float | None,
        Option(
            "Start at this time of the clip: 12.5, 90s, 1m.",
            names=("--start",),
            metavar="TIME",
            at_least=0,
            parse=parse_time,
        ),
    ] = None
    end_s: Annotated[
        float | None,
        Option(
            "Stop at this time of the clip.",
            names=("--end",),
            metavar="TIME",
            parse=parse_time,
        ),
    ] = None
    preview_s: Annotated[
        float | None,
        Option(
            "Stylize only this long from --start, like 5s.",
            names=("--preview",),
            metavar="TIME",
            above=0,
            parse=parse_time,
        ),
    ] = None
    fps: Annotated[
        Fraction | None,
        Option(
            "Frames per second. Frames are dropped or repeated.",
            metavar="RATE",
            above=0,
            at_most=MAX_FPS,
            shown="the clip's own",
            parse=parse_rate,
        ),
    ] = None
    steady: Annotated[
        float,
        Option("Strength of the flicker reduction; 0: none.", at_least=0, at_most=1),
    ] = STEADY
    sound: Annotated[bool, Option("Remove the sound.", names=("--no-audio",), off=True)] = True
    side_by_side: Annotated[bool, Option("Before on the left, after on the right.")] = False
    faces_only: Annotated[bool, Option("Stylize faces and leave the rest unchanged.")] = False
    encoder: EncoderOptions = field(default_factory=EncoderOptions)
    hdr: Annotated[
        Literal["keep", "tonemap", "error"],
        Option("HDR clips: keep HDR, convert to SDR, or refuse them."),
    ] = "keep"
    interlaced: Annotated[
        Literal["deinterlace", "keep"],
        Option("Interlaced clips: deinterlace them, or stylize each field."),
    ] = "deinterlace"
    workers: Annotated[
        int,
        Option(
            "Number of processes, each of which stylizes other scenes.", at_least=1, at_most=256
        ),
    ] = 1
    resume: Annotated[bool, Option("Continue an interrupted run.")] = False
    overwrite: Annotated[bool, OVERWRITE] = False

    def __post_init__(self) -> None:
        """Raises ConfigError for options that contradict each other."""
        exclusive(("--end", self.end_s is not None), ("--preview", self.preview_s is not None))
        if self.preview_s is not None:
            object.__setattr__(self, "end_s", (self.start_s or 0.0) + self.preview_s)
            object.__setattr__(self, "preview_s", None)
        if self.end_s is not None and self.end_s <= (self.start_s or 0.0):
            raise ConfigError(f"--end ({self.end_s:g} s) must come after --start")

    @property
    def is_cut(self) -> bool:
        """Whether only a part of the clip is wanted."""
        return self.start_s is not None or self.end_s is not None
