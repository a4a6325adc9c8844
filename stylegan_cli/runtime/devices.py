"""Where to compute, and with how many threads: decided once, at the edge."""

import os
import re
from pathlib import Path

from stylegan_cli.errors import DeviceError, UsageError, messages
from stylegan_cli.runtime.packages import require_torch

_TOPOLOGY = Path("/sys/devices/system/cpu")

# Read by OpenMP (torch, NumPy, SciPy) and OpenCV when each is first loaded.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


def resolve_device(name: str, *, needs_torch: bool = False) -> str:
    """The device to use for `auto`, `cpu`, `cuda` or `cuda:N`, as torch spells it.

    `auto` is a GPU only where torch is loaded anyway (needs_torch): starting torch to look for
    one would take longer than most pictures.

    Raises DeviceError when the name is none of these or the GPU asked for is not there,
    MissingPackageError where torch is needed and missing.
    """
    if needs_torch:
        require_torch()
    if name == "cpu" or (name == "auto" and not needs_torch):
        return "cpu"
    if name == "auto":
        return "cuda:0" if _count_gpus() else "cpu"
    asked = re.fullmatch(r"cuda(?::(\d+))?", name)
    if asked is None:
        raise DeviceError(messages.unknown_name("device", name, ("auto", "cpu", "cuda", "cuda:N")))
    index, count = int(asked.group(1) or 0), _count_gpus()
    if count == 0:
        raise DeviceError(
            f"--device {name}: PyTorch finds no CUDA GPU here; use --device cpu, or install a "
            "CUDA build of torch and the GPU's driver"
        )
    if index >= count:
        raise DeviceError(f"--device {name}: the GPUs here are cuda:0 to cuda:{count - 1}")
    return f"cuda:{index}"


def _count_gpus() -> int:
    require_torch()
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def uses_bf16(precision: str, device: str) -> bool:
    """bf16 where it is asked for, or where the processor has instructions for it.

    precision: auto, fp32 or bf16. device: cpu or cuda.
    """
    import torch

    if precision != "auto":
        return precision == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def resolve_threads(asked: int | None = None) -> int:
    """How many threads to compute with: as asked, as OMP_NUM_THREADS says, else the physical cores.

    Raises UsageError for fewer than one.
    """
    if asked is not None:
        if asked < 1:
            raise UsageError(f"--threads must be at least 1, got {asked}")
        return asked
    count = os.environ.get("OMP_NUM_THREADS", "")
    if count.isdecimal() and int(count) > 0:
        return int(count)
    return physical_cores()


def use_threads(asked: int | None = None) -> int:
    """Make every numeric library loaded from now on use `resolve_threads(asked)` threads."""
    threads = resolve_threads(asked)
    for variable in _THREAD_VARIABLES:
        os.environ[variable] = str(threads)
    return threads


def physical_cores() -> int:
    """Physical cores this process may run on, within its CPU quota; at least 1.

    Two threads of one core share its arithmetic units, and more threads than free cores make
    small operators many times slower.
    """
    allowed = _allowed_processors()
    cores = len({_siblings(processor) for processor in allowed})
    return max(1, min(cores, _quota()))


def _allowed_processors() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


def _siblings(processor: int) -> str:
    try:
        return (_TOPOLOGY / f"cpu{processor}/topology/thread_siblings_list").read_text().strip()
    except OSError:
        return str(processor)


def _quota() -> int:
    """CPUs the control group grants, as in a container started with a limit."""
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return os.cpu_count() or 1
