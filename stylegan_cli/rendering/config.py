"""Settings of rendering: sizes that trade memory for speed, and never change what is shown."""

from dataclasses import dataclass


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


DEFAULTS = RenderingConfig()
