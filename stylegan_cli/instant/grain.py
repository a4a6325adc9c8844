"""Film grain of a creator, read from the pictures at their own size.

Grain is all over a picture, so the calmest places of each tone have little else. Their power
spectrum is averaged by octave, for luma and for colour apart. It passes for grain where it is well
above that of ordinary photos, is alike in all calm places (texture is not), and is found in most of
the pictures.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from stylegan_cli.colour import COLOUR_AXES
from stylegan_cli.instant.config import DEFAULTS, GrainConfig
from stylegan_cli.styles.film import MAX_DENSITY, FilmGrain

TONES = 8  # bands of luma
OCTAVES = 4  # up to the Nyquist frequency
FINE = 2  # octaves from this one on, which pictures themselves have least of
CELLS = 24  # along the short side
MIN_PATCH, MAX_PATCH = 32, 64  # px; of a larger cell the corner is read
MIN_PATCHES = 12  # of a tone; fewer tell nothing
CALM_SHARE, MIN_CALM = 0.15, 4  # of the patches of a tone
WITHOUT_TEXTURE = 1.5  # times the power that pictures have in common
MIN_TONE = 0.05  # share of the power; where there is less, the spectrum is not told
BLACK, WHITE, MAX_CLIPPED = 3 / 255, 252 / 255, 0.01  # grain that reaches them is cut off


@dataclass(frozen=True, slots=True)
class GrainSample:
    """What the calmest places of one picture have.

    cutoff: its Nyquist frequency, cycles per short side. luma, colour: (TONES, OCTAVES), the mean
    power density of each octave, lowest first, white noise of unit variance having 1; NaN where
    the picture has too little of that tone. spread: (TONES,), how much more fine detail the
    liveliest of those places has than the calmest.
    """

    cutoff: float
    luma: np.ndarray
    colour: np.ndarray
    spread: np.ndarray


def sample_grain(pixels: np.ndarray) -> GrainSample | None:
    """pixels: (H, W, 3) uint8, at the picture's own size. None for one that is too small."""
    patches = _patches(pixels)
    if len(patches) < MIN_PATCHES:
        return None
    luma, colours = patches.mean(-1), patches @ COLOUR_AXES.T
    octaves = _octaves(luma)
    fine = octaves[:, FINE:].mean(1)
    band = np.minimum((luma.mean((1, 2)) * TONES).astype(int), TONES - 1)
    powers = np.full((2, TONES, OCTAVES), np.nan)
    spread = np.full(TONES, np.nan)
    for tone in range(TONES):
        among = np.flatnonzero(band == tone)
        if len(among) < MIN_PATCHES:
            continue
        calm = among[np.argsort(fine[among], kind="stable")]
        calm = calm[: max(MIN_CALM, round(CALM_SHARE * len(calm)))]
        spread[tone] = fine[calm[-1]] / max(fine[calm[0]], 1e-9)
        powers[0, tone] = np.median(octaves[calm], axis=0)
        axes = [np.median(_octaves(colours[calm, ..., axis]), axis=0) for axis in range(2)]
        powers[1, tone] = np.mean(axes, axis=0)
    return GrainSample(min(pixels.shape[:2]) / 2, powers[0], powers[1], spread)


def _patches(pixels: np.ndarray) -> np.ndarray:
    """(N, P, P, 3) unit: one of each cell of the picture that is neither black nor white."""
    cell = max(MIN_PATCH, 8 * round(min(pixels.shape[:2]) / CELLS / 8))
    side = min(cell, MAX_PATCH)
    rows, columns = (length // cell for length in pixels.shape[:2])
    grid = pixels[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell, 3)
    cut = grid[:, :side, :, :side].swapaxes(1, 2).reshape(-1, side, side, 3)
    patches = cut.astype(np.float32) / np.float32(255)
    luma = patches.mean(-1)
    clipped = ((luma < BLACK) | (luma > WHITE)).mean((1, 2))
    kept: np.ndarray = patches[clipped <= MAX_CLIPPED]
    return kept


def _octaves(patches: np.ndarray) -> np.ndarray:
    """(N, OCTAVES): power density of patches (N, P, P), as GrainSample has it."""
    side = patches.shape[-1]
    flat = patches.reshape(-1, side * side)
    basis = _quadratics(side)
    rest = (flat - (flat @ basis) @ basis.T).reshape(patches.shape)
    hann = np.hanning(side + 1)[:-1].astype(np.float32)
    window = np.outer(hann, hann)
    window /= np.sqrt(np.mean(window**2))
    power = np.stack([_power(patch) for patch in rest * window]) / side**2
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    octave = np.floor(np.log2(np.maximum(radius, 1e-6)) + 1 + OCTAVES)
    inside = [((octave == k) & (radius < 0.5)).ravel() for k in range(OCTAVES)]
    means = np.stack([part / part.sum() for part in inside], -1).astype(np.float32)
    found: np.ndarray = power.reshape(len(power), -1) @ means
    return found


def _power(patch: np.ndarray) -> np.ndarray:
    """(P, P / 2 + 1): the half of a patch's power spectrum that tells the other."""
    spectrum = cv2.dft(patch, flags=cv2.DFT_COMPLEX_OUTPUT)[:, : patch.shape[1] // 2 + 1]
    return np.asarray(np.einsum("ijk,ijk->ij", spectrum, spectrum))


def _quadratics(side: int) -> np.ndarray:
    """(P², 6): orthonormal quadratics over a patch; without them shading is no detail."""
    t = np.linspace(-1, 1, side)
    y, x = np.meshgrid(t, t, indexing="ij")
    columns = np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1)
    basis: np.ndarray = np.linalg.qr(columns.reshape(-1, 6))[0].astype(np.float32)
    return basis


class GrainReader:
    """Samples the grain of the pictures that it is called with, in any order and thread."""

    def __init__(self) -> None:
        self.samples: list[GrainSample] = []

    def __call__(self, pixels: np.ndarray) -> None:
        """pixels: as for `sample_grain`."""
        sample = sample_grain(pixels)
        if sample is not None:
            self.samples.append(sample)


def grain_of(
    samples: Sequence[GrainSample], config: GrainConfig = DEFAULTS.grain
) -> FilmGrain | None:
    """The grain that a creator's pictures have in common; None where there is none for certain."""
    if len(samples) < config.min_pictures:
        return None
    cutoff = float(np.median([sample.cutoff for sample in samples]))
    ordinary = np.square([config.usual_luma, config.usual_colour])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of tones that no picture has
        powers = np.stack([_at_cutoff(sample, cutoff) for sample in samples])
        # What texture adds in some of them does not count.
        common = np.nanquantile(powers, config.quantile, axis=0)
        clear = np.nanmedian(common, axis=1) / ordinary - 1
        clearest = FINE + int(np.argmax(clear[0, FINE:]))
        beside = powers[:, 0, :, clearest] / common[0, :, clearest]
        spreads = np.stack([sample.spread for sample in samples])[beside <= WITHOUT_TEXTURE]
        if not (
            clear[0, clearest] >= config.min_excess
            and np.nanmedian(spreads) <= config.max_spread
            and np.nanquantile(beside, 0.1) >= config.min_share
        ):
            return None
        excess = np.maximum(common - ordinary[:, None], 0)
        # By tone: best told where grain stands out most.
        strength = excess[0] @ (np.nanmedian(excess[0], axis=0) / ordinary[0] ** 2)
        tones = _without_gaps(strength / np.nanmax(strength))
        spectra = np.nanmedian(excess / np.maximum(tones, MIN_TONE)[:, None], axis=1)
    if clear[1, FINE:].max() < config.min_excess_of_colour:
        spectra[1] = 0
    amplitudes = np.minimum(np.sqrt(_without_texture(spectra)), MAX_DENSITY)
    return FilmGrain(
        cutoff=cutoff,
        luma=_rounded(amplitudes[0]),
        colour=_rounded(amplitudes[1]),
        tones=_rounded(np.sqrt(tones)),
    )


def _at_cutoff(sample: GrainSample, cutoff: float) -> np.ndarray:
    """(2, TONES, OCTAVES): power of luma and colour, as on pictures of another cutoff."""
    shift = np.log2(cutoff / sample.cutoff)
    octaves = np.arange(OCTAVES, dtype=float)
    logs = np.log(np.maximum([sample.luma, sample.colour], 1e-12))
    moved = np.apply_along_axis(
        lambda line: np.interp(octaves + shift, octaves, line, right=np.nan), -1, logs
    )
    scaled: np.ndarray = np.exp(moved) * (cutoff / sample.cutoff) ** 2
    return scaled


def _without_texture(spectra: np.ndarray) -> np.ndarray:
    """Power by octave with the lowest no stronger than the two above it allow.

    There pictures have far more texture than grain. A Gaussian spectrum has just so much.
    """
    first, second = spectra[:, 1], np.maximum(spectra[:, 2], 1e-12)
    bound = first * np.maximum(first / second, 1) ** 0.25
    return np.column_stack([np.minimum(spectra[:, 0], bound), spectra[:, 1:]])


def _without_gaps(tones: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(np.isfinite(tones))
    filled: np.ndarray = np.interp(np.arange(len(tones)), known, tones[known])
    return filled


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 5) for value in values)
