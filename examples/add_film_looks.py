"""Add creators to a model whose looks are known as LUTs: no picture of theirs is needed.

    python examples/add_film_looks.py MODEL NEW --licence WORDS NAME=HALDCLUT.png...

The base leaves colours nearly as they are, with the code of plain photos, and the calibration
behind it brings them to the LUT.
"""

import argparse
import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from stylegan_cli.backends import open_backend
from stylegan_cli.colour import lut_grid
from stylegan_cli.instant import make_style, read_set
from stylegan_cli.instant.calibration import ColourSamples, calibrate
from stylegan_cli.instant.config import DEFAULTS
from stylegan_cli.networks.architecture import READ_SHORT_SIDE
from stylegan_cli.networks.folding import apply_colour, fold_style
from stylegan_cli.pictures import to_unit
from stylegan_cli.pretraining.colour_looks import LUT_SIZE, MAX_GREY_RANGE, read_haldclut
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import Base, Style, read_model, write_model

CALIBRATION = dataclasses.replace(DEFAULTS.calibration, boosting_steps=30)


def styles_of_luts(luts: Mapping[str, np.ndarray], base: Base, licence: str) -> list[Style]:
    """A style by each name that gives photos the colours of its LUT (LUT_SIZE³, 3)."""
    backend = open_backend(base)
    plain = make_style("plain", starter_photos(), base, backend, licence=licence)
    plain = dataclasses.replace(
        plain, matrix=np.eye(3, dtype=np.float32), offset=np.zeros(3, np.float32)
    )
    parts = (plain.matrix, plain.offset, plain.code)
    folded = fold_style(base.generator_tensors, base.generator, *parts, READ_SHORT_SIDE)
    content = to_unit(base.content_colours)
    colours = np.concatenate([content, lut_grid(CALIBRATION.points)])
    base_colour = apply_colour(folded, colours)
    samples = ColourSamples(
        photo=colours,
        own=base_colour,
        base_colour=base_colour,
        residual=np.zeros_like(colours),
        content=len(content),
    )
    creator = read_set(starter_photos(), backend)
    styles = []
    for name, lut in luts.items():
        cube = lut.reshape(*(LUT_SIZE,) * 3, 3)
        calibration = calibrate(samples, cube, creator, CALIBRATION, lut_only=True)
        if np.ptp(lut, axis=-1).mean() < MAX_GREY_RANGE:  # black and white has no tint at all
            calibration = np.repeat(calibration.mean(-1, keepdims=True), 3, axis=-1)
        style = dataclasses.replace(plain.renamed(name), calibration=calibration)
        styles.append(style.with_info(pictures=0, mode="colour"))
    return styles


def main() -> None:
    """Write the model with the styles that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("looks", nargs="+", metavar="NAME=HALDCLUT.png")
    parser.add_argument("--licence", default="", help="what the styles may be used for")
    arguments = parser.parse_args()
    model = read_model(arguments.model)
    named = dict(look.split("=", 1) for look in arguments.looks)
    luts = {name: read_haldclut(Path(path)) for name, path in named.items()}
    styles = [style for style in model.styles if style.name not in luts]
    styles += styles_of_luts(luts, model.base, arguments.licence)
    write_model(dataclasses.replace(model, styles=tuple(styles)), arguments.new, overwrite=True)


if __name__ == "__main__":
    main()
