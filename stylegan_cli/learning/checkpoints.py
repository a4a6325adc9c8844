"""The run folder: whose it is, its checkpoints and its config.

A checkpoint appears whole or not at all: it is written beside its place, synced and renamed.
"""

import json
import logging
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stylegan_cli.errors import TrainingError
from stylegan_cli.files import OwnFolder, claimed, make_folder, write_atomically

log = logging.getLogger(__name__)

CONFIG_NAME = "config.json"
BEST_NAME = "best.safetensors"  # the base and each creator's best style

# Every name that a run gives a file or folder in its own.
_RUN_NAMES = re.compile(
    r"checkpoint-\d{8,}\.pt|config\.json|metrics\.csv|report\.html|(start|best)\.safetensors"
    r"|samples/(.+-\d{6,}\.jpg|\d{8}\.png)?|tensorboard/(events\.out\.tfevents\..+)?"
)

# What torch.load raises for a file that is torn, empty or something else.
_UNREADABLE = (OSError, EOFError, RuntimeError, KeyError, ValueError, pickle.UnpicklingError)


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any], *, keep: int = 2) -> Path:
    """Write `checkpoint-STEP.pt` and remove all but the `keep` newest.

    state: tensors, numbers, strings, and dicts and lists of them: nothing that needs pickle.
    """
    import torch

    path = folder / f"checkpoint-{step:08d}.pt"
    make_folder(folder)
    write_atomically(path, lambda file: torch.save({**state, "step": step}, file))
    for old in _newest_first(folder)[keep:]:
        old.unlink(missing_ok=True)
    return path


def load_latest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that loads, on the CPU, or None; a torn one is passed over."""
    import torch

    for path in _newest_first(folder):
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
        except _UNREADABLE as error:
            log.warning("%s can't be read and is passed over: %s", path.name, error)
            continue
        if isinstance(state, dict) and "step" in state:
            return state
        log.warning("%s is no checkpoint and is passed over", path.name)
    return None


@contextmanager
def opened_run(folder: Path, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """The run folder for this process alone, made if needed.

    overwrite: what an earlier run wrote there is removed first, and nothing else. Raises
    OutputExistsError for a folder with files that is no run's, BusyError where a process is at
    work in it, WriteError.
    """
    run = OwnFolder(folder, "training run", _RUN_NAMES)
    if not resume:
        run.make()
    try:
        with claimed(folder / "run"):
            if overwrite and not resume:
                run.remove_files()
            yield
    finally:
        run.remove_if_empty()


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything to resume from."""
    return bool(_newest_first(folder))


def save_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved config as JSON, for people and for `--resume`."""
    text = json.dumps(config, indent=2, default=str) + "\n"
    make_folder(folder)
    write_atomically(folder / CONFIG_NAME, text.encode())


def load_config(folder: Path) -> dict[str, Any]:
    """The config that `save_config` wrote. Raises TrainingError where it is missing or broken."""
    path = folder / CONFIG_NAME
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(
            f"{folder} has no readable {CONFIG_NAME} ({error}); name the folder of a run"
        ) from error
    if not isinstance(config, dict):
        raise TrainingError(f"{path} holds no config; name the folder of a run")
    return config


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)
