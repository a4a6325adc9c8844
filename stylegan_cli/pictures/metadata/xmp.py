"""XMP edited as XML, by namespace: what a prefix is called is the file's own affair.

Sources: XMP Specification, Part 1 (data model, RDF/XML) and Part 3 (JPEG, extended XMP). A packet
that can't be parsed is dropped: nobody can say what it tells.
"""

import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from xml.dom import minidom
from xml.dom.minidom import Comment, Document, Element, Node, ProcessingInstruction, Text
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, quoteattr

logger = logging.getLogger(__name__)

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
XMLNS: Final = "http://www.w3.org/2000/xmlns/"
EXIF: Final = "http://ns.adobe.com/exif/1.0/"
TIFF: Final = "http://ns.adobe.com/tiff/1.0/"
XMP: Final = "http://ns.adobe.com/xap/1.0/"
NOTE: Final = "http://ns.adobe.com/xmp/note/"
PHOTOSHOP: Final = "http://ns.adobe.com/photoshop/1.0/"
IPTC_CORE: Final = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
IPTC_EXT: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
GOOGLE: Final = "http://ns.google.com/photos/1.0/"
CONTAINER: Final = GOOGLE + "container/"
ITEM: Final = CONTAINER + "item/"
GAIN_MAP: Final = "http://ns.adobe.com/hdr-gain-map/1.0/"
APPLE_GAIN_MAP: Final = "http://ns.apple.com/HDRGainMap/1.0/"
EMPTY: Final = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def parse(xmp: bytes) -> Document | None:
    """The document of a packet; None when it can't be read or could be a bomb."""
    try:
        text = _text(xmp)
        if re.search(r"<!(?:DOCTYPE|ENTITY)", text):
            return None
        document = minidom.parseString(text.encode("utf-8"))
        return document if rdf_of(document) is not None else None
    except (ExpatError, UnicodeError, ValueError, RecursionError, AttributeError):
        return None


def edited(xmp: bytes, *changes: Callable[[Document], None]) -> bytes | None:
    """The packet after `changes`; None when it can't be parsed, which is said."""
    document = parse(xmp)
    if document is None:
        logger.warning("XMP that can't be parsed is left out")
        return None
    try:
        for change in changes:
            change(document)
        return serialised(document)
    except RecursionError:
        logger.warning("XMP that is nested too deep is left out")
        return None


def serialised(document: Document) -> bytes:
    """The bytes of a document, without the XML declaration that packets do not have."""
    return "".join(map(written, document.childNodes)).encode("utf-8")


def written(node: Node) -> str:
    """A node as XML. Not by minidom, which loses line ends in attributes."""
    if isinstance(node, Element):
        attributes = "".join(
            f" {attribute.name}={quoteattr(attribute.value, {chr(13): '&#13;'})}"
            for attribute in node.attributes.values()
        )
        inside = "".join(map(written, node.childNodes))
        return f"<{node.tagName}{attributes}" + (f">{inside}</{node.tagName}>" if inside else "/>")
    if isinstance(node, Comment):
        return f"<!--{node.data}-->"
    if isinstance(node, ProcessingInstruction):
        return f"<?{node.target} {node.data}?>"
    return escape(node.data, {"\r": "&#13;"}) if isinstance(node, Text) else ""


def properties(document: Document) -> Iterator[tuple[Element, str, str]]:
    """(description, namespace, name) of every property at the top, however it is written."""
    for description in descriptions(document):
        for attribute in list(description.attributes.values()):
            if attribute.namespaceURI not in (None, XMLNS, RDF):
                yield description, attribute.namespaceURI or "", attribute.localName or ""
        for child in description.childNodes:
            if child.nodeType == Node.ELEMENT_NODE:
                yield description, child.namespaceURI or "", child.localName or ""


def value_of(document: Document, namespace: str, name: str) -> str | None:
    """The text of a simple property, wherever in the packet it stands first."""
    for element in elements(document):
        attribute = element.getAttributeNodeNS(namespace, name)
        if attribute is not None:
            return str(attribute.value).strip()
        if (element.namespaceURI, element.localName) == (namespace, name):
            resource = element.getAttributeNS(RDF, "resource")
            return (resource or text_of(element)).strip()
    return None


def values_of(document: Document, namespace: str, name: str) -> list[str]:
    """The texts of a property that is simple or a list."""
    for element in document.getElementsByTagNameNS(namespace, name):
        items = element.getElementsByTagNameNS(RDF, "li")
        return [text_of(item).strip() for item in items] or [text_of(element).strip()]
    value = value_of(document, namespace, name)
    return [] if value is None else [value]


def remove_properties(document: Document, namespace: str, names: Iterable[str]) -> None:
    """Take out properties by name, wherever they stand."""
    wanted = set(names)
    remove(document, lambda ns, name: ns == namespace and name in wanted)


def add_description(
    document: Document, prefix: str, namespace: str, fields: dict[str, str]
) -> None:
    """Add simple properties in a description of their own, about the same thing as the others."""
    rdf = rdf_of(document)
    assert rdf is not None
    subject = next((found.getAttributeNS(RDF, "about") for found in descriptions(document)), "")
    name = f"{rdf.prefix}:" if rdf.prefix else ""
    description = document.createElementNS(RDF, f"{name}Description")
    if rdf.prefix:
        description.setAttributeNS(RDF, f"{rdf.prefix}:about", subject)
    else:
        description.setAttributeNS(XMLNS, "xmlns:rdf", RDF)
        description.setAttributeNS(RDF, "rdf:about", subject)
    description.setAttributeNS(XMLNS, f"xmlns:{prefix}", namespace)
    for key, value in fields.items():
        description.setAttributeNS(namespace, f"{prefix}:{key}", value)
    rdf.appendChild(description)


def add_fragment(document: Document, fragment: str) -> None:
    """Add a description given as XML that declares all its prefixes."""
    rdf = rdf_of(document)
    assert rdf is not None
    root = minidom.parseString(fragment).documentElement
    assert root is not None
    rdf.appendChild(document.importNode(root, True))


def _text(xmp: bytes) -> str:
    """A packet as text, whatever it is encoded in (Part 1, 7.2)."""
    for mark, encoding in (
        (b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
        (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"<\0\0\0", "utf-32-le"),
        (b"\0\0\0<", "utf-32-be"), (b"<\0", "utf-16-le"), (b"\0<", "utf-16-be"),
    ):  # fmt: skip
        if xmp.startswith(mark):
            text = xmp.decode(encoding)
            break
    else:
        text = xmp.decode("utf-8")
    text = text.strip("\ufeff\0 \t\r\n")
    return re.sub(r"^<\?xml\s[^>]*\?>", "", text)


def rdf_of(document: Document) -> Element | None:
    """The element that holds all descriptions; None where there is none."""
    found = document.getElementsByTagNameNS(RDF, "RDF")
    return found[0] if found else None


def descriptions(document: Document) -> list[Element]:
    """The descriptions at the top."""
    rdf = rdf_of(document)
    if rdf is None:
        return []
    return [
        node
        for node in rdf.childNodes
        if node.nodeType == Node.ELEMENT_NODE and node.localName == "Description"
    ]


def elements(document: Document) -> list[Element]:
    """Every element of a document."""
    return list(document.getElementsByTagName("*"))


def text_of(element: Element) -> str:
    """The text right inside an element."""
    return "".join(
        node.data for node in element.childNodes
        if node.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)
    )  # fmt: skip


def remove(document: Document, is_wanted: Callable[[str, str], bool]) -> None:
    """Take out elements and attributes by namespace and name, with all that is in them."""
    for element in elements(document):
        for attribute in list(element.attributes.values()):
            if attribute.namespaceURI != XMLNS and is_wanted(
                attribute.namespaceURI or "", attribute.localName or attribute.name
            ):
                element.removeAttributeNode(attribute)
        if element.parentNode is not None and is_wanted(
            element.namespaceURI or "", element.localName or ""
        ):
            element.parentNode.removeChild(element)


def set_all(document: Document, namespace: str, name: str, value: str) -> None:
    """Give every such property this value; none is added."""
    for element in elements(document):
        attribute = element.getAttributeNodeNS(namespace, name)
        if attribute is not None:
            attribute.value = value
        if (element.namespaceURI, element.localName) == (namespace, name):
            set_text(document, element, value)


def set_text(document: Document, element: Element, value: str) -> None:
    """Give an element this text and nothing else."""
    for node in list(element.childNodes):
        element.removeChild(node)
    element.appendChild(document.createTextNode(value))
