"""How well pictures made by hand are told from photos, by creators that the fit never saw.

    python by_hand.py --photos DIR DIR --hands DIR DIR --described FILE.npy

Each folder is left out in turn. A score is a mean over pictures; from the threshold on, they count
as made by hand. Looks are random ones of pre-training, each on photos of the folder left out.
FILE.npy keeps what the frozen network sees, which takes long, for another fit.
"""

import argparse
from pathlib import Path

import numpy as np
from records import append_record, file_hash

from stylegan_cli.backends.onnx_backend import EstimatorNetworks
from stylegan_cli.instant.config import DEFAULTS
from stylegan_cli.instant.hand import at_texture_size, describe_texture, hand_scores
from stylegan_cli.pictures import read_rgb
from stylegan_cli.pretraining.domains import pictures_by_domain
from stylegan_cli.pretraining.hand_training import (
    PICTURES,
    HandExamples,
    describe_examples,
    fit_hand,
    in_look,
)
from stylegan_cli.pretraining.looks import draw_look
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles import read_model, shipped_model

RESULTS = Path(__file__).resolve().parent / "results" / "by_hand.jsonl"
PHOTOS_IN_LOOK = 3
SETS, SET_PICTURES = 1000, 8


def describe_looks(estimator, photos, count, seed):
    """`count` triples: folder, layers of the look, and textures of its photos in the look."""
    networks, names = EstimatorNetworks(estimator, 1), list(photos)
    rng = numpy_generator(seed, 0, "looks that are measured")
    found = []
    for index in range(count):
        look, name = draw_look(rng), names[index % len(names)]
        chosen = rng.choice(len(photos[name]), PHOTOS_IN_LOOK, replace=False)
        pictures = [at_texture_size(read_rgb(photos[name][one])) for one in chosen]
        made = [describe_texture(networks, in_look(picture, look)) for picture in pictures]
        found.append((name, " ".join(look.families), np.stack(made)))
    return found


def described(arguments):
    """Examples and looks, from the file that keeps them if it is there."""
    photos, hands = map(pictures_by_domain, (arguments.photos, arguments.hands))
    if not arguments.described.exists():
        estimator = read_model(shipped_model()).base.colour_estimator
        examples = describe_examples(estimator, photos, hands, arguments.seed, arguments.pictures)
        looks = describe_looks(estimator, photos, arguments.looks, arguments.seed)
        kept = (examples.photos, examples.looked, examples.paintings, looks)
        np.save(arguments.described, np.array(kept, dtype=object), allow_pickle=True)
    *kinds, looks = np.load(arguments.described, allow_pickle=True)
    return HandExamples(*kinds), looks


def summary(scores, rng):
    """The mean score, and the shares that count as made by hand."""
    single, of_set = least_score(1), least_score(SET_PICTURES)
    sets = rng.choice(scores, (SETS, SET_PICTURES)).mean(1)
    return {
        "pictures": len(scores),
        "score": round(float(scores.mean()), 3),
        "single pictures by hand": round(float((scores >= single).mean()), 3),
        "sets of 8 by hand": round(float((sets >= of_set).mean()), 3),
    }


def least_score(count):
    """The mean score from which `count` pictures count as made by hand."""
    return DEFAULTS.hand.min_score + DEFAULTS.hand.deviation / count**0.5


def measure(arguments):
    """Record a line for each folder that is left out."""
    examples, looks = described(arguments)
    threshold = least_score(SET_PICTURES)
    same = {"seed": arguments.seed, "threshold": threshold, "model": file_hash(shipped_model())}
    for name in (*examples.paintings, *examples.photos):
        rng = numpy_generator(arguments.seed, 0, f"left out: {name}")
        tensors = fit_hand(examples.without(name))
        record = {"left out": name}
        kinds = ("paintings", examples.paintings), ("photos", examples.photos)
        for kind, folders in (*kinds, ("photos in looks of their own", examples.looked)):
            if name in folders:
                record[kind] = summary(hand_scores(folders[name], tensors), rng)
        scores = {
            layers: round(float(hand_scores(rows, tensors).mean()), 3)
            for folder, layers, rows in looks
            if folder == name
        }
        if scores:
            record["highest look"] = max(scores.items(), key=lambda pair: pair[1])
            record["looks"] = len(scores)
        append_record(arguments.results, record | same)
        print(record, flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--hands", type=Path, nargs="+", required=True, metavar="DIR")
    parser.add_argument("--described", type=Path, required=True, metavar="FILE.npy")
    parser.add_argument("--pictures", type=int, default=PICTURES, help="of each folder, at most")
    parser.add_argument("--looks", type=int, default=60, help="in turn on each folder of photos")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FILE")
    measure(parser.parse_args())


if __name__ == "__main__":
    main()
