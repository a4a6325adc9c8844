"""A write that fails, or a process that is killed at it, loses nothing; a share of fuzz/."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or shutil.which("cc") is None, reason="takes Linux and a C compiler"
)


@pytest.mark.parametrize("command", ["styles pack"])
def test_whichever_call_fails_results_are_whole_and_the_command_completes_again(
    command: str,
) -> None:
    call = [sys.executable, "-m", "fuzz.failing_calls", "--most", "4", command]
    done = subprocess.run(
        call, cwd=Path(__file__).parents[1], capture_output=True, text=True, timeout=300
    )
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert found["tried"] >= 9
