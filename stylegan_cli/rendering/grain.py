"""Film grain, painted at full size at the very end.

The noise is the sum of two periodic tiles, made to the grain's power spectrum by Fourier
transforms. Their sides have no common factor, so the sum repeats only after half a million pixels,
and any part of it is computed by itself. Where a frame lies in the tiles is drawn anew.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from stylegan_cli.colour import COLOUR_AXES, LUMA
from stylegan_cli.pictures import from_unit, to_unit
from stylegan_cli.rendering.config import DEFAULTS, RenderingConfig
from stylegan_cli.rendering.tiles import pieces
from stylegan_cli.rendering.working_copy import Pixels
from stylegan_cli.runtime.randomness import numpy_generator
from stylegan_cli.styles.film import FilmGrain

TILES = (768, 625)  # px, sides
CURVE_POINTS = 4096
OCTAVE_STEPS = 16  # at which the power of an octave is summed

Tiles = tuple[np.ndarray, ...]
Place = tuple[slice, slice]


class GrainPainter:
    """Paints a style's grain on pictures of one short side, px; tiles are made once."""

    def __init__(self, grain: FilmGrain, short_side: int, seed: int = 0) -> None:
        self._seed = seed
        self._luma = _tiles(grain.luma, grain.cutoff, short_side, "luma")
        self._colour: Tiles = ()
        if any(grain.colour):
            self._colour = _tiles(grain.colour, grain.cutoff, short_side, "colour")
        self._curve = tone_curve(grain.tones, CURVE_POINTS)
        self._curve_8_bits = tone_curve(grain.tones, 256) * np.float32(255)

    def paint(
        self,
        pixels: Pixels,
        frame: int = 0,
        *,
        threads: int = 1,
        config: RenderingConfig = DEFAULTS,
    ) -> Pixels:
        """pixels: (H, W, 3) of any depth. Returns the same with the grain of a frame."""
        result = np.empty_like(pixels)
        fields = self._fields(frame)
        height, width = pixels.shape[:2]

        def paint_strips(strips: Sequence[slice]) -> None:
            for rows in strips:
                noise = [field(rows, width) for field in fields]
                result[rows] = self._painted(pixels[rows], *noise)

        strips = pieces(height, max(1, config.strip_pixels // width))
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(paint_strips, [strips[k::threads] for k in range(threads)]))
        return result

    def paint_luma(self, luma: Pixels, ends: tuple[int, int], frame: int = 0) -> Pixels:
        """A plane of luma (H, W) uint8, black and white at the codes `ends`, with its grain."""
        black, white = ends
        places = (np.arange(256) - black) / (white - black) * (CURVE_POINTS - 1)
        curve = np.interp(places, np.arange(CURVE_POINTS), self._curve) * (white - black)
        amount = cv2.LUT(luma, curve.astype(np.float32))
        amount *= self._fields(frame)[0](slice(0, luma.shape[0]), luma.shape[1])
        return np.clip(cv2.add(luma, amount, dtype=cv2.CV_8U), black, white)

    def _fields(self, frame: int) -> list["_Field"]:
        """Of luma, and of both axes of colour where there is any."""
        rng = numpy_generator(self._seed, frame, "film grain")
        kinds = [self._luma, *([self._colour] * 2 if self._colour else [])]
        return [_Field(tiles, rng) for tiles in kinds]

    def _painted(self, strip: Pixels, luma: np.ndarray, *colour: np.ndarray) -> Pixels:
        if strip.dtype == np.uint8:
            amount = cv2.LUT(cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY), self._curve_8_bits)
            planes = cv2.split(strip)
            return cv2.merge(
                [
                    cv2.add(plane, more, dtype=cv2.CV_8U)
                    for plane, more in zip(planes, _channels(amount, luma, colour), strict=True)
                ]
            )
        unit = to_unit(strip)
        index = np.clip(unit @ LUMA, 0, 1) * np.float32(CURVE_POINTS - 1) + np.float32(0.5)
        amount = self._curve[index.astype(np.int32)]
        added = np.stack(list(_channels(amount, luma, colour)), -1)
        return from_unit(unit + added, strip.dtype)


def _channels(
    amount: np.ndarray, luma: np.ndarray, colour: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """What is added to red, green and blue, (H, W) each."""
    shared = amount * luma
    for channel in range(3):
        more = shared
        for axis, field in zip(COLOUR_AXES[:, channel], colour, strict=False):
            more = more + axis * amount * field
        yield more


class _Field:
    """An endless field of noise: the tiles of one kind, each from a place of its own."""

    def __init__(self, tiles: Tiles, rng: np.random.Generator) -> None:
        self._tiles = [(tile, rng.integers(0, len(tile), 2)) for tile in tiles]

    def __call__(self, rows: slice, width: int) -> np.ndarray:
        """(rows, width) float32."""
        noise = np.zeros((rows.stop - rows.start, width), np.float32)
        for tile, (top, left) in self._tiles:
            for y, tile_y in _wrapped(rows.start + int(top), noise.shape[0], len(tile)):
                for x, tile_x in _wrapped(int(left), width, len(tile)):
                    noise[y, x] += tile[tile_y, tile_x]
        return noise


def _wrapped(begin: int, length: int, period: int) -> Iterator[Place]:
    """Where parts of a line lie, and where they come from on a periodic one."""
    done = 0
    while done < length:
        start = (begin + done) % period
        count = min(length - done, period - start)
        yield slice(done, done + count), slice(start, start + count)
        done += count


def tone_curve(tones: Sequence[float], points: int) -> np.ndarray:
    """(points,): the share of grain by luma, from black to white, which have none."""
    middles = (np.arange(len(tones)) + 0.5) / len(tones)
    levels = np.linspace(0, 1, points)
    curve = np.interp(levels, [0, *middles, 1], [0, *tones, 0])
    return curve.astype(np.float32)


def _tiles(amplitudes: Sequence[float], cutoff: float, short_side: int, kind: str) -> Tiles:
    """Periodic noise whose sum has the spectrum on pictures of a short side of so many px."""
    return tuple(
        _tile(amplitudes, cutoff, short_side, side, kind) / np.float32(len(TILES) ** 0.5)
        for side in TILES
    )


def _tile(
    amplitudes: Sequence[float], cutoff: float, short_side: int, side: int, kind: str
) -> np.ndarray:
    cycles = np.fft.fftfreq(side) * short_side
    radius = np.hypot(cycles[:, None], cycles[None])
    # White noise of finer pictures has its power over more frequencies, and less in each.
    response = density(radius, amplitudes, cutoff) * short_side / (2 * cutoff)
    rng = numpy_generator(0, side, f"grain tile {kind}")
    white = rng.standard_normal((side, side), np.float32)
    spectrum = cv2.dft(white, flags=cv2.DFT_COMPLEX_OUTPUT)
    spectrum = spectrum * response.astype(np.float32)[..., None]
    tile: np.ndarray = cv2.idft(spectrum, flags=cv2.DFT_SCALE | cv2.DFT_REAL_OUTPUT)
    return tile


def density(radius: np.ndarray, amplitudes: Sequence[float], cutoff: float) -> np.ndarray:
    """Amplitude of the noise at radial frequencies, in cycles per short side as `cutoff` is.

    It is smooth, and its mean power in each octave is that of the amplitudes.
    """
    wanted = np.maximum(amplitudes, 1e-9)
    octaves = np.arange(len(wanted) * OCTAVE_STEPS) / OCTAVE_STEPS - len(wanted)
    levels = wanted
    for _ in range(4):  # by fixed-point iteration
        power = _smooth(octaves + 0.5 / OCTAVE_STEPS, levels) ** 2 * 4**octaves
        weight = np.sum((4**octaves).reshape(-1, OCTAVE_STEPS), axis=1)
        levels = levels * wanted / np.sqrt(power.reshape(-1, OCTAVE_STEPS).sum(1) / weight)
    return _smooth(np.log2(np.maximum(radius, 1e-3) / cutoff), levels)


def _smooth(octave: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Through levels at the middles of octaves, by octaves from the cutoff; logarithms of both.

    In the last half octave it goes on as it came. Beyond the cutoff it fades by 12 dB an octave at
    least: grain that ended there would look like a mesh.
    """
    logs = np.log(levels)
    middles = np.arange(len(logs)) - len(logs) + 0.5
    slope = min(logs[-1] - logs[-2], 0) if len(logs) > 1 else 0
    end = slope * np.clip(octave + 0.5, 0, 0.5)
    beyond = min(slope, -np.log(4)) * np.maximum(octave, 0)
    found: np.ndarray = np.exp(np.interp(octave, middles, logs) + end + beyond)
    return found
