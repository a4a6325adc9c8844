"""Look recovery on looks that nobody here made: tables of real films.

    python film_looks.py measure --luts DIR --content DIR --pictures 1 5 30 200
    python film_looks.py measure --luts DIR --content DIR --pictures 30 --creator-photos DIR
    python film_looks.py measure --luts DIR --content DIR --half tuning
    python film_looks.py show

DIR of --luts holds HaldCLUTs. Each is applied to one part of the photos only; a method learns it
from those pictures and the rest, unpaired, and is compared on held-out photos with the table
applied to them. --creator-photos takes the creator's pictures from a folder of its own, unlike the
photos that are stylized; --test-photos takes those of another folder. Tables are split by a hash of
their names: choices are made on the half `tuning`, what is claimed is of the half `judging`.
"""

import argparse
import hashlib
import subprocess
import time
from pathlib import Path

import numpy as np
from closed_form import apply_lut
from methods import METHODS, Content, Files, Task
from PIL import Image
from records import append_record, file_hash, read_records
from splits import content_hash, load, mismatched_split, photos_in, split

from stylegan_cli.evaluation import metrics
from stylegan_cli.runtime.resources import weights_dir

RESULTS = Path(__file__).resolve().parent / "results" / "film_looks.jsonl"
MODEL = weights_dir() / "influ-base.safetensors"
BASELINES = ("nothing", "linear", "table")
SPLITS = {"people": split, "mismatched": mismatched_split}
MAX_GREY_RANGE = 4 / 255  # mean range of the channels of a black-and-white table
MATCHED = """
import sys
from pathlib import Path
from color_matcher import ColorMatcher
from color_matcher.io_handler import load_img_file, save_img_file
from color_matcher.normalizer import Normalizer
photos, pictures, out = (Path(place) for place in sys.argv[1:])
wanted = [load_img_file(str(path)) for path in sorted(pictures.iterdir())]
for index, path in enumerate(sorted(photos.iterdir())):
    matched = ColorMatcher().transfer(
        src=load_img_file(str(path)), ref=wanted[index % len(wanted)], method="hm-mkl-hm"
    )
    save_img_file(Normalizer(matched).uint8_norm(), str(out / path.name))
"""


def read_haldclut(path):
    """A HaldCLUT as a (K, K, K, 3) table, unit."""
    colours = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3) / np.float32(255)
    size = round(len(colours) ** (1 / 3))
    return colours.reshape(size, size, size, 3).transpose(2, 1, 0, 3)


def half_of(path):
    """Whether a table is for choosing between methods or for judging."""
    digest = hashlib.sha256(path.stem.encode()).hexdigest()
    return "judging" if int(digest, 16) % 2 else "tuning"


def in_look(photo, table):
    """A photo in the look of a table, uint8."""
    stylized = np.clip(apply_lut(photo, table), 0, 1)
    return (stylized * 255 + 0.5).astype(np.uint8)


def measure(arguments):
    """Record each table, number of pictures and method."""
    content_paths, creator, test = SPLITS[arguments.split](arguments.content)
    if arguments.creator_photos:
        creator = photos_in(arguments.creator_photos)
    if arguments.test_photos:
        test = photos_in(arguments.test_photos)
    content, tests = Content(content_paths), [load(path) for path in test]
    shown = [load(path) for path in creator[: max(arguments.pictures)]]
    paths = [p for p in sorted(arguments.luts.rglob("*.png")) if half_of(p) == arguments.half]
    for path in paths[:: arguments.every]:
        table = read_haldclut(path)
        truths = [in_look(photo, table) for photo in tests]
        pictures = Files([in_look(photo, table) for photo in shown])
        for count in arguments.pictures:
            cell = {
                "look": path.stem,
                "half": arguments.half,
                "grey": bool(np.ptp(table, axis=-1).mean() < MAX_GREY_RANGE),
                "pictures": min(count, len(shown)),
                "split": arguments.split,
                "creator": arguments.creator_photos.name if arguments.creator_photos else "",
                "test": arguments.test_photos.name if arguments.test_photos else "",
                "content": content_hash(arguments.content),
                "base": file_hash(arguments.model),
            }
            for method in arguments.methods:
                record = cell | {"method": method}
                record |= learned(method, content, pictures.paths[:count], tests, truths, arguments)
                append_record(arguments.results, record)
                print(line(record), flush=True)


def learned(method, content, pictures, tests, truths, arguments):
    """Seconds of learning and how near its results are to the truths."""
    began, spent = time.perf_counter(), time.process_time()
    if method == "color_matcher":
        results = matched(arguments.color_matcher, tests, pictures)
    else:
        task = Task("look", content, pictures, arguments.model)
        stylize = METHODS[method].learn(task)
    seconds = time.perf_counter() - began, time.process_time() - spent
    if method != "color_matcher":
        results = [as_pixels(stylize(photo)) for photo in tests]
    pairs = list(zip(results, truths, strict=True))
    return {
        "seconds": round(seconds[0], 2),
        "cpu_seconds": round(seconds[1], 2),
        "psnr": round(float(np.mean([metrics.psnr(*pair) for pair in pairs])), 2),
        "ciede2000": round(float(np.mean([metrics.ciede2000(*pair) for pair in pairs])), 2),
    }


def as_pixels(result):
    """What a method makes, uint8 as a file would have it."""
    if result.dtype == np.uint8:
        return result
    return (np.clip(result, 0, 1) * 255 + 0.5).astype(np.uint8)


def matched(python, tests, pictures):
    """Results of color-matcher, which runs in an environment of its own."""
    photos, wanted, out = Files(tests), Files([load(path) for path in pictures]), Files([])
    folder = out.folder
    command = [str(python), "-c", MATCHED, photos.folder, wanted.folder, folder]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return [np.asarray(Image.open(folder / path.name).convert("RGB")) for path in photos.paths]


def line(record):
    """One record as a line."""
    told = f"{record['psnr']:6.2f} dB {record['ciede2000']:5.2f} CIEDE2000"
    return f"{record['look']:44} {record['pictures']:4} {record['method']:14} {told}"


def show(arguments):
    """Print medians over looks, and how often ours is above the better closed form."""
    newest = {}
    for record in read_records(arguments.results):
        place = tuple(record[key] for key in ("half", "split", "creator", "test", "pictures"))
        looks = newest.setdefault((*place, record["grey"]), {})
        looks.setdefault(record["look"], {})[record["method"]] = record
    for place, looks in sorted(newest.items()):
        print(*place[:-1], "black and white" if place[-1] else "colour", f"({len(looks)} looks)")
        for method in sorted({method for cells in looks.values() for method in cells}):
            cells = [cells[method] for cells in looks.values() if method in cells]
            medians = [np.median([cell[name] for cell in cells]) for name in ("psnr", "ciede2000")]
            print(f"  {method:14} {medians[0]:6.2f} dB {medians[1]:5.2f} CIEDE2000")
        gains = [
            cells["instant"]["psnr"] - max(cells[name]["psnr"] for name in ("linear", "table"))
            for cells in looks.values()
            if {"instant", "linear", "table"} <= set(cells)
        ]
        if gains:
            above = sum(gain > 0 for gain in gains)
            print(
                f"  above the better closed form: {above} of {len(gains)}, least {min(gains):+.2f}"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--luts", type=Path, required=True, metavar="DIR")
    measuring.add_argument("--content", type=Path, required=True, metavar="DIR")
    measuring.add_argument("--creator-photos", type=Path, metavar="DIR")
    measuring.add_argument("--test-photos", type=Path, metavar="DIR")
    measuring.add_argument("--split", choices=sorted(SPLITS), default="people")
    measuring.add_argument("--pictures", type=int, nargs="+", default=[1, 5, 30, 200])
    measuring.add_argument("--methods", nargs="+", default=[*BASELINES, "instant"])
    measuring.add_argument("--half", choices=("tuning", "judging"), default="judging")
    measuring.add_argument("--every", type=int, default=1, help="only every so-manieth table")
    measuring.add_argument("--model", type=Path, default=MODEL)
    measuring.add_argument("--color-matcher", type=Path, metavar="PYTHON")
    measuring.set_defaults(run=measure)
    commands.add_parser("show").set_defaults(run=show)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
