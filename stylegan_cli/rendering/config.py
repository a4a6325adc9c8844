"""Settings of rendering: sizes that trade memory for speed, and never change what is shown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class StrokesConfig:
    """How strokes are painted; see strokes.

    short_side: px, of the copy of a picture that strokes are painted on. fast_short_side: px, of
    that for `--detail fast`, where strokes are coarser. sigma: px, of the blur
    that hides strokes. taps, gap: places on each side that a guide compares, and px between them.
    orders: cosine functions on each side. colour: weight of colour beside luma. cell: px, side of a
    cell. candidates: places of each cell that come into question first. places: of all exemplars,
    among which they are sought. slack: candidates may be so much further than the nearest, a share.
    coherence: squared distance that it is worth to go on from a neighbour's place. sweeps: of
    choosing again. blend: px, deviation of the weight of what is copied.
    tone, hue: shares of the difference in blurred luma and in blurred colour that are corrected.
    """

    short_side: int = 1024
    fast_short_side: int = 512
    sigma: float = 1.5
    taps: int = 5
    gap: int = 2
    orders: int = 4
    colour: float = 0.25
    cell: int = 4
    candidates: int = 4
    places: int = 24_000
    slack: float = 0.5
    coherence: float = 0.004
    sweeps: int = 8
    blend: float = 1.2
    tone: float = 0.6
    hue: float = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderingConfig:
    """How a picture is cut into parts, and how large its working copy may be.

    border: px mirrored around a picture, so that the network treats its edge like its middle.
    tile: px, side of a tile; a multiple of STRIDE. min_tile: px; what does not fit into memory at
    this size never will. strip_pixels: full-size pixels that a thread has in hand; a strip stays in
    its cache. min_strip: px; shorter rows are slow to read. max_working_pixels: of a working copy.
    fast_size: px, short side of the working copy for `--detail fast`, at most. large_picture:
    pixels from which on the network gives its memory back before the result is rendered.
    """

    border: int = 16
    tile: int = 1024
    min_tile: int = 128
    strip_pixels: int = 1 << 18
    min_strip: int = 64
    max_working_pixels: int = 4_000_000
    fast_size: int = 256
    large_picture: int = 20_000_000
    strokes: StrokesConfig = StrokesConfig()


DEFAULTS = RenderingConfig()
