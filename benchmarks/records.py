"""Results as JSON lines: one cell a line, appended as soon as it is measured."""

import hashlib
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path


def read_records(path):
    """All records of a file, oldest first; none where there is no file yet."""
    if not Path(path).exists():
        return []
    return [json.loads(line) for line in Path(path).read_text().splitlines() if line.strip()]


def append_record(path, record):
    """Add one line, with the machine and its load beside the figures, and sync it to disk."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(json.dumps(record | circumstances()) + "\n")
        file.flush()
        os.fsync(file.fileno())


def circumstances():
    """Where, by which code and under what load a figure was taken."""
    return {
        "machine": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "load": round(os.getloadavg()[0], 1),
        "code": code_version(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def processor():
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def code_version():
    """The commit, "-dirty" where files differ from it; None outside a clone."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        found = subprocess.run(
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def file_hash(path):
    """A short hash of a file's bytes."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]
