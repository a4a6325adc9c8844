"""Whether several processes train as one does, and how much sooner they are done.

    python process_team.py equality --steps 50
    python process_team.py throughput --steps 40

`equality` runs `influ pretrain` and `influ train` by one process that computes whole batches, then
by several and in parts, and reports the largest difference of any weight. In fp64 it is what the
order of sums makes of round-off; in fp32 Adam turns round-off into steps where a gradient is next
to nothing. `throughput` reports steps per second by 1 and 2 processes of one thread, and by one
process of two threads, one after another.
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from PIL import Image, ImageOps
from records import append_record

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.runtime.resources import starter_photos

RESULTS = Path(__file__).parent / "results" / "process_team.jsonl"
PARTS = ((2, 1), (1, 2), (2, 2))  # processes, parts of each one's share
TEAMS = (1, 2)  # processes of one thread
WEIGHTS = {"pretrain": ("base", "ema"), "train": ("adapters", "discriminator", "ema")}
SMALL = "generator = { base_channels = 4, blocks = 1, colour_channels = 4 }"
SETTINGS = {
    "pretrain": "validation_batches = 1\n",
    "train": """
validate_every = 100000
texture = { crops = 16, kept = 4096 }
validation = { patches = 1024, photos = 2, pictures = 4 }
""",
}
QUICK = {
    "pretrain": f"""
size = 64
looks = 4
pictures = 2
max_pictures = 4
warmup = 0
{SMALL}
encoder = {{ statistics_dim = {STATISTICS_DIM}, channels = [4, 4, 4, 4], hidden = 8 }}
""",
    "train": """
init = "base.safetensors"
size = 64
warmup = 0
augment = "on"
penalty = "r1"
lambda_cycle = 1.0
lambda_identity = 1.0
""",
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("part", choices=("equality", "throughput"))
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--only", choices=tuple(WEIGHTS), nargs="+", default=list(WEIGHTS))
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="JSONL")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        make_pictures(place)
        measure = equality if asked.part == "equality" else throughput
        for command in asked.only:
            for record in measure(place, command, asked.steps):
                record = {"part": asked.part, "command": command, "steps": asked.steps} | record
                append_record(asked.out, record)
                print(record)


def make_pictures(place):
    """Photos, and a creator who makes them flat."""
    for name in ("photos", "creator"):
        (place / name).mkdir()
    for path in starter_photos()[:12]:
        photo = Image.open(path).convert("RGB")
        photo.thumbnail((400, 400))
        photo.save(place / "photos" / f"{path.stem}.png")
        ImageOps.posterize(photo, 2).save(place / "creator" / f"{path.stem}.png")
    sys.path.append(str(Path(__file__).parents[1] / "tests"))
    from model_files import write_small_model

    write_small_model(place / "base.safetensors")


def equality(place, command, steps):
    """A row for each precision and division of a batch, against one process of whole batches."""
    settings = SETTINGS[command] + QUICK[command]
    for precision, divisions in (("fp64", PARTS), ("fp32", PARTS[:1])):
        words = ("--precision", precision, "--save-every", str(steps // 2))
        before, whole = weights(run(place, command, settings, steps, words), command)
        for processes, parts in divisions:
            divided = ("--devices", str(processes), "--accumulate", str(parts))
            folder = run(place, command, settings, steps, (*words, *divided))
            yield {
                "precision": precision,
                "processes": processes,
                "accumulate": parts,
                "largest_difference": largest_difference(weights(folder, command)[1], whole),
                "largest_move_in_second_half": largest_difference(before, whole),
                "weights": sum(value.numel() for value in whole.values()),
            }


def throughput(place, command, steps):
    """A row for each number of processes; the first rows of the metrics left out."""
    for processes in TEAMS:
        count = str(processes)
        words = ("--devices", count, "--threads", count, "--batch", "4", "--precision", "fp32")
        folder = run(place, command, SETTINGS[command] + "save_every = 0\n", steps, words)
        yield {"processes": processes, **rate(folder)}


def rate(folder):
    """Steps per second between the first and the last row of the metrics that has a time."""
    with (folder / "metrics.csv").open() as file:
        times = [(int(row["step"]), float(row["seconds"])) for row in timed_rows(file)]
    (first, began_s), (last, ended_s) = times[0], times[-1]
    return {"steps_per_s": round((last - first) / (ended_s - began_s), 4)}


def timed_rows(file):
    return (row for row in csv.DictReader(file) if row["seconds"])


def weights(folder, command):
    """All weights by name, at the checkpoint before the last one and at the last."""
    states = [torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))]
    assert len(states) == 2
    return [
        {f"{part}.{n}": v for part in WEIGHTS[command] for n, v in state[part].items()}
        for state in states
    ]


def largest_difference(first, second):
    return max((first[name] - second[name]).abs().max().item() for name in first)


def run(place, command, settings, steps, words):
    """`influ` until its last step; returns the run's folder."""
    folder = Path(tempfile.mkdtemp(dir=place)) / "run"
    (folder.parent / "settings.toml").write_text(settings + "sample_every = 0\n")
    pictures = ("--content", "photos", *(("--data", "creator") if command == "train" else ()))
    options = ("--config", str(folder.parent / "settings.toml"), "--steps", str(steps))
    subprocess.run(
        [
            *(sys.executable, "-m", "stylegan_cli", command, *pictures, "--out", str(folder)),
            *(*options, *words, "--device", "cpu"),
        ],
        check=True,
        cwd=place,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"OMP_NUM_THREADS": "1", **os.environ, "INFLU_STYLES": str(folder.parent / "styles")},
    )
    return folder


if __name__ == "__main__":
    main()
