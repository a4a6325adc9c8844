"""Gain maps: what an HDR screen adds to an SDR picture, as phones store it beside the picture.

Sources: Ultra HDR Image Format 1.1 and ISO 21496-1 (JPEG; log gains), Apple, "Applying Apple HDR
effect to your photos" (HEIC; a headroom and linear gains). Kept here as Ultra HDR has it.
"""

import struct
from dataclasses import dataclass, replace
from typing import Final
from xml.dom.minidom import Document

import numpy as np
import numpy.typing as npt

from stylegan_cli.pictures.metadata import xmp as packets
from stylegan_cli.pictures.orientation import turned
from stylegan_cli.pictures.pixels import Pixels, to_unit

_SMALLEST_HEADROOM: Final = 1.001


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
        document = packets.parse(packets.EMPTY)
        assert document is not None
        fields = {
            "GainMapMin": self.low,
            "GainMapMax": self.high,
            "Gamma": self.gamma,
            "OffsetSDR": self.offset_sdr,
            "OffsetHDR": self.offset_hdr,
            "HDRCapacityMin": self.headroom[:1],
            "HDRCapacityMax": self.headroom[1:],
        }
        simple = {"Version": "1.0", "BaseRenditionIsHDR": "False"}
        simple |= {name: f"{v[0]:.6f}" for name, v in fields.items() if len(set(v)) == 1}
        packets.add_description(document, "hdrgm", packets.GAIN_MAP, simple)
        for name, values in fields.items():
            if len(set(values)) > 1:
                items = "".join(f"<rdf:li>{value:.6f}</rdf:li>" for value in values)
                packets.add_fragment(
                    document,
                    f'<rdf:Description xmlns:rdf="{packets.RDF}" rdf:about="" '
                    f'xmlns:hdrgm="{packets.GAIN_MAP}"><hdrgm:{name}><rdf:Seq>{items}</rdf:Seq>'
                    f"</hdrgm:{name}></rdf:Description>",
                )
        return packets.serialised(document)

    def to_apple(self) -> tuple[npt.NDArray[np.uint8], float]:
        """(h, w) linear gains as Apple encodes them, and the headroom they are shares of."""
        grey = self.pixels if self.pixels.ndim == 2 else self.pixels.max(axis=-1)
        share = (grey / np.float32(255)) ** (1 / self.gamma[0])
        stops = self.low[0] + (self.high[0] - self.low[0]) * share
        headroom = max(2.0 ** max(self.high), _SMALLEST_HEADROOM)
        linear = np.clip((2.0**stops - 1) / (headroom - 1), 0, 1)
        return np.rint(_encoded_709(linear) * 255).astype(np.uint8), headroom


def from_apple(pixels: Pixels, headroom: float) -> GainMap:
    """A map of Apple's. headroom: how many times brighter than white HDR can get."""
    headroom = max(headroom, _SMALLEST_HEADROOM)
    high = float(np.log2(headroom))
    gain = 1 + (headroom - 1) * _linear_709(to_unit(pixels))
    share = np.log2(gain) / high
    encoded = np.rint(share * 255).astype(np.uint8)
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
            tag, kind, _, place = struct.unpack_from(order + "HHII", maker_note, at)
            if tag in (33, 48) and kind == 10:
                over, under = struct.unpack_from(order + "ii", maker_note, place)
                found[tag] = over / under
        head, gain = found[33], found[48]
    except (struct.error, ZeroDivisionError, KeyError):
        return None
    if head < 1:
        stops = -20 * gain + 1.8 if gain <= 0.01 else -0.101 * gain + 1.601
    else:
        stops = -70 * gain + 3.0 if gain <= 0.01 else -0.303 * gain + 2.303
    return float(2.0 ** max(stops, 0))


def parameters(pixels: Pixels, document: Document, jpeg: bytes | None) -> GainMap | None:
    """A map with what the XMP of its file says; None where it says nothing of gains."""

    def numbers(name: str, default: float) -> tuple[float, ...]:
        text = packets.values_of(document, packets.GAIN_MAP, name)
        return tuple(map(float, text)) if text else (default,)

    try:
        high = packets.values_of(document, packets.GAIN_MAP, "GainMapMax")
        if not high:
            return None
        return GainMap(
            pixels,
            numbers("GainMapMin", 0),
            tuple(map(float, high)),
            numbers("Gamma", 1),
            numbers("OffsetSDR", 1 / 64),
            numbers("OffsetHDR", 1 / 64),
            (numbers("HDRCapacityMin", 0)[0], numbers("HDRCapacityMax", 1)[0]),
            jpeg,
        )
    except ValueError:
        return None


def _linear_709(encoded: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Linear shares of Rec. 709 values, as Apple's maps are encoded."""
    return np.where(encoded < 0.081, encoded / 4.5, ((encoded + 0.099) / 1.099) ** (1 / 0.45))


def _encoded_709(linear: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return np.where(linear < 0.018, linear * 4.5, 1.099 * linear**0.45 - 0.099)
