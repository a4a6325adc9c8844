"""How a folder of pictures is laid out: content, creators, and what is held out of both."""

import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stylegan_cli.errors import DataError, messages
from stylegan_cli.pictures import find_own_pictures, find_pictures

log = logging.getLogger(__name__)

CONTENT_NAME = "content"
CONTENT_FOLDERS = (CONTENT_NAME, "photos")

HELD_OUT_SHARE, MAX_HELD_OUT_SHARE = 0.1, 0.25
MIN_HELD_OUT = 5  # fewer validate badly, where the folder can spare them


@dataclass(frozen=True, slots=True)
class CreatorPictures:
    """One creator: what steps learn from, and what only judges.

    set_apart: the user has chosen what judges, so that nothing else may read it.
    """

    name: str
    pictures: tuple[Path, ...]
    held_out: tuple[Path, ...]
    set_apart: bool = False

    @property
    def readable(self) -> tuple[Path, ...]:
        """What an instant style is read from: all pictures that are not set apart."""
        return self.pictures if self.set_apart else _all_of(self.pictures, self.held_out)


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The two sides of unpaired training, with pictures held out of both.

    content_set_apart: the user has chosen the photos that judge. content_from: their folder.
    """

    content: tuple[Path, ...]
    held_out_content: tuple[Path, ...]
    creators: tuple[CreatorPictures, ...]
    content_set_apart: bool = False
    content_from: Path | None = None

    @property
    def readable_content(self) -> tuple[Path, ...]:
        """What an instant style is measured on: all photos that are not set apart."""
        if self.content_set_apart:
            return self.content
        return _all_of(self.content, self.held_out_content)


def find_training_data(
    folder: Path, content: Path | None = None, starter: Path | None = None
) -> TrainingData:
    """Recognise how `folder` is laid out.

    What `prep` writes (train/ and val/ with content/ and a folder per creator), CycleGAN's trainA
    and trainB (testA and testB), content/ or photos/ beside a folder per creator, or a flat folder
    of one creator's pictures; capital letters make no difference. content: photos to use instead
    of the folder's own. starter: photos to use where there are none. Raises DataError where no
    pictures are found or the folder can be understood in two ways.
    """
    if not folder.is_dir():
        raise DataError(
            messages.cannot_read(folder, "it is not a folder", "name a folder of pictures")
        )
    sides, held_out, content_from = _layout(folder)
    own_content = sides.pop(CONTENT_NAME, ())
    own_held_out = held_out.pop(CONTENT_NAME, ())
    if content is not None:
        own_content, own_held_out = tuple(find_own_pictures(content, recursive=True)), ()
        if not own_content:
            raise DataError(f"{content} has no pictures; give --content a folder of photos")
        content_from = content
    elif not own_content and starter is not None:
        own_content, own_held_out = tuple(find_pictures(starter)), ()
        content_from = starter
    sides = {name: pictures for name, pictures in sides.items() if pictures}
    if not sides:
        raise DataError(f"{folder} has no pictures of a creator; put some there and try again")
    if not own_content:
        raise DataError(f"{folder} has no photos to stylize; name a folder of some with --content")
    photos, held_out_photos = hold_out(own_content, own_held_out)
    creators = tuple(
        CreatorPictures(
            name, *hold_out(pictures, held_out.get(name, ())), set_apart=bool(held_out.get(name))
        )
        for name, pictures in sides.items()
    )
    apart = bool(own_held_out)
    return TrainingData(photos, held_out_photos, creators, apart, content_from)


def data_of_one(name: str, pictures: Sequence[Path], photos: Sequence[Path]) -> TrainingData:
    """One creator's pictures and the photos to stylize, whatever folders they lie in."""
    content, held_out = hold_out(photos)
    return TrainingData(content, held_out, (CreatorPictures(name, *hold_out(pictures)),))


def _all_of(pictures: Sequence[Path], held_out: Sequence[Path]) -> tuple[Path, ...]:
    return tuple(sorted({*pictures, *held_out}))


def hold_out(
    pictures: Sequence[Path], own: Sequence[Path] = ()
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """(learned from, held out), in hash order; `own` where it was set apart.

    A tenth is held out, or five where they are at most a quarter, and at least one. A single
    picture is on both sides: there is nothing else to validate on.
    """
    if own or len(pictures) < 2:
        return tuple(pictures), tuple(own) or tuple(pictures)
    ordered = sorted(pictures, key=lambda path: hashlib.sha256(os.fsencode(path.name)).hexdigest())
    affordable = min(MIN_HELD_OUT, int(len(ordered) * MAX_HELD_OUT_SHARE))
    count = max(1, affordable, round(len(ordered) * HELD_OUT_SHARE))
    return tuple(sorted(ordered[count:])), tuple(sorted(ordered[:count]))


Sides = dict[str, tuple[Path, ...]]


def _layout(folder: Path) -> tuple[Sides, Sides, Path | None]:
    """Pictures by side, those that were set apart for validation, and the folder of the content."""
    parts = _folders_in(folder)
    if "trainb" in parts:
        return _cyclegan_layout(folder, parts)
    if "train" in parts:
        learned, held_out = _by_creator(parts["train"]), _by_creator(parts.get("val"))
        return learned, held_out, _content_in(parts["train"])
    flat, folders = _pictures(folder), _by_creator(folder)
    if flat and CONTENT_NAME not in folders:
        if any(folders.values()):
            log.warning("%s: its own pictures are the creator's; its folders are left out", folder)
        return {folder.resolve().name: flat}, {}, None
    if flat:
        log.warning("%s: its folders are the creators; %d pictures lie loose", folder, len(flat))
    return folders, {}, _content_in(folder)


def _cyclegan_layout(folder: Path, parts: dict[str, Path]) -> tuple[Sides, Sides, Path | None]:
    """trainA is the content, trainB the creator."""
    name = folder.resolve().name
    trained = {CONTENT_NAME: _pictures(parts.get("traina")), name: _pictures(parts["trainb"])}
    if "traina" in parts and not trained[CONTENT_NAME]:
        raise DataError(f"{parts['traina']} has no pictures; put photos there, or remove it")
    tested = {CONTENT_NAME: _pictures(parts.get("testa")), name: _pictures(parts.get("testb"))}
    return trained, tested, parts.get("traina")


def _by_creator(folder: Path | None) -> Sides:
    """The pictures of each folder in `folder`; a folder of photos counts as content."""
    sides: Sides = {}
    for key, part in (_folders_in(folder) if folder else {}).items():
        name = CONTENT_NAME if key in CONTENT_FOLDERS else part.name
        if name in sides:
            raise DataError(
                f"{folder} has two folders of photos, {' and '.join(CONTENT_FOLDERS)}: name the "
                "right one with --content, and move the other elsewhere"
            )
        sides[name] = tuple(find_own_pictures(part, recursive=True))
    return sides


def _content_in(folder: Path) -> Path | None:
    """The folder of photos in `folder`, which has at most one."""
    found = (part for key, part in _folders_in(folder).items() if key in CONTENT_FOLDERS)
    return next(found, None)


def _folders_in(folder: Path) -> dict[str, Path]:
    """The folders in a folder by their names in small letters; hidden ones are left out."""
    found: dict[str, Path] = {}
    for part in sorted(folder.iterdir()):
        if not part.is_dir() or part.name.startswith("."):
            continue
        key = part.name.lower()
        if key in found:
            raise DataError(
                f"{found[key]} and {part} differ in capital letters alone: rename one of them"
            )
        found[key] = part
    return found


def _pictures(folder: Path | None) -> tuple[Path, ...]:
    return tuple(find_own_pictures(folder)) if folder and folder.is_dir() else ()
