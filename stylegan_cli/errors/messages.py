"""The five sentences that most failures come down to, so that each is said in one way.

can't read photo.jpg: it is cut short; copy it again
can't write out.png: no space left on device; make room, or choose another place
out.png exists already; add --overwrite to replace it, or choose another name
there is no style 'toom'; did you mean 'toon'? Yours and the shipped ones: influ styles
clip.mp4 is a clip, not a picture; use: influ video clip.mp4
"""

import difflib
import errno
import shlex
from collections.abc import Iterable
from pathlib import Path

COPY_AGAIN = "copy it again"
OTHER_PLACE = "choose another place"
OVERWRITE = "add --overwrite to replace it, or choose another name"

_WHY = {
    errno.EISDIR: "it is a folder",
    errno.EEXIST: "a file with this name exists",
    errno.ENOENT: "its folder does not exist",
    errno.ENOTDIR: "a part of its path is not a folder",
    errno.ENOSPC: "no space is left on the disk",
    errno.EROFS: "the disk is read-only",
    errno.EFBIG: "it would be larger than a file may be here",
}


def cannot_read(path: Path | str, why: str, remedy: str) -> str:
    """A file or folder that is there but can't be used, or is not there at all."""
    return f"can't read {path}: {why}; {remedy}"


def does_not_exist(path: Path | str) -> str:
    """A file or folder that is not there."""
    return cannot_read(path, "it does not exist", "check the name")


def cannot_write(path: Path | str, why: str, remedy: str = OTHER_PLACE) -> str:
    """A file or folder that can't be made or filled."""
    return f"can't write {path}: {why}; {remedy}"


def why(error: Exception) -> str:
    """What the operating system says of a failure, as the middle of a sentence."""
    said = getattr(error, "strerror", None) or str(error)
    return _WHY.get(getattr(error, "errno", None) or 0, f"{said[:1].lower()}{said[1:]}")


def exists_already(path: Path | str, remedy: str = OVERWRITE) -> str:
    """Something in the place of a result."""
    return f"{path} exists already; {remedy}"


def unknown_name(kind: str, name: str, known: Iterable[str], more: str = "") -> str:
    """A name that stands for nothing; the nearest one is offered, or else all there are.

    kind: what it should be the name of. more: a sentence that helps further.
    """
    names = list(dict.fromkeys(known))
    close = nearest(name, names)
    if close:
        remedy = f"did you mean '{close}'?"
    elif names:
        remedy = f"choose one of {', '.join(names)}."
    else:
        remedy = "there are none yet."
    sentence = f"there is no {kind} '{name}'; {remedy}"
    return f"{sentence} {more}" if more else sentence.removesuffix(".")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` most likely stands for; upper and lower case count alike."""
    by_lower = {other.lower(): other for other in known}
    found = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def wrong_kind(path: Path | str, what: str, wanted: str, *command: str) -> str:
    """A file of one kind where another is needed, with the command that takes it.

    command: words of a command line, for people to copy.
    """
    return f"{path} is {what}, not {wanted}; use: {shlex.join(command)}"
