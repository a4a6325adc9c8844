"""The standard streams, made fit for whatever names and words of strangers hold."""

import codecs
import io
import os
import sys
from typing import Any

MAX_LINE_LETTERS = 4000  # of one line on a terminal

_ESCAPED = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))}
_ESCAPED |= {
    number: f"\\u{number:04x}"  # marks that turn the direction of text around
    for number in (0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF)
}
del _ESCAPED[ord("\n")], _ESCAPED[ord("\t")]


def printable(text: str) -> str:
    """`text` without what a terminal would obey, and no longer than some screens of it."""
    if len(text) > MAX_LINE_LETTERS:
        text = f"{text[:MAX_LINE_LETTERS]}…"
    return text.translate(_ESCAPED)


def one_line(text: str) -> str:
    """`text` with what would end a line escaped, as names may hold it."""
    return text.replace("\n", "\\n")


def prepare_streams() -> None:
    """Make sure that all three streams are there and take every name.

    A closed stream would give its number to the next file that is opened, and its output to that
    file. Names that are not UTF-8 leave as the bytes they are, and what the stream's encoding does
    not have is escaped.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    codecs.register_error("influ", _as_bytes_or_escaped)
    sys.stdin = sys.stdin or _opened(0, "r")
    sys.stdout = sys.stdout or _opened(1, "w")
    sys.stderr = sys.stderr or _opened(2, "w")
    for stream, errors in ((sys.stdout, "influ"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=errors)


def write_line(text: str) -> None:
    """One line on stdout: as it is for a pipe, without what it would obey for a terminal."""
    sys.stdout.write(f"{printable(one_line(text)) if sys.stdout.isatty() else text}\n")


def drop_output() -> None:
    """Send what is still to be written to stdout nowhere: whoever read it is gone or full."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _opened(number: int, mode: str) -> Any:
    return os.fdopen(number, mode, encoding="utf-8", closefd=False)


def _as_bytes_or_escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """For what an encoding does not have: a byte of a file name, or an escape of a letter."""
    assert isinstance(error, UnicodeEncodeError)
    letter = ord(error.object[error.start])
    if 0xDC80 <= letter <= 0xDCFF:
        return bytes([letter - 0xDC00]), error.start + 1
    return codecs.backslashreplace_errors(error)
