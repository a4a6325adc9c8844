"""Load a style once, stylize many pictures."""

import copy
import dataclasses
import hashlib
import zlib
from collections.abc import Sequence
from functools import cached_property, lru_cache, partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from stylegan_cli.backends import Backend, Precision, StyleGenerator, open_backend
from stylegan_cli.colour import apply_lut, with_luma_of
from stylegan_cli.errors import StyleFileError, UsageError
from stylegan_cli.instant import PhotoBalance, make_style, without_stops
from stylegan_cli.networks.folding import fold_style, merge_deltas
from stylegan_cli.pictures import SYSTEM_PREFIX, AiLabel, Picture
from stylegan_cli.rendering import (
    Finish,
    bake_lut,
    bring_down,
    fit_residual,
    look_up,
    render,
    render_at_full_size,
    resized,
    run_generator,
    whole_residual,
    working_size,
)
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig
from stylegan_cli.rendering.grain import GrainPainter
from stylegan_cli.rendering.guided_maps import ResidualMaps
from stylegan_cli.rendering.halation import paint_halation
from stylegan_cli.rendering.lut import ColourLut
from stylegan_cli.rendering.strokes import StrokePainter, paint_strokes, stroke_size
from stylegan_cli.runtime.config import DEVICE, Option, config_class, exclusive
from stylegan_cli.runtime.devices import resolve_device, resolve_threads
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.runtime.version import __version__
from stylegan_cli.styles import DEFAULT_STYLE, Base, Style, read_model, shipped_model
from stylegan_cli.styles.exemplars import decode_exemplars
from stylegan_cli.styles.film import FilmGrain, FilmHalation
from stylegan_cli.styles.mixing import find_style_or_mix, find_styles_or_mixes

MAX_GENERATORS = 4  # generators kept: one per short side of the working copy
MAX_PAINTERS = 4  # of grain

_grain_painter = lru_cache(MAX_PAINTERS)(GrainPainter)

Detail = Literal["auto", "fast", "fine"]


@config_class
class StylizerConfig:
    """Which style, how much of it, and what runs it."""

    style: Annotated[
        str | None,
        Option(
            "Name of a style, or a mix like toon:0.7,vangogh:0.3.",
            names=("--style", "-s"),
            shown=DEFAULT_STYLE,
        ),
    ] = None
    references: Annotated[
        tuple[Path, ...],
        Option(
            "Use the style of this picture; repeatable.",
            names=("--reference",),
            metavar="PICTURE",
        ),
    ] = ()
    model: Annotated[
        Path | None, Option("Model or style file to take the style from.", metavar="FILE")
    ] = None
    strength: Annotated[
        float, Option("Strength of the style; 0: none, 1: full.", at_least=0, at_most=1)
    ] = 1.0
    seed: Annotated[
        int | None,
        Option(
            "Use the variation that `influ generate` makes for this seed.",
            shown="the style itself",
        ),
    ] = None
    grain: Annotated[
        float,
        Option(
            "Strength of the style's film grain, if it has any; 0: none.", at_least=0, at_most=1
        ),
    ] = 1.0
    halation: Annotated[
        float,
        Option("Strength of the style's halation, if it has any; 0: none.", at_least=0, at_most=1),
    ] = 1.0
    strokes: Annotated[
        float | None,
        Option(
            "Strength of the style's strokes, if it has any. With --reference, above 0: take them "
            "even from a photo.",
            at_least=0,
            at_most=1,
            shown="1",
        ),
    ] = None
    preserve_colour: Annotated[
        bool,
        Option(
            "Keep the photo's colours. Only light and texture change.",
            names=("--preserve-color",),
        ),
    ] = False
    even: Annotated[
        bool,
        Option("First correct each photo's exposure and white balance."),
    ] = False
    detail: Annotated[
        Detail,
        Option("Size at which the network runs: that of the style, small, or full."),
    ] = "auto"
    backend: Annotated[
        Literal["auto", "onnx", "torch", "openvino"], Option("Runtime of the network.")
    ] = "auto"
    precision: Annotated[
        Precision, Option("Precision of the network. auto: 8 bits if results hardly change.")
    ] = "auto"
    device: Annotated[str, DEVICE] = "auto"

    def __post_init__(self) -> None:
        """Raises ConfigError for options that exclude each other."""
        exclusive(("--style", self.style is not None), ("--reference", bool(self.references)))

    @property
    def strokes_share(self) -> float:
        """How much of the strokes is painted, 0 to 1."""
        return 1.0 if self.strokes is None else self.strokes

    @property
    def is_default(self) -> bool:
        """Whether nobody said which style."""
        return self.style is None and not self.references


class Stylizer:
    """One style on one base, ready to stylize."""

    def __init__(
        self,
        base: Base,
        style: Style,
        backend: Backend,
        strength: float = 1.0,
        *,
        grain: float = 1.0,
        grain_seed: int = 0,
        halation: float = 1.0,
        strokes: float = 1.0,
        preserve_colour: bool = False,
        even: bool = False,
        detail: Detail = "auto",
        precision: Precision = "f32",
        threads: int | None = None,
        rendering: RenderingConfig = DEFAULTS,
    ) -> None:
        shares = {"strength": strength, "grain": grain, "halation": halation, "strokes": strokes}
        for option, share in shares.items():
            if not 0 <= share <= 1:
                raise UsageError(f"--{option} must be from 0 to 1, got {share}")
        self.base, self.style, self.backend, self.strength = base, style, backend, strength
        self.grain_share, self.grain_seed, self.halation_share = grain, grain_seed, halation
        self.strokes_share = strokes
        self.preserve_colour, self.detail, self.precision = preserve_colour, detail, precision
        self.even = even
        if even and base.colour_estimator is None:
            raise UsageError("--even needs a model with a colour estimator; leave out --model")
        self.threads, self._rendering = resolve_threads(threads), rendering
        self._min_db: float | None = None
        self._generator_at = lru_cache(MAX_GENERATORS)(self._fold_generator)
        self.opened_by: StylizerConfig | None = None  # what opens the same in another process

    @property
    def name(self) -> str:
        """The style's name."""
        return self.style.name

    @property
    def ai_label(self) -> AiLabel:
        """What a picture that it has changed says of it."""
        return AiLabel(f"{SYSTEM_PREFIX}{self.name}", f"{__version__}, base {self.base.hash[:12]}")

    @property
    def fingerprint(self) -> str:
        """A hash over all that decides the result: base, style, how much of it, by what."""
        style = self.style
        digest = hashlib.sha256(self.base.hash.encode())
        arrays = {**style.deltas, "matrix": style.matrix, "offset": style.offset}
        arrays["code"] = style.code
        if style.calibration is not None:
            arrays["calibration"] = style.calibration
        if self.strokes and style.exemplars is not None:
            arrays["exemplars"] = style.exemplars
        for name, array in sorted(arrays.items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        options = (style.info.mode, style.info.working_size, self.strength, self.preserve_colour)
        runtime = (self.detail, self.backend.name, self.precision, *(["even"] * self.even))
        if self.grain is not None:
            runtime = (*runtime, repr(self.grain), str(self.grain_seed))
        if self.halation is not None:
            runtime = (*runtime, repr(self.halation))
        if self.strokes:
            runtime = (*runtime, f"strokes {self.strokes}")
        digest.update(repr((*options, *runtime)).encode())
        return digest.hexdigest()[:32]

    def varied(self, seed: int) -> "Stylizer":
        """The same with a personal variation of the style, z ~ N(0, I) drawn for `seed`."""
        return Stylizer(
            self.base,
            vary(self.style, seed),
            self.backend,
            self.strength,
            grain=self.grain_share,
            grain_seed=seed,
            halation=self.halation_share,
            strokes=self.strokes_share,
            preserve_colour=self.preserve_colour,
            even=self.even,
            detail=self.detail,
            # A style that may never be asked for again is not prepared.
            precision="f32" if self.precision == "auto" else self.precision,
            threads=self.threads,
            rendering=self._rendering,
        )

    def of_8_bits(self, min_db: float) -> "Stylizer":
        """The same, whose precision `auto` takes 8 bits from that PSNR on, at any size."""
        other = copy.copy(self)
        other._min_db = min_db
        other._generator_at = lru_cache(MAX_GENERATORS)(other._fold_generator)
        return other

    def stylize_picture(self, picture: Picture) -> Picture:
        """The picture in the style: same size, depth, alpha and metadata."""
        if self._balance is not None:
            stops = self._balance.stops(picture.srgb_pixels())
            level = partial(without_stops, stops=stops)
            picture = picture.map_pixels(level, level)
        if self.strength == 0:
            return picture
        if picture.colours.is_srgb:
            return picture.map_pixels(self._finished)
        # Blended in the picture's own colours, so that a little strength changes a little.
        return picture.map_pixels(self._whole._finished, self._whole.recolour, share=self.strength)

    @cached_property
    def _whole(self) -> "Stylizer":
        """The same at full strength, with what is ready of it."""
        whole = copy.copy(self)
        whole.strength = 1.0
        return whole

    @cached_property
    def _balance(self) -> PhotoBalance | None:
        estimator = self.base.colour_estimator
        return PhotoBalance(estimator, self.threads) if self.even and estimator else None

    def recolour(self, colours: np.ndarray) -> np.ndarray:
        """What `stylize` does to single colours, wherever they are; (N, 3) unit float32."""
        styled = apply_lut(colours, self.lut)
        return styled if self._finish is None else self._finish(styled, colours)

    def stylize(self, pixels: np.ndarray) -> np.ndarray:
        """pixels: (H, W, 3) uint8, uint16 or unit float32. Returns the same size and depth."""
        if self._balance is not None:
            pixels = self._balance.balanced(pixels)
        return pixels.copy() if self.strength == 0 else self._finished(pixels)

    @property
    def grain(self) -> FilmGrain | None:
        """The film grain that it paints, if any."""
        grain, share = self.style.info.grain, self.strength * self.grain_share
        if grain is None or share == 0:
            return None
        return (grain.grey if self.preserve_colour else grain).scaled(share)

    @property
    def halation(self) -> FilmHalation | None:
        """The halation that it paints, if any."""
        halation, share = self.style.info.halation, self.strength * self.halation_share
        if halation is None or share == 0:
            return None
        return (halation.grey if self.preserve_colour else halation).scaled(share)

    @property
    def strokes(self) -> float:
        """How much of the strokes it paints, 0 to 1."""
        return self.style.info.strokes * self.strokes_share

    def without_layers(self) -> "Stylizer":
        """The same with neither strokes nor film on top of its colours."""
        plain = self.without_film()
        plain.strokes_share = 0.0
        return plain

    def without_film(self) -> "Stylizer":
        """The same with no halation and no film grain, and with what is ready of it."""
        plain = copy.copy(self)
        plain.grain_share = plain.halation_share = 0.0
        return plain

    def grain_painter(self, short_side: int) -> GrainPainter | None:
        """What paints the grain on pictures of a short side of so many px, if there is any."""
        grain = self.grain
        return None if grain is None else _grain_painter(grain, short_side, self.grain_seed)

    def _finished(self, pixels: np.ndarray) -> np.ndarray:
        stylized = self._stylize(pixels)
        # Each photo has grain of its own, and always the same.
        frame = zlib.crc32(np.ascontiguousarray(pixels).data) if self.grain else 0
        return self.with_film(stylized, frame)

    def with_film(self, stylized: np.ndarray, frame: int) -> np.ndarray:
        """A result (H, W, 3) of any depth with the halation and, on top, the grain of a frame."""
        halation, painter = self.halation, self.grain_painter(min(stylized.shape[:2]))
        if halation is not None:
            stylized = paint_halation(stylized, halation, threads=self.threads)
        if painter is not None:
            stylized = painter.paint(stylized, frame, threads=self.threads)
        return stylized

    def _stylize(self, pixels: np.ndarray) -> np.ndarray:
        if self.strokes:
            return self._paint_strokes(pixels)
        if self.style.info.mode == "colour":
            return self._render(pixels, None)
        size = self._working_size(pixels.shape[:2])
        if size == pixels.shape[:2]:
            generator = self._generator_at(min(size))
            return render_at_full_size(
                pixels, self.colours, generator, finish=self._finish, config=self._rendering
            )
        working = self.working_copy(pixels)
        residual = self.residual_of(working)
        if pixels.shape[0] * pixels.shape[1] >= self._rendering.large_picture:
            self._generator_at(min(size)).release_memory()
        return self._render(pixels, fit_residual(working, residual))

    def _paint_strokes(self, pixels: np.ndarray) -> np.ndarray:
        return paint_strokes(
            pixels,
            self._under_strokes._stylize,
            self._stroke_painter,
            self._stroke_size(pixels.shape[:2]),
            share=self.strokes,
            finish=self._finish,
            threads=self.threads,
            config=self._rendering,
        )

    @cached_property
    def _under_strokes(self) -> "Stylizer":
        """The style whose results are painted: whole, without strokes and film."""
        plain = self.without_layers()
        plain.strength, plain.preserve_colour = 1.0, False
        return plain

    @cached_property
    def _stroke_painter(self) -> StrokePainter:
        if self.style.exemplars is None:
            raise StyleFileError(f"the style '{self.name}' lacks its exemplars; get its file again")
        return StrokePainter(decode_exemplars(self.style.exemplars), self._rendering.strokes)

    def _render(self, pixels: np.ndarray, maps: ResidualMaps | None) -> np.ndarray:
        return render(
            pixels,
            self.colours,
            maps,
            finish=self._finish,
            threads=self.threads,
            config=self._rendering,
        )

    def working_copy(self, pixels: np.ndarray) -> np.ndarray:
        """The picture as the network or the strokes get it, unit (h, w, 3)."""
        size = pixels.shape[:2]
        if self.strokes:
            # Frames are hardly enlarged: it would take minutes for a few seconds of a clip.
            least = self._rendering.strokes.fast_short_side
            short_side = min(*self._stroke_size(size), max(least, min(size)))
            return resized(pixels, stroke_size(size, short_side, self._rendering))
        return bring_down(pixels, self._working_size(size))

    def residual_of(self, working: np.ndarray, short_side: int | None = None) -> np.ndarray:
        """What the style adds in space to the LUT's colours of a working copy, (h, w, 3) unit.

        short_side: of the whole working copy, px, where this is a part of it.
        """
        if self.strokes:
            base_colour = look_up(working, self.colours)
            plain = base_colour
            if self.style.info.mode != "colour":
                drawn = self._under_strokes.residual_of(working, short_side)
                plain = np.clip(base_colour + drawn, 0, 1)
            strokes = self._stroke_painter.paint(plain, threads=self.threads) - plain
            residual: np.ndarray = plain + np.float32(self.strokes) * strokes - base_colour
            return residual
        generator = self._generator_at(short_side or min(working.shape[:2]))
        return whole_residual(*run_generator(generator, working, self._rendering))

    @cached_property
    def lut(self) -> np.ndarray:
        """The style's per-pixel part, (K, K, K, 3) unit, of 33 or 65 points."""
        return bake_lut(self.folded(256), self.style.calibration)

    def lut_of(self, points: int | None = None) -> np.ndarray:
        """As `lut`, with as many points on each axis."""
        if points is None:
            return self.lut
        return bake_lut(self.folded(256), self.style.calibration, points)

    @cached_property
    def colours(self) -> ColourLut:
        """The LUT as a function of pixels."""
        return ColourLut(self.lut)

    def _working_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) at which the network stylizes a picture of `size`."""
        if self.detail == "fine":
            return size
        chosen = self.style.info.working_size
        if self.detail == "fast":
            chosen = min(self._rendering.fast_size, chosen)
        return working_size(size, chosen, self._rendering)

    def _stroke_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """(height, width) at which strokes are painted on a picture of `size`."""
        short_side = self._rendering.strokes.short_side
        if self.detail == "fine":
            short_side = max(short_side, min(size))
        elif self.detail == "fast":
            short_side = self._rendering.strokes.fast_short_side
        return stroke_size(size, short_side, self._rendering)

    @property
    def _finish(self) -> Finish | None:
        if self.strength == 1 and not self.preserve_colour:
            return None
        return self._blend

    def _blend(self, styled: np.ndarray, original: np.ndarray) -> np.ndarray:
        if self.preserve_colour:
            styled = with_luma_of(styled, original)
        blended: np.ndarray = original + self.strength * (styled - original)
        return blended

    def _fold_generator(self, short_side: int) -> StyleGenerator:
        precision = self.precision
        is_usual = short_side == self.style.info.working_size
        if precision == "auto" and not is_usual and self._min_db is None:
            precision = "f32"  # not worth the second that it takes to prepare
        return self.backend.generator(self.folded(short_side), precision, self._min_db)

    def folded(self, short_side: float) -> dict[str, np.ndarray]:
        """The generator's weights with the style in them, for a working copy of `short_side` px."""
        style = self.style
        with np.errstate(over="ignore", invalid="ignore"):
            return fold_style(
                self.tensors,
                self.base.generator,
                style.matrix,
                style.offset,
                style.code,
                max(16.0, float(short_side)),
            )

    @cached_property
    def tensors(self) -> dict[str, np.ndarray]:
        """The generator's tensors with the style's own changes."""
        return merge_deltas(self.base.generator_tensors, self.style.deltas)


def open_stylizer(
    style: str | None = None, *, threads: int | None = None, **options: Any
) -> Stylizer:
    """A stylizer for the style of that name; options: the fields of StylizerConfig.

    Raises what `open_configured_stylizer` raises.
    """
    return open_configured_stylizer(StylizerConfig(style=style, **options), threads=threads)


def open_configured_stylizer(
    style_config: StylizerConfig, *, threads: int | None = None
) -> Stylizer:
    """A stylizer for a style, the default creator's where none is named, or for references.

    style: a style's name, or a mix as in `mixing.parse_mix`.
    model: a model or style file instead of the user's and the shipped styles.
    seed: draw a personal variation from the noise vector; None is the creator's own style.
    grain, halation, strokes: how much of the style's film grain, halation and strokes is painted,
    0 to 1.
    preserve_colour: keep the picture's own colours, and take luma and texture from the style.
    even: bring each photo's exposure and white balance to the average before its style.
    detail: `auto` stylizes at the style's working size, `fast` at 256 px at most, `fine` at the
    picture's own size. precision: as in `backends.Backend.generator`.
    Raises StyleNotFoundError, StyleFileError, DeviceError, UsageError, and PictureError where one
    of the references can't be read: without it the style would be another one.
    """
    device = resolve_device(style_config.device, needs_torch=style_config.backend == "torch")
    if style_config.references:
        base = read_model(style_config.model or shipped_model()).base
        backend = open_backend(base, style_config.backend, device, threads)
        style = make_style(
            "reference",
            list(style_config.references),
            base,
            backend,
            strokes=None if style_config.strokes is None else style_config.strokes > 0,
            need_all=True,
        )
    else:
        base, style = find_style_or_mix(style_config.style, style_config.model)
        backend = open_backend(base, style_config.backend, device, threads)
    stylizer = Stylizer(
        base,
        style,
        backend,
        style_config.strength,
        grain=style_config.grain,
        halation=style_config.halation,
        strokes=style_config.strokes_share,
        preserve_colour=style_config.preserve_colour,
        even=style_config.even,
        detail=style_config.detail,
        # A style of one call is not prepared for 8 bits.
        precision="f32"
        if style_config.precision == "auto" and style_config.references
        else style_config.precision,
        threads=threads,
    )
    if style_config.seed is not None:
        stylizer = stylizer.varied(style_config.seed)
    stylizer.opened_by = style_config
    return stylizer


def open_configured_stylizers(names: Sequence[str], style_config: StylizerConfig) -> list[Stylizer]:
    """A stylizer for each of several styles or mixes, otherwise by the config, on one backend."""
    device = resolve_device(style_config.device, needs_torch=style_config.backend == "torch")
    base, styles = find_styles_or_mixes(names, style_config.model)
    backend = open_backend(base, style_config.backend, device)
    # 32 bits: preparing 8 for each of the styles would take longer than the pictures do.
    return [
        Stylizer(
            base,
            style,
            backend,
            style_config.strength,
            grain=style_config.grain,
            halation=style_config.halation,
            strokes=style_config.strokes_share,
            preserve_colour=style_config.preserve_colour,
        )
        for style in styles
    ]


def vary(style: Style, seed: int) -> Style:
    """A personal variation: the code moved along the creator's own variation, z ~ N(0, I)."""
    z = numpy_generator(seed, 0, "z").standard_normal(len(style.code_factors)).astype(np.float32)
    return dataclasses.replace(style, code=style.code + z @ style.code_factors)
