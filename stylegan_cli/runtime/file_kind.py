"""Whether a file is a picture or a clip, by its first bytes and not by its name."""

from pathlib import Path
from typing import Literal

Media = Literal["picture", "clip"]
HEAD_BYTES = 256

_PICTURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n",
    b"II*\0",
    b"MM\0*",
    b"BM",
    b"\0\0\0\x0cjP  ",
    b"\xff\x0a",
)
_CLIPS = (b"\x1a\x45\xdf\xa3", b"FLV\x01", b"\0\0\x01\xba", b"OggS", b"\x30\x26\xb2\x75")
_STILL_BRANDS = frozenset(b"mif1 msf1 heic heix heim heis hevc hevx avif avis".split()) | {b"crx "}
_CLIP_BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip")


def media_of(head: bytes) -> Media | None:
    """What the first bytes of a file say it is; None for what they do not tell.

    A GIF is either: it counts as nothing here.
    """
    if head.startswith(_PICTURES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "picture"
    if head[4:8] == b"ftyp":
        return "picture" if head[8:12] in _STILL_BRANDS else "clip"
    is_transport_stream = len(head) > 188 and head[0] == head[188] == 0x47
    is_avi = head[:4] == b"RIFF" and head[8:12] == b"AVI "
    if head.startswith(_CLIPS) or head[4:8] in _CLIP_BOXES or is_avi or is_transport_stream:
        return "clip"
    return None


def media_of_file(path: Path) -> Media | None:
    """As `media_of`, of a regular file; None for one that can't be opened."""
    try:
        with path.open("rb") as file:
            return media_of(file.read(HEAD_BYTES))
    except OSError:
        return None
