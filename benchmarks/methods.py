"""The methods that the look-recovery benchmark compares.

A method reads a Task, which is what a user would have: the content photos and the creator's
pictures, never the look itself or a test photo. It gives back a paint function: uint8 RGB (H, W, 3)
in, the same or unit floats out.
"""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import closed_form
import numpy as np
from PIL import Image
from splits import load

from stylegan_cli.backends import Backend, open_backend
from stylegan_cli.colour import lattice
from stylegan_cli.instant import make_style
from stylegan_cli.style_file import Base, read_model
from stylegan_cli.stylizer import Stylizer, open_stylizer

Paint = Callable[[np.ndarray], np.ndarray]


class Content:
    """The content photos, read once and shared by all tasks."""

    def __init__(self, paths: list[Path]) -> None:
        self.paths = paths
        self.colours = closed_form.pixels([load(path) for path in paths])  # unit, (N, 3), a draw


@dataclass(frozen=True)
class Task:
    """One creator to learn: `pictures` are uint8 RGB; `model` is the file that holds the base."""

    look: str
    content: Content
    pictures: list[np.ndarray]
    model: Path | None

    @contextmanager
    def files(self):
        """The creator's pictures as a folder of PNG files, for as long as they are needed."""
        with TemporaryDirectory() as folder:
            yield save_pictures(self.pictures, Path(folder))


def nothing(task: Task) -> Paint:
    """The photo as it is."""
    return lambda photo: photo


def linear(task: Task) -> Paint:
    """The Monge-Kantorovich linear map between the two sets."""
    target = closed_form.pixels(task.pictures)
    matrix, offset = closed_form.linear_map(task.content.colours, target)
    return lambda photo: np.clip(photo / 255 @ matrix + offset, 0, 1)


def table(task: Task) -> Paint:
    """A colour table by iterative distribution transfer between the two sets."""
    target = closed_form.pixels(task.pictures)
    lattice = closed_form.transfer_table(task.content.colours, target)
    return lambda photo: np.clip(closed_form.apply_table(photo, lattice), 0, 1)


def instant(task: Task) -> Paint:
    """A style read by the look encoder in one forward pass, calibrated: `influ styles add`."""
    base, backend = opened(task.model)
    with task.files() as pictures:
        style = make_style(task.look, pictures, base, backend, content=task.content.paths)
    return Stylizer(base, style, backend).paint


def uncalibrated(task: Task) -> Paint:
    """The instant style without its calibration: what the network alone makes of the code."""
    base, backend = opened(task.model)
    with task.files() as pictures:
        style = make_style(task.look, pictures, base, backend, content=task.content.paths)
    untouched = lattice(len(style.calibration)).reshape(style.calibration.shape)
    return Stylizer(base, replace(style, calibration=untouched), backend).paint


def refined(task: Task) -> Paint:
    """The style named after the look in the model: what `influ train` made of the same pictures."""
    return open_stylizer(task.look, model=task.model).paint


METHODS: dict[str, Callable[[Task], Paint]] = {
    method.__name__: method for method in (nothing, linear, table, instant, uncalibrated, refined)
}
NEEDS_MODEL = {"instant", "uncalibrated", "refined"}


@lru_cache(1)
def opened(model: Path) -> tuple[Base, Backend]:
    """The base of a model file, and what runs it."""
    base = read_model(model).base
    return base, open_backend(base)


def save_pictures(pictures: list[np.ndarray], folder: Path) -> list[Path]:
    """PNG files in order of name, without loss: the benchmark measures looks, not compression."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:04d}.png" for index in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    return paths
