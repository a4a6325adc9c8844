"""Look recovery: the one task where style transfer has a right answer.

    python look_recovery.py prepare --content DIR --out DATA --looks film toon
    python look_recovery.py measure --content DIR --methods nothing linear table instant
    python look_recovery.py measure --content DIR --methods refined --model MODEL --minutes 30
    python look_recovery.py show

DIR/SET/*.jpg are photos of people. A known look is applied to one part of them only; a method
learns it from those pictures and the other part, unpaired, and is compared on held-out photos with
the look applied to them. `prepare` writes such sets as folders for `influ train`; a model of the
styles trained on them, each named after its look, is what `--methods refined` measures.

One cell is one (method, look, number of pictures, minutes, seed, split, content, model). Each is
appended to the results as soon as it is measured, and what is there is not measured again. Nothing
is tuned or selected on test photos or on the true look.
"""

import argparse
import hashlib
import time
from pathlib import Path

import numpy as np
from looks import KNOWN_LOOKS, LOOKS, UNSEEN_LOOKS
from methods import METHODS, NEEDS_MODEL, Content, Task, save_pictures
from PIL import Image
from records import append_record, read_records
from splits import content_hash, load, mismatched_split, split

from stylegan_cli import metrics
from stylegan_cli.pictures import contact_sheet

RESULTS = Path(__file__).parent / "results" / "look_recovery.jsonl"
SPLITS = {"people": split, "mismatched": mismatched_split}
SINGLES = 20  # "one picture" is the mean over this many, taken singly
SINGLES_STRIDE = (
    4  # each of them is judged on every fourth photo, in turn, so that all photos count
)
MEASURES = {
    "psnr_db": metrics.psnr,
    "ssim": metrics.ssim,
    "ciede2000": metrics.ciede2000,
    "edge_f_score": metrics.edge_f_score,
}
CELL = ("method", "look", "pictures", "minutes", "seed", "split", "content", "model")


def measure(arguments):
    """Measure every cell that is not in the results yet."""
    content_paths, creator_paths, test_paths = SPLITS[arguments.split](arguments.content)
    content, test = Content(content_paths), [load(path) for path in test_paths]
    data_hash = content_hash(arguments.content)
    done = {cell_key(record) for record in read_records(arguments.results)}
    for name in arguments.looks:
        creator = [LOOKS[name](load(path)) for path in creator_paths]
        truths = [LOOKS[name](photo) for photo in test]
        for count, method in ((n, m) for n in arguments.pictures for m in arguments.methods):
            needs_model = method in NEEDS_MODEL
            cell = {
                "method": method,
                "look": name,
                "pictures": min(count, len(creator)) if method != "nothing" else 0,
                "minutes": arguments.minutes if method == "refined" else 0,
                "seed": arguments.seed if method == "refined" else 0,
                "split": arguments.split,
                "content": data_hash,
                "model": file_hash(arguments.model) if needs_model else None,
            }
            if cell_key(cell) in done:
                continue
            model = arguments.model if needs_model else None
            tasks = [Task(name, content, shown, model) for shown in shown_pictures(creator, count)]
            figures, paint = judge(METHODS[method], tasks, test, truths)
            append_record(arguments.results, cell | {"kind": kind_of(name)} | figures)
            done.add(cell_key(cell))
            print(line(cell | figures), flush=True)
            if arguments.sheets:
                # Sheets get shown around: only photos whose rights allow it.
                shown = [k for k, path in enumerate(test_paths) if path.parent.name != "officials"]
                rows = [[test[k], truths[k], paint(test[k])] for k in shown[:4]]
                write_sheet(arguments.sheets, f"{name}-{method}-{count}", rows)


def shown_pictures(creator, count):
    """The sets of pictures that a cell learns from: the first ones, or single ones in turn."""
    return [creator[:count]] if count > 1 else [[picture] for picture in creator[:SINGLES]]


def judge(method, tasks, test, truths):
    """Mean figures over tasks and test photos, and the last task's paint function."""
    rows, seconds = [], []
    stride = 1 if len(tasks) == 1 else SINGLES_STRIDE
    for number, task in enumerate(tasks):
        start = time.perf_counter()
        paint = method(task)
        seconds.append(time.perf_counter() - start)
        for photo, truth in list(zip(test, truths, strict=True))[number % stride :: stride]:
            result = paint(photo)
            rows.append(
                [measured(result, truth) for measured in MEASURES.values()]
                + [metrics.invented_edges(result, photo), metrics.invented_edges(truth, photo)]
            )
    names = [*MEASURES, "invented_edges", "true_invented_edges"]
    figures = dict(zip(names, np.mean(rows, axis=0).round(4).tolist(), strict=True))
    deviation = np.std([row[0] for row in rows], ddof=1)
    return figures | {
        "psnr_standard_error": round(float(deviation / np.sqrt(len(rows))), 4),
        "judged": len(rows),
        "seconds_to_learn": round(float(np.mean(seconds)), 2),
    }, paint


def prepare(arguments):
    """Write content and creators as folders, the layout that `influ train --data` reads."""
    content, creator, _ = SPLITS[arguments.split](arguments.content)
    save_pictures([load(path) for path in content], arguments.out / "content")
    for name in arguments.looks:
        shown = [LOOKS[name](load(path)) for path in creator[: arguments.pictures]]
        save_pictures(shown, arguments.out / name)
    print(f"{arguments.out}: {len(content)} content photos, {', '.join(arguments.looks)}")


def show(arguments):
    """Print PSNR, and edge F-score below it, per look and method; unseen kinds stand apart."""
    records = [r for r in read_records(arguments.results) if r["split"] == arguments.split]
    latest = {(r["look"], r["method"], r["pictures"], r["minutes"]): r for r in records}
    columns = sorted({key[1:] for key in latest}, key=lambda c: ([*METHODS].index(c[0]), c))
    titles = [f"{method} {pictures or ''}" for method, pictures, _ in columns]
    for group in (KNOWN_LOOKS, UNSEEN_LOOKS):
        print(f"{'dB / edge F':14}" + "".join(f"{title:>18}" for title in titles))
        for look in group:
            found = [latest.get((look, *column)) for column in columns]
            values = [f"{r['psnr_db']:.2f} / {r['edge_f_score']:.2f}" if r else "-" for r in found]
            print(f"{look:14}" + "".join(f"{value:>18}" for value in values))
        print()


def cell_key(record):
    return tuple(record.get(name) for name in CELL)


def kind_of(look):
    return "unseen" if look in UNSEEN_LOOKS else "known"


def line(record):
    shown = ("psnr_db", "ssim", "edge_f_score", "invented_edges", "seconds_to_learn")
    figures = " ".join(f"{name} {record[name]:7.3f}" for name in shown)
    return f"{record['look']:12} {record['method']:8} {record['pictures']:4}  {figures}"


def file_hash(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]


def write_sheet(folder, name, rows):
    """Photo, truth and result side by side."""
    folder.mkdir(parents=True, exist_ok=True)
    sheet = contact_sheet(rows, column_labels=("photo", "truth", "result"))
    Image.fromarray(sheet).save(folder / f"{name}.jpg", quality=92)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--split", choices=SPLITS, default="people")
    common.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    sets = argparse.ArgumentParser(add_help=False)
    sets.add_argument("--content", type=Path, required=True, metavar="DIR")
    sets.add_argument("--looks", nargs="+", choices=LOOKS, default=[*LOOKS], metavar="LOOK")
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("measure", parents=[common, sets], help=measure.__doc__)
    command.add_argument("--methods", nargs="+", choices=METHODS, default=["nothing", "linear"])
    command.add_argument("--pictures", nargs="+", type=int, default=[200], metavar="N")
    command.add_argument("--model", type=Path, metavar="FILE", help="the base, or refined styles")
    command.add_argument("--minutes", type=float, default=30, help="what `refined` was given")
    command.add_argument("--seed", type=int, default=0, help="what `refined` was trained with")
    command.add_argument("--sheets", type=Path, metavar="DIR", help="write pictures to look at")
    command.set_defaults(run=measure)

    command = commands.add_parser("prepare", parents=[common, sets], help=prepare.__doc__)
    command.add_argument("--out", type=Path, required=True, metavar="DATA")
    command.add_argument("--pictures", type=int, default=200, metavar="N")
    command.set_defaults(run=prepare)

    command = commands.add_parser("show", parents=[common], help=show.__doc__)
    command.set_defaults(run=show)

    arguments = parser.parse_args()
    if NEEDS_MODEL & set(getattr(arguments, "methods", ())) and not arguments.model:
        parser.error(f"{', '.join(sorted(NEEDS_MODEL))} need --model FILE")
    arguments.run(arguments)


if __name__ == "__main__":
    main()
