"""What became of each picture, and of all of them."""

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import FileIO
from pathlib import Path

from stylegan_cli.batches.planning import Job
from stylegan_cli.errors import (
    DataError,
    InfluError,
    OutputExistsError,
    PartialFailureError,
    UsageError,
    WriteError,
    messages,
)
from stylegan_cli.runtime.files import check_target

logger = logging.getLogger(__name__)


class Status(StrEnum):
    """What became of one picture."""

    DONE = "done"
    SKIPPED = "skipped"  # its result is there already
    TAKEN = "taken"  # another run is at it, or has just made it
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one job; `error` is set when it failed.

    sha256, result_sha256: of the bytes of source and result, where the storage knows them.
    """

    job: Job
    status: Status
    seconds: float = 0.0
    error: InfluError | None = None
    sha256: str | None = None
    result_sha256: str | None = None

    def record(self) -> dict[str, object]:
        """The outcome as a JSON object."""
        return {
            "source": str(self.job.source),
            "target": str(self.job.target),
            "status": self.status.value,
            "seconds": round(self.seconds, 3),
            "error": None if self.error is None else str(self.error),
        }


def count_outcomes(outcomes: Iterable[Outcome]) -> dict[str, int]:
    """How many pictures came to each end."""
    counts = {status.value: 0 for status in Status}
    for outcome in outcomes:
        counts[outcome.status.value] += 1
    return counts


def summary(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """The outcomes as one JSON object: counts, then a record for each file."""
    files = [outcome.record() for outcome in outcomes]
    return count_outcomes(outcomes) | {"files": files}


def raise_for(outcomes: Sequence[Outcome], noun: str = "picture") -> None:
    """The error a batch ends with: none, that of its only file, all of them, or some.

    Raises that error; DataError when every file of many failed; PartialFailureError for some.
    """
    errors = [outcome.error for outcome in outcomes if outcome.error is not None]
    if not errors:
        return
    if len(outcomes) == 1:
        raise errors[0]
    if len(errors) == len(outcomes):
        if all(isinstance(error, OutputExistsError) for error in errors):
            raise OutputExistsError(messages.exists_already(f"each of the {len(errors)} results"))
        raise DataError(
            f"none of the {len(errors)} {noun}s could be styled: the lines above say why"
        )
    raise PartialFailureError(
        f"{len(errors)} of {len(outcomes)} {noun}s failed: the lines above say why"
    )


class BatchLog:
    """A file that gets one line of JSON for each picture, as soon as it is through."""

    def __init__(self, file: FileIO, about: Mapping[str, object]) -> None:
        self._file, self._about = file, about

    def add(self, outcome: Outcome) -> None:
        """Append the record of one picture, whole: several runs may share the file."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        record = {"time": now, **outcome.record(), "sha256": outcome.sha256, **self._about}
        line = json.dumps(record, ensure_ascii=False) + "\n"
        try:
            self._file.write(line.encode("utf-8", "backslashreplace"))
        except (OSError, ValueError) as error:  # ValueError: closed, by a Ctrl-C that did not wait
            reason = error.strerror if isinstance(error, OSError) else error
            logger.warning("%s is missing in the log: %s", outcome.job.source, reason)


@contextmanager
def open_log(
    path: Path, about: Mapping[str, object], inputs: Sequence[Path] = ()
) -> Iterator[BatchLog]:
    """The log at `path`, appended to; about: what every line says besides its picture.

    Raises UsageError where it can't be written, is a link, or is one of `inputs`.
    """
    try:
        check_target(path, overwrite=True, inputs=inputs)
        file = FileIO(path, "a")
    except WriteError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise UsageError(messages.cannot_write(path, messages.why(error))) from error
    with file:
        yield BatchLog(file, about)
