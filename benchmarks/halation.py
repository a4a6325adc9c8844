"""Halation that is read and painted, against that of a simulated film, and against clean pictures.

    python halation.py --content DIR --lut FILE --clean DIR...

The creator is simulated: photos of people with halation of known radius and strength, with and
without a film LUT on top, as JPEGs. The halation that is read is painted on other photos, through
the same LUT if any, and compared with what the film would have made of them. `painted` is the
slope of the red light that is painted on that of the film, where the photo is dark; `likeness` is
the correlation of both. Clean pictures must give no halation, and neither must random parts of
them, through the LUT or not.
"""

import argparse
import io
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from records import append_record
from splits import load, photos_in, split

from stylegan_cli.instant.halation import HalationReader, halation_of
from stylegan_cli.pictures.colours import linear_of_srgb, srgb_of_linear
from stylegan_cli.rendering.halation import paint_halation
from stylegan_cli.rendering.lut import ColourLut
from stylegan_cli.styles.film import highlights

RESULTS = Path(__file__).resolve().parent / "results" / "halation.jsonl"
TINT = np.array([1, 0.3, 0.08])  # red, green, blue
RADII = (0.003, 0.005, 0.008, 0.013, 0.02)  # shares of the short side
STRENGTHS = {"weak": 0.05, "moderate": 0.15, "strong": 0.4}
PICTURES, TESTED, SHORT_SIDE, QUALITY, LARGE = 24, 6, 768, 92, (4032, 3024)
PARTS, PART = 200, (6, 33)  # random parts of clean pictures, and how many there are in one
DARK = 0.1  # linear light


def light_of(pixels):
    return linear_of_srgb(pixels / 255)


def on_film(photo, radius, strength):
    light = light_of(photo)
    bright = highlights(light)
    around = cv2.GaussianBlur(bright, (0, 0), radius * min(photo.shape[:2]))
    light = light + strength * TINT * np.maximum(around - bright, 0)
    return np.rint(255 * srgb_of_linear(np.clip(light, 0, 1))).astype(np.uint8)


def as_jpeg(pixels, quality=QUALITY):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def samples_of(pictures):
    reader = HalationReader()
    for picture in pictures:
        reader(picture)
    return reader.samples


def measure(creator, tested, radius, strength, through):
    """through: what a picture goes through after the film."""
    pictures = [as_jpeg(through(on_film(photo, radius, strength))) for photo in creator]
    halation = halation_of(samples_of(pictures))
    if halation is None:
        return {"read": None}
    painted, true = [], []
    for photo in tested:
        plain = through(photo)
        ours, film = paint_halation(plain, halation), through(on_film(photo, radius, strength))
        before = light_of(plain)
        dark = (before[..., 1] < DARK) & (highlights(before).max(-1) == 0)
        painted.append((light_of(ours) - before)[dark, 0])
        true.append((light_of(film) - before)[dark, 0])
    painted, true = np.concatenate(painted), np.concatenate(true)
    return {
        "read": {"radius": halation.radius, "strength": halation.strength},
        "painted": round(float(painted @ true / (true @ true)), 2),
        "likeness": round(float(painted @ true / np.sqrt((painted @ painted) * (true @ true))), 2),
    }


def measure_clean(pictures, through, rng):
    began = time.process_time()
    samples = samples_of(pictures)
    cpu_ms = 1000 * (time.process_time() - began) / len(pictures)
    found = [halation_of(samples_of([as_jpeg(through(p), 85) for p in pictures])) is not None]
    samples = samples_of([as_jpeg(through(p)) for p in pictures])
    found.append(halation_of(samples) is not None)
    parts = 0
    for _ in range(PARTS):
        count = min(int(rng.integers(*PART)), len(samples))
        part = [samples[index] for index in rng.choice(len(samples), count, replace=False)]
        parts += halation_of(part) is not None
    return {
        "halation": any(found),
        "parts": PARTS,
        "parts_with_halation": parts,
        "cpu_ms_per_picture": round(cpu_ms, 1),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--lut", type=Path, required=True, help="a HaldCLUT of 64 nodes")
    parser.add_argument(
        "--clean", type=Path, nargs="*", default=[], help="folders without halation"
    )
    options = parser.parse_args()
    hald = np.asarray(Image.open(options.lut).convert("RGB"), np.float32) / 255
    lut = ColourLut(np.ascontiguousarray(hald.reshape(64, 64, 64, 3).transpose(2, 1, 0, 3)))
    ways = {None: lambda pixels: pixels, options.lut.stem: lut}
    _, creator, test = split(options.content)
    creator = [load(path, SHORT_SIDE) for path in creator[:PICTURES]]
    tested = [load(path, SHORT_SIDE) for path in test[:TESTED]]
    for way, through in ways.items():
        for name, strength in STRENGTHS.items():
            for radius in RADII:
                record = {"film": name, "strength": strength, "radius": radius, "lut": way}
                found = measure(creator, tested, radius, strength, through)
                append_record(RESULTS, record | {"short_side": SHORT_SIDE} | found)
    halation = halation_of(samples_of([on_film(photo, 0.01, 0.4) for photo in creator]))
    large = cv2.resize(tested[0], LARGE, interpolation=cv2.INTER_CUBIC)
    began = time.process_time()
    paint_halation(large, halation)
    append_record(RESULTS, {"cpu_s_12_mp": round(time.process_time() - began, 2)})
    rng = np.random.default_rng(0)
    for folder in options.clean:
        pictures = [np.asarray(Image.open(p).convert("RGB")) for p in photos_in(folder)]
        for way, through in ways.items():
            record = {"clean": folder.name, "pictures": len(pictures), "lut": way}
            append_record(RESULTS, record | measure_clean(pictures, through, rng))


if __name__ == "__main__":
    main()
