"""A frame of an animation, or a page."""

from dataclasses import dataclass

from stylegan_cli.pictures.pixels import Pixels


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """Pixels (H, W, 3) and alpha (H, W) or None, shown for `duration_ms`; a page for 0."""

    pixels: Pixels
    alpha: Pixels | None
    duration_ms: float
