"""Gain maps: what an HDR screen adds to an SDR picture, as phones store it beside the picture.

Sources: Ultra HDR Image Format 1.1 and ISO 21496-1 (JPEG; log gains), Apple, "Applying Apple HDR
effect to your photos" (HEIC; a headroom and linear gains). Kept here as Ultra HDR has it.
"""

import struct
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures.metadata import xmp as packets
from stylegan_cli.pictures.metadata.exif import maker_note_of
from stylegan_cli.pictures.orientation import turned
from stylegan_cli.pictures.pixels import Pixels, to_unit

_LEVELS: Final = np.arange(256, dtype=np.uint8)
_SMALLEST_HEADROOM: Final = 1.001
_DENOMINATOR: Final = 1_000_000
# Flags of ISO 21496-1; the first says that gains are of the primaries that the picture is in.
_IN_BASE, _MANY_CHANNELS, _ONE_DENOMINATOR, _BASE_IS_HDR = 0x40, 0x80, 0x08, 0x04


@dataclass(frozen=True, slots=True)
class GainMap:
    """By how much, in stops, each part of the picture is brighter in HDR.

    pixels: (h, w) or (h, w, 3) uint8, over the whole upright picture, of any size. A value v in
    [0, 1] stands for low + (high - low) * v ** (1 / gamma) stops.
    offsets: added to SDR and HDR light before the gain. headroom: stops of a screen that shows all.
    jpeg: the file it came as, as long as that is true.
    """

    pixels: Pixels
    low: tuple[float, ...] = (0.0,)
    high: tuple[float, ...] = (1.0,)
    gamma: tuple[float, ...] = (1.0,)
    offset_sdr: tuple[float, ...] = (1 / 64,)
    offset_hdr: tuple[float, ...] = (1 / 64,)
    headroom: tuple[float, float] = (0.0, 1.0)
    jpeg: bytes | None = None

    def upright(self, orientation: int) -> "GainMap":
        """The map turned as its picture is."""
        if orientation == 1:
            return self
        return replace(self, pixels=turned(self.pixels, orientation), jpeg=None)

    def xmp(self) -> bytes:
        """The packet that goes into the file of the map."""
        fields = {
            "GainMapMin": self.low,
            "GainMapMax": self.high,
            "Gamma": self.gamma,
            "OffsetSDR": self.offset_sdr,
            "OffsetHDR": self.offset_hdr,
            "HDRCapacityMin": self.headroom[:1],
            "HDRCapacityMax": self.headroom[1:],
        }
        simple, lists = 'hdrgm:Version="1.0" hdrgm:BaseRenditionIsHDR="False"', ""
        for name, values in fields.items():
            if len(set(values)) == 1:
                simple += f' hdrgm:{name}="{values[0]:.6f}"'
            else:
                items = "".join(f"<rdf:li>{value:.6f}</rdf:li>" for value in values)
                lists += f"<hdrgm:{name}><rdf:Seq>{items}</rdf:Seq></hdrgm:{name}>"
        description = (
            f'<rdf:Description rdf:about="" xmlns:hdrgm="{packets.GAIN_MAP}" {simple}>'
            f"{lists}</rdf:Description></rdf:RDF>"
        )
        return packets.EMPTY.replace(b"</rdf:RDF>", description.encode())

    def iso(self) -> bytes:
        """The block of ISO 21496-1, annex C, that says the same."""
        fields = (self.low, self.high, self.gamma, self.offset_sdr, self.offset_hdr)
        channels = max(map(len, fields))
        numbers = [*self.headroom]
        for channel in range(channels):
            numbers += [values[channel % len(values)] for values in fields]
        flags = _IN_BASE | _ONE_DENOMINATOR | (_MANY_CHANNELS if channels > 1 else 0)
        wholes = (round(number * _DENOMINATOR) for number in numbers)
        return struct.pack(f">HHBI{len(numbers)}i", 0, 0, flags, _DENOMINATOR, *wholes)

    def to_apple(self) -> tuple[npt.NDArray[np.uint8], float]:
        """(h, w) linear gains as Apple encodes them, and the headroom they are shares of."""
        grey = self.pixels if self.pixels.ndim == 2 else self.pixels.max(axis=-1)
        share = to_unit(_LEVELS) ** (1 / self.gamma[0])
        stops = self.low[0] + (self.high[0] - self.low[0]) * share
        headroom = max(2.0 ** max(self.high), _SMALLEST_HEADROOM)
        linear = np.clip((2.0**stops - 1) / (headroom - 1), 0, 1)
        table = np.rint(_encoded_709(linear) * 255).astype(np.uint8)
        return table[grey], headroom


def from_apple(pixels: Pixels, xmp: bytes | None, exif: bytes | None) -> GainMap | None:
    """A map (h, w) of Apple's; its XMP or the maker's note tells how bright it gets, else None."""
    document = None if xmp is None else packets.parse(xmp)
    said = None
    if document is not None:
        said = packets.value_of(document, packets.APPLE_GAIN_MAP, "HDRGainMapHeadroom")
    try:
        headroom = float(said) if said else apple_headroom(exif and maker_note_of(exif))
    except ValueError:
        headroom = None
    return None if headroom is None or pixels.ndim != 2 else of_linear_gains(pixels, headroom)


def of_linear_gains(pixels: Pixels, headroom: float) -> GainMap:
    """A map of (h, w) gains as Apple encodes them. headroom: times brighter than white at most."""
    headroom = max(headroom, _SMALLEST_HEADROOM)
    high = float(np.log2(headroom))
    gain = 1 + (headroom - 1) * _linear_709(to_unit(_LEVELS))
    encoded = np.rint(np.log2(gain) / high * 255).astype(np.uint8)[pixels]
    return GainMap(encoded, high=(high,), offset_sdr=(0.0,), offset_hdr=(0.0,), headroom=(0, high))


def apple_headroom(maker_note: bytes | None) -> float | None:
    """The headroom in a maker note of Apple's (fields 33 and 48); None where it has none."""
    if maker_note is None or not maker_note.startswith(b"Apple iOS\0"):
        return None
    order = ">" if maker_note[12:14] == b"MM" else "<"
    try:
        (count,) = struct.unpack_from(order + "H", maker_note, 14)
        found: dict[int, float] = {}
        for at in range(16, 16 + 12 * min(count, 200), 12):
            tag, kind, _, offset = struct.unpack_from(order + "HHII", maker_note, at)
            if tag in (33, 48) and kind == 10:
                over, under = struct.unpack_from(order + "ii", maker_note, offset)
                found[tag] = over / under
        head, gain = found[33], found[48]
    except (struct.error, ZeroDivisionError, KeyError):
        return None
    if head < 1:
        stops = -20 * gain + 1.8 if gain <= 0.01 else -0.101 * gain + 1.601
    else:
        stops = -70 * gain + 3.0 if gain <= 0.01 else -0.303 * gain + 2.303
    return float(2.0 ** max(stops, 0))


def from_xmp(pixels: Pixels, xmp: bytes, jpeg: bytes | None) -> GainMap | None:
    """A map with what the XMP of its file says; None where it says nothing of gains over SDR."""
    document = packets.parse(xmp)
    if document is None:
        return None

    def numbers(name: str, default: float) -> tuple[float, ...]:
        text = packets.values_of(document, packets.GAIN_MAP, name)
        return tuple(map(float, text)) if text else (default,)

    is_hdr = packets.value_of(document, packets.GAIN_MAP, "BaseRenditionIsHDR")
    try:
        high = numbers("GainMapMax", 0)
        if high == (0,) or (is_hdr or "").lower() == "true":
            return None
        return GainMap(
            pixels,
            numbers("GainMapMin", 0),
            high,
            numbers("Gamma", 1),
            numbers("OffsetSDR", 1 / 64),
            numbers("OffsetHDR", 1 / 64),
            (numbers("HDRCapacityMin", 0)[0], numbers("HDRCapacityMax", 1)[0]),
            jpeg,
        )
    except ValueError:
        return None


def from_iso(pixels: Pixels, block: bytes, jpeg: bytes | None) -> GainMap | None:
    """A map with what a block of ISO 21496-1 (annex C) says; None for one over an HDR picture."""
    try:
        version, _, flags = struct.unpack_from(">HHB", block)
        if version or flags & _BASE_IS_HDR:
            return None
        channels = 3 if flags & _MANY_CHANNELS else 1
        if flags & _ONE_DENOMINATOR:
            (under,) = struct.unpack_from(">I", block, 5)
            numbers = [n / under for n in _signed(block, 9, 2 + 5 * channels)]
        else:
            pairs = _signed(block, 5, 2 * (2 + 5 * channels))
            numbers = [over / under for over, under in zip(*[iter(pairs)] * 2, strict=True)]
    except (struct.error, ZeroDivisionError):
        return None
    low, high, gamma, offset_sdr, offset_hdr = (tuple(numbers[2 + i :: 5]) for i in range(5))
    if min(gamma) <= 0:
        return None
    return GainMap(pixels, low, high, gamma, offset_sdr, offset_hdr, (numbers[0], numbers[1]), jpeg)


def _signed(block: bytes, at: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f">{count}i", block, at)


def _linear_709(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Linear shares of Rec. 709 values, as Apple's maps are encoded."""
    return np.where(encoded < 0.081, encoded / 4.5, ((encoded + 0.099) / 1.099) ** (1 / 0.45))


def _encoded_709(linear: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.where(linear < 0.018, linear * 4.5, 1.099 * linear**0.45 - 0.099)
