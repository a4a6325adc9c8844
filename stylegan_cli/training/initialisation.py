"""Where training begins: pictures read, instant styles made, and the parts of a run built."""

import dataclasses
import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from stylegan_cli.errors import DataError
from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.learning.schedules import StepClock
from stylegan_cli.learning.shares import whole
from stylegan_cli.networks.frozen_features import FrozenFeatures, load_features
from stylegan_cli.networks.precision import as_tensor
from stylegan_cli.pictures.faces import detect_faces
from stylegan_cli.preparing.layout import CONTENT_NAME, TrainingData
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles import Model, Style
from stylegan_cli.training import loop
from stylegan_cli.training.batch import Creator
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.constraints import constraints_for
from stylegan_cli.training.data import Box, PictureSet, Progress, median_short_side
from stylegan_cli.training.diagnostics import Diagnostics
from stylegan_cli.training.loop import Run
from stylegan_cli.training.networks import Networks
from stylegan_cli.training.report import Album
from stylegan_cli.training.run_folder import RunFolder
from stylegan_cli.training.selection import Selection
from stylegan_cli.training.start import make_start, start_networks
from stylegan_cli.training.texture_distance import TextureDistance
from stylegan_cli.training.trainer import build_trainer
from stylegan_cli.training.validation import CreatorMetrics, HeldOut, Validator

log = logging.getLogger(__name__)

SMALLEST_WORKING_SIZE, LARGEST_WORKING_SIZE = 256, 1024  # px


def open_run(
    run_dir: Path,
    data: TrainingData,
    config: TrainingConfig,
    *,
    team: ProcessTeam | None = None,
    resume: bool = False,
    again: Sequence[str] = (),
    on_progress: Progress = lambda done, total: None,
) -> Run:
    """Read the pictures, make the instant styles, build the run; takes minutes.

    team: this process as the first of it; alone on the CPU where None. resume: go on from the
    newest checkpoint. again: for the report, the words of a command that
    does the same but for the number of steps. Raises DataError where pictures are missing,
    StyleFileError where the base can't be read.
    """
    team = team or ProcessTeam()
    team.shares(config.batch, config.accumulate)  # fails before the minutes, not after them
    folder = RunFolder(run_dir)
    if not folder.has_start():
        folder.write_start(make_start(data, config, on_progress))
    # Read back: files keep half precision, and a resumed run must begin where this one did.
    start = folder.read_start()
    names = [style.name for style in start.styles[:-1]]  # the last one is the content's
    _check_names(run_dir, names, [creator.name for creator in data.creators])
    run = _build_run(folder, data, start, config, team, again, on_progress)
    if resume and (state := folder.load_checkpoint()):
        loop.resume(run, state)
    folder.write_config(config)
    return run


def _build_run(
    folder: RunFolder,
    data: TrainingData,
    start: Model,
    config: TrainingConfig,
    team: ProcessTeam,
    command: Sequence[str],
    on_progress: Progress,
) -> Run:
    """The parts of a run before its first step."""
    *styles, _ = start.styles
    _warn_of_large_sides(data, config.max_pictures)
    sizes = [_working_size(data, creator.pictures, config) for creator in data.creators]
    photos = data.content[: config.max_pictures]
    largest = round(max(sizes) * config.scales[1])
    content = PictureSet(photos, largest, on_progress, _face_boxes)
    limits = config.validation
    photos_held_out = _held_out_pictures(
        CONTENT_NAME, data.held_out_content, data.content, limits.photos, largest
    )
    features, reporting = (load_features(x).to(team.device) for x in ("lite0", "lite1"))
    networks = start_networks(start, features, config, team.device)
    creators, held_out = [], []
    for index, (pictures, size) in enumerate(zip(data.creators, sizes, strict=True)):
        sides = pictures.held_out, pictures.pictures
        pictures_held_out = _held_out_pictures(pictures.name, *sides, limits.pictures, size)
        reals = pictures_held_out.centres(limits.pictures, size)
        shown = photos_held_out.centres(limits.photos, size)
        held_out.append(
            _held_out(networks, index, styles[index], reals, shown, size, reporting, config)
        )
        read = PictureSet(
            pictures.pictures[: config.max_pictures], round(size * config.scales[1]), on_progress
        )
        creators.append(_creator(networks, index, read, held_out[-1], size, config))
    trainer = build_trainer(networks, creators, content, config, team)
    validator = Validator(held_out, config.validation)
    statistics = [
        validator.statistics(trainer, index, one.instant) for index, one in enumerate(held_out)
    ]
    names = [style.name for style in styles]
    return Run(
        names=names,
        trainer=trainer,
        validator=validator,
        diagnostics=Diagnostics(names, statistics, config.gan, config.diagnostics),
        selection=Selection(
            dataclasses.replace(start, styles=tuple(styles)),
            sizes,
            networks.generator.delta_names,
            shares_generator=config.trains_base,
            patience=config.patience,
            min_improvement=config.validation.min_improvement,
            render_mode=config.instant.render_mode,
        ),
        folder=folder,
        albums=[Album.of(one.photos, one.instant, one.reals) for one in held_out],
        clock=StepClock(),
        pictures_digest=_digest(data),
        command=command,
        start=start,
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
    is_small = len(pictures) < config.augment_below
    rng = numpy_generator(config.seed, index, "texture")
    scale = max(config.size, working_size)
    crops, _ = pictures.crops(rng, whole(config.texture.crops), config.size, scale)
    batches = crops.to(generator.device).split(8)
    return Creator(
        pictures=pictures,
        working_size=working_size,
        augmented=config.augment == "on" or (config.augment == "auto" and is_small),
        texture=TextureDistance(batches, networks.features, config.texture, seed=config.seed),
        constraints=constraints_for(
            strength,
            held_out.start.texture,
            generator.styles[index].mode,
            config.constraints,
            is_fresh=config.trains_base,
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
    config: TrainingConfig,
) -> HeldOut:
    """What creator `index` is validated with; `style` is its instant style."""
    generator = networks.generator
    reals, photos = ([x.to(generator.device) for x in side] for side in (reals, photos))
    metrics = CreatorMetrics(reals, photos, networks.features, reporting, config)
    short_side = torch.tensor([float(working_size)]).to(generator.device)
    with generator.autocast():
        instant = [generator.stylize_instant(index, photo, short_side) for photo in photos]
    # All directions of the creator's variation by one standard deviation, and back.
    shift = as_tensor(style.code_factors.sum(0, dtype=np.float32)).to(generator.device)
    return HeldOut(reals, photos, instant, [shift, -shift], metrics, metrics.measure(instant))


def _check_names(run_dir: Path, began: Sequence[str], now: Sequence[str]) -> None:
    if list(began) != list(now):
        raise DataError(
            f"the run in {run_dir} is of {', '.join(began)}, the pictures are of "
            f"{', '.join(now)}; give it the pictures and the name that it began with"
        )


def _warn_of_large_sides(data: TrainingData, max_pictures: int) -> None:
    sides = {"content": data.content} | {c.name: c.pictures for c in data.creators}
    for name, paths in sides.items():
        if len(paths) > max_pictures:
            log.warning("%s: %d of %d pictures are read", name, max_pictures, len(paths))


def _digest(data: TrainingData) -> str:
    """Of the names and sizes of all pictures."""
    sides = [data.content, data.held_out_content]
    sides += [side for c in data.creators for side in (c.pictures, c.held_out)]
    names = [[(path.name, path.stat().st_size) for path in side] for side in sides]
    return hashlib.sha256(repr(names).encode()).hexdigest()


def _held_out_pictures(
    name: str, held_out: Sequence[Path], learned: Sequence[Path], max_pictures: int, short_side: int
) -> PictureSet:
    """The held-out pictures of one side; pictures to learn from where none of them can be read."""
    try:
        return PictureSet(held_out[:max_pictures], short_side)
    except DataError:
        log.warning("%s: none of the held-out pictures can be read, so others validate", name)
        return PictureSet(learned[:max_pictures], short_side)


def _working_size(data: TrainingData, pictures: Sequence[Path], config: TrainingConfig) -> int:
    """Px: the pictures' own scale, where strokes are, as far as both sides have the detail."""
    if config.working_size is not None:
        return config.working_size
    own = min(median_short_side(pictures), median_short_side(data.content))
    return min(LARGEST_WORKING_SIZE, max(SMALLEST_WORKING_SIZE, own // 8 * 8))


def _face_boxes(pixels: np.ndarray) -> list[Box]:
    height, width = pixels.shape[:2]
    boxes = [face.box for face in detect_faces(pixels)]
    return [(x / width, y / height, (x + w) / width, (y + h) / height) for x, y, w, h in boxes]
