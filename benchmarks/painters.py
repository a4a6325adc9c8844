"""Painters, where no truth exists: how close the results come, and what they keep of the photo.

    python painters.py measure --content DIR --styles DIR --methods instant refined --minutes 30
    python painters.py table
    python painters.py sheets --content DIR --styles DIR --out DIR

DIR/NAME/*.jpg are a painter's pictures: the first 70 % in hash order are learned from, the rest is
held out from everything. The photos are the test photos of look recovery. Painted photos are
compared with one half of the held-out pictures, and so are, in equal number, the other half (the
floor: the painter against themselves) and the untouched photos (the ceiling). Halves are drawn
again and again, for some painters have few pictures.

One cell is one (method, painter, strength, minutes, seed, content, base); the strengths of a method
are measured together.
"""

import argparse
import itertools
import time
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import photo_metrics
from look_recovery import (
    MODEL,
    ROOT,
    add_throughput,
    at_most,
    may_be_shown,
    run,
    trained_on,
    write_sheet,
)
from methods import METHODS, Content, Task, learn, opened
from records import append_record, read_records
from splits import content_hash, painter_split, split

from stylegan_cli.evaluation import embed, metrics
from stylegan_cli.pictures import resize_short_side
from stylegan_cli.runtime.randomness import numpy_generator

RESULTS = ROOT / "results" / "painters.jsonl"
RUNS = ROOT.parent / "runs" / "painters"
PAINTERS = ("vangogh", "engraving", "oil_portraits", "hiroshige", "tarot")
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
NETWORKS = ("lite0", "lite1")
SHORT_SIDE = 512  # px at most, that photos are painted at
COMPARED_SIDE = 256  # px, that patches are compared at
HALVINGS = 20  # of the held-out pictures
PATCHES = 8192  # of each side, per halving
LEARNED = [name for name, method in METHODS.items() if not (method.told_truth or method.counts)]


@dataclass(frozen=True)
class Cell:
    """What is measured at a time; see look_recovery.Cell."""

    method: str
    painter: str
    strength: float
    minutes: float
    seed: int
    content: str
    model: str | None

    @classmethod
    def of(cls, record):
        """The cell that a record of the results is of."""
        return cls(**{field.name: record[field.name] for field in fields(cls)})

    @property
    def run_name(self):
        """A folder name for what training leaves behind: the same at every strength."""
        parts = [self.painter, self.method, f"{self.minutes:g}min", f"seed{self.seed}"]
        return "-".join([*parts, self.content[:8], (self.model or "fresh")[:8]])


class Seen:
    """Pictures as the measures see them: an embedding per network, and a small copy each."""

    def __init__(self, pictures):
        self.small = [resize_short_side(picture, COMPARED_SIDE) for picture in pictures]
        self.features = {network: embed(pictures, network) for network in NETWORKS}


class Bench:
    """Photos, painters and methods that were asked for."""

    def __init__(self, arguments):
        self.arguments = arguments
        self.hash = content_hash(arguments.content)
        content, _, self.test_paths = split(arguments.content)
        self.content = Content(content, short_side=None)
        self.photos = [at_most(path, SHORT_SIDE) for path in self.test_paths]

    def cells(self):
        """At full strength, a painter at a time."""
        told = self.arguments
        found = {}
        for painter, name, minutes, seed in itertools.product(
            told.painters, told.methods, told.minutes, told.seeds
        ):
            method = METHODS[name]
            base = opened(told.model)[0].hash if method.needs_model else None
            trained = (minutes, seed) if method.trains else (0, 0)
            found[Cell(name, painter, 1.0, *trained, self.hash, base)] = None
        return list(found)

    def task(self, cell):
        """The task of a cell: to learn from the painter's pictures that are not held out."""
        learned, _ = painter_split(self.arguments.styles / cell.painter)
        return Task(
            name=cell.painter,
            content=self.content,
            pictures=learned,
            model=self.arguments.model if METHODS[cell.method].needs_model else None,
            minutes=cell.minutes,
            seed=cell.seed,
            steps=self.arguments.steps,
            device=self.arguments.device,
            run=self.arguments.runs / cell.run_name,
        )

    def held_out(self, painter):
        """The painter's pictures that nothing learns from."""
        paths = painter_split(self.arguments.styles / painter)[1]
        return [at_most(path, SHORT_SIDE) for path in paths]


def measure(arguments):
    """Measure every method and painter that is not in the results at every strength."""
    bench = Bench(arguments)
    done = set() if arguments.again else {Cell.of(r) for r in read_records(arguments.results)}
    cells = [cell for cell in bench.cells() if not at_every_strength(cell) <= done]
    print(f"{len(cells)} to learn, {sum(cell.minutes for cell in cells):g} minutes of training")
    photos = Seen(bench.photos) if cells else None
    for painter, group in itertools.groupby(cells, key=lambda cell: cell.painter):
        scale = Scale(photos, Seen(bench.held_out(painter)))
        for cell in group:
            start = time.perf_counter()
            task = bench.task(cell)
            paint = learn(METHODS[cell.method], task, reopen=arguments.reopen)
            seconds = round(time.perf_counter() - start, 2)
            styled = [unit(paint(photo)) for photo in bench.photos]
            for at in sorted(at_every_strength(cell) - done, key=lambda c: c.strength):
                pairs = zip(bench.photos, styled, strict=True)
                results = [mixed(*pair, at.strength) for pair in pairs]
                figures = scale.place(Seen(results)) | kept(results, bench.photos)
                figures |= {"seconds_to_learn": seconds, **task.notes}
                if METHODS[cell.method].trains:
                    figures |= trained_on(arguments)
                append_record(arguments.results, asdict(at) | figures)
                print(line(at, figures), flush=True)


class Scale:
    """From the untouched photos (the ceiling) to the painter against themselves (the floor)."""

    def __init__(self, photos, held_out):
        self.held_out = held_out
        pictures, sources = len(held_out.small), len(photos.small)
        self.count = min(pictures // 2, sources)  # of each side, wherever two are compared
        self.floor_pairs, self.pairs = [], []
        for number in range(HALVINGS):
            rng = numpy_generator(0, number, "halves of the held-out pictures")
            one, other = rng.permutation(pictures)[: 2 * self.count].reshape(2, -1)
            self.floor_pairs.append((one, other))
            self.pairs.append((rng.permutation(sources)[: self.count], other))
        self.ceiling = self._distances(photos, self.pairs)
        self.floor = self._distances(held_out, self.floor_pairs)

    def place(self, results):
        """Distances of the results, of floor and ceiling, and how far the results have come."""
        ours = self._distances(results, self.pairs)
        ways = {
            f"way_{network}": photo_metrics.closed_gap(
                *(values[f"kid_{network}"] for values in (ours, self.ceiling, self.floor))
            )
            for network in NETWORKS
        }
        parts = {"": ours | ways, "ceiling_": self.ceiling, "floor_": self.floor}
        figures = {
            prefix + name: round(value, 5)
            for prefix, values in parts.items()
            for name, value in values.items()
        }
        return figures | {"compared": self.count, "judged": len(results.small)}

    def _distances(self, seen, pairs):
        """To the held-out pictures: means over pairs of (mine, theirs), each an array of places.

        A standard error is the mean of those of the bootstrap in each pair.
        """
        rows = []
        for mine, theirs in pairs:
            row = {}
            for network in NETWORKS:
                features = seen.features[network][mine]
                estimate = metrics.kid(features, self.held_out.features[network][theirs])
                row[f"kid_{network}"] = estimate.value
                row[f"kid_{network}_standard_error"] = estimate.standard_error
            row["patch_swd"] = metrics.patch_swd(
                [seen.small[k] for k in mine],
                [self.held_out.small[k] for k in theirs],
                patches=PATCHES,
            )
            rows.append(row)
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def kept(results, sources):
    """What the results keep of the photos: structure and faces."""
    pairs = list(zip(results, sources, strict=True))
    shifts = [metrics.face_shift(*pair) for pair in pairs]
    found = [shift for photo in shifts for shift in photo.shifts]
    return {
        "luminance_ssim": round(float(np.mean([metrics.luminance_ssim(*p) for p in pairs])), 4),
        "faces_found": len(found),
        "faces": len(found) + sum(photo.lost for photo in shifts),
        "face_shift": round(float(np.mean(found)), 4) if found else None,
    }


def sheets(arguments):
    """A sheet per painter: photos that may be shown, and what each method makes of them."""
    bench = Bench(arguments)
    shown = [k for k, path in enumerate(bench.test_paths) if may_be_shown(path)]
    photos = [bench.photos[k] for k in shown[: arguments.photos]]
    for painter, group in itertools.groupby(bench.cells(), key=lambda cell: cell.painter):
        columns = {"photo": photos}
        for cell in group:
            method, task = METHODS[cell.method], bench.task(cell)
            paint = learn(method, task, reopen=True)
            title = cell.method + (f", {cell.minutes:g} min" if cell.minutes else "")
            columns[title] = [paint(photo) for photo in photos]
        path = arguments.out / f"{painter}.png"
        rows = [[column[k] for column in columns.values()] for k in range(len(photos))]
        write_sheet(path, rows, tuple(columns), tile=320)
        print(path, flush=True)


def show_table(arguments):
    """A Markdown table per painter: distances, the way from the untouched photos, what is kept."""
    records = read_records(arguments.results)
    for painter in dict.fromkeys(record["painter"] for record in records):
        print(table_of(painter, [r for r in records if r["painter"] == painter]), end="\n\n")


def table_of(painter, records):
    """The newest record of each cell of one painter, with the floor and the ceiling."""
    newest = {Cell.of(record): record for record in records}
    last = records[-1]
    names = [*(f"kid_{network}" for network in NETWORKS), "patch_swd"]
    lines = [
        f"| {painter}, {last['compared']} against {last['compared']} | KID Lite0 | KID Lite1 "
        "| patch SWD | way, Lite0 | way, Lite1 | luminance SSIM | faces found |",
        "|---" * 8 + "|",
        f"| untouched photos | {figures_in(last, 'ceiling_', names)} | 0 | 0 | 1 | |",
        f"| their own other pictures | {figures_in(last, 'floor_', names)} | 1 | 1 | | |",
    ]
    order = sorted(
        newest, key=lambda c: ([*METHODS].index(c.method), c.minutes, c.seed, c.strength)
    )
    for cell in order:
        record = newest[cell]
        title = f"{cell.method}, strength {cell.strength:g}"
        title += f", {cell.minutes:g} min, seed {cell.seed}" if cell.minutes else ""
        lines.append(
            f"| {title} | {figures_in(record, '', names)} | {record['way_lite0']:.2f} "
            f"| {record['way_lite1']:.2f} | {record['luminance_ssim']:.3f} "
            f"| {record['faces_found']} of {record['faces']} |"
        )
    return "\n".join(lines)


def figures_in(record, part, names):
    values = []
    for name in names:
        error = record.get(f"{part}{name}_standard_error")
        value = f"{record[part + name]:.4f}" if error is not None else f"{record[part + name]:.1f}"
        values.append(value + (f" ± {error:.4f}" if error is not None else ""))
    return " | ".join(values)


def at_every_strength(cell):
    return {replace(cell, strength=strength) for strength in STRENGTHS}


def unit(pixels):
    """Unit floats of uint8 or unit floats."""
    return pixels / np.float32(255) if pixels.dtype == np.uint8 else pixels


def mixed(photo, styled, strength):
    """uint8 (H, W, 3): the photo moved toward its styled version, as `--strength` does it."""
    result = unit(photo) + strength * (styled - unit(photo))
    return (np.clip(result, 0, 1) * 255 + 0.5).astype(np.uint8)


def line(cell, figures):
    shown = ("way_lite0", "way_lite1", "patch_swd", "luminance_ssim")
    values = " ".join(f"{name} {figures[name]:7.3f}" for name in shown)
    title = f"{cell.painter:14} {cell.method:10} {cell.minutes:4g} min, strength {cell.strength:4g}"
    return f"{title}  {values}  faces {figures['faces_found']}/{figures['faces']}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    results = argparse.ArgumentParser(add_help=False)
    results.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    axes = argparse.ArgumentParser(add_help=False)
    axes.add_argument("--content", type=Path, required=True, metavar="DIR", help="photos")
    axes.add_argument("--styles", type=Path, required=True, metavar="DIR", help="DIR/PAINTER/*.jpg")
    axes.add_argument("--painters", nargs="+", default=PAINTERS, metavar="NAME")
    axes.add_argument("--methods", nargs="+", choices=LEARNED, default=["instant"])
    axes.add_argument("--minutes", nargs="+", type=float, default=[30], metavar="M")
    axes.add_argument("--seeds", nargs="+", type=int, default=[0], metavar="SEED")
    axes.add_argument("--model", type=Path, default=MODEL, metavar="FILE", help="has the base")
    axes.add_argument("--runs", type=Path, default=RUNS, metavar="DIR", help="trained models")
    add_throughput(axes)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure", parents=[results, axes], help=measure.__doc__)
    command.add_argument("--again", action="store_true", help="also what the results have already")
    command.add_argument("--reopen", action="store_true", help="take what --runs has already")
    command.set_defaults(run=measure)
    command = commands.add_parser("table", parents=[results], help=show_table.__doc__)
    command.set_defaults(run=show_table)
    command = commands.add_parser("sheets", parents=[axes], help=sheets.__doc__)
    command.add_argument("--photos", type=int, default=4, metavar="N", help="how many")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=sheets)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
