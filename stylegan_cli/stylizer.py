"""Load a style once, repaint many pictures."""

import dataclasses
import hashlib
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from stylegan_cli import __version__
from stylegan_cli.backends import Backend, Painter, open_backend
from stylegan_cli.colour import with_luma_of
from stylegan_cli.devices import resolve_device
from stylegan_cli.errors import UsageError
from stylegan_cli.instant import make_style
from stylegan_cli.mixing import find_look
from stylegan_cli.networks.folding import fold_style, merge_deltas
from stylegan_cli.pictures import AiLabel, Picture, from_unit, to_unit
from stylegan_cli.randomness import numpy_generator
from stylegan_cli.rendering import bake_table, look_up, render, run_painter, working_copy
from stylegan_cli.style_file import Base, Style, read_model, shipped_model

SCALES_IN_HAND = 4  # painters kept: one per short side of the working copy


class Stylizer:
    """One style on one base, ready to repaint."""

    def __init__(
        self,
        base: Base,
        style: Style,
        backend: Backend,
        strength: float = 1.0,
        *,
        preserve_colour: bool = False,
    ) -> None:
        if not 0 <= strength <= 1:
            raise UsageError(f"--strength must be from 0 to 1, got {strength}")
        self.base, self.style, self.backend, self.strength = base, style, backend, strength
        self.preserve_colour = preserve_colour
        self._painter_at = lru_cache(SCALES_IN_HAND)(self._fold_painter)

    @property
    def name(self) -> str:
        """The style's name."""
        return self.style.name

    @property
    def ai_label(self) -> AiLabel:
        """What a picture that it has changed says of it."""
        return AiLabel(f"influ, style {self.name}", f"{__version__}, base {self.base.hash[:12]}")

    @property
    def fingerprint(self) -> str:
        """A hash over all that decides what `paint` makes: base, style, how much of it, by what."""
        style = self.style
        digest = hashlib.sha256(self.base.hash.encode())
        arrays = {**style.deltas, "matrix": style.matrix, "offset": style.offset}
        arrays["code"] = style.code
        if style.calibration is not None:
            arrays["calibration"] = style.calibration
        for name, array in sorted(arrays.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        options = (style.info.mode, style.info.working_size, self.strength, self.preserve_colour)
        digest.update(repr((*options, self.backend.name)).encode())
        return digest.hexdigest()[:32]

    def varied(self, seed: int) -> "Stylizer":
        """The same with a personal variation of the style, z ~ N(0, I) drawn for `seed`."""
        style = vary(self.style, seed)
        return Stylizer(
            self.base, style, self.backend, self.strength, preserve_colour=self.preserve_colour
        )

    def repaint(self, picture: Picture) -> Picture:
        """The picture in the style: same size, depth, alpha and metadata."""
        return picture.map_pixels(self.paint)

    def paint(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: (H, W, 3) uint8, uint16 or unit float32. Returns the same size and depth."""
        if self.strength == 0:
            return pixels.copy()
        styled = self._paint_unit(pixels)
        if self.preserve_colour:
            styled = with_luma_of(styled, to_unit(pixels))
        if self.strength < 1:
            styled = to_unit(pixels) + self.strength * (styled - to_unit(pixels))
        return from_unit(styled, pixels.dtype)

    @cached_property
    def table(self) -> np.ndarray:
        """The look's per-pixel part, (33, 33, 33, 3) unit."""
        return bake_table(self._fold(256), self.style.calibration)

    def _paint_unit(self, pixels: np.ndarray) -> np.ndarray:
        info = self.style.info
        if info.mode == "colour":
            return look_up(pixels, self.table)
        working = working_copy(pixels, info.working_size)
        follows = info.mode == "photographic"
        residue = self.residue_of(working)
        return render(pixels, self.table, residue, working, follows_picture=follows)

    def residue_of(self, working: np.ndarray) -> np.ndarray:
        """What the look adds in space to the table's colours of a working copy, (h, w, 3) unit."""
        toned, residue = run_painter(self._painter_at(min(working.shape[:2])), working)
        # The table ends at black and white; what the network tones beyond them goes to the residue.
        added: np.ndarray = residue + toned - np.clip(toned, 0, 1)
        return added

    def _fold_painter(self, short_side: int) -> Painter:
        return self.backend.painter(self._fold(short_side))

    def _fold(self, short_side: float) -> dict[str, np.ndarray]:
        style = self.style
        return fold_style(
            self._tensors,
            self.base.generator,
            style.matrix,
            style.offset,
            style.code,
            max(16.0, float(short_side)),
        )

    @cached_property
    def _tensors(self) -> dict[str, np.ndarray]:
        return merge_deltas(self.base.generator_tensors, self.style.deltas)


def open_stylizer(
    name: str | None = None,
    *,
    model: Path | None = None,
    references: Sequence[Path] = (),
    device: str = "auto",
    backend: str = "auto",
    threads: int | None = None,
    strength: float = 1.0,
    seed: int | None = None,
    preserve_colour: bool = False,
) -> Stylizer:
    """A stylizer for the style `name` (the default creator's where None) or for `references`.

    name: a style's name, or a mix as in `mixing.parse_mix`.
    model: a model or style file instead of the user's and the shipped styles.
    seed: draw a personal variation from the noise vector; None is the creator's own look.
    preserve_colour: keep the picture's own colours, and take luma and texture from the look.
    Raises StyleNotFoundError, StyleFileError, DeviceError, UsageError, and PictureError where one
    of the references can't be read: without it the look would be another one.
    """
    place = resolve_device(device, needs_torch=backend == "torch")
    if references:
        base = read_model(model or shipped_model()).base
        runner = open_backend(base, backend, place, threads)
        style = make_style("reference", list(references), base, runner, need_all=True)
    else:
        base, style = find_look(name, model)
        runner = open_backend(base, backend, place, threads)
    stylizer = Stylizer(base, style, runner, strength, preserve_colour=preserve_colour)
    return stylizer if seed is None else stylizer.varied(seed)


def vary(style: Style, seed: int) -> Style:
    """A personal variation: the code moved along the creator's own variety, z ~ N(0, I)."""
    z = numpy_generator(seed, 0, "z").standard_normal(len(style.spread)).astype(np.float32)
    return dataclasses.replace(style, code=style.code + z @ style.spread)
