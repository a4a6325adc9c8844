"""Give a model file the colour prior that tables of looks are estimated with.

    python examples/make_colour_prior.py MODEL --films HALDCLUTS --photos PHOTOS [--photos PHOTOS]

The shipped one: the 51 tables of t3mujinpack (MIT) and photos without a look. It is the same from
run to run; styles made before stay valid.
"""

import argparse
import dataclasses
from pathlib import Path

from stylegan_cli.pictures import find_pictures
from stylegan_cli.pretraining.colour_prior import build_colour_prior
from stylegan_cli.styles import read_model, write_model


def main() -> None:
    """Build the prior and write the file anew, whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--films", type=Path, required=True)
    parser.add_argument("--photos", type=Path, action="append", required=True)
    options = parser.parse_args()
    films = sorted(options.films.rglob("*.png"))
    photos = [path for folder in options.photos for path in find_pictures(folder, recursive=True)]
    model = read_model(options.model)
    base = dataclasses.replace(model.base, colour_prior=build_colour_prior(films, photos))
    write_model(dataclasses.replace(model, base=base), options.model, overwrite=True)


if __name__ == "__main__":
    main()
