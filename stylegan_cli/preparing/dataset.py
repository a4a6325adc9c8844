"""The pictures of a data set: which are alike, and on which side of the split each one is."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stylegan_cli.errors import DataError, UsageError
from stylegan_cli.pictures import Picture, write_picture
from stylegan_cli.preparing.manifest import Entry, Side
from stylegan_cli.preparing.quality import MAX_DISTANCE, RELATED_PICTURES, hash_distance
from stylegan_cli.runtime.files import explained, make_folder, path_inside

Pixels = npt.NDArray[np.uint8]

JPEG_QUALITY = 95


@dataclass(slots=True)
class DataSet:
    """A data set while pictures are added to it.

    name: whose pictures are added; others may be there already. size: px, side of each of them.
    val_share: share of the groups that is held out. entries: by key, as in the manifest.
    """

    folder: Path
    name: str
    size: int
    val_share: float
    entries: dict[tuple[str, str, str, float], Entry]

    def check_size(self) -> None:
        """Raises UsageError when the pictures under this name have another size."""
        sizes = {entry.size for entry in self.entries.values() if self._is_own(entry)}
        for size in sizes - {self.size}:
            raise UsageError(
                f"the data set has pictures of '{self.name}' at {size} px, not {self.size}; "
                f"use --size {size}, or another --out"
            )

    def has(self, entry: Entry) -> bool:
        """Whether the picture of an entry is there: the user may have deleted it."""
        return entry.output is not None and (self.folder / entry.output).exists()

    def add(self, entry: Entry, picture: Pixels) -> None:
        """Write a picture, (size, size, 3) uint8 RGB, to its side of the split.

        Raises WriteError, and DataError where a link leads out of the folder.
        """
        group = self._group_of(entry)
        stem = entry.sha256[:16] + ("" if entry.time_s is None else f"-{entry.time_s * 1000:08.0f}")
        output = f"{self._side_of(group)}/{entry.name}/{stem}.jpg"
        target = path_inside(self.folder, output, DataError)
        make_folder(target.parent)
        # A file of that name is this picture, left by a run that was killed.
        write_picture(Picture(picture), target, quality=JPEG_QUALITY, overwrite=True)
        entry = replace(entry, output=output, size=self.size, group=group)
        self.entries[entry.key] = entry

    def nearest(self, entry: Entry, *, same_name: bool) -> tuple[Entry | None, int]:
        """The picture most like that of `entry`, and the distance of their hashes."""
        own = int(entry.phash or "0", 16)
        best, least = None, MAX_DISTANCE + 1
        for other in self._taken():
            if other.phash is None or (same_name and other.name != entry.name):
                continue
            distance = hash_distance(own, int(other.phash, 16))
            if distance < least:
                best, least = other, distance
        return best, least

    def fill_both_sides(self) -> None:
        """Move a group over where one side of the split is empty and the other has two.

        It is the group whose draw was closest, so the order of pictures does not matter.
        """
        sides = {side: self._groups_on(side) for side in ("train", "val")}
        if not sides["train"] and sides["val"]:
            self._move(max(sides["val"], key=_draw), "train")
        elif not sides["val"] and len(sides["train"]) > 1 and self.val_share > 0:
            self._move(min(sides["train"], key=_draw), "val")

    def count_on(self, side: Side) -> int:
        """Number of pictures under this name that are there now."""
        return sum(
            self._is_own(entry) and entry.side == side and self.has(entry)
            for entry in self.entries.values()
        )

    def _taken(self) -> Iterator[Entry]:
        return (entry for entry in self.entries.values() if entry.output is not None)

    def _is_own(self, entry: Entry) -> bool:
        return entry.name == self.name and entry.output is not None

    def _group_of(self, entry: Entry) -> str:
        """Frames of one clip belong together, and pictures that are almost the same."""
        for other in self.entries.values():
            if other.group is not None and other.sha256 == entry.sha256:
                return other.group
        nearest, distance = self.nearest(entry, same_name=False)
        if nearest is not None and nearest.group is not None and distance <= RELATED_PICTURES:
            return nearest.group
        return entry.sha256

    def _side_of(self, group: str) -> Side:
        for other in self.entries.values():
            if other.group == group and other.side is not None:
                return other.side
        return "val" if _draw(group) < self.val_share else "train"

    def _groups_on(self, side: str) -> set[str]:
        own = (entry for entry in self.entries.values() if self._is_own(entry))
        return {entry.group for entry in own if entry.side == side and entry.group is not None}

    def _move(self, group: str, side: Side) -> None:
        """Bring a group to the other side, pictures and entries."""
        for key, entry in self.entries.items():
            if entry.group != group or entry.output is None or entry.side == side:
                continue
            output = f"{side}/{entry.output.partition('/')[2]}"
            if self.has(entry):
                target = path_inside(self.folder, output, DataError)
                make_folder(target.parent)
                with explained(target):
                    path_inside(self.folder, entry.output, DataError).replace(target)
            self.entries[key] = replace(entry, output=output)


def _draw(group: str) -> float:
    """A number in [0, 1) that depends on the content alone."""
    return int(hashlib.sha256(f"split/{group}".encode()).hexdigest()[:8], 16) / 2**32
