"""What `influ ui` runs beside the page: commands of influ, one process each, watched."""

import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from stylegan_cli.errors import BusyError, UsageError
from stylegan_cli.runtime.progress_file import PROGRESS_VARIABLE, read_progress

KEPT_LINES = 40
GRACE_S = 20.0  # a training run saves itself before it stops

State = Literal["running", "done", "stopped", "failed"]
_STYLING = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass(slots=True)
class Job:
    """One command.

    id: cannot be guessed. progress: the file where it tells how far it is. report: the page that it
    writes as it goes on. lines: what it said last.
    """

    id: str
    name: str
    process: "subprocess.Popen[str]"
    progress: Path
    report: Path | None = None
    stopped: bool = False
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=KEPT_LINES))
    listener: threading.Thread | None = None

    @property
    def state(self) -> State:
        """Whether it still runs, and how it ended."""
        code = self.process.poll()
        if code is None:
            return "running"
        if code == 0:
            return "done"
        return "stopped" if self.stopped else "failed"

    def described(self) -> dict[str, object]:
        """What the page shows of it."""
        report = self.report is not None and self.report.is_file()
        lines = list(self.lines)
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "lines": lines,
            "progress": read_progress(self.progress),
            "report": report,
        }


class Jobs:
    """The commands of one `influ ui`; one at a time, as each takes all of the processor."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self._turn = threading.Lock()
        self._folder = Path(tempfile.mkdtemp(prefix="influ-ui-"))

    def start(self, name: str, arguments: Sequence[str], report: Path | None = None) -> Job:
        """Run `influ` with `arguments`. Raises BusyError while another one runs."""
        with self._turn:
            running = [job.name for job in self._jobs.values() if job.state == "running"]
            if running:
                raise BusyError(f"{running[0]} is still running; wait for it, or stop it")
            identifier = secrets.token_hex(16)
            progress = self._folder / identifier
            process = subprocess.Popen(
                command(arguments),
                env={**os.environ, PROGRESS_VARIABLE: str(progress)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
            job = Job(identifier, name, process, progress, report)
            self._jobs[job.id] = job
        job.listener = threading.Thread(target=_follow, args=(job,), daemon=True)
        job.listener.start()
        return job

    def described(self) -> list[dict[str, object]]:
        """Every job, the newest first."""
        return [job.described() for job in reversed(self._jobs.values())]

    def find(self, identifier: str) -> Job:
        """The job of that id. Raises UsageError."""
        try:
            return self._jobs[identifier]
        except KeyError:
            raise UsageError("there is no such job; reload the page") from None

    def stop(self, job: Job) -> None:
        """Ask a job to stop, as Ctrl-C does: what it can save is saved."""
        if job.state == "running":
            job.stopped = True
            job.process.send_signal(signal.SIGTERM)

    def stop_all(self) -> None:
        """Stop what runs, and wait until it has."""
        for job in self._jobs.values():
            self.stop(job)
        for job in self._jobs.values():
            try:
                job.process.wait(GRACE_S)
            except subprocess.TimeoutExpired:
                job.process.kill()
                job.process.wait()
            if job.listener is not None:
                job.listener.join(GRACE_S)
        shutil.rmtree(self._folder, ignore_errors=True)


def command(arguments: Sequence[str]) -> list[str]:
    """How this influ is called with `arguments`."""
    return [sys.executable, "-m", "stylegan_cli", *arguments]


def _follow(job: Job) -> None:
    assert job.process.stdout is not None
    with job.process.stdout as said:
        for line in said:
            if text := _STYLING.sub("", line).strip():
                job.lines.append(text)
