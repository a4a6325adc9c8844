"""The record of a data set: one line per picture or frame that was looked at, and a last one.

The last line holds the number of the others and their SHA-256, so that no damage and no cut passes
for right.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

from stylegan_cli.errors import ConfigError, DataError
from stylegan_cli.runtime.files import parse_json, path_inside, read_text, write_atomically
from stylegan_cli.runtime.mappings import from_mapping

MANIFEST_NAME = "manifest.jsonl"
MAX_MANIFEST = 1 << 30  # bytes, of some million lines

_OUTPUT = re.compile(r"(train|val)/[^/]{1,255}/[0-9a-f]{16}(-\d{8,})?\.jpg")
_HASHES = {"sha256": re.compile(r"([0-9a-f]{64})?"), "phash": re.compile(r"[0-9a-f]{64}")}

Side = Literal["train", "val"]


class Reason(StrEnum):
    """Why a picture was not taken."""

    UNREADABLE = "unreadable"
    TOO_SMALL = "too small"
    NO_FACE = "no face"
    BLURRED = "blurred or empty"
    REPEATED = "near-duplicate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What became of one picture, or of one frame of a clip.

    box: x, y, width, height in px of the upright source. angle_deg: its clockwise turn.
    output: path in the data set's folder, or None when rejected; then reason and detail say why.
    """

    name: str  # content, or the creator
    source: str
    sha256: str  # of the source file; empty when it can't be read at all
    time_s: float | None = None  # of the frame, in a clip
    output: str | None = None
    size: int | None = None  # px, of the output
    box: tuple[int, int, int, int] | None = None
    angle_deg: float = 0.0
    faces: int | None = None  # found; None when nobody looked
    sharpness: float | None = None
    phash: str | None = None
    group: str | None = None  # pictures of one group are on the same side of the split
    reason: str | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        """Raises ConfigError for what no data set holds."""
        for field, pattern in _HASHES.items():
            value = getattr(self, field)
            if value is not None and not pattern.fullmatch(value):
                raise ConfigError(f"'{field}' is no hash")
        if self.output is not None and not _OUTPUT.fullmatch(self.output):
            raise ConfigError("'output' is no picture of a data set")
        numbers = (self.time_s, self.angle_deg, self.sharpness)
        if not all(value is None or math.isfinite(value) for value in numbers):
            raise ConfigError("a number is none")

    @property
    def key(self) -> tuple[str, str, str, float]:
        """What was looked at; a second look replaces the first. Its order is the manifest's."""
        return self.name, self.source, self.sha256, -1.0 if self.time_s is None else self.time_s

    @property
    def side(self) -> Side | None:
        """The side of the split, or None when rejected."""
        if self.output is None:
            return None
        return "val" if self.output.startswith("val/") else "train"


def read_manifest(folder: Path) -> list[Entry]:
    """The entries of the data set in `folder`; none where there is no manifest yet.

    Raises DataError when the manifest is damaged or can't be read.
    """
    path = folder / MANIFEST_NAME
    try:
        text = read_text(path, DataError, max_bytes=MAX_MANIFEST)
    except FileNotFoundError:
        return []
    lines = text.splitlines(keepends=True)
    if not lines or lines.pop() != last_line(lines):
        raise DataError(
            f"{path} is damaged or was changed; remove it and prepare all sources again, or choose "
            "another --out"
        )
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entry = from_mapping(Entry, parse_json(line, DataError, "the line"))
            if entry.output is not None:
                path_inside(folder, entry.output, DataError)
            entries.append(entry)
        except (DataError, ConfigError) as error:
            raise DataError(
                f"{path} has an invalid entry in line {number}; choose another --out"
            ) from error
    return entries


def write_manifest(folder: Path, entries: Iterable[Entry]) -> None:
    """Replace the manifest of `folder`, sorted by name and source, in one step.

    Raises WriteError.
    """
    ordered = sorted(entries, key=lambda entry: entry.key)
    # A file name may be no text at all, which ASCII can tell.
    lines = [json.dumps(_without_blanks(entry)) + "\n" for entry in ordered]
    write_atomically(folder / MANIFEST_NAME, "".join([*lines, last_line(lines)]).encode())


def last_line(lines: Sequence[str]) -> str:
    """What stands below these lines."""
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    return json.dumps({"entries": len(lines), "sha256": digest}) + "\n"


def _without_blanks(entry: Entry) -> dict[str, object]:
    return {name: value for name, value in asdict(entry).items() if value is not None}
