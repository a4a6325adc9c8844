"""Look recovery: the one task where style transfer has a right answer.

    python look_recovery.py measure --content DIR --methods nothing linear table
    python look_recovery.py measure --content DIR --methods instant --pictures 1 5 30 200
    python look_recovery.py measure --content DIR --methods refined paired --minutes 5 30
    python look_recovery.py table
    python look_recovery.py plot --out DIR
    python look_recovery.py crops --content DIR --looks film toon --out DIR

DIR/SET/*.jpg (or DIR/*.jpg) are photos of people. A known look is applied to one part of them only;
a method learns it from those pictures and the other part, unpaired, and is compared on held-out
photos with the look applied to them. Nothing is tuned or selected on test photos or on the true
look. See docs/research/benchmarks.md.

One cell is one (method, look, number of pictures, minutes, seed, split, content, base). Each is
appended to the results as soon as it is measured, and what is there is not measured again.
"""

import argparse
import itertools
import sys
import time
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import photo_metrics
from looks import LOOKS, UNSEEN_LOOKS
from methods import METHODS, Content, Files, Task, learn, opened, save_pictures
from PIL import Image
from records import append_record, read_records
from reporting import MEASURES, draw_plots, tables
from splits import content_hash, load, mismatched_split, split

from stylegan_cli.errors import DataError, InfluError
from stylegan_cli.evaluation import metrics
from stylegan_cli.pictures import contact_sheet
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.runtime.resources import weights_dir

ROOT = Path(__file__).resolve().parent
RESULTS = ROOT / "results" / "look_recovery.jsonl"
RUNS = ROOT.parent / "runs" / "look_recovery"
MODEL = weights_dir() / "influ-base.safetensors"
SPLITS = {"people": split, "mismatched": mismatched_split}
SINGLES = 20  # "one picture" is the mean over this many, taken singly
# Each of them is judged on every fourth photo, in turn, so that all photos count.
SINGLES_STRIDE = 4
NOT_TO_SHOW = "officials"  # photos of this set are for measuring only


@dataclass(frozen=True)
class Cell:
    """What is measured at a time.

    pictures: how many a method learns from, 0 where it reads none. minutes, seed: 0 for methods
    that don't train. content: hash of the photos. model: hash of the base, None where none is used.
    """

    method: str
    look: str
    pictures: int
    minutes: float
    seed: int
    split: str
    content: str
    model: str | None

    @classmethod
    def of(cls, record):
        """The cell that a record of the results is of."""
        return cls(**{field.name: record[field.name] for field in fields(cls)})

    @property
    def run_name(self):
        """A folder name for what training leaves behind."""
        parts = [self.look, self.method, f"{self.pictures}p", f"{self.minutes:g}min"]
        parts += [f"seed{self.seed}", self.split, self.content[:8], (self.model or "")[:8]]
        return "-".join(filter(None, parts))


class Bench:
    """One content folder with its splits, read as they are needed."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.hash = content_hash(arguments.content)
        self.paths = {name: divide(arguments.content) for name, divide in SPLITS.items()}
        self._contents = {}
        self._creator_of = None

    def content(self, name):
        """The content photos of a split."""
        if name not in self._contents:
            self._contents[name] = Content(self.paths[name][0])
        return self._contents[name]

    def cells(self):
        """All cells that were asked for, a look at a time; those that can't be are named."""
        told = self.arguments
        for part in told.split:
            if not all(self.paths[part]):
                raise DataError(f"{told.content} has too few photos, or none of a kind, for {part}")
        names = [name for name in told.methods if METHODS[name].is_installed]
        left_out = [
            f"{name} is left out: it needs the package {METHODS[name].package}"
            for name in told.methods
            if name not in names
        ]
        found = {}
        axes = (told.looks, told.split, told.pictures, names, told.minutes, told.seeds)
        for look, part, pictures, name, minutes, seed in itertools.product(*axes):
            method = METHODS[name]
            if method.counts and pictures not in method.counts:
                counts = " or ".join(map(str, method.counts))
                left_out.append(f"{name} is left out at {pictures} pictures: it reads {counts}")
                continue
            shown = min(pictures, len(self.paths[part][1])) if method.reads_pictures else 0
            base = self.base_hash if method.needs_model else None
            trained = (minutes, seed) if method.trains else (0, 0)
            found[Cell(name, look, shown, *trained, part, self.hash, base)] = None
        print(*dict.fromkeys(left_out), sep="\n", end="\n" if left_out else "")
        return list(found)  # without repeats, in order

    @property
    def base_hash(self):
        """Of the base that learned methods start from."""
        return opened(self.arguments.model)[0].hash

    def creator(self, look, part):
        """The creator's pictures, look applied, as files: as many as any cell reads."""
        if self._creator_of != (look, part):
            most = max(SINGLES if count == 1 else count for count in self.arguments.pictures)
            paths = self.paths[part][1][:most]
            self._creator = Files(LOOKS[look](load(path)) for path in paths)
            self._creator_of = look, part
        return self._creator.paths

    def tasks(self, cell):
        """The tasks of a cell: one, or one for each picture taken singly."""
        method = METHODS[cell.method]
        files = self.creator(cell.look, cell.split) if method.reads_pictures else []
        shown = [files[: cell.pictures]]
        if cell.pictures == 1:
            shown = [[file] for file in files[:SINGLES]]
        run = self.arguments.runs / cell.run_name
        return [
            Task(
                name=cell.look,
                content=self.content(cell.split),
                pictures=pictures,
                model=self.arguments.model if method.needs_model else None,
                minutes=cell.minutes,
                seed=cell.seed,
                steps=self.arguments.steps,
                device=self.arguments.device,
                run=run / str(number) if len(shown) > 1 else run,
                truth=LOOKS[cell.look] if method.told_truth else None,
            )
            for number, pictures in enumerate(shown)
        ]


def measure(arguments):
    """Measure every cell that is not in the results yet."""
    bench = Bench(arguments)
    done = set() if arguments.again else {Cell.of(r) for r in read_records(arguments.results)}
    cells = [cell for cell in bench.cells() if cell not in done]
    minutes = sum(cell.minutes * (SINGLES if cell.pictures == 1 else 1) for cell in cells)
    print(f"{len(cells)} cells to measure, {minutes:g} minutes of training", flush=True)
    if arguments.dry_run:
        print(*(cell.run_name for cell in cells), sep="\n")
        return
    test_paths = bench.paths["people"][2]  # the same in every split
    test = [load(path) for path in test_paths]
    for look, group in itertools.groupby(cells, key=lambda cell: cell.look):
        truths = [LOOKS[look](photo) for photo in test]
        for cell in group:
            method = METHODS[cell.method]
            tasks = bench.tasks(cell)
            figures, stylize = measure_style(method, tasks, test, truths, reopen=arguments.reopen)
            if method.trains:
                figures |= trained_on(arguments)
            kind = "unseen" if look in UNSEEN_LOOKS else "known"
            append_record(arguments.results, asdict(cell) | {"kind": kind} | figures)
            print(line(cell, figures), flush=True)
            if arguments.sheets:
                shown = [k for k, path in enumerate(test_paths) if may_be_shown(path)]
                rows = [[test[k], truths[k], stylize(test[k])] for k in shown[:4]]
                write_sheet(arguments.sheets / f"{cell.run_name}.png", rows)


def measure_style(method, tasks, test, truths, *, reopen=False):
    """Mean figures over tasks and test photos, and the last task's stylize function."""
    rows, seconds = [], []
    stride = 1 if len(tasks) == 1 else SINGLES_STRIDE
    for number, task in enumerate(tasks):
        start = time.perf_counter()
        stylize = learn(method, task, reopen=reopen)
        seconds.append(time.perf_counter() - start)
        for photo, truth in list(zip(test, truths, strict=True))[number % stride :: stride]:
            rows.append(figures_of(stylize(photo), photo, truth))
    figures = {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}
    deviation = np.std([row["psnr_db"] for row in rows], ddof=1)
    return figures | {
        "psnr_standard_error": round(float(deviation / np.sqrt(len(rows))), 4),
        "judged": len(rows),
        "seconds_to_learn": round(float(np.mean(seconds)), 2),
        **tasks[-1].notes,
    }, stylize


def figures_of(result, photo, truth):
    """What is measured of one picture."""
    return {
        "psnr_db": metrics.psnr(result, truth),
        "ssim": metrics.ssim(result, truth),
        "ciede2000": metrics.ciede2000(result, truth),
        "edge_f_score": metrics.edge_f_score(result, truth),
        "invented_edges": photo_metrics.invented_edges(result, photo),
        "true_invented_edges": photo_metrics.invented_edges(truth, photo),
    }


def prepare(arguments):
    """Write content and creators as folders, the layout that `influ train --data` reads."""
    bench = Bench(arguments)
    content, creator, _ = bench.paths[arguments.split]
    save_pictures([load(path) for path in content], arguments.out / "content")
    for name in arguments.looks:
        shown = [LOOKS[name](load(path)) for path in creator[: arguments.pictures]]
        save_pictures(shown, arguments.out / name)
    print(f"{arguments.out}: {len(content)} content photos, {', '.join(arguments.looks)}")


def crops(arguments):
    """Strips of photo, truth and each method's result, pixel for pixel, around a face."""
    bench = Bench(arguments)
    test = [path for path in bench.paths["people"][2] if may_be_shown(path)]
    photos = [at_most(path, arguments.short_side) for path in test[: arguments.photos]]
    arguments.out.mkdir(parents=True, exist_ok=True)
    for look, group in itertools.groupby(bench.cells(), key=lambda cell: cell.look):
        columns = {"photo": photos, "truth": [LOOKS[look](photo) for photo in photos]}
        for cell in group:
            method, task = METHODS[cell.method], bench.tasks(cell)[0]
            stylize = learn(method, task, reopen=True)
            columns[title(cell)] = [to_bytes(stylize(photo)) for photo in photos]
        places = [face_window(photo, arguments.crop) for photo in photos]
        rows = [[column[k][place] for column in columns.values()] for k, place in enumerate(places)]
        path = arguments.out / f"{look}.png"
        write_sheet(path, rows, tuple(columns), tile=arguments.crop)
        print(path, flush=True)


def show_table(arguments):
    """Markdown tables of the results, kinds like those of pre-training and unseen ones apart."""
    records = read_records(arguments.results)
    print(tables(records, arguments.measures, arguments.content_hash))


def plot(arguments):
    """PSNR against pictures and against minutes, as PNG files."""
    for path in draw_plots(read_records(arguments.results), arguments.out, arguments.content_hash):
        print(path)


def line(cell, figures):
    shown = ("psnr_db", "ssim", "edge_f_score", "invented_edges", "seconds_to_learn")
    values = " ".join(f"{name} {figures[name]:7.3f}" for name in shown)
    return f"{cell.look:12} {title(cell):28} {cell.split:10} {values}"


def title(cell):
    """The method of a cell, with what it was given."""
    parts = [cell.method]
    parts += [f"{cell.pictures} pictures"] * bool(cell.pictures)
    parts += [f"{cell.minutes:g} min"] * bool(cell.minutes)
    return ", ".join(parts)


def may_be_shown(path):
    """Whether the rights of a test photo allow a sheet with it to be shown around."""
    return path.parent.name != NOT_TO_SHOW


def at_most(path, short_side):
    """The photo at its own size, or at `short_side` px where it is larger."""
    with Image.open(path) as file:
        own = min(file.size)
    return load(path, min(own, short_side))


def face_window(photo, size):
    """A square of `size` px around the largest face, or in the middle where none is found."""
    height, width = photo.shape[:2]
    x, y = width / 2, height / 2
    if faces := detect_faces(photo):
        x, y = faces[0].centre
    top = int(np.clip(y - size / 2, 0, max(0, height - size)))
    left = int(np.clip(x - size / 2, 0, max(0, width - size)))
    return slice(top, top + size), slice(left, left + size)


def to_bytes(pixels):
    """uint8 of uint8 or unit floats."""
    return pixels if pixels.dtype == np.uint8 else (pixels * 255 + 0.5).astype(np.uint8)


def write_sheet(path, rows, labels=("photo", "truth", "result"), tile=256):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(contact_sheet(rows, column_labels=labels, tile=tile)).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    results = argparse.ArgumentParser(add_help=False)
    results.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    sets = argparse.ArgumentParser(add_help=False)
    sets.add_argument("--content", type=Path, required=True, metavar="DIR")
    sets.add_argument("--looks", nargs="+", choices=LOOKS, default=[*LOOKS], metavar="LOOK")
    learning = argparse.ArgumentParser(add_help=False)
    learning.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help="has the base")
    learning.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="trained models")
    add_throughput(learning)
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser(
        "measure", parents=[results, sets, learning], help=measure.__doc__
    )
    add_axes(command, ["nothing", "linear", "table"], [200])
    command.add_argument("--sheets", type=Path, metavar="DIR", help="write pictures to look at")
    command.add_argument("--again", action="store_true", help="also what the results have already")
    command.add_argument("--reopen", action="store_true", help="take what --runs has already")
    command.add_argument("--dry-run", action="store_true", help="only name the cells")
    command.set_defaults(run=measure)

    command = commands.add_parser("prepare", parents=[sets], help=prepare.__doc__)
    command.add_argument("--split", choices=SPLITS, default="people")
    command.add_argument("--out", type=Path, required=True, metavar="DATA")
    command.add_argument("--pictures", type=int, default=200, metavar="N")
    command.set_defaults(run=prepare)

    command = commands.add_parser("crops", parents=[sets, learning], help=crops.__doc__)
    add_axes(command, ["linear", "table", "instant"], [200])
    command.add_argument("--photos", type=int, default=4, metavar="N", help="how many")
    command.add_argument("--short-side", type=int, default=512, metavar="PX", help="at most")
    command.add_argument("--crop", type=int, default=320, metavar="PX")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=crops)

    command = commands.add_parser("table", parents=[results], help=show_table.__doc__)
    names = [*MEASURES]
    command.add_argument("--measures", nargs="+", choices=names, default=names, metavar="NAME")
    command.add_argument("--content-hash", metavar="HASH", help="of another set than the newest")
    command.set_defaults(run=show_table)

    command = commands.add_parser("plot", parents=[results], help=plot.__doc__)
    command.add_argument("--content-hash", metavar="HASH", help="of another set than the newest")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=plot)

    run(parser.parse_args())


def run(arguments):
    """Run the chosen command; an error of the user's is one sentence."""
    try:
        arguments.run(arguments)
    except InfluError as error:
        sys.exit(f"{error}")


def add_throughput(command):
    """How long and where to train, other than for minutes of this machine's processor."""
    told = "of training, as many as fit into --minutes on the machine that these speak of"
    command.add_argument("--steps", type=int, metavar="N", help=told)
    command.add_argument("--device", default="cpu", metavar="NAME", help="to train on")


def trained_on(arguments):
    """Where a cell was trained, for the record; `steps` beside it say how far."""
    if arguments.device == "cpu":
        return {"trained_on": "cpu"}
    import torch

    return {"trained_on": torch.cuda.get_device_name(arguments.device)}


def add_axes(command, methods, pictures):
    """The axes that span the cells."""
    command.add_argument("--methods", nargs="+", choices=METHODS, default=methods, metavar="METHOD")
    command.add_argument("--pictures", nargs="+", type=int, default=pictures, metavar="N")
    command.add_argument("--split", nargs="+", choices=SPLITS, default=["people"], metavar="SPLIT")
    command.add_argument("--minutes", nargs="+", type=float, default=[30], metavar="M")
    command.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")


if __name__ == "__main__":
    main()
