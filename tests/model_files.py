"""A small but real model for the tests: random networks, two creators."""

import dataclasses
import functools
from pathlib import Path

import numpy as np

from stylegan_cli.colour import STATISTICS_DIM
from stylegan_cli.networks.architecture import (
    GeneratorConfig,
    StyleEncoderConfig,
    encoder_shapes,
    generator_shapes,
)
from stylegan_cli.styles import Base, Model, Style, StyleInfo, write_model
from stylegan_cli.styles.film import FilmGrain, FilmHalation

DIM = 8
DELTA = "residual.conv_in.conv.weight"
GRAIN = FilmGrain(
    cutoff=256, luma=(0.08, 0.08, 0.05, 0.02), colour=(0.03, 0.02, 0.01, 0.0), tones=(0.5, 1, 0.4)
)
HALATION = FilmHalation(radius=0.02, strength=(0.4, 0.1, 0.0))
LOOKS = {
    "creatorA": np.array([[0.9, 0.1, 0.0], [0.0, 0.8, 0.1], [0.1, 0.0, 0.7]]),
    "toon": np.array([[0.2, 0.2, 0.2], [0.3, 0.3, 0.3], [0.4, 0.4, 0.4]]),
}


@functools.cache
def small_model() -> Model:
    """A base with random weights and the creators of LOOKS."""
    rng = np.random.default_rng(0)
    generator = GeneratorConfig(code_dim=DIM, base_channels=4, blocks=1, colour_channels=4)
    encoder = StyleEncoderConfig(
        code_dim=DIM, statistics_dim=STATISTICS_DIM, channels=(4, 4, 4, 4), hidden=8
    )
    shapes = {f"generator.{name}": shape for name, shape in generator_shapes(generator).items()}
    shapes |= {f"encoder.{name}": shape for name, shape in encoder_shapes(encoder).items()}
    tensors = {name: rng.normal(0, 0.1, shape) for name, shape in shapes.items()}
    # Bands are loud, and so are inputs that random gates weigh: as quiet as a trained residual.
    tensors["generator.residual.conv_in.conv.weight"][:, 24:] /= 64
    tensors["generator.residual.conv_out.conv.weight"] *= 0.8
    # As a file keeps them.
    tensors = {n: v.astype(np.float16).astype(np.float32) for n, v in tensors.items()}
    base = Base(
        generator=generator,
        encoder=encoder,
        tensors=tensors,
        content_colours=rng.integers(0, 256, (500, 3), dtype=np.uint8),
        prior_code_factors=rng.normal(0, 0.2, (2, DIM)).astype(np.float32),
    )
    styles = tuple(
        Style(
            info=StyleInfo(name=name, display_name=name, pictures=3, working_size=64),
            base_hash=base.hash,
            matrix=matrix.astype(np.float32),
            offset=np.zeros(3, np.float32),
            code=rng.normal(0, 1, DIM).astype(np.float32),
            code_factors=rng.normal(0, 0.8, (2, DIM)).astype(np.float32),
        )
        for name, matrix in LOOKS.items()
    )
    return Model(base=base, styles=styles)


def write_small_model(path: Path) -> Path:
    write_model(small_model(), path)
    return path


def full_style() -> Style:
    """A style that has everything a style can have."""
    rng = np.random.default_rng(3)
    shape = small_model().base.generator_tensors[DELTA].shape
    style = small_model().styles[0]
    about = {"licence": "CC0", "metrics": {"kid": 1.5}, "mode": "drawn"}
    about |= {"grain": GRAIN, "halation": HALATION}
    return dataclasses.replace(
        style,
        info=dataclasses.replace(style.info, **about),
        calibration=rng.random((2, 2, 2, 3)).astype(np.float16).astype(np.float32),
        deltas={
            f"{DELTA}.up": rng.normal(size=(shape[0], 2)).astype(np.float16),
            f"{DELTA}.down": rng.normal(size=(2, shape[1] * 9)).astype(np.float16),
        },
    ).renamed("full")
