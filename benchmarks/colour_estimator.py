"""The colour estimator alone on real films and new random looks, before and after its correction.

    python colour_estimator.py --luts DIR --films DIR --content DIR [--pictures 1 5 30 200]

Films are the tuning half of --luts, as in film_looks.py; random looks come from --films. The
creator's people are those of --content that splits.py sets apart; with 30 pictures or fewer they
are also drawn from one of its folders alone. Prints the mean PSNR in dB on colours of other people.
"""

import argparse
from pathlib import Path

import numpy as np
from film_looks import MAX_GREY_RANGE, half_of, in_look, read_haldclut
from splits import load, split

from stylegan_cli.colour import apply_lut
from stylegan_cli.instant.colour_correction import correct
from stylegan_cli.instant.colour_estimation import ColourEstimation
from stylegan_cli.pretraining.colour_looks import SmoothVariation, draw_prior, read_films
from stylegan_cli.runtime.resources import weights_dir
from stylegan_cli.styles import read_model

MODEL = weights_dir() / "influ-base.safetensors"
RANDOM_LOOKS = 24
COLOURS = 400  # of each test photo
FEW = 30  # pictures that one folder may have


def looks_of(asked):
    """(kind, table) of each look to estimate."""
    rng = np.random.default_rng(99)
    for path in sorted(asked.luts.rglob("*.png")):
        if half_of(path) == "tuning":
            table = read_haldclut(path)
            is_grey = np.ptp(table, axis=-1).mean() < MAX_GREY_RANGE
            yield "black and white" if is_grey else "film", table
    variation = SmoothVariation()
    for look in draw_prior(read_films(asked.films), RANDOM_LOOKS, 12345):
        varied = variation.vary(rng, look.astype(np.float32))
        yield "random", varied.reshape(17, 17, 17, 3).astype(np.float64)


def errors_of(estimation, content, chosen, colours, truth):
    """PSNR in dB of the head's LUT and of the corrected one."""
    estimate = estimation.head_lut(chosen)
    found = estimate, correct(estimate, np.stack(chosen), content).lut
    return [-10 * np.log10(np.mean((apply_lut(colours, lut) - truth) ** 2)) for lut in found]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--luts", type=Path, required=True, metavar="DIR")
    parser.add_argument("--films", type=Path, required=True, metavar="DIR")
    parser.add_argument("--content", type=Path, required=True, metavar="DIR")
    parser.add_argument("--pictures", type=int, nargs="+", default=[1, 5, 30, 200])
    parser.add_argument("--model", type=Path, default=MODEL)
    asked = parser.parse_args()
    estimation = ColourEstimation(read_model(asked.model).base.colour_estimator, 1)
    _, creator, test = split(asked.content)
    rng = np.random.default_rng(0)
    pixels = np.concatenate([rng.choice(load(path).reshape(-1, 3), COLOURS) for path in test])
    shown = [load(path, 160) for path in creator]
    folders = {"all": np.arange(len(creator))}
    for name in sorted({path.parent.name for path in creator}):
        folders[name] = np.flatnonzero([path.parent.name == name for path in creator])
    found = {}
    for kind, table in looks_of(asked):
        truth = in_look(pixels[None], table)[0] / np.float32(255)
        seen = [estimation.statistics(in_look(photo, table)) for photo in shown]
        for count in asked.pictures:
            for name, members in folders.items():
                if name == "all" or count <= FEW:
                    chosen = [seen[index] for index in rng.permutation(members)[:count]]
                    errors = errors_of(
                        estimation, estimation.content, chosen, pixels / np.float32(255), truth
                    )
                    found.setdefault((kind, count, name), []).append(errors)
    for (kind, count, name), errors in sorted(found.items()):
        before, after = np.transpose(errors)
        worst = f"least {min(after - before):+.1f}"
        print(
            f"{kind:16} {count:4} {name:11} {before.mean():.2f} -> {after.mean():.2f} dB, {worst}"
        )


if __name__ == "__main__":
    main()
