"""The metrics of a run: metrics.csv for people, TensorBoard events for curves."""

import csv
import io
import itertools
import logging
import math
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from stylegan_cli.errors import TrainingError, WriteError
from stylegan_cli.runtime.files import (
    explained,
    make_folder,
    path_inside,
    read_text,
    write_atomically,
)

log = logging.getLogger(__name__)

METRICS_NAME = "metrics.csv"
EVENTS_NAME = "tensorboard"
_STEP = re.compile(r"[0-9]{1,12}")


class Metrics:
    """Writes metrics by step into `metrics.csv` and as TensorBoard events. Raises WriteError.

    columns: the names that a row may have; what a row does not measure stays blank.
    resumed_step: rows of later steps, written before the run was stopped, are dropped.
    """

    def __init__(self, folder: Path, columns: Sequence[str], resumed_step: int = 0) -> None:
        self._folder, self._path = folder, folder / METRICS_NAME
        self._columns = ("step", *columns)
        self._open(resumed_step)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """One row for `step`. Raises ValueError for a name that is no column."""
        with explained(self._path):
            self._rows.writerow({"step": step, **{k: f"{v:.6g}" for k, v in values.items()}})
            self._file.flush()
        self._events.write(step, {k: v for k, v in values.items() if math.isfinite(v)})

    def rewind(self, step: int) -> None:
        """Drop the rows of steps after `step`: they are about to run again."""
        self.close()
        self._open(step)

    def close(self) -> None:
        """Write out what is buffered."""
        with explained(self._path):
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
        with explained(self._path):
            self._file = self._path.open("a", newline="", encoding="utf-8")
        self._rows = csv.DictWriter(self._file, self._columns)
        self._events = Events(path_inside(self._folder, EVENTS_NAME, WriteError), last_step)

    def _rewrite_until(self, last_step: int) -> None:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, self._columns, extrasaction="ignore", restval="")
        writer.writeheader()
        for row in self._earlier_rows():
            if int(row["step"]) <= last_step:
                writer.writerow(row)
        write_atomically(self._path, text.getvalue().encode())

    def _earlier_rows(self) -> list[dict[str, str]]:
        """The rows that are there; a file that can't be read is set aside."""
        try:
            return read_metrics(self._path)
        except FileNotFoundError:
            return []
        except (TrainingError, csv.Error):
            names = (f"{self._path.name}.damaged-{number}" for number in itertools.count(1))
            paths = (self._path.with_name(name) for name in names)
            aside = next(path for path in paths if not os.path.lexists(path))
            self._path.replace(aside)
            log.warning("%s is damaged and is set aside as %s", self._path, aside.name)
            return []


def read_metrics(path: Path) -> list[dict[str, str]]:
    """The rows of a `metrics.csv`, as text; lines that are torn or no numbers are left out."""
    reader = csv.DictReader(io.StringIO(read_text(path, TrainingError), newline=""))
    return [row for row in reader if _is_row(row)]


def _is_row(row: Mapping[str | None, str | None]) -> bool:
    if None in row or None in row.values() or not _STEP.fullmatch(row.get("step") or ""):
        return False
    try:
        [float(value) for value in row.values() if value]
    except ValueError:
        return False
    return True


class Events:
    """Scalars in a new file of TensorBoard's, written at once: its own writer fails in a thread."""

    def __init__(self, folder: Path, resumed_step: int) -> None:
        """resumed_step: TensorBoard drops what earlier files have of later steps."""
        with _hidden("boto3"):  # TensorBoard takes it where it is, and it opens a socket at once
            from tensorboard.compat.proto.event_pb2 import Event, SessionLog
            from tensorboard.summary.writer.record_writer import RecordWriter

        make_folder(folder)
        self._path = folder / f"events.out.tfevents.{time.time_ns() // 1000}"
        with explained(self._path):
            self._records = RecordWriter(self._path.open("xb"))
        start = SessionLog(status=SessionLog.START)
        self._put(
            Event(file_version="brain.Event:2"), Event(step=resumed_step + 1, session_log=start)
        )

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """The values of one step by name. Raises WriteError."""
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        scalars = [Summary.Value(tag=name, simple_value=v) for name, v in values.items()]
        self._put(Event(step=step, summary=Summary(value=scalars)))

    def close(self) -> None:
        """Close the file."""
        with explained(self._path):
            self._records.close()

    def _put(self, *events: Any) -> None:
        with explained(self._path):
            for event in events:
                event.wall_time = time.time()
                self._records.write(event.SerializeToString())
            self._records.flush()


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """As if `package` were not installed."""
    loaded = sys.modules.get(package)
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if loaded is None:
            del sys.modules[package]
        else:
            sys.modules[package] = loaded
