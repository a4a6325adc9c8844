"""Where training begins: pictures read, instant styles made, and the parts of a run built."""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.backends import open_backend
from stylegan_cli.errors import DataError
from stylegan_cli.faces import detect_faces
from stylegan_cli.instant import make_style
from stylegan_cli.learning.schedules import StepClock
from stylegan_cli.networks.frozen_features import FrozenFeatures, load_features
from stylegan_cli.networks.generator import Generator
from stylegan_cli.preparing.layout import CONTENT_NAME, TrainingData
from stylegan_cli.runtime.randomness import derive_seed, numpy_generator
from stylegan_cli.styles import Base, Model, Style, read_model, shipped_model
from stylegan_cli.training import loop
from stylegan_cli.training.adapters import StyleTensors
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.data import Box, PictureSet, median_short_side
from stylegan_cli.training.diagnostics import Diagnostics
from stylegan_cli.training.loop import Progress, Run
from stylegan_cli.training.report import Album
from stylegan_cli.training.run_folder import RunFolder
from stylegan_cli.training.selection import Selection
from stylegan_cli.training.steps import (
    FRESH_BASES,
    Creator,
    Networks,
    build_networks,
    constraints_for,
)
from stylegan_cli.training.texture_distance import TextureDistance
from stylegan_cli.training.trainer import build_trainer
from stylegan_cli.training.validation import CreatorMetrics, HeldOut, Validator

log = logging.getLogger(__name__)

MAX_CONTENT = 400  # photos that the instant styles are made with
MAX_PICTURES = 400  # of each side, kept in memory
SMALLEST_WORKING_SIZE, LARGEST_WORKING_SIZE = 256, 512  # px
VALIDATION_PHOTOS, VALIDATION_PICTURES = 8, 24
TEXTURE_CROPS = 96  # of a creator's pictures
SMALL_FOLDER = 100  # pictures; below it the discriminator sees augmented ones
_LAST_LAYERS = ("colour.conv_out.", "residual.conv_out.")


def open_run(
    run_dir: Path,
    data: TrainingData,
    config: TrainingConfig,
    *,
    device: str = "cpu",
    resume: bool = False,
    again: Sequence[str] = (),
    on_progress: Progress = lambda done, total: None,
) -> Run:
    """Read the pictures, make the instant styles, build the run; takes minutes.

    resume: go on from the newest checkpoint. again: for the report, the words of a command that
    does the same but for the number of steps. Raises DataError where pictures are missing,
    StyleFileError where the base can't be read.
    """
    folder = RunFolder(run_dir)
    if not folder.has_start():
        folder.write_start(make_start(data, config, on_progress))
    # Read back: files keep half precision, and a resumed run must begin where this one did.
    start = folder.read_start()
    names = [style.name for style in start.styles[:-1]]  # the last one is the content's
    _check_names(run_dir, names, [creator.name for creator in data.creators])
    run = _build_run(folder, data, start, config, torch.device(device), again, on_progress)
    if resume and (state := folder.load_checkpoint()):
        loop.resume(run, state)
    folder.write_config(config)
    return run


def make_start(
    data: TrainingData, config: TrainingConfig, on_progress: Progress | None = None
) -> Model:
    """The base that `config.init` names, with an instant style per creator and one of the content.

    The instant styles are those that `styles add` would make, so that a refined style is compared
    with what the user would have without training. Held-out pictures are not read.
    """
    base = _initial_base(config)
    backend = open_backend(base)
    content = data.readable_content[:MAX_CONTENT]
    folders = [(creator.name, creator.readable) for creator in data.creators]
    folders.append((CONTENT_NAME, content))
    styles = [
        make_style(
            name,
            pictures,
            base,
            backend,
            content=content,
            variation_rank=config.z_dim,
            on_progress=on_progress,
        )
        for name, pictures in folders
    ]
    if config.init == "none":
        styles = [_without_colours(style) for style in styles]
    return Model(base=base, styles=tuple(styles))


def style_tensors(style: Style, device: torch.device) -> StyleTensors:
    """A style's closed forms and code as tensors on a device."""

    def tensor(array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, np.float32)).to(device)

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


def _build_run(
    folder: RunFolder,
    data: TrainingData,
    start: Model,
    config: TrainingConfig,
    device: torch.device,
    command: Sequence[str],
    on_progress: Progress,
) -> Run:
    """The parts of a run before its first step."""
    *styles, content_style = start.styles
    _warn_of_large_sides(data)
    sizes = [_working_size(data, creator.pictures, config) for creator in data.creators]
    photos = data.content[:MAX_PICTURES]
    largest = round(max(sizes) * config.scales[1])
    content = PictureSet(photos, largest, on_progress, _face_boxes)
    validation_photos = _validating(
        CONTENT_NAME, data.held_out_content, data.content, VALIDATION_PHOTOS, largest
    )
    features, reporting = (load_features(x).to(device) for x in ("lite0", "lite1"))
    networks = build_networks(
        load_generator(start.base, device),
        [style_tensors(style, device) for style in styles],
        style_tensors(content_style, device).code,
        features,
        config,
    )
    creators, held_out = [], []
    for index, (pictures, size) in enumerate(zip(data.creators, sizes, strict=True)):
        sides = pictures.held_out, pictures.pictures
        judges = _validating(pictures.name, *sides, VALIDATION_PICTURES, size)
        reals = judges.wholes(VALIDATION_PICTURES, size)
        shown = validation_photos.wholes(VALIDATION_PHOTOS, size)
        held_out.append(_held_out(networks, index, styles[index], reals, shown, size, reporting))
        read = PictureSet(
            pictures.pictures[:MAX_PICTURES], round(size * config.scales[1]), on_progress
        )
        creators.append(_creator(networks, index, read, held_out[-1], size, config))
    trainer, validator = build_trainer(networks, creators, content, config), Validator(held_out)
    statistics = [
        validator.statistics(trainer, index, mine.instant) for index, mine in enumerate(held_out)
    ]
    names = [style.name for style in styles]
    return Run(
        names=names,
        trainer=trainer,
        validator=validator,
        diagnostics=Diagnostics(names, statistics, config.gan),
        selection=Selection(
            dataclasses.replace(start, styles=tuple(styles)),
            sizes,
            networks.generator.delta_names,
            shares_generator=config.init in FRESH_BASES,
            patience=config.patience,
        ),
        folder=folder,
        albums=[Album.of(mine.photos, mine.instant, mine.reals) for mine in held_out],
        clock=StepClock(),
        pictures_digest=_digest(data),
        command=command,
    )


def _creator(
    networks: Networks,
    index: int,
    pictures: PictureSet,
    held_out: HeldOut,
    working_size: int,
    config: TrainingConfig,
) -> Creator:
    generator = networks.generator
    short_side = torch.tensor([float(working_size)]).to(generator.device)
    strength = generator.residual_strength(index, held_out.photos, short_side)
    small = len(pictures) < SMALL_FOLDER
    rng = numpy_generator(config.seed, index, "texture")
    scale = max(config.size, working_size)
    crops, _ = pictures.crops(rng, TEXTURE_CROPS, config.size, scale)
    batches = crops.to(generator.device).split(8)
    return Creator(
        pictures=pictures,
        working_size=working_size,
        augmented=config.augment == "on" or (config.augment == "auto" and small),
        texture=TextureDistance(batches, networks.features, config.seed),
        constraints=constraints_for(
            strength,
            held_out.start.texture,
            generator.styles[index].mode,
            is_fresh=config.init in FRESH_BASES,
        ),
    )


@torch.no_grad()
def _held_out(
    networks: Networks,
    index: int,
    style: Style,
    reals: Sequence[Tensor],
    photos: Sequence[Tensor],
    working_size: int,
    reporting: FrozenFeatures,
) -> HeldOut:
    """What creator `index` is validated with; `style` is its instant style."""
    generator = networks.generator
    reals, photos = ([x.to(generator.device) for x in side] for side in (reals, photos))
    metrics = CreatorMetrics(reals, photos, networks.features, reporting)
    short_side = torch.tensor([float(working_size)]).to(generator.device)
    with generator.autocast():
        instant = [generator.stylize_instant(index, photo, short_side) for photo in photos]
    # All directions of the creator's variation by one standard deviation, and back.
    shift = torch.from_numpy(style.code_factors.sum(0, dtype=np.float32)).to(generator.device)
    return HeldOut(reals, photos, instant, [shift, -shift], metrics, metrics.measure(instant))


def _check_names(run_dir: Path, began: Sequence[str], now: Sequence[str]) -> None:
    if list(began) != list(now):
        raise DataError(
            f"the run in {run_dir} is of {', '.join(began)}, the pictures are of "
            f"{', '.join(now)}; give it the pictures and the name that it began with"
        )


def _warn_of_large_sides(data: TrainingData) -> None:
    sides = {"content": data.content} | {c.name: c.pictures for c in data.creators}
    for name, paths in sides.items():
        if len(paths) > MAX_PICTURES:
            log.warning("%s: %d of %d pictures are read", name, MAX_PICTURES, len(paths))


def _digest(data: TrainingData) -> str:
    """Of the names and sizes of all pictures."""
    sides = [data.content, data.held_out_content]
    sides += [side for c in data.creators for side in (c.pictures, c.held_out)]
    names = [[(path.name, path.stat().st_size) for path in side] for side in sides]
    return hashlib.sha256(repr(names).encode()).hexdigest()


def _validating(
    name: str, held_out: Sequence[Path], learned: Sequence[Path], most: int, short_side: int
) -> PictureSet:
    """The held-out pictures of one side; pictures to learn from where none of them can be read."""
    try:
        return PictureSet(held_out[:most], short_side)
    except DataError:
        log.warning("%s: none of the held-out pictures can be read, so others validate", name)
        return PictureSet(learned[:most], short_side)


def _working_size(data: TrainingData, pictures: Sequence[Path], config: TrainingConfig) -> int:
    """Px: as large as both sides have detail for, within what training has time for."""
    if config.working_size is not None:
        return config.working_size
    own = min(median_short_side(pictures), median_short_side(data.content))
    return min(LARGEST_WORKING_SIZE, max(SMALLEST_WORKING_SIZE, own // 8 * 8))


def _face_boxes(pixels: np.ndarray) -> list[Box]:
    height, width = pixels.shape[:2]
    boxes = [face.box for face in detect_faces(pixels)]
    return [(x / width, y / height, (x + w) / width, (y + h) / height) for x, y, w, h in boxes]


def _initial_base(config: TrainingConfig) -> Base:
    """The base to start from; for a fresh one, the shipped base with random weights."""
    fresh = config.init in FRESH_BASES
    path = shipped_model() if fresh or config.init == "base" else Path(config.init)
    base = read_model(path).base
    if not fresh:
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
