"""How far a command is, told through a file to the program that started it."""

import json
import os
from pathlib import Path

PROGRESS_VARIABLE = "INFLU_PROGRESS"  # in the environment: the file


def tell_progress(label: str, done: int, total: int) -> None:
    """Write how far a command is, where somebody wants to know. total: 0 where it is not known."""
    if file := os.environ.get(PROGRESS_VARIABLE):
        Path(file).write_text(json.dumps({"label": label, "done": done, "total": total}))


def read_progress(file: Path) -> dict[str, object] | None:
    """What `tell_progress` wrote last; None where it wrote nothing, or just writes."""
    try:
        told = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None
