"""SIGKILL at moments set by what a process does: as sure on a slow machine as on a fast."""

import os
import signal
import sys
import threading
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
            threading.Timer(pause_s, signal.raise_signal, [signal.SIGKILL]).start()
        elif begun > number:
            signal.raise_signal(signal.SIGKILL)

    sys.addaudithook(watch)


def _is_change(event: str, arguments: tuple[Any, ...]) -> bool:
    if event == "open":
        _, _, flags = arguments
        return flags & os.O_ACCMODE != os.O_RDONLY
    return event in ("os.rename", "os.remove", "os.link")


def _is_inside(folder: Path, name: object) -> bool:
    return isinstance(name, str | Path) and folder in Path(name).parents
