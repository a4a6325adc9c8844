"""Film grain that is read and painted, against the creator's own: power spectrum by octave.

    python grain.py --content DIR --lut FILE --clean DIR...

The creator is simulated: photos of people through a film LUT, with Gaussian grain of known strength
by luma, size and colour, as JPEGs. Other photos of people get its style; their results, less the
results without grain, are compared with what the simulated film would have added at the same tones.
`read` is the ratio of the amplitude in the style to that of the film, `painted` that of the result,
for luma by octave, lowest first, and for colour in the third. Clean pictures must give no grain.
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

from stylegan_cli.colour import COLOUR_AXES, LUMA, apply_lut
from stylegan_cli.instant.grain import GrainReader, grain_of
from stylegan_cli.rendering.grain import GrainPainter, tone_curve

RESULTS = Path(__file__).resolve().parent / "results" / "grain.jsonl"
FILMS = {  # standard deviation, px of the Gaussian, share of colour, JPEG quality of the creator
    "fine": (0.02, 0.5, 0.4, 95),
    "usual": (0.035, 0.8, 0.3, 92),
    "black and white": (0.04, 0.9, 0.0, 92),
    "fast": (0.06, 1.2, 0.4, 90),
    "soft scan": (0.03, 2.0, 0.3, 92),
}
PICTURES, TESTED, SHORT_SIDE, LARGE = 24, 6, 512, (4032, 3024)


def tone(luma):
    """Strongest below the middle, as on negatives that were scanned; none in black and white."""
    return np.clip(1.25 * np.sqrt(np.clip(4 * luma * (1 - luma), 0, 1)) * (1.15 - 0.4 * luma), 0, 1)


def noise(shape, size_px, rng):
    field = rng.standard_normal(shape).astype(np.float32)
    field = cv2.GaussianBlur(field, (0, 0), size_px)
    return field / field.std()


def with_grain(photo, film, rng):
    sigma, size_px, colour, quality = film
    unit = photo / np.float32(255)
    amount = sigma * tone(unit @ LUMA)
    added = np.repeat((amount * noise(amount.shape, size_px, rng))[..., None], 3, -1)
    for axis in COLOUR_AXES if colour else ():
        added += colour * (amount * noise(amount.shape, size_px, rng))[..., None] * axis
    grainy = np.clip(np.rint(255 * (unit + added)), 0, 255).astype(np.uint8)
    return as_jpeg(grainy, quality), added


def as_jpeg(pixels, quality):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def octaves(field):
    """Amplitude by octave up to the Nyquist frequency, lowest first."""
    power = np.abs(np.fft.fft2(field)) ** 2 / field.size
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in field.shape), indexing="ij"))
    octave = np.floor(np.log2(np.maximum(radius, 1e-9)) + 5)
    inside = radius < 0.5
    return np.sqrt([power[(octave == k) & inside].mean() for k in range(4)])


def read_grain(pictures):
    reader = GrainReader()
    for picture in pictures:
        reader(picture)
    return grain_of(reader.samples)


def measure(film, creator, tested, rng):
    grain = read_grain([with_grain(photo, film, rng)[0] for photo in creator])
    if grain is None:
        return {"read": None}
    painted, true = [], []
    for frame, photo in enumerate(tested):
        result = GrainPainter(grain, min(photo.shape[:2])).paint(photo, frame)
        _, added = with_grain(photo, film, rng)
        for fields, field in ((painted, result / 255.0 - photo / 255.0), (true, added)):
            axes = [field.mean(-1), *(field @ axis for axis in COLOUR_AXES)]
            fields.append([octaves(axis) for axis in axes])
    painted, true = (np.sqrt(np.mean(np.square(fields), axis=0)) for fields in (painted, true))
    ratio = painted[0] / true[0]
    sigma, size_px, colour, _ = film
    levels = np.linspace(0, 1, 256)
    wanted = octaves(sigma * noise((512, 512), size_px, rng))
    curve = tone_curve(grain.tones, 256)
    inner = (levels > 0.15) & (levels < 0.85)
    strength = np.sum(curve[inner] * tone(levels[inner])) / np.sum(tone(levels[inner]) ** 2)
    return {
        "read": np.round(np.divide(grain.luma, wanted) * strength, 2).tolist(),
        "tones": round(float(np.abs(curve / strength - tone(levels))[inner].max()), 2),
        "painted": np.round(ratio, 2).tolist(),
        "colour": round(float(np.mean(painted[1:, 2] / true[1:, 2])), 2) if colour else None,
        "colour_read": any(grain.colour),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--content", type=Path, required=True)
    parser.add_argument("--lut", type=Path, required=True, help="a HaldCLUT of 64 nodes")
    parser.add_argument("--clean", type=Path, nargs="*", default=[], help="folders without grain")
    options = parser.parse_args()
    hald = np.asarray(Image.open(options.lut).convert("RGB"), np.float32) / 255
    lut = hald.reshape(64, 64, 64, 3).transpose(2, 1, 0, 3)
    _, creator, test = split(options.content)
    photos = [load(path, SHORT_SIDE) for path in creator[:PICTURES]]
    photos = [
        np.uint8(255 * apply_lut(p.reshape(-1, 3) / 255, lut).reshape(p.shape)) for p in photos
    ]
    tested = [load(path, SHORT_SIDE) for path in test[:TESTED]]
    rng = np.random.default_rng(0)
    for name, film in FILMS.items():
        record = {"film": name, "short_side": SHORT_SIDE}
        append_record(RESULTS, record | measure(film, photos, tested, rng))
    grain = read_grain([with_grain(photo, FILMS["usual"], rng)[0] for photo in photos])
    large = cv2.resize(tested[0], LARGE, interpolation=cv2.INTER_CUBIC)
    painter = GrainPainter(grain, min(LARGE))
    began = time.process_time()
    painter.paint(large)
    append_record(RESULTS, {"film": "usual", "cpu_s_12_mp": round(time.process_time() - began, 2)})
    for folder in options.clean:
        pictures = [np.asarray(Image.open(p).convert("RGB")) for p in photos_in(folder)[:PICTURES]]
        for quality in (None, 85):
            kept = [as_jpeg(p, quality) for p in pictures] if quality else pictures
            record = {"clean": folder.name, "pictures": len(kept), "quality": quality}
            append_record(RESULTS, record | {"grain": read_grain(kept) is not None})


if __name__ == "__main__":
    main()
