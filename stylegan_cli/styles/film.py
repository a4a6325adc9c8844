"""What film adds to a picture beside colour, in a few numbers."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from stylegan_cli.errors import ConfigError

MIN_CUTOFF, MAX_CUTOFF = 16.0, 100_000.0  # cycles per short side
MAX_DENSITY = 4.0
MAX_OCTAVES, MAX_TONES = 16, 64
HIGHLIGHT = 0.5  # linear light above which it is scattered; white has 1
MIN_RADIUS, MAX_RADIUS = 0.0005, 0.1  # of the short side
MAX_HALATION = 2.0
_LUMINANCE = (0.2126, 0.7152, 0.0722)  # of linear light, ITU-R BT.709


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmGrain:
    """Film grain as Gaussian noise of unit colours, by its power spectrum.

    cutoff: cycles per short side of the picture, where the highest octave ends.
    luma: amplitude of the noise that all channels share, by octave, lowest first; below, it is that
    of the lowest. White noise of standard deviation s, on pictures whose Nyquist frequency is the
    cutoff, has s in every octave.
    colour: the same for each of the two axes of colour.
    tones: share of these amplitudes in equal bands of luma, darkest first, 0 to 1.
    """

    cutoff: float
    luma: tuple[float, ...]
    colour: tuple[float, ...]
    tones: tuple[float, ...]

    def __post_init__(self) -> None:
        if not MIN_CUTOFF <= self.cutoff <= MAX_CUTOFF:
            raise ConfigError(f"the cutoff of grain must be {MIN_CUTOFF:g} to {MAX_CUTOFF:g}")
        octaves = len(self.luma)
        if not 1 <= octaves <= MAX_OCTAVES or len(self.colour) != octaves:
            raise ConfigError(f"grain must have 1 to {MAX_OCTAVES} octaves")
        if not all(0 <= value <= MAX_DENSITY for value in (*self.luma, *self.colour)):
            raise ConfigError(f"amplitudes of grain must be from 0 to {MAX_DENSITY:g}")
        if not 1 <= len(self.tones) <= MAX_TONES or not all(0 <= t <= 1 for t in self.tones):
            raise ConfigError(f"grain must have 1 to {MAX_TONES} tones from 0 to 1")

    @property
    def grey(self) -> "FilmGrain":
        """The same in all channels."""
        return dataclasses.replace(self, colour=(0.0,) * len(self.colour))

    def scaled(self, share: float) -> "FilmGrain":
        """So much of it, 0 to 1."""
        luma, colour = (tuple(share * a for a in part) for part in (self.luma, self.colour))
        return dataclasses.replace(self, luma=luma, colour=colour)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmHalation:
    """Light of highlights that comes back from the film base around them, mostly to the red layer.

    In linear light, with h the `highlights` of a channel and K a Gaussian, the channel gets
    `strength * max(K h - h, 0)` more: light around highlights, and none inside them.

    radius: standard deviation of K, share of the picture's short side.
    strength: of red, green and blue.
    """

    radius: float
    strength: tuple[float, ...]

    def __post_init__(self) -> None:
        if not MIN_RADIUS <= self.radius <= MAX_RADIUS:
            raise ConfigError(f"the radius of halation must be {MIN_RADIUS:g} to {MAX_RADIUS:g}")
        if len(self.strength) != 3:
            raise ConfigError("halation must have a strength for red, green and blue")
        if not all(0 <= value <= MAX_HALATION for value in self.strength):
            raise ConfigError(f"the strength of halation must be from 0 to {MAX_HALATION:g}")

    @property
    def grey(self) -> "FilmHalation":
        """The same in all channels, and as bright."""
        bright = sum(w * s for w, s in zip(_LUMINANCE, self.strength, strict=True))
        return dataclasses.replace(self, strength=(bright,) * 3)

    def scaled(self, share: float) -> "FilmHalation":
        """So much of it, 0 to 1."""
        return dataclasses.replace(self, strength=tuple(share * s for s in self.strength))


def highlights(light: np.ndarray) -> np.ndarray:
    """The part of linear light that is scattered: from 0 at HIGHLIGHT to 1 at white; float32."""
    found: np.ndarray = np.clip((light - HIGHLIGHT) / (1 - HIGHLIGHT), 0, 1).astype(np.float32)
    return found
