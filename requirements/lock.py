"""Write the lock files: every dependency, its version and the hashes of its files.

The versions are those of the environment that this runs in, which the tests have seen.

    make lock

run.txt holds what the default install needs and dev.txt what the tests need, too, for every Python
and system that is supported; torch.txt the two packages of PyTorch, and cuda.txt what its build
for NVIDIA needs and its CPU build does not. Users get the ranges of pyproject.toml.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = "# Made by requirements/lock.py; install with --require-hashes --no-deps.\n"
TORCH = ("torch", "torchvision")
CUDA = re.compile(r"cuda-|nvidia-|triton")
EXTRAS = {"run.txt": (), "dev.txt": ("dev",)}
BUILDING = ("editables", "hatchling>=1.27")  # so that nothing is fetched to build our own package
FREE = ("pymdown-extensions",)  # its newest takes Python 3.11.5, for the site alone
# The CPU build for CPython 3.11 on x86-64, which `make` takes where it is found; PyPI has the one
# for NVIDIA.
CPU_BUILDS = {
    "torch==2.13.0+cpu": ["6746dbcbeb526eb61330b76b41ff1b4eb848951103a892eeb080dfa2b264667b"]
}


def compiled(extras: tuple[str, ...]) -> str:
    """The requirements of some extras with their hashes, as uv resolves them."""
    more = ROOT / "build" / "building.in"
    more.parent.mkdir(exist_ok=True)
    more.write_text("\n".join(BUILDING))
    tested = more.with_name("tested.in")
    freeze = [sys.executable, "-m", "pip", "freeze", "--exclude-editable"]
    installed = subprocess.run(freeze, check=True, capture_output=True, text=True).stdout
    lines = [line for line in installed.splitlines() if "==" in line]
    pinned = (line.partition("+")[0] for line in lines if line.partition("==")[0] not in FREE)
    tested.write_text("\n".join(pinned))
    call = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", str(more)]
    call += ["--universal", "--python-version", "3.11", "--generate-hashes", "--no-header"]
    call += ["--constraint", "constraints.txt", "--constraint", str(tested)]
    call += ["--no-annotate", "--quiet"]
    call += [word for extra in extras for word in ("--extra", extra)]
    done = subprocess.run(call, cwd=ROOT, check=True, capture_output=True, text=True)
    return done.stdout


def entries(text: str) -> Iterator[tuple[str, str, list[str]]]:
    """Of each requirement: its name, its first line without marks, and the lines of its hashes."""
    for block in re.split(r"\n(?=\S)", text.strip()):
        first, *hashes = (line.rstrip(" \\").strip() for line in block.splitlines())
        yield re.split(r"[=\s]", first, maxsplit=1)[0], first, hashes


def main() -> None:
    """Write all of them."""
    files: dict[str, dict[str, str]] = {name: {} for name in (*EXTRAS, "torch.txt", "cuda.txt")}
    for lock, extras in EXTRAS.items():
        for name, first, hashes in entries(compiled(extras)):
            target = "cuda.txt" if CUDA.match(name) else lock
            if name in TORCH:
                # Without its marker, which would be of one system's build.
                target, first = "torch.txt", first.partition(" ;")[0]
            files[target][first] = " \\\n    ".join([first, *hashes]) + "\n"
    for build, sums in CPU_BUILDS.items():
        hashes = [f"--hash=sha256:{found}" for found in sums]
        files["torch-cpu.txt"] = {build: " \\\n    ".join([build, *hashes]) + "\n"}
    for name, lines in files.items():
        (ROOT / "requirements" / name).write_text(HEAD + "".join(lines.values()))


if __name__ == "__main__":
    main()
