"""Variety: whether the noise vector z changes a look, and whether it stays the creator's look.

    python variety.py --model MODEL --photos DIR --creators DIR
    python variety.py --model MODEL --photos DIR --creators DIR --scales 0.5 1 2

Photos are the test photos of splits.py. DIR/NAME of the creators are the pictures of the style
NAME; what results are compared with is the last 30 % of them, which nothing was learned from
(splits.painter_split). For each creator:

variety: how far apart the results of one photo lie over 8 seeds, as a share of how far apart the
    creators lie on the same photo. Lite1 features, after removing colour: of each result only the
    luma is looked at, brought to the photo's own mean and contrast. At least 0.1 is asked for.
kid_rise: how much further the varied results are from the creator's held-out pictures than those
    without z, as a share of the way from the floor (half of the held-out pictures against the other
    half) to the ceiling (untouched photos). At most 0.1 is asked for.

Variations are z ~ N(0, I) as `influ generate` draws them; --scales stretches them.
"""

import argparse
import hashlib
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
from records import append_record, read_records
from splits import load, painter_split, split

from stylegan_cli.backends import open_backend
from stylegan_cli.evaluation import embed, metrics
from stylegan_cli.styles import read_model
from stylegan_cli.stylizer import Stylizer, vary

RESULTS = Path(__file__).parent / "results" / "variation_rank.jsonl"


def measure(arguments):
    model = read_model(arguments.model)
    backend = open_backend(model.base)
    styles = [s for s in model.styles if not arguments.styles or s.name in arguments.styles]
    paths = split(arguments.photos)[2][: arguments.count]
    photos = [load(path) for path in paths]
    plain = {s.name: stylize_all(model.base, s, backend, photos) for s in styles}
    between = distance_between([embed(without_colour(plain[s.name], photos)) for s in styles])
    done = {cell_key(record) for record in read_records(arguments.results)}
    model_hash = hashlib.sha256(arguments.model.read_bytes()).hexdigest()[:16]
    for style in styles:
        for scale in arguments.scales:
            cell = {
                "style": style.name,
                "scale": scale,
                "seeds": arguments.seeds,
                "photos": len(photos),
                "photos_hash": hash_of(paths),
                "model": model_hash,
            }
            if cell_key(cell) in done:
                continue
            code_factors = replace(style, code_factors=scale * style.code_factors)
            varied = [
                stylize_all(model.base, vary(code_factors, seed), backend, photos)
                for seed in range(arguments.seeds)
            ]
            within = distance_between([embed(without_colour(v, photos)) for v in varied])
            figures = {"variation_rank": within / between, "within": within, "between": between}
            folder = arguments.creators / style.name
            if folder.is_dir():
                held_out = [load(path) for path in painter_split(folder)[1]]
                figures |= kids(held_out, photos, plain[style.name], varied)
            figures = {name: round(float(value), 4) for name, value in figures.items()}
            append_record(arguments.results, cell | {"mode": style.info.mode} | figures)
            print(f"{style.name:16} x{scale:<4g}", *(f"{n} {v:.3f}" for n, v in figures.items()))


def stylize_all(base, style, backend, photos):
    stylizer = Stylizer(base, style, backend)
    return [stylizer.stylize(photo) for photo in photos]


def without_colour(results, photos):
    """The luma of each result as a grey picture with the mean and contrast of its photo's."""
    grey = []
    for result, photo in zip(results, photos, strict=True):
        luma, wanted = (pixels.astype(np.float32) @ metrics.LUMA for pixels in (result, photo))
        level = (luma - luma.mean()) / max(1.0, luma.std()) * wanted.std() + wanted.mean()
        grey.append(np.repeat(np.clip(level, 0, 255).astype(np.uint8)[..., None], 3, axis=-1))
    return grey


def distance_between(features):
    """Mean distance of the features of one photo, over photos and pairs of sets (N, D)."""
    pairs = combinations(features, 2)
    return float(np.mean([np.linalg.norm(a - b, axis=1).mean() for a, b in pairs]))


def kids(held_out, photos, plain, varied):
    """Kernel distances to the held-out pictures, all between sets of equal size."""
    count = min(len(held_out) // 2, len(photos))
    real = embed(held_out)
    floor = metrics.kid(real[:count], real[count : 2 * count]).value
    ceiling, without = (
        metrics.kid(embed(pictures[:count]), real[:count]).value for pictures in (photos, plain)
    )
    # A varied set has a z of its own for each photo, as a user's pictures would.
    mixed = [
        [varied[(k + shift) % len(varied)][k] for k in range(count)] for shift in range(len(varied))
    ]
    with_z = np.mean([metrics.kid(embed(pictures), real[:count]).value for pictures in mixed])
    return {
        "kid_rise": (with_z - without) / max(1e-9, ceiling - floor),
        "kid_without": without,
        "kid_with": with_z,
        "kid_floor": floor,
        "kid_ceiling": ceiling,
        "kid_pictures": count,
    }


def hash_of(paths):
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cell_key(record):
    names = ("style", "scale", "seeds", "photos", "photos_hash", "model")
    return tuple(record.get(name) for name in names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--model", type=Path, required=True, metavar="FILE")
    parser.add_argument("--photos", type=Path, required=True, metavar="DIR")
    parser.add_argument("--creators", type=Path, required=True, metavar="DIR")
    parser.add_argument("--styles", nargs="+", metavar="NAME", help="these alone; two at least")
    parser.add_argument("--count", type=int, default=40, metavar="N", help="photos")
    parser.add_argument("--seeds", type=int, default=8, metavar="N")
    parser.add_argument("--scales", nargs="+", type=float, default=[1.0], metavar="X")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
