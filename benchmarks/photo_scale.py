"""Whether a look is the same at every size: strokes as wide, lines as smooth, colours as they were.

    python photo_scale.py measure
    python photo_scale.py crops --styles toon sketch --photos PHOTO... --out DIR

Strokes are measured against the short side, so a photo in 4K (2160 px) is to be stylized as its own
copy of 1024 px is. `measure` stylizes both and brings the large result down: PSNR between the two,
for each style. `crops` shows a face in a style at the working size, at 1024 and 2160 px: all of it,
and an eye pixel for pixel as the last has it.

The photos are the judging photos that come with the product (CC0), or --photos; each is enlarged to
2160 px, with the grain of a sensor.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
from look_recovery import write_sheet
from records import append_record, file_hash, read_records

from stylegan_cli.evaluation.metrics import psnr
from stylegan_cli.evaluation.throughput import GRAIN
from stylegan_cli.instant.render_mode import render_mode_photos
from stylegan_cli.pictures import change_depth, read_rgb
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.rendering import bring_down
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import weights_dir
from stylegan_cli.styles import list_styles
from stylegan_cli.stylizer import open_stylizer

RESULTS = Path(__file__).resolve().parent / "results" / "photo_scale.jsonl"
MODEL = weights_dir() / "influ-base.safetensors"
LARGE, SMALL = 2160, 1024  # px, of the short side: 4K, and the size that it is held against
# What a result brought down is to be like the result of the photo brought down, in dB.
WANTED = {"colour": 40, "photographic": 40, "drawn": 30}
WHOLE, EYES = 0.45, 0.15  # sides of crops, of the short side
TILE = round(EYES * LARGE)  # px: of the largest picture's eyes, pixel for pixel


def measure(arguments):
    """Record for each style how far the large result is from the small one."""
    photos = [large_photo(path) for path in arguments.photos]
    model = file_hash(MODEL)
    hashes = [file_hash(path) for path in arguments.photos]
    done = {(record["style"], record["model"], *record["photos"]) for record in read()}
    for name in arguments.styles or [style.name for style in list_styles()]:
        if (name, model, *hashes) in done and not arguments.again:
            continue
        stylizer = open_stylizer(name)
        info = stylizer.style.info
        apart = []
        for photo in photos:
            brought_down = copy_of(stylizer.stylize(photo), SMALL)
            apart.append(psnr(brought_down, stylizer.stylize(copy_of(photo, SMALL))))
        record = {"style": name, "mode": info.mode, "working_size": info.working_size}
        record |= {"model": model, "photos": hashes}
        record |= {"psnr_db": mean(apart), "min_db": round(min(apart), 2)}
        append_record(RESULTS, record)
        print(line(record), flush=True)


def show(_):
    """Print what is in the results, the newest of each style."""
    for record in {record["style"]: record for record in read()}.values():
        print(line(record))


def crops(arguments):
    """Write NAME-scale.jpg for each style: faces and eyes at three sizes."""
    arguments.out.mkdir(parents=True, exist_ok=True)
    photos = [large_photo(path) for path in arguments.photos]
    for name in arguments.styles:
        stylizer = open_stylizer(name)
        sizes = (stylizer.style.info.working_size, SMALL, LARGE)
        rows = []
        for photo in photos:
            pictures = [photo, *(stylizer.stylize(copy_of(photo, size)) for size in sizes)]
            rows += [[seen(picture, place) for picture in pictures] for place in places(photo)]
        path = arguments.out / f"{name}-scale.jpg"
        labels = ("photo", *(f"{size} px" for size in sizes))
        write_sheet(path, rows, labels, tile=TILE)
        print(path, flush=True)


def large_photo(path):
    """The photo with a short side of `LARGE` px, with grain; uint8 (H, W, 3)."""
    pixels = read_rgb(path)
    smooth = cv2.resize(pixels, size_of(pixels, LARGE)[::-1], interpolation=cv2.INTER_CUBIC)
    grain = numpy_generator(0, 0, "grain").standard_normal((*smooth.shape[:2], 1), np.float32)
    return np.clip(smooth + GRAIN * grain, 0, 255).astype(np.uint8)


def size_of(pixels, lines):
    """(height, width) of a copy whose short side has so many px."""
    height, width = pixels.shape[:2]
    scale = lines / min(height, width)
    return round(height * scale), round(width * scale)


def copy_of(photo, lines):
    """The photo brought down to a short side of so many px; uint8."""
    return change_depth(bring_down(photo, size_of(photo, lines)), np.uint8)


def places(photo):
    """Two squares as (centre y, centre x, side), in shares of the photo: the face, an eye."""
    small = copy_of(photo, 256)
    shape = np.array(small.shape[:2])
    middle = tuple(shape / 2)
    faces = detect_faces(small)
    face = faces[0].centre[::-1] if faces else middle
    eye = faces[0].left_eye[::-1] if faces else middle
    return [(*(face / shape), WHOLE), (*(eye / shape), EYES)]


def seen(picture, place):
    """A square of the picture, brought to the size of a tile."""
    height, width = picture.shape[:2]
    y, x, share = place
    side = round(share * min(height, width))
    top = int(np.clip(y * height - side / 2, 0, height - side))
    left = int(np.clip(x * width - side / 2, 0, width - side))
    cut = picture[top : top + side, left : left + side]
    way = cv2.INTER_AREA if side > TILE else cv2.INTER_CUBIC
    return cv2.resize(cut, (TILE, TILE), interpolation=way)


def read():
    return read_records(RESULTS)


def mean(values):
    return round(float(np.mean(values)), 2)


def line(record):
    """One style in words."""
    return (
        f"{record['style']:16} {record['mode']:12} {record['working_size']:5} px  "
        f"{record['psnr_db']:6.2f} dB, least {record['min_db']:6.2f} "
        f"(wanted {WANTED[record['mode']]})"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument(
        "--photos", nargs="+", type=Path, default=render_mode_photos(), metavar="PHOTO"
    )
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("measure", parents=[shared], help=measure.__doc__)
    command.add_argument("--styles", nargs="+", metavar="NAME")
    command.add_argument("--again", action="store_true", help="also what the results have already")
    command.set_defaults(run=measure)
    command = commands.add_parser("show", help=show.__doc__)
    command.set_defaults(run=show)
    command = commands.add_parser("crops", parents=[shared], help=crops.__doc__)
    command.add_argument("--styles", nargs="+", default=["toon", "sketch"], metavar="NAME")
    command.add_argument("--out", type=Path, required=True, metavar="DIR")
    command.set_defaults(run=crops)
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == "__main__":
    main()
