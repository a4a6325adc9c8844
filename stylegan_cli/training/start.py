"""The model that a run starts from: a base, and an instant style for each creator."""

import dataclasses
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.backends import open_backend
from stylegan_cli.instant import make_style
from stylegan_cli.networks.frozen_features import FrozenFeatures
from stylegan_cli.networks.generator import Generator
from stylegan_cli.networks.precision import as_tensor
from stylegan_cli.preparing.layout import CONTENT_NAME, TrainingData
from stylegan_cli.runtime.randomness import derive_seed
from stylegan_cli.styles import Base, Model, Style, read_model, shipped_model
from stylegan_cli.training.adapters import StyleTensors
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import Progress
from stylegan_cli.training.networks import Networks, build_networks

_LAST_LAYERS = ("colour.conv_out.", "residual.conv_out.")


def make_start(
    data: TrainingData, config: TrainingConfig, on_progress: Progress | None = None
) -> Model:
    """The base that `config.init` names, with an instant style per creator and one of the content.

    The instant styles are those that `styles add` would make, so that a refined style is compared
    with what the user would have without training. Held-out pictures are not read.
    """
    base = _initial_base(config)
    variation = dataclasses.replace(config.instant.variation, rank=config.z_dim)
    instant = dataclasses.replace(config.instant, variation=variation)
    backend = open_backend(base)
    content = data.readable_content[: config.max_pictures]
    folders = [(creator.name, creator.readable) for creator in data.creators]
    folders.append((CONTENT_NAME, content))
    styles = [
        make_style(
            name,
            pictures,
            base,
            backend,
            content=content,
            config=instant,
            to_refine=True,
            on_progress=on_progress,
        )
        for name, pictures in folders
    ]
    if config.init == "none":
        styles = [_without_colours(style) for style in styles]
    return Model(base=base, styles=tuple(styles))


def start_networks(
    start: Model, features: FrozenFeatures, config: TrainingConfig, device: torch.device
) -> Networks:
    """The networks of a run before its first step. start: see `make_start`."""
    *creators, content = (style_tensors(style, device) for style in start.styles)
    generator = load_generator(start.base, device)
    return build_networks(generator, creators, content.code, features, config)


def style_tensors(style: Style, device: torch.device) -> StyleTensors:
    """A style's closed forms and code as tensors on a device."""

    def tensor(array: np.ndarray) -> Tensor:
        return as_tensor(np.ascontiguousarray(array, np.float32)).to(device)

    lut = None
    if style.calibration is not None:
        lut = tensor(style.calibration.transpose(3, 0, 1, 2) * 2 - 1)[None]
    closed_form = tensor(style.matrix)[None], tensor(style.offset)[None]
    return StyleTensors(*closed_form, tensor(style.code), lut, style.info.mode)


def load_generator(base: Base, device: torch.device) -> Generator:
    """The base's generator as a network, in evaluation mode."""
    generator = Generator(base.generator)
    arrays = base.generator_tensors
    generator.load_state_dict({name: torch.from_numpy(value) for name, value in arrays.items()})
    placed: Generator = generator.to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed.eval()


def _initial_base(config: TrainingConfig) -> Base:
    """The base to start from; for a fresh one, the shipped base with random weights."""
    is_shipped = config.trains_base or config.init == "base"
    base = read_model(shipped_model() if is_shipped else Path(config.init)).base
    if not config.trains_base:
        return base
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(config.seed, 0, "fresh network"))
        weights = Generator(base.generator).state_dict()
    for name, weight in weights.items():
        if name.startswith(_LAST_LAYERS):  # begins as the closed form alone
            weight.zero_()
    tensors = {f"generator.{name}": value.numpy() for name, value in weights.items()}
    return dataclasses.replace(base, tensors={**base.tensors, **tensors})


def _without_colours(style: Style) -> Style:
    identity = np.eye(3, dtype=np.float32), np.zeros(3, np.float32)
    return dataclasses.replace(style, matrix=identity[0], offset=identity[1], calibration=None)
