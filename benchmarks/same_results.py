"""Whether a change of the code leaves every result as it was, bit for bit.

    python benchmarks/same_results.py record before.json     # before the change
    python benchmarks/same_results.py compare before.json    # after it: names what differs

It drives the command line alone, so that modules may move and identifiers change. It stylizes ten
photos with every shipped style, two clips, variations and a sheet; makes a style from 30 pictures,
its code and its `.cube`; and trains and pre-trains for 60 steps. Pixels, numbers and tensors are
kept as hashes; metrics and the tensors of checkpoints are compared by value, not by name.

Every run takes one thread, so the record does not depend on the number of cores. It does depend on
the processor's vector instructions and on the versions of the libraries, which stand in the
record: compare on the machine that made it.
"""

import argparse
import csv
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path

import av
import cv2
import numpy as np
from PIL import Image
from records import code_version, processor

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
LIBRARIES = ("numpy", "opencv-python", "onnxruntime", "pillow", "torch", "av")
STEPS = ("--steps", "60", "--size", "64", "--seed", "0", "--device", "cpu")


class Bench:
    """A working folder with its own user folders, in which `influ` runs with one thread."""

    def __init__(self, folder):
        self.folder = Path(folder)
        homes = {f"XDG_{name}_HOME": str(self.folder / name) for name in ("DATA", "CACHE")}
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENCV_FOR_THREADS_NUM"), "1")
        path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.environment = os.environ | homes | threads | {"PYTHONPATH": path}

    def influ(self, *words):
        """Run one command; returns its standard output, and stops at the first that fails."""
        command = [sys.executable, "-m", "stylegan_cli", *map(str, words), "--threads", "1"]
        done = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\nended with {done.returncode}: {done.stderr}")
        return done.stdout


def digest(data):
    return hashlib.sha256(data).hexdigest()[:16]


def hash_of_array(array):
    array = np.ascontiguousarray(array)
    return digest(f"{array.shape} {array.dtype} ".encode() + array.tobytes())


def hash_of_picture(path):
    """Of the stored pixels, alpha and 16 bits included; metadata does not count."""
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    return hash_of_array(np.asarray(Image.open(path)) if pixels is None else pixels)


def hashes_of_pictures(folder):
    """{path below `folder`: hash} of every picture in it."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in PICTURES)
    return {str(path.relative_to(folder)): hash_of_picture(path) for path in found}


def hash_of_clip(path):
    """Of all decoded frames and the times at which they are shown."""
    with av.open(f"file:{path}") as clip:
        frames = [
            f"{float(frame.pts * frame.time_base):.6f} {hash_of_array(frame.to_ndarray())}"
            for frame in clip.decode(video=0)
        ]
    return digest("\n".join(frames).encode())


def hash_of_cube(path):
    """Of the numbers; the title and comments do not count."""
    lines = [line for line in path.read_text().splitlines() if line[:1].isdigit()]
    return digest("\n".join(lines).encode())


def metrics_of(path):
    """Each row's values in the order of their columns, without empty ones and those of a clock."""
    with path.open() as file:
        heading, *rows = csv.reader(file)
    kept = [i for i, name in enumerate(heading) if name not in ("seconds", "elapsed_s", "step_s")]
    return [" ".join(row[i] for i in kept if i < len(row) and row[i]) for row in rows]


def tensors_of(run):
    """Hashes of what the newest checkpoint holds, sorted, whatever its tensors are called."""
    import torch

    newest = max(run.glob("checkpoint-*.pt"))
    found = []

    def visit(value):
        if isinstance(value, torch.Tensor):
            if value.numel() >= 64:
                found.append(hash_of_array(value.detach().float().numpy()))
        elif isinstance(value, dict):
            for item in value.values():
                visit(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                visit(item)

    visit(torch.load(newest, map_location="cpu", weights_only=True))
    return sorted(found)


def starter_pictures():
    """The 30 first of the photos that come with the package."""
    return sorted((ROOT / "stylegan_cli/starter").glob("*.jpg"))[:30]


def make_photos(folder):
    """Ten photos that differ in size, shape, mode, depth and format."""
    folder.mkdir()
    face = Image.open(ROOT / "examples/synthetic-f_14.jpg").convert("RGB")
    wide = Image.open(ROOT / "examples/photo.jpg").convert("RGB")
    rows, columns = np.mgrid[0:150, 0:200] / 200
    deep = np.stack([rows, columns, 1 - columns * rows], axis=-1)
    Image.new("RGB", (1, 1), (200, 90, 40)).save(folder / "01-one-pixel.png")
    wide.resize((200, 3)).save(folder / "02-thin.png")
    face.convert("L").resize((60, 80)).save(folder / "03-grey.png")
    seen = face.resize((160, 120))
    seen.putalpha(Image.linear_gradient("L").resize(seen.size))
    seen.save(folder / "04-alpha.png")
    cv2.imwrite(str(folder / "05-deep.png"), np.round(deep * 65535).astype(np.uint16))
    wide.resize((220, 160)).quantize(48).save(folder / "06-palette.png")
    turned = Image.Exif()
    turned[0x0112] = 6
    face.resize((400, 300)).save(folder / "07-turned.jpg", quality=92, exif=turned)
    wide.save(folder / "08-wide.webp", lossless=True)
    Image.open(ROOT / "examples/coffee.jpg").save(folder / "09-coffee.jpg", quality=95)
    face.resize((4000, 3000), Image.Resampling.BICUBIC).save(folder / "10-12mp.jpg", quality=90)


def make_style_pictures(folder):
    """30 pictures in a look of their own: warm, with more contrast and less colour."""
    folder.mkdir()
    for path in starter_pictures():
        pixels = np.asarray(Image.open(path).convert("RGB"), np.float64) / 255
        grey = pixels.mean(axis=-1, keepdims=True)
        toned = (0.6 * pixels + 0.4 * grey) * (1.08, 0.98, 0.82)
        toned = toned + 0.12 * np.sin(2 * np.pi * (toned - 0.5))
        pixels = np.round(toned.clip(0, 1) * 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{path.stem}.png")


def make_short_clip(path):
    """Twelve frames at uneven times, without sound."""
    times = (0, 100, 200, 350, 400, 500, 600, 700, 900, 1000, 1100, 1200)
    picture = Image.open(ROOT / "examples/synthetic-f_43.jpg").convert("RGB").resize((320, 320))
    with av.open(f"file:{path}", "w") as out:
        stream = out.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 160, 120, "yuv420p"
        stream.codec_context.time_base = stream.time_base = Fraction(1, 3000)
        stream.codec_context.options = {"threads": "1"}
        for number, time in enumerate(times):
            cut = picture.crop((8 * number, 100, 8 * number + 160, 220))
            frame = av.VideoFrame.from_ndarray(np.asarray(cut), "rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 3000)
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def photos_in_every_style(bench):
    names = [style["name"] for style in json.loads(bench.influ("styles", "--json"))["styles"]]
    found = {}
    for name in names:
        out = bench.folder / "styled" / name
        bench.influ("stylize", "photos", "--style", name, "-o", out, "--jobs", 1)
        found |= {f"{name}/{path}": value for path, value in hashes_of_pictures(out).items()}
    return found


def options_of_stylize(bench):
    photo = "photos/07-turned.jpg"
    wanted = {
        "mix": ("--style", "toon:0.7,vangogh:0.3"),
        "strength": ("--style", "vangogh", "--strength", "0.5"),
        "colour": ("--style", "vangogh", "--preserve-color"),
        "seed": ("--style", "vangogh", "--seed", "7"),
        "fine": ("--style", "engraving", "--detail", "fine", "--precision", "f32"),
        "int8": ("--style", "toon", "--precision", "int8"),
        "reference": ("--reference", ROOT / "examples/coffee.jpg"),
    }
    found = {}
    for name, words in wanted.items():
        target = bench.folder / f"option-{name}.png"
        bench.influ("stylize", photo, *words, "-o", target)
        found[name] = hash_of_picture(target)
    return found


def clips(bench):
    made = {"example": ROOT / "examples/clip.mp4", "short": bench.folder / "short.mp4"}
    make_short_clip(made["short"])
    found = {}
    for name, path in made.items():
        target = bench.folder / f"styled-{name}.mp4"
        preview = ("--preview", "1s") if name == "example" else ()
        bench.influ("video", path, "--style", "toon", "--out", target, *preview)
        found[name] = hash_of_clip(target)
    return found


def variations(bench):
    words = ("--style", "vangogh", "--count", "3", "--seed", "0", "-o", "variations")
    bench.influ("generate", "photos/09-coffee.jpg", *words)
    found = {"generate": "\n".join(hashes_of_pictures(bench.folder / "variations").values())}
    bench.influ("sheet", "photos/09-coffee.jpg", "-o", "sheet.png")
    return found | {"sheet": hash_of_picture(bench.folder / "sheet.png")}


def style_from_pictures(bench):
    make_style_pictures(bench.folder / "thirty")
    bench.influ("styles", "add", "thirty", "thirty", "-o", "thirty.safetensors")
    mine = ("--model", "thirty.safetensors")
    bench.influ("stylize", "photos/07-turned.jpg", *mine, "--style", "thirty", "-o", "thirty.png")
    bench.influ("export", "thirty.safetensors", "-o", "thirty.cube")
    return {
        "pixels": hash_of_picture(bench.folder / "thirty.png"),
        "code": bench.influ("styles", "code", "thirty", *mine).strip(),
        "cube": hash_of_cube(bench.folder / "thirty.cube"),
    }


def refinement(bench):
    make_style_pictures(bench.folder / "creator")
    words = ("--data", "creator", "--content", "plain", "--batch", "2", "--out", "refined")
    bench.influ("train", *words, *STEPS)
    return metrics_and_tensors(bench.folder / "refined")


def pretraining(bench):
    words = ("--content", "plain", "--batch", "2", "--devices", "1", "--out", "base")
    bench.influ("pretrain", *words, *STEPS)
    return metrics_and_tensors(bench.folder / "base")


def metrics_and_tensors(run):
    return {"metrics": metrics_of(run / "metrics.csv"), "tensors": tensors_of(run)}


SECTIONS = {
    "train": refinement,
    "pretrain": pretraining,
    "photos": photos_in_every_style,
    "options": options_of_stylize,
    "clips": clips,
    "variations": variations,
    "style": style_from_pictures,
}


def results(sections):
    """{section/what: hash, text or list}, two sections at a time."""
    with tempfile.TemporaryDirectory(prefix="same-results-") as folder:
        bench = Bench(folder)
        make_photos(bench.folder / "photos")
        (bench.folder / "plain").mkdir()
        for path in starter_pictures()[:12]:
            (bench.folder / "plain" / path.name).write_bytes(path.read_bytes())
        with ThreadPoolExecutor(2) as pool:
            running = {name: pool.submit(SECTIONS[name], bench) for name in sections}
            return {
                f"{section}/{what}": value
                for section, done in running.items()
                for what, value in done.result().items()
            }


def circumstances():
    return {
        "machine": processor(),
        "code": code_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def differences(before, after):
    """A line for each thing that is not as it was."""
    lines = []
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if old is None or new is None:
            lines.append(f"{name}: {'new' if old is None else 'gone'}")
        elif isinstance(old, list):
            same = sum((Counter(old) & Counter(new)).values())
            lines.append(f"{name}: {same} of {len(old)} are equal, {len(new)} now")
        else:
            lines.append(f"{name}: differs")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=("record", "compare"))
    parser.add_argument("file", type=Path)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    asked = parser.parse_args()
    if asked.what == "compare":
        record = json.loads(asked.file.read_text())
    found = results(asked.only)
    if asked.what == "record":
        text = json.dumps({"about": circumstances(), "results": found}, indent=1)
        asked.file.write_text(text + "\n")
        print(f"{len(found)} results recorded in {asked.file}")
        return
    before = {k: v for k, v in record["results"].items() if k.partition("/")[0] in asked.only}
    for name, then in record["about"].items():
        if name != "code" and then != circumstances()[name]:
            print(f"note: {name} was {then}, is {circumstances()[name]}")
    lines = differences(before, found)
    print("\n".join(lines) or f"all {len(found)} results are equal")
    sys.exit(bool(lines))


if __name__ == "__main__":
    main()
