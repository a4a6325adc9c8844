"""What a picture says of the network that made part of it: IPTC Photo Metadata 2025.1, in XMP."""

import logging
import re
from dataclasses import dataclass
from typing import Final

from stylegan_cli.pictures.metadata import xmp as packets

logger = logging.getLogger(__name__)

COMPOSITE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
"""A photo that a trained network has changed."""
SYSTEM_PREFIX: Final = "influ, style "
"""What the name of a system begins with in pictures that this program has changed."""
_GENERATED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_NAMESPACE: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPE, _SYSTEM, _VERSION = "DigitalSourceType", "AISystemUsed", "AISystemVersionUsed"
_NO_XML: Final = re.compile("[^\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class AiLabel:
    """Which system changed a picture: what goes into `AISystemUsed` and `AISystemVersionUsed`."""

    system: str
    version: str

    def merged_into(self, xmp: bytes | None) -> bytes:
        """`xmp` with this label; all else in it stays.

        A picture that calls itself wholly generated goes on doing so, and systems named in it stay
        named. XMP that can't be parsed is replaced.
        """
        document = None if xmp is None else packets.parse(xmp)
        if document is None:
            if xmp is not None:
                logger.warning("XMP that can't be parsed is left out")
            document = packets.parse(packets.EMPTY)
        assert document is not None
        said = {
            name: packets.value_of(document, _NAMESPACE, name)
            for name in (_SOURCE_TYPE, _SYSTEM, _VERSION)
        }
        packets.remove_properties(document, _NAMESPACE, said)
        source_type = _GENERATED if said[_SOURCE_TYPE] == _GENERATED else COMPOSITE
        fields = {
            _SOURCE_TYPE: source_type,
            _SYSTEM: _joined(said[_SYSTEM], _NO_XML.sub("", self.system)),
            _VERSION: _joined(said[_VERSION], _NO_XML.sub("", self.version)),
        }
        packets.add_description(document, "Iptc4xmpExt", _NAMESPACE, fields)
        return packets.serialised(document)


def _joined(said: str | None, added: str) -> str:
    """A list of systems or versions with one more, unless it is there."""
    known = [part for part in (said or "").split("; ") if part]
    return "; ".join(known if added in known else [*known, added])
