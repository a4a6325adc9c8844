"""Whether a known look is as near to the truth on dark skin as on light.

    python benchmarks/skin.py measure --photos DIR
    python benchmarks/skin.py show

The test photos of splits.py, short side 512, in each shipped style whose true look is known,
against that look: CIEDE2000 on cheeks, by tercile of the skin's lightness in the photo
(stylegan_cli.evaluation.people). The worst tercile is to be within 20 % of the mean.
"""

import argparse
from pathlib import Path

from looks import KNOWN_LOOKS
from records import append_record, file_hash, read_records
from splits import content_hash, load, split

from stylegan_cli.evaluation.people import skin_change, terciles
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.runtime.resources import weights_dir
from stylegan_cli.stylizer import open_stylizer

RESULTS = Path(__file__).resolve().parent / "results" / "skin.jsonl"
MODEL = weights_dir() / "influ-base.safetensors"
STYLES = {name: name for name in KNOWN_LOOKS if name != "film"} | {"creatorA": "film"}
SHORT_SIDE = 512  # px


def measure(arguments):
    """Record the terciles of each style."""
    photos = [load(path, SHORT_SIDE) for path in split(arguments.photos)[2]]
    faces = [(photo, face) for photo in photos for face in detect_faces(photo)]
    cell = {"content": content_hash(arguments.photos), "model": file_hash(MODEL)}
    for name, look in STYLES.items():
        stylizer, truth = open_stylizer(name), KNOWN_LOOKS[look]
        changes = [skin_change(stylizer.stylize(p), truth(p), p, face) for p, face in faces]
        thirds = terciles([change for change in changes if change is not None])
        differences = [round(third.difference, 3) for third in thirds]
        mean = sum(differences) / len(differences)
        record = {"style": name, **cell, "faces": len(changes), "ciede2000": round(mean, 3)}
        record |= {"terciles": differences, "lightness": [round(t.lightness) for t in thirds]}
        record |= {"untouched": [round(third.untouched, 3) for third in thirds]}
        record |= {"worst_over_mean": round(max(differences) / mean, 3)}
        append_record(arguments.results, record)
        print(line(record), flush=True)


def show(arguments):
    """Print what is in the results, the newest of each style."""
    for record in {record["style"]: record for record in read_records(arguments.results)}.values():
        print(line(record))


def line(record):
    """One record as a line."""
    thirds = zip(record["lightness"], record["terciles"], strict=True)
    told = ", ".join(f"L* {lightness}: {difference:.2f}" for lightness, difference in thirds)
    worst = f"worst {record['worst_over_mean']:.2f} of the mean"
    return f"{record['style']:12} mean {record['ciede2000']:.2f}, {told}, {worst}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    commands = parser.add_subparsers(required=True)
    measuring = commands.add_parser("measure")
    measuring.add_argument("--photos", type=Path, required=True, metavar="DIR")
    measuring.set_defaults(run=measure)
    commands.add_parser("show").set_defaults(run=show)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
