"""What a picture says of the network that made part of it: IPTC Photo Metadata 2025.1, in XMP."""

import html
import logging
import re
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import quoteattr

logger = logging.getLogger(__name__)

COMPOSITE: Final = (
    "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
)
"""A photo that a trained network has changed."""
_GENERATED: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"

_NAMESPACE: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_SOURCE_TYPE, _SYSTEM, _VERSION = "DigitalSourceType", "AISystemUsed", "AISystemVersionUsed"

_PACKET: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF>'
    '</x:xmpmeta><?xpacket end="w"?>'
)
_END: Final = re.compile(r"</([\w.-]+:|)RDF\s*>")
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ABOUT: Final = re.compile(r"""\s(?:[\w.-]+:)?about\s*=\s*("[^"]*"|'[^']*')""")
_PREFIX: Final = re.compile(rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(_NAMESPACE)}["']""")


@dataclass(frozen=True, slots=True)
class AiLabel:
    """Which system changed a picture: what goes into `AISystemUsed` and `AISystemVersionUsed`."""

    system: str
    version: str

    def merged_into(self, xmp: bytes | None) -> bytes:
        """`xmp` with this label; all else in it stays, byte for byte.

        A picture that calls itself wholly generated goes on doing so, and systems named in it stay
        named. Works on the text: nothing a file could make endless is parsed or expanded.
        """
        text = _PACKET if xmp is None else _text(xmp)
        if _END.search(text) is None:
            logger.info("the XMP block holds no metadata and is replaced")
            text = _PACKET
        text, said = _without_label(text)
        source_type = _GENERATED if said.get(_SOURCE_TYPE) == _GENERATED else COMPOSITE
        fields = {
            _SOURCE_TYPE: source_type,
            _SYSTEM: _joined(said.get(_SYSTEM), self.system),
            _VERSION: _joined(said.get(_VERSION), self.version),
        }
        end = list(_END.finditer(text))[-1]
        rdf = end.group(1)
        about = _ABOUT.search(text)
        subject = about.group(1) if about else '""'
        label = "".join(f" Iptc4xmpExt:{name}={_quoted(value)}" for name, value in fields.items())
        block = f'<{rdf}Description {rdf}about={subject} xmlns:Iptc4xmpExt="{_NAMESPACE}"{label}/>'
        return (text[: end.start()] + block + text[end.start() :]).encode(
            "utf-8", "surrogateescape"
        )


def _text(xmp: bytes) -> str:
    """XMP as text; what is no UTF-8 comes through as it is."""
    if b"\0" in xmp[:64]:
        encoding = "utf-16" if xmp[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-16-be"
        return xmp.decode(encoding, "ignore").lstrip("\ufeff")
    return xmp.decode("utf-8", "surrogateescape")


def _without_label(text: str) -> tuple[str, dict[str, str]]:
    """XMP without a label of ours or of others, and what it said."""
    said: dict[str, str] = {}

    def take(match: re.Match[str]) -> str:
        value = next((found for found in match.groups()[1:] if found is not None), "")
        said[match.group(1)] = html.unescape(value).strip()
        return ""

    quoted = r"""(?:"([^"]*)"|'([^']*)')"""
    for prefix in {"Iptc4xmpExt", *_PREFIX.findall(text)}:
        name = rf"{re.escape(prefix)}:({_SOURCE_TYPE}|{_SYSTEM}|{_VERSION})"
        as_attribute = rf"\s{name}\s*=\s*{quoted}"
        as_resource = rf"<{name}\s[^<>]*?rdf:resource\s*=\s*{quoted}\s*(?:/>|>\s*</[^<>]*>)"
        as_element = rf"<{name}(?:\s[^<>]*)?>([^<>]*)</[^<>]*>"
        for pattern in (as_attribute, as_resource, as_element):
            text = re.sub(pattern, take, text)
    return text, said


def _quoted(value: str) -> str:
    """An attribute of XML, quotes and all, without characters that XML has no way to write."""
    return quoteattr(_NO_XML.sub("", value))


def _joined(said: str | None, added: str) -> str:
    """A list of systems or versions with one more, unless it is there."""
    known = [part for part in (said or "").split("; ") if part]
    return "; ".join(known if added in known else [*known, added])
