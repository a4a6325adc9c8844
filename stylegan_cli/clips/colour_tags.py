"""What the numbers of a clip's pixels mean, as Rec. ITU-T H.273 counts it."""

from dataclasses import dataclass

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace

# The matrices that swscale knows, and the transfers of HDR.
_MATRICES = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
}
_RGB, _UNSPECIFIED, _RESERVED, YCGCO = 0, 2, 3, 8
_FULL_RANGE = 2
_BT2020_PRIMARIES = 9
PQ, HLG = 16, 18

# Matrices that are no matrix of these numbers: guessing would turn every colour.
_UNREADABLE = {
    10: "BT.2020 with constant luminance",
    11: "Y'D'zD'x",
    12: "a matrix derived from its primaries",
    13: "constant luminance derived from its primaries",
    14: "ICtCp",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourTags:
    """Colour tags as H.273 code points: what the numbers in the stream mean."""

    range: int = 0
    primaries: int = _UNSPECIFIED
    transfer: int = _UNSPECIFIED
    matrix: int = _UNSPECIFIED

    @classmethod
    def of(cls, frame: VideoFrame) -> "ColourTags":
        """Those of a decoded frame."""
        return cls(
            range=_FULL_RANGE if frame.format.name.startswith("yuvj") else int(frame.color_range),
            primaries=int(frame.color_primaries),
            transfer=int(frame.color_trc),
            matrix=int(frame.colorspace),
        )

    @property
    def is_hdr(self) -> bool:
        """Whether the transfer is PQ or HLG, whose numbers are not display values."""
        return self.transfer in (PQ, HLG)

    @property
    def is_matrix_known(self) -> bool:
        """Whether the matrix can be written as it is: one that can be converted with, or no tag."""
        return self.matrix in _MATRICES or self.matrix == _UNSPECIFIED

    @property
    def unreadable(self) -> str | None:
        """The name of a coding that can't be converted, None for all others."""
        return _UNREADABLE.get(self.matrix)

    def usual_matrix(self, height: int) -> int:
        """The code point that players take where none is told: by primaries, else by size."""
        if self.primaries == _BT2020_PRIMARIES:
            return 9
        return 1 if height >= 720 else 6

    def swscale_matrix(self, height: int) -> Colorspace:
        """The matrix to convert with, the usual one without a tag."""
        return _MATRICES.get(self.matrix) or _MATRICES[self.usual_matrix(height)]

    @property
    def swscale_range(self) -> ColorRange:
        """The range to convert with; untagged means limited."""
        return ColorRange.JPEG if self.range == _FULL_RANGE else ColorRange.MPEG


@dataclass(frozen=True, slots=True, kw_only=True)
class MasteringDisplay:
    """Of an HDR clip: the display that it was made on, and how bright it gets.

    primaries: x, y of red, green, blue and white (CIE 1931). luminance: lowest and highest, cd/m2
    (SMPTE ST 2086). levels: the brightest pixel and the brightest mean of a frame, cd/m2 (CTA-861);
    None where the clip does not say.
    """

    primaries: tuple[float, ...] | None = None
    luminance: tuple[float, float] | None = None
    levels: tuple[int, int] | None = None

    @classmethod
    def of(cls, side_data: dict[str, bytes]) -> "MasteringDisplay":
        """From FFmpeg's structures AVMasteringDisplayMetadata and AVContentLightMetadata."""
        primaries = luminance = levels = None
        if (display := side_data.get("MASTERING_DISPLAY_METADATA")) and len(display) >= 88:
            numbers = np.frombuffer(display, np.int32, 22)
            ratios = [n / d if d else 0.0 for n, d in numbers[:20].reshape(10, 2).tolist()]
            primaries = tuple(ratios[:8]) if numbers[20] else None
            luminance = (ratios[8], ratios[9]) if numbers[21] else None
        if (light := side_data.get("CONTENT_LIGHT_LEVEL")) and len(light) >= 8:
            brightest, mean = np.frombuffer(light, np.uint32, 2).tolist()
            levels = (brightest, mean)
        return cls(primaries=primaries, luminance=luminance, levels=levels)

    def parameters(self, codec: str) -> list[str]:
        """As parameters of libx265 or libsvtav1."""
        if codec not in ("libx265", "libsvtav1"):
            return []
        is_x265 = codec == "libx265"
        written = []
        if self.primaries is not None and self.luminance is not None:
            # x265 counts in the units of the bitstream, SVT-AV1 in those of people.
            unit, candela = (50_000, 10_000) if is_x265 else (1, 1)
            numbers = [f"{round(value * unit, 4):.10g}" for value in self.primaries]
            red, green, blue, white = (
                f"({x},{y})" for x, y in zip(*[iter(numbers)] * 2, strict=True)
            )
            low, high = (f"{round(value * candela, 4):.10g}" for value in self.luminance)
            name = "master-display" if is_x265 else "mastering-display"
            written.append(f"{name}=G{green}B{blue}R{red}WP{white}L({high},{low})")
        if self.levels is not None:
            name = "max-cll" if is_x265 else "content-light"
            written.append(f"{name}={self.levels[0]},{self.levels[1]}")
        return written
