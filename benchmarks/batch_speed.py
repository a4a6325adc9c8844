"""How many photos of 1 MP a second `influ stylize` makes, JPEG to JPEG, and where time goes.

    python batch_speed.py --photos 100 --style creatorA

Runs the command as a user does, once to warm the disk cache and then `--repeats` times, and takes
wall and processor time of the whole process. Then it takes the processor time of each step, one
picture at a time. Photos are starter photos, enlarged, with the grain of a sensor, so that they
are as hard to decode as real ones.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from records import append_record

from stylegan_cli.pictures import encode_picture, read_picture, read_rgb
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.stylizer import open_stylizer

RESULTS = Path(__file__).parent / "results" / "batch_speed.jsonl"
SIZE = (1224, 816)  # px, width and height
GRAIN = 4.0  # standard deviation, of 255
STEPS_MEASURED = 12  # photos


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=100)
    parser.add_argument("--style", default="creatorA")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--jobs", type=int, help="as `influ stylize --jobs`")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="JSONL")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = write_photos(folder / "in", arguments.photos)
        runs = [stylize(folder, arguments) for _ in range(arguments.repeats + 1)][1:]
        record = {
            "style": arguments.style,
            "photos": len(photos),
            "megapixels": round(SIZE[0] * SIZE[1] / 1e6, 2),
            "jobs": arguments.jobs,
            "wall_s": statistics.median(run[0] for run in runs),
            "cpu_s": statistics.median(run[1] for run in runs),
            "steps_cpu_ms": measure_steps(photos[:STEPS_MEASURED], arguments.style),
        }
    record["photos_per_second"] = len(photos) / record["wall_s"]
    record["cpu_ms_per_photo"] = 1000 * record["cpu_s"] / len(photos)
    append_record(arguments.out, record)
    print(
        f"{record['photos_per_second']:.1f} photos a second, starting included; "
        f"{record['cpu_ms_per_photo']:.0f} ms of processor time each\n"
        + "\n".join(f"{step:8} {ms:7.1f} ms" for step, ms in record["steps_cpu_ms"].items())
    )


def write_photos(folder, count):
    """`count` different JPEGs of `SIZE`; their paths."""
    folder.mkdir()
    sources = starter_photos()
    rng = np.random.default_rng(0)
    paths = []
    for number in range(count):
        small = read_rgb(sources[number % len(sources)])
        large = cv2.resize(small, SIZE, interpolation=cv2.INTER_CUBIC).astype(np.float32)
        grainy = large + rng.normal(0, GRAIN, (*large.shape[:2], 1))
        paths.append(folder / f"{number:03}.jpg")
        Image.fromarray(grainy.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=92)
    return paths


def stylize(folder, arguments):
    """Wall and processor seconds of one run of the command over the photos."""
    command = [sys.executable, "-m", "stylegan_cli", "stylize", folder / "in"]
    command += ["-o", folder / "out", "--style", arguments.style, "--overwrite", "-q"]
    command += [] if arguments.jobs is None else ["--jobs", str(arguments.jobs)]
    before, started = os.times(), time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall_s, after = time.perf_counter() - started, os.times()
    cpu_s = sum(after[2:4]) - sum(before[2:4])  # of children, in user code and in the system
    return wall_s, cpu_s


def measure_steps(photos, style):
    """Processor time of each step in ms, the median over photos, after one to warm up."""
    stylizer = open_stylizer(style, threads=1)
    times = {"decode": [], "stylize": [], "encode": []}
    for path in [photos[0], *photos]:
        marks = [time.process_time()]
        picture = read_picture(path)
        marks.append(time.process_time())
        picture = stylizer.stylize_picture(picture)
        marks.append(time.process_time())
        encode_picture(picture, "JPEG", ai_label=stylizer.ai_label)
        marks.append(time.process_time())
        for step, seconds in zip(times, np.diff(marks), strict=True):
            times[step].append(1000 * float(seconds))
    return {step: round(statistics.median(values[1:]), 2) for step, values in times.items()}


if __name__ == "__main__":
    main()
