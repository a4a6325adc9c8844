"""The one value a picture is."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from stylegan_cli.pictures.colours import SRGB, Colours, Recolour, restore, to_srgb
from stylegan_cli.pictures.frame import Frame
from stylegan_cli.pictures.gain_maps import GainMap
from stylegan_cli.pictures.metadata import Metadata
from stylegan_cli.pictures.pixels import PIXEL_TYPES, Pixels, blend, describe, without_hidden


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A picture and everything of its file that the result must keep.

    pixels: (H, W, 3) RGB, upright, in `colours`; uint8, uint16, or float32 in [0, 1].
    alpha: (H, W) of the same type, straight (not premultiplied), or None when opaque.
    colours: what the numbers mean.
    metadata: true of the upright picture; the place is still in it, and `write_picture` drops it
        unless told.
    gain_map: what an HDR screen adds.
    source_format: "JPEG", "PNG", "HEIF", ...: what the file was.
    frames: all frames of an animation, or all pages, the first one equal to pixels and alpha;
        empty for a still.
    loop: how often an animation plays, 0 for ever, None once.
    """

    pixels: Pixels
    alpha: Pixels | None = None
    colours: Colours = SRGB
    metadata: Metadata = field(default_factory=Metadata)
    gain_map: GainMap | None = None
    source_format: str = "PNG"
    frames: tuple[Frame, ...] = ()
    loop: int | None = 0
    are_pages: bool = False

    def __post_init__(self) -> None:
        if (
            self.pixels.ndim != 3
            or self.pixels.shape[2] != 3
            or self.pixels.dtype not in PIXEL_TYPES
        ):
            raise ValueError(
                f"pixels must be (H, W, 3) of 8 or 16 bits or float32, got {describe(self.pixels)}"
            )
        if self.alpha is not None and (
            self.alpha.shape != self.pixels.shape[:2] or self.alpha.dtype != self.pixels.dtype
        ):
            raise ValueError(
                f"alpha {describe(self.alpha)} does not fit pixels {describe(self.pixels)}"
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]

    @property
    def xmp(self) -> bytes | None:
        """The XMP packet."""
        return self.metadata.xmp

    def srgb_pixels(self) -> Pixels:
        """The pixels in sRGB, clipped to what it can show."""
        return to_srgb(self.pixels, self.colours)

    def map_pixels(
        self,
        stylize: Callable[[Pixels], Pixels],
        recolour: Recolour | None = None,
        *,
        share: float = 1.0,
    ) -> "Picture":
        """The same picture with `stylize` applied to the pixels, or to those of every frame.

        stylize: sRGB pixels of any of the three types -> the same type; alpha and metadata stay.
        recolour: what `stylize` does to a single colour, for colours beyond sRGB.
        share: how much of the change is made, in the picture's own colours.
        """

        def stylized(pixels: Pixels, alpha: Pixels | None) -> Pixels:
            own = without_hidden(pixels, alpha)
            result = stylize(to_srgb(own, self.colours))
            result = restore(own, result, self.colours, recolour or (lambda colours: colours))
            return result if share == 1 else blend(own, result, share)

        if not self.frames:
            return replace(self, pixels=stylized(self.pixels, self.alpha))
        frames = tuple(
            replace(frame, pixels=stylized(frame.pixels, frame.alpha)) for frame in self.frames
        )
        return replace(self, pixels=frames[0].pixels, frames=frames)
