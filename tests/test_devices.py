"""Devices and threads: what is asked for is what is used, or an error says why not."""

import os
import subprocess
import sys

import pytest
import torch

from stylegan_cli.errors import DeviceError, UsageError
from stylegan_cli.runtime.devices import (
    physical_cores,
    resolve_device,
    resolve_threads,
    use_threads,
)


def test_cpu_is_the_cpu() -> None:
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("cpu", needs_torch=True) == "cpu"


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "CPU", ""])
def test_an_unknown_device_is_refused_by_name(name: str) -> None:
    with pytest.raises(DeviceError, match=f"'{name}'"):
        resolve_device(name)


def test_a_gpu_that_is_not_there_is_an_error_never_the_cpu() -> None:
    name = f"cuda:{torch.cuda.device_count()}"
    with pytest.raises(DeviceError, match=name):
        resolve_device(name)


def test_auto_takes_a_gpu_where_torch_is_needed_anyway() -> None:
    expected = "cuda:0" if torch.cuda.is_available() else "cpu"
    assert resolve_device("auto", needs_torch=True) == expected


def test_auto_does_not_load_torch_to_look_for_a_gpu() -> None:
    script = (
        "import sys\nfrom stylegan_cli.runtime.devices import resolve_device\n"
        "assert resolve_device('auto') == 'cpu'\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_threads_are_those_asked_for_then_those_told_then_physical_cores(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert resolve_threads(3) == 3
    assert resolve_threads() == 5
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert resolve_threads() == physical_cores()
    with pytest.raises(UsageError, match="at least 1"):
        resolve_threads(0)


def test_no_more_cores_than_the_process_may_use() -> None:
    script = (
        "import os\nos.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from stylegan_cli.runtime.devices import physical_cores\nassert physical_cores() == 1\n"
    )
    if hasattr(os, "sched_setaffinity"):
        subprocess.run([sys.executable, "-c", script], check=True)
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


def test_the_number_of_threads_reaches_the_libraries() -> None:
    script = (
        "from stylegan_cli.runtime.devices import use_threads\nuse_threads(1)\n"
        "import cv2, torch\nassert torch.get_num_threads() == 1\nassert cv2.getNumThreads() == 1\n"
    )
    environment = {key: os.environ[key] for key in os.environ if key != "OMP_NUM_THREADS"}
    subprocess.run([sys.executable, "-c", script], check=True, env=environment)


def test_threads_once_chosen_are_what_later_code_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", os.environ.copy())
    assert use_threads(7) == 7
    assert resolve_threads() == 7
