"""Every write can fail: the n-th call that changes a folder fails, or the process is killed at it.

    python -m fuzz.failing_calls [--out FILE] [--most N] [COMMAND ...]

For n = 1 to the last, with a full and with a broken disk and with SIGKILL, each command runs in a
process of its own. Afterwards its results are whole or absent, nothing of the user's has changed,
and the same command again completes and leaves nothing behind. Needs a C compiler, on Linux.
"""

import argparse
import ctypes
import errno
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

# Of each end: the errno, and whether the disk stays full from there on.
ENDS = {
    "no room once": (errno.ENOSPC, False),
    "full disk": (errno.ENOSPC, True),
    "broken disk": (errno.EIO, False),
    "killed": (0, False),
}
LIBRARY = "INFLU_FAILING_CALLS"
LAST = 100_000

Words = Callable[[Path, bool], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Command:
    """words: the command line for a place, the first or a second time.

    results: patterns of the files that are whole or absent, in `out`, with what reads each.
    """

    words: Words
    results: dict[str, Callable[[Path], object]]


def _picture(path: Path) -> object:
    from stylegan_cli.pictures import read_picture

    return read_picture(path)


def _style(path: Path) -> object:
    from stylegan_cli.styles import read_model, read_style, shipped_model

    return read_style(path, read_model(shipped_model()).base)


def _clip(path: Path) -> object:
    from stylegan_cli.clips import ClipReader

    with ClipReader(path) as reader:
        assert len(list(reader)) >= FRAMES
    return path


def _manifest(path: Path) -> object:
    from stylegan_cli.preparing import read_manifest

    return read_manifest(path.parent)


def _model(path: Path) -> object:
    from stylegan_cli.styles import read_model

    return read_model(path)


def _checkpoint(path: Path) -> object:
    from stylegan_cli.learning.checkpoints import load_latest_checkpoint

    state = load_latest_checkpoint(path.parent)
    assert state is not None
    return state


def _config(path: Path) -> object:
    from stylegan_cli.learning.checkpoints import load_config

    return load_config(path.parent)


def _text(path: Path) -> object:
    text = path.read_text()
    assert text.endswith("\n")
    return text


def _tensors(path: Path) -> object:
    from safetensors.numpy import load_file

    return load_file(path)


FRAMES = 6


def commands() -> dict[str, Command]:
    """Every command that writes, on files as small as they can be."""

    def stylize(place: Path, again: bool) -> Sequence[str]:
        words = ["stylize", place / "in", "-o", place / "out", "--precision", "f32"]
        return [*map(str, words), *(["--skip-existing"] if again else [])]

    def add(place: Path, again: bool) -> Sequence[str]:
        words = ["styles", "add", "mine", str(place / "in")]
        return [*words, *(["--overwrite"] if again else [])]

    def pack(place: Path, again: bool) -> Sequence[str]:
        words = ["styles", "pack", "noir", "-o", str(place / "out" / "a.safetensors")]
        return [*words, *(["--overwrite"] if again else [])]

    def install(place: Path, again: bool) -> Sequence[str]:
        words = ["styles", "install", str(place / "noir.safetensors"), "--as", "theirs"]
        return [*words, *(["--overwrite"] if again else [])]

    def export(place: Path, again: bool) -> Sequence[str]:
        words = ["export", "noir", "-o", str(place / "out" / "a.cube")]
        return [*words, *(["--overwrite"] if again else [])]

    def prep(place: Path, again: bool) -> Sequence[str]:
        words = ["prep", str(place / "in"), "--out", str(place / "out")]
        return [*words, "--size", "32", "--faces", "off"]

    def video(place: Path, again: bool) -> Sequence[str]:
        words = ["video", str(place / "clip.mp4"), "--out", str(place / "out" / "a.mp4")]
        words += ["--style", "noir", "--precision", "f32"]
        return [*words, *(["--resume", "--overwrite"] if again else [])]

    def train(place: Path, again: bool) -> Sequence[str]:
        words = ["train", "--data", str(place / "in"), "--content", str(place / "in")]
        words += ["--steps", "1", "--size", "64", "--batch", "1", "--name", "learnt"]
        run = place / "out" / "run"
        words += ["--config", str(place / "small.toml"), "--out", str(run)]
        goes_on = any(run.glob("checkpoint-*.pt"))
        return [*words, *(["--resume" if goes_on else "--overwrite"] if again else [])]

    def export_page(place: Path, again: bool) -> Sequence[str]:
        words = ["export", "noir", "-o", str(place / "out" / "site"), "--format", "web"]
        return [*words, *(["--overwrite"] if again else [])]

    registered = {"styles/*.safetensors": _style, "styles/*.jpg": _picture}
    trained = {"run/*.safetensors": _model, "run/*.pt": _checkpoint, "run/config.json": _config}
    page = {"site/index.html": _text, "site/model/*.safetensors": _tensors}
    return {
        "stylize": Command(stylize, {"*.jpg": _picture}),
        "styles add": Command(add, registered),
        "styles pack": Command(pack, {"*.safetensors": _style}),
        "styles install": Command(install, registered),
        "export": Command(export, {"*.cube": _text}),
        "export page": Command(export_page, page),
        "prep": Command(prep, {"manifest.jsonl": _manifest, "*/*/*.jpg": _picture}),
        "video": Command(video, {"*.mp4": _clip}),
        "train": Command(train, registered | trained),
    }


def build_library(folder: Path) -> Path:
    """The library that makes calls fail."""
    source, library = Path(__file__).with_suffix(".c"), folder / "failing_calls.so"
    call = ["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(call, check=True)
    return library


def _make_inputs(place: Path) -> None:
    """What a user has: photos, a clip, a style of a friend."""
    import av

    from stylegan_cli.styles import find_style, write_style

    rng = np.random.default_rng(0)
    (place / "in").mkdir(parents=True)
    for number in range(2):
        rough = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(rough).resize((96, 72)).save(place / "in" / f"{number}.jpg", quality=95)
    with av.open(place / "clip.mp4", "w") as clip:
        pictures = clip.add_stream("libx264", rate=10)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 64, "yuv420p"
        for _ in range(FRAMES):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            clip.mux(pictures.encode(av.VideoFrame.from_ndarray(pixels)))
        clip.mux(pictures.encode(None))
    write_style(find_style("noir")[1], place / "noir.safetensors")
    small = 'precision = "fp32"\nworking_size = 80\nvalidate_every = 1\nsave_every = 1\n'
    small += "[texture]\ncrops = 8\nkept = 64\n[validation]\npatches = 64\n"
    (place / "small.toml").write_text(small)
    (place / "out").mkdir()


NO_SENTENCE = ("Traceback", "unexpected error", "the output")  # "the output": which file?
MINE = ("taxes.txt", ".influ-notes.part", ".hidden", "styles/notes.txt", "train/mine/taxes.txt")


def _put_mine(out: Path) -> dict[str, str]:
    """Files of the user in the folder of the results."""
    shutil.rmtree(out)
    out.mkdir()
    for name in MINE:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("mine")
    return _sums(out.parent)


def _sums(place: Path) -> dict[str, str]:
    """SHA-256 of the inputs, and of what the user has among the results."""
    inputs = [*(place / "in").iterdir(), *(path for path in place.iterdir() if path.is_file())]
    mine = [place / "out" / name for name in MINE]
    return {path.name: _sum_of(path) for path in (*inputs, *mine)}


def _sum_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else "gone"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended: its exit code, stderr, number of calls, and the modules it had."""

    code: int
    said: str
    calls: int
    modules: Sequence[str]


def run(
    words: Sequence[str], out: Path, number: int = LAST, error: int = 0, stays: bool = False
) -> Ended:
    """A command in a process of its own."""
    reader, writer = os.pipe()
    said = tempfile.TemporaryFile()  # noqa: SIM115
    child = os.fork()
    if child == 0:
        os.close(reader)
        code = 70
        try:
            os.dup2(said.fileno(), 2)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            library = ctypes.CDLL(os.environ[LIBRARY])
            where = os.fsencode(out), ctypes.c_long(number)
            library.influ_arm(*where, ctypes.c_int(error), ctypes.c_int(stays))
            code = _influ(words)
            with os.fdopen(writer, "w") as file:
                json.dump([library.influ_count(), sorted(sys.modules)], file)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader) as file:
        calls, modules = json.loads(file.read() or "[0, []]")
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    said.seek(0)
    return Ended(code, said.read().decode(errors="replace"), calls, modules)


def _influ(words: Sequence[str]) -> int:
    from stylegan_cli.cli import main

    sys.argv = ["influ", *words, "--threads", "1"]
    try:
        main()
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def try_all(name: str, place: Path, most: int = LAST) -> dict[str, Any]:
    """Every n of a command, up to `most` of them evenly spread; what was found."""
    command, out = commands()[name], place / "out"
    os.environ["INFLU_STYLES"] = str(out / "styles")
    before = _put_mine(out)
    whole = run(command.words(place, False), out)
    assert whole.code == 0, whole.said
    for module in whole.modules:  # once, as processes are copies of this one
        with suppress(Exception):
            importlib.import_module(module)
    last = whole.calls
    numbers = range(1, last + 1, max(1, -(-last // most)))
    found: dict[str, Any] = {"command": name, "calls": last, "tried": 0}
    found |= dict.fromkeys(("lost", "torn", "foreign", "traceback", "leftovers"), 0)
    problems: list[str] = []
    for end, (error, stays) in ENDS.items():
        for number in numbers:
            found["tried"] += 1
            assert _put_mine(out) == before
            said = run(command.words(place, False), out, number, error, stays).said
            if error and any(words in said for words in NO_SENTENCE):
                found["traceback"] += 1
                problems.append(f"{end} at {number}: {said[-300:]}")
            if torn := _torn(command, out):
                found["torn"] += 1
                problems.append(f"{end} at {number}: torn {torn}")
            again = run(command.words(place, True), out)
            is_there = again.code == 0 and all(any(out.glob(name)) for name in command.results)
            if not is_there or _torn(command, out):
                found["lost"] += 1
                problems.append(f"{end} at {number}, then again: {again.code} {again.said[-300:]}")
            if _sums(place) != before:
                found["foreign"] += 1
                problems.append(f"{end} at {number}: a file of the user changed")
            hidden = [path.name for path in out.rglob(".influ-*") if path.name not in MINE]
            if left := [name for name in hidden if name != ".influ-folder.json"]:
                found["leftovers"] += 1
                problems.append(f"{end} at {number}: left {left}")
    return found | {"problems": problems[:10]}


def _torn(command: Command, out: Path) -> list[str]:
    """What a person sees and can't use; hidden names are helpers of a run that may go on."""
    torn = []
    for pattern, read in command.results.items():
        for path in out.glob(pattern):
            try:
                if not path.name.startswith("."):
                    read(path)
            except BaseException as error:
                torn.append(f"{path.name}: {error}")
    return torn


def start(arguments: Sequence[str]) -> int:
    """Run this module with the library in the process."""
    with tempfile.TemporaryDirectory(prefix="influ-calls-") as folder:
        library = str(build_library(Path(folder)))
        environment = {**os.environ, "LD_PRELOAD": library, LIBRARY: library}
        environment |= {"OMP_NUM_THREADS": "1", "XDG_CACHE_HOME": f"{folder}/cache"}
        call = [sys.executable, "-m", "fuzz.failing_calls", *arguments]
        return subprocess.run(call, env=environment).returncode


def main(arguments: Sequence[str]) -> int:
    """Try commands; the exit code says whether anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.failing_calls", description=__doc__)
    parser.add_argument("--out", type=Path, help="file that gets a line of JSON for each command")
    parser.add_argument("--most", type=int, default=LAST, help="numbers n tried of each command")
    parser.add_argument("names", nargs="*", metavar="COMMAND")
    told = parser.parse_args(arguments)
    if LIBRARY not in os.environ:
        return start(arguments)
    _import_all()
    failed = False
    for name in told.names or list(commands()):
        with tempfile.TemporaryDirectory(prefix="influ-calls-") as folder:
            _use_small_base(Path(folder))
            _make_inputs(Path(folder) / "place")
            found = try_all(name, Path(folder) / "place", told.most)
        line = json.dumps(found)
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
        if told.out:
            with told.out.open("a") as file:
                file.write(f"{line}\n")
        failed = failed or bool(found["problems"])
    return int(failed)


def _use_small_base(folder: Path) -> None:
    """A base of few numbers in the place of the shipped one: what is tried is the writing."""
    from fuzz.targets import small_base, small_style
    from stylegan_cli.pictures import Picture
    from stylegan_cli.sharing import adding, page_export, preview
    from stylegan_cli.styles import SHIPPED_MODEL, Model, registry, write_model
    from stylegan_cli.training import start as training_start

    styles = [replace(small_style(), deltas={}).renamed(name) for name in ("creatorA", "noir")]
    write_model(Model(base=small_base(), styles=tuple(styles)), folder / SHIPPED_MODEL)
    registry.weights_dir = lambda: folder
    page = folder / "dist"
    page.mkdir()
    for name in ("index.html", "service.js"):
        (page / name).write_text("the page\n")
    page_export.page_dir = lambda: page
    # What takes long and writes nothing.
    for module in (adding, training_start):
        module.make_style = lambda name, *_, **__: styles[0].renamed(name)
    sheet = Picture(np.zeros((8, 8, 3), np.uint8))
    preview.draw_preview = lambda *_: sheet


def _import_all() -> None:
    """What every process needs, loaded once: processes are copies of this one."""
    from stylegan_cli.cli import COMMANDS, STYLES_COMMANDS

    for place in (*COMMANDS.values(), *STYLES_COMMANDS.values()):
        with suppress(ImportError):
            importlib.import_module(f"stylegan_cli.commands.{place.partition(':')[0]}")
    for name in (
        "training.refining",
        "backends.onnx_backend",
        "video",
        "sharing.adding",
    ):
        importlib.import_module(f"stylegan_cli.{name}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
