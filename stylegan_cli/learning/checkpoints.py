"""The run folder: checkpoints, the resolved config, metrics.csv and TensorBoard events.

A checkpoint appears whole or not at all: it is written beside its place, synced and renamed.
"""

import csv
import json
import logging
import math
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from stylegan_cli.errors import TrainingError
from stylegan_cli.files import OwnFolder, claimed, make_folder, write_atomically

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

log = logging.getLogger(__name__)

CONFIG_NAME = "config.json"
METRICS_NAME = "metrics.csv"
EVENTS_NAME = "tensorboard"
BEST_NAME = "best.safetensors"  # of refinement: the base and each creator at its best

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


class Metrics:
    """Writes figures by step into `metrics.csv` and as TensorBoard events.

    columns: the names that rows may have; a row leaves blank what it does not measure.
    resumed_step: rows of later steps, written before the run was stopped, are dropped.
    """

    def __init__(self, folder: Path, columns: Sequence[str], resumed_step: int = 0) -> None:
        self._folder, self._path = folder, folder / METRICS_NAME
        self._columns = ("step", *columns)
        self._open(resumed_step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One row for `step`. Raises ValueError for a name that is no column."""
        self._rows.writerow({"step": step, **{k: f"{v:.6g}" for k, v in values.items()}})
        self._file.flush()
        for name, value in values.items():
            if math.isfinite(value):
                self._events.add_scalar(name, value, step)

    def rewind(self, step: int) -> None:
        """Drop the rows of steps after `step`, which are about to be done again."""
        self.close()
        self._open(step)

    def close(self) -> None:
        """Write out what is buffered."""
        self._file.close()
        self._events.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _open(self, last_step: int) -> None:
        self._rewrite_until(last_step)
        self._file = self._path.open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, self._columns)
        self._events = _event_writer(self._folder, last_step)

    def _rewrite_until(self, last_step: int) -> None:
        rows = read_metrics(self._path) if self._path.exists() else []
        kept = [row for row in rows if row["step"].isdigit() and int(row["step"]) <= last_step]
        with self._path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns, extrasaction="ignore", restval="")
            writer.writeheader()
            writer.writerows(kept)


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a `metrics.csv`, as text; a line torn at the end is left out."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if None not in row.values()]


def _event_writer(folder: Path, resumed_step: int) -> "SummaryWriter":
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(folder / EVENTS_NAME), purge_step=resumed_step + 1)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("checkpoint-*.pt"), reverse=True)
