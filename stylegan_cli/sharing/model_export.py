"""Runs and styles → one model file."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stylegan_cli.backends import open_backend
from stylegan_cli.colour import sample_colours
from stylegan_cli.errors import DataError, StyleNotFoundError, TrainingError, UsageError
from stylegan_cli.instant import measure_prior_code_factors
from stylegan_cli.learning.checkpoints import (
    BEST_NAME,
    has_checkpoint,
    load_config,
    load_latest_checkpoint,
    restoring,
)
from stylegan_cli.networks.architecture import GeneratorConfig, StyleEncoderConfig
from stylegan_cli.pictures import read_rgb_or_warn
from stylegan_cli.runtime.mappings import from_mapping
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.resources import starter_photos
from stylegan_cli.styles import Base, Model, find_style, read_model, read_style

CONTENT_COLOURS = 32_768


def export_model(
    source: str, content: Sequence[Path] | None = None, added: Sequence[Path] = ()
) -> Model:
    """The model of a run's folder, a style's name or a model file, with the style files `added`.

    A name gives its base with that one creator; a refinement run its base and the run's creators.
    A folder that is no run does not hide a style of its name: pictures of `faces` lie in ./faces.
    Raises TrainingError for a folder that is neither, StyleNotFoundError for an unknown name.
    """
    path = Path(source)
    of_pretraining = has_checkpoint(path) and not (path / BEST_NAME).is_file()
    if content is not None and not of_pretraining:
        raise UsageError("--content is what a pre-training run's base remembers: leave it out here")
    if path.is_file():
        model = read_model(path)
    elif (path / BEST_NAME).is_file():
        model = read_model(path / BEST_NAME)
    elif of_pretraining:
        model = model_from_pretraining(path, content)
    else:
        model = _model_of_one(source)
    more = tuple(read_style(path, model.base) for path in added)
    replaced = {style.name for style in more}
    kept = tuple(style for style in model.styles if style.name not in replaced)
    return dataclasses.replace(model, styles=kept + more)


def _model_of_one(name: str) -> Model:
    """A style and its base."""
    try:
        base, style = find_style(name)
    except (StyleNotFoundError, UsageError):
        if Path(name).is_dir():
            raise TrainingError(
                f"{name} contains no run to export, and no style has this name"
            ) from None
        raise
    return Model(base=base, styles=(style,))


def model_from_pretraining(run_dir: Path, content: Sequence[Path] | None = None) -> Model:
    """The base of a pre-training run, from the averaged weights of its newest checkpoint.

    content: photos whose colours the base remembers; the starter photos where None.
    Raises TrainingError where the folder holds no such run.
    """
    state = load_latest_checkpoint(run_dir)
    if state is None or "generator_config" not in state:
        raise TrainingError(f"{run_dir} contains no checkpoint of a pre-training run")
    rng = numpy_generator(0, 0, "content colours")
    read = (read_rgb_or_warn(path, 256) for path in content or starter_photos())
    photos = [photo for photo in read if photo is not None]
    if not photos:
        raise DataError("none of the photos of --content can be read; name a folder of photos")
    colours = sample_colours(photos, CONTENT_COLOURS, rng)
    with restoring(run_dir):
        base = base_from_state(state, np.round(colours * 255).astype(np.uint8))
    info = {"steps": state["step"], "config": load_config(run_dir)}
    return Model(base=base, info=info)


def base_from_state(state: Mapping[str, Any], content_colours: np.ndarray) -> Base:
    """The base that a checkpoint of pre-training describes, with graphs and prior spread."""
    generator = from_mapping(GeneratorConfig, state["generator_config"])
    encoder = from_mapping(StyleEncoderConfig, state["encoder_config"])
    weights = {**state["base"], **state["ema"]}  # buffers are not averaged
    base = Base(
        generator=generator,
        encoder=encoder,
        # As they will be read back: files keep half precision.
        tensors={n: w.numpy().astype(np.float16).astype(np.float32) for n, w in weights.items()},
        content_colours=content_colours,
        prior_code_factors=np.zeros((0, generator.code_dim), np.float32),
    )
    return dataclasses.replace(
        base, prior_code_factors=measure_prior_code_factors(base, open_backend(base))
    )
