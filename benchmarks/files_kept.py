"""What files still have after influ, by programs of other people: a table of cases.

    apt install libimage-exiftool-perl imagemagick libvips-tools ffmpeg
    python files_kept.py FILE_OR_FOLDER... --style toon

Each module in `KINDS` knows the cases of one kind: what is right for a file by its name, or for any
file of the kind, and how exiftool, ImageMagick, libvips, libultrahdr or ffprobe see it. Writes one
record a file, and prints a table of Markdown; exits with 1 where something is not as expected.
"""

import argparse
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import photos_kept
from records import append_record, file_hash

RESULTS = Path(__file__).parent / "results" / "files_kept.jsonl"
KINDS = [photos_kept]
if find_spec("clips_kept"):
    import clips_kept

    KINDS.append(clips_kept)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE_OR_FOLDER")
    parser.add_argument("--style", default="toon")
    parser.add_argument("--out", type=Path, default=RESULTS, metavar="JSONL")
    arguments = parser.parse_args()
    failed = 0
    print("| file | expected | seen | |\n|---|---|---|---|")
    for path in (found for given in arguments.files for found in files_in(given)):
        kind = next((kind for kind in KINDS if kind.takes(path)), None)
        if kind is None:
            continue
        with tempfile.TemporaryDirectory() as folder:
            expected, seen, wrong = kind.check(path, Path(folder), arguments.style)
        failed += bool(wrong)
        record = {"file": path.name, "file_hash": file_hash(path), "style": arguments.style}
        record |= {"expected": expected, "seen": seen, "wrong": wrong}
        append_record(arguments.out, record)
        print(f"| {path.name} | {expected} | {seen} | {wrong or 'OK'} |", flush=True)
    sys.exit(f"{failed} files are not as expected" if failed else 0)


def files_in(given):
    """A file, or the files of a folder in order."""
    return sorted(path for path in given.iterdir() if path.is_file()) if given.is_dir() else [given]


if __name__ == "__main__":
    main()
