"""Sudden ends of a process at moments set by what it does: as sure on a slow machine as on a fast.

They come as SIGALRM, which nothing here catches: it ends a process as SIGKILL does, at once,
wherever it is.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any


def die_after_change(folder: Path, number: int, pause_s: float) -> None:
    """End this process between its `number`-th change in `folder`, from now on, and the next one.

    A change is a file made, renamed or removed. The end comes `pause_s` after the change has begun,
    or with the next change, whichever is first.
    """
    begun = 0

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal begun
        if not _is_change(event, arguments) or not _is_inside(folder, arguments[0]):
            return
        begun += 1
        if begun == number:
            signal.setitimer(signal.ITIMER_REAL, pause_s)
        elif begun > number:
            signal.raise_signal(signal.SIGALRM)

    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    sys.addaudithook(watch)


def _is_change(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        _, _, flags = arguments
        return flags & os.O_ACCMODE != os.O_RDONLY
    return event in ("os.rename", "os.remove", "os.link")


def _is_inside(folder: Path, name: object) -> bool:
    return isinstance(name, str | Path) and folder in Path(name).parents
