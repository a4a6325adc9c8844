"""The run folder: whose it is, its checkpoints and its config.

A checkpoint appears whole or not at all: it is written beside its place, synced and renamed.
"""

import hashlib
import io
import json
import logging
import os
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stylegan_cli.errors import InfluError, TrainingError
from stylegan_cli.runtime.files import (
    OwnFolder,
    check_archive,
    claimed,
    make_folder,
    open_regular,
    read_sealed,
    sealed,
    write_atomically,
)

log = logging.getLogger(__name__)

CONFIG_NAME = "config.json"
BEST_NAME = "best.safetensors"  # the base and each creator's best style
MAX_SHARED = 8  # times the size of its file, that the tensors of a checkpoint may have together

_CHECKPOINT = re.compile(r"checkpoint-[0-9]{8,12}\.pt")

# Every name that a run gives a file or folder in its own.
_RUN_NAMES = re.compile(
    rf"{_CHECKPOINT.pattern}|(config|registered)\.json|metrics\.csv(\.damaged(-\d+)?)?|report\.html"
    r"|(start|best)\.safetensors|samples/(.+-\d{6,}\.jpg|\d{8}\.png)?"
    r"|tensorboard/(events\.out\.tfevents\..+)?"
)


def save_checkpoint(folder: Path, step: int, state: Mapping[str, Any], *, keep: int = 2) -> Path:
    """Write `checkpoint-STEP.pt` and remove all but the `keep` newest up to it.

    state: tensors, numbers, strings, and dicts and lists of them: nothing that needs pickle.
    Raises WriteError.
    """
    import torch

    path = folder / f"checkpoint-{step:08d}.pt"
    make_folder(folder)
    whole = {**state, "step": step}
    whole["sum"] = _sum_of(whole)
    # Into memory first: torch's writer hides why a disk refuses.
    data = io.BytesIO()
    torch.save(whole, data)
    write_atomically(path, data.getvalue())
    # A later one is none that this run can go on from.
    earlier = [path for path in _newest_first(folder) if _step_of(path) <= step]
    for old in earlier[keep:]:
        old.unlink(missing_ok=True)
    return path


def load_latest_checkpoint(folder: Path) -> dict[str, Any] | None:
    """The newest checkpoint that loads, on the CPU, or None; a torn one is passed over."""
    for path in _newest_first(folder):
        try:
            state = _load(path)
        # The unpickler follows whatever bytes say, and raises whatever comes of it.
        except Exception as error:
            log.warning("%s can't be read and is passed over: %s", path.name, _first_line(error))
            continue
        if state is not None:
            return state
        log.warning("%s is no whole checkpoint and is passed over", path.name)
    return None


def _load(path: Path) -> dict[str, Any] | None:
    """The state in a file; None where it is not what was saved there."""
    import torch

    with open_regular(path, TrainingError) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check_archive(file, TrainingError)
        state: Any = torch.load(file, map_location="cpu", weights_only=True)
        most = MAX_SHARED * file.seek(0, os.SEEK_END)
    if not isinstance(state, dict) or state.get("step") != _step_of(path):
        return None
    if _bytes_of(state) > most:  # a view can show one number a billion times
        raise TrainingError("its tensors are larger than the file")
    return state if state.pop("sum", None) == _sum_of(state) else None


@contextmanager
def restoring(folder: Path) -> Iterator[None]:
    """Going on from a checkpoint in `folder`. Raises TrainingError where it is of another run."""
    try:
        yield
    except InfluError:
        raise
    # Whoever made the file can have put anything in the place of each value.
    except Exception as error:
        raise TrainingError(
            f"the newest checkpoint in {folder} does not fit its run ({_first_line(error)}); "
            "begin a new run in another folder"
        ) from error


@contextmanager
def opened_run(folder: Path, *, resume: bool = False, overwrite: bool = False) -> Iterator[None]:
    """The run folder for this process alone, made if needed.

    overwrite: what an earlier run wrote there is removed first, and nothing else. Raises
    OutputExistsError for a folder with files that is no run's, BusyError where a process is at
    work in it, WriteError.
    """
    run = _own(folder)
    if not resume:
        run.make()
    try:
        with claimed(folder):
            if overwrite and not resume:
                run.remove_files()
            yield
    finally:
        run.remove_if_empty()


def check_run_folder(folder: Path) -> None:
    """Raise OutputExistsError for a folder with files that is no run's."""
    _own(folder).check()


def _own(folder: Path) -> OwnFolder:
    return OwnFolder(folder, "training run", _RUN_NAMES)


def has_checkpoint(folder: Path) -> bool:
    """Whether there is anything to resume from."""
    return bool(_newest_first(folder))


def _step_of(path: Path) -> int:
    return int(path.stem.rpartition("-")[2])


def _bytes_of(value: Any) -> int:
    """Of all tensors in a state."""
    import torch

    if isinstance(value, torch.Tensor):
        return value.nbytes
    if isinstance(value, Mapping):
        return sum(map(_bytes_of, value.values()))
    return sum(map(_bytes_of, value)) if isinstance(value, list | tuple) else 0


def _sum_of(state: Mapping[str, Any]) -> str:
    """SHA-256 over all that a checkpoint holds, in its order."""
    digest = hashlib.sha256()
    _feed(digest, state)
    return digest.hexdigest()


def _feed(digest: "hashlib._Hash", value: Any) -> None:
    import torch

    if isinstance(value, torch.Tensor):
        digest.update(f"tensor {value.dtype} {tuple(value.shape)}\0".encode())
        # Bytes, because numpy does not know every type that torch has.
        data = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(data.numpy().data)
    elif isinstance(value, Mapping):
        digest.update(f"mapping {len(value)}\0".encode())
        for key, item in value.items():
            digest.update(f"{key!r}\0".encode())
            _feed(digest, item)
    elif isinstance(value, list | tuple):
        digest.update(f"list {len(value)}\0".encode())
        for item in value:
            _feed(digest, item)
    else:
        digest.update(f"{value!r}\0".encode())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]


def save_config(folder: Path, config: Mapping[str, Any]) -> None:
    """Write the resolved config as JSON, for people and for `--resume`."""
    plain = json.loads(json.dumps(config, default=str))
    make_folder(folder)
    write_atomically(folder / CONFIG_NAME, f"{sealed(plain, indent=2)}\n".encode())


def load_config(folder: Path) -> dict[str, Any]:
    """The config that `save_config` wrote. Raises TrainingError where it is missing or changed."""
    try:
        return read_sealed(folder / CONFIG_NAME, TrainingError, "restore it, or begin a new run")
    except FileNotFoundError as error:
        raise TrainingError(f"{folder} has no {CONFIG_NAME}; name the folder of a run") from error


def _newest_first(folder: Path) -> list[Path]:
    found = (path for path in folder.glob("checkpoint-*.pt") if _CHECKPOINT.fullmatch(path.name))
    return sorted(found, key=_step_of, reverse=True)
