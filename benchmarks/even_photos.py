"""How far `--even` brings photos together that are off in exposure and white balance.

    python even_photos.py --content DIR

Ten test photos of people are taken off by up to 1 EV and 1500 K; spread is the standard deviation,
over the photos, of the mean colour of skin and of the whole, in unit sRGB. Styles are those of the
shipped model: PSNR of a photo that is off against the result of the photo as it is.
"""

import argparse
from pathlib import Path

import numpy as np
from records import append_record, file_hash
from splits import content_hash, load, split

from stylegan_cli.backends import open_backend
from stylegan_cli.evaluation import metrics
from stylegan_cli.evaluation.people import cheek_mask
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles import read_model, shipped_model
from stylegan_cli.stylizer import Stylizer

RESULTS = Path(__file__).resolve().parent / "results" / "even_photos.jsonl"
STYLES = ("creatorA", "noir", "teal_orange", "toon")
PHOTOS = 10


def taken_off(photo, stops, kelvin_shift):
    """The photo of a camera that meters and balances by its own: gains of linear light, sRGB."""
    warmth = kelvin_shift / 1500 * 0.35  # stops in red and blue
    gains = np.exp2(np.array([stops + warmth, stops, stops - warmth]))
    linear = (photo / 255) ** 2.2 * gains
    return (255 * np.clip(linear, 0, 1) ** (1 / 2.2) + 0.5).astype(np.uint8)


def mean_skin(photo, faces):
    """Mean colour of cheeks, unit; None where there is no face."""
    if not faces:
        return None
    return photo[cheek_mask(faces[0], photo.shape[:2])].mean(0) / 255


def spread(colours):
    """Root mean square distance to the mean, over photos and channels."""
    return float(np.std(np.stack(colours), axis=0).mean())


def measure(arguments):
    """Record the spreads, and what an input that is off costs each style, without and with."""
    photos = [load(path, 512) for path in split(arguments.content)[2][:PHOTOS]]
    rng = numpy_generator(0, 0, "even photos")
    off = [taken_off(p, rng.uniform(-1, 1), rng.uniform(-1500, 1500)) for p in photos]
    model = read_model(shipped_model())
    backend = open_backend(model.base)
    evened = Stylizer(model.base, model.styles[0], backend, even=True)
    sets = {"as taken": photos, "off": off, "even": [evened._balance.balanced(p) for p in off]}
    faces = [detect_faces(photo) for photo in photos]
    record = {"content": content_hash(arguments.content), "model": file_hash(shipped_model())}
    for name, pictures in sets.items():
        skins = [mean_skin(p, f) for p, f in zip(pictures, faces, strict=True)]
        record[f"skin, {name}"] = round(spread([skin for skin in skins if skin is not None]), 4)
        record[f"whole, {name}"] = round(spread([p.mean((0, 1)) / 255 for p in pictures]), 4)
    for style in STYLES:
        plain = Stylizer(model.base, model.style(style), backend)
        even = Stylizer(model.base, model.style(style), backend, even=True)
        wanted = [plain.stylize(photo) for photo in photos]
        for name, stylizer in (("off", plain), ("even", even)):
            pairs = zip([stylizer.stylize(photo) for photo in off], wanted, strict=True)
            record[f"{style}, {name}"] = round(float(np.mean([metrics.psnr(*p) for p in pairs])), 2)
    append_record(arguments.results, record)
    print(record)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--content", type=Path, required=True, metavar="DIR")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
