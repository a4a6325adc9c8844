"""XMP edited as XML, by namespace: what a prefix is called is the file's own affair.

Sources: XMP Specification, Part 1 (data model, RDF/XML) and Part 3 (JPEG, extended XMP). A packet
that can't be parsed is dropped: nobody can say what it tells.
"""

import hashlib
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from xml.dom import minidom
from xml.dom.minidom import Attr, Comment, Document, Element, Node, ProcessingInstruction, Text
from xml.parsers.expat import ExpatError
from xml.sax.saxutils import escape, quoteattr

from stylegan_cli.pictures.orientation import turned_point

logger = logging.getLogger(__name__)

RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_XMLNS: Final = "http://www.w3.org/2000/xmlns/"
_EXIF: Final = "http://ns.adobe.com/exif/1.0/"
TIFF: Final = "http://ns.adobe.com/tiff/1.0/"
_XMP: Final = "http://ns.adobe.com/xap/1.0/"
_NOTE: Final = "http://ns.adobe.com/xmp/note/"
_PHOTOSHOP: Final = "http://ns.adobe.com/photoshop/1.0/"
_IPTC_CORE: Final = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_IPTC_EXT: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_MWG_REGIONS: Final = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA: Final = "http://ns.adobe.com/xmp/sType/Area#"
_AREA_OLD: Final = "http://ns.adobe.com/xap/1.0/sType/Area#"
_DIMENSIONS: Final = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_MICROSOFT_REGION: Final = "http://ns.microsoft.com/photo/1.2/t/Region#"
_GOOGLE: Final = "http://ns.google.com/photos/1.0/"
CONTAINER: Final = _GOOGLE + "container/"
ITEM: Final = CONTAINER + "item/"
GAIN_MAP: Final = "http://ns.adobe.com/hdr-gain-map/1.0/"
APPLE_GAIN_MAP: Final = "http://ns.apple.com/HDRGainMap/1.0/"

EMPTY: Final = (
    b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)

# Names that tell where: coordinates in any namespace (those of drones too), places in IPTC's.
_COORDINATES: Final = re.compile(
    r"gps|latitude|longt?itude|geotag|^(absolute|relative)altitude$|^(start|end)?location(lat|lon)",
    re.IGNORECASE,
)
_PLACE_NAMES: Final = {
    _PHOTOSHOP: {"City", "State", "Country"},
    _IPTC_CORE: {"Location", "CountryCode"},
    _IPTC_EXT: {"LocationCreated", "LocationShown", "City", "CountryCode", "CountryName",
                "ProvinceState", "Sublocation", "WorldRegion", "LocationName", "LocationId"},
}  # fmt: skip
# What is true only while something beside the picture comes with it: a map, a clip, a depth map.
_CLAIMS: Final = (
    CONTAINER,
    ITEM,
    GAIN_MAP,
    APPLE_GAIN_MAP,
    "http://ns.apple.com/pixeldatainfo/1.0/",
    _GOOGLE + "depthmap/",
    _GOOGLE + "image/",
    _GOOGLE + "audio/",
)
_CLIP_CLAIM: Final = re.compile("^(MotionPhoto|MicroVideo)")


def parse(xmp: bytes) -> Document | None:
    """The document of a packet; None when it can't be read or could be a bomb."""
    try:
        text = _text(xmp)
        if re.search(r"<!(?:DOCTYPE|ENTITY)", text):
            return None
        document = minidom.parseString(text.encode("utf-8"))
        return document if _rdf(document) is not None else None
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
    return "".join(map(_written, document.childNodes)).encode("utf-8")


def _written(node: Node) -> str:
    """A node as XML. Not by minidom, which loses line ends in attributes."""
    if isinstance(node, Element):
        attributes = "".join(
            f" {attribute.name}={quoteattr(attribute.value, {chr(13): '&#13;'})}"
            for attribute in node.attributes.values()
        )
        inside = "".join(map(_written, node.childNodes))
        return f"<{node.tagName}{attributes}" + (f">{inside}</{node.tagName}>" if inside else "/>")
    if isinstance(node, Comment):
        return f"<!--{node.data}-->"
    if isinstance(node, ProcessingInstruction):
        return f"<?{node.target} {node.data}?>"
    return escape(node.data, {"\r": "&#13;"}) if isinstance(node, Text) else ""


def drop_thumbnails(document: Document) -> None:
    """Take out small pictures that show what was there before."""
    _remove(document, lambda ns, name: ns == _XMP and name == "Thumbnails")
    _remove(document, lambda ns, name: ns == _NOTE and name == "HasExtendedXMP")


def drop_coordinates(document: Document) -> None:
    """Take out where on Earth it was, whoever wrote it."""
    _remove(document, lambda ns, name: bool(_COORDINATES.search(name)))


def drop_place_names(document: Document) -> None:
    """Take out the names of places."""
    _remove(document, lambda ns, name: name in _PLACE_NAMES.get(ns, ()))


def drop_claims(document: Document) -> None:
    """Take out what is said of gain maps, clips and depth maps: they do not come along."""
    _remove(document, lambda ns, name: ns in _CLAIMS or bool(_CLIP_CLAIM.match(name)))
    for element in _elements(document):
        for attribute in list(element.attributes.values()):
            if attribute.namespaceURI == _XMLNS and attribute.value in _CLAIMS:
                element.removeAttributeNode(attribute)


def claims(document: Document) -> tuple[bool, bool]:
    """Whether a packet says that there is a gain map, and a clip."""
    names = {(ns, name) for _, ns, name in properties(document)}
    clip = any(_CLIP_CLAIM.match(name) for _, name in names)
    return (GAIN_MAP, "Version") in names, clip


def turn(orientation: int, size: tuple[int, int]) -> Callable[[Document], None]:
    """A change for a picture turned upright from `orientation`; size: its (height, width) now."""

    def change(document: Document) -> None:
        _set_all(document, TIFF, "Orientation", "1")
        for namespace, names in (
            (TIFF, ("ImageLength", "ImageWidth")),
            (_EXIF, ("PixelYDimension", "PixelXDimension")),
        ):
            for name, side in zip(names, size, strict=True):
                _set_all(document, namespace, name, str(side))
        if orientation != 1:
            for element in _elements(document):
                _turn_area(element, orientation)
                _turn_rectangle(element, orientation)
        _turn_dimensions(document, orientation)

    return change


def properties(document: Document) -> Iterator[tuple[Element, str, str]]:
    """(description, namespace, name) of every property at the top, however it is written."""
    for description in _descriptions(document):
        for attribute in list(description.attributes.values()):
            if attribute.namespaceURI not in (None, _XMLNS, RDF):
                yield description, attribute.namespaceURI or "", attribute.localName or ""
        for child in description.childNodes:
            if child.nodeType == Node.ELEMENT_NODE:
                yield description, child.namespaceURI or "", child.localName or ""


def value_of(document: Document, namespace: str, name: str) -> str | None:
    """The text of a simple property, wherever in the packet it stands first."""
    for element in _elements(document):
        attribute = element.getAttributeNodeNS(namespace, name)
        if attribute is not None:
            return str(attribute.value).strip()
        if (element.namespaceURI, element.localName) == (namespace, name):
            resource = element.getAttributeNS(RDF, "resource")
            return (resource or _text_of(element)).strip()
    return None


def values_of(document: Document, namespace: str, name: str) -> list[str]:
    """The texts of a property that is simple or a list."""
    for element in document.getElementsByTagNameNS(namespace, name):
        items = element.getElementsByTagNameNS(RDF, "li")
        return [_text_of(item).strip() for item in items] or [_text_of(element).strip()]
    value = value_of(document, namespace, name)
    return [] if value is None else [value]


def remove_properties(document: Document, namespace: str, names: Iterable[str]) -> None:
    """Take out properties by name, wherever they stand."""
    wanted = set(names)
    _remove(document, lambda ns, name: ns == namespace and name in wanted)


def add_description(
    document: Document, prefix: str, namespace: str, fields: dict[str, str]
) -> None:
    """Add simple properties in a description of their own, about the same thing as the others."""
    rdf = _rdf(document)
    assert rdf is not None
    subject = next((found.getAttributeNS(RDF, "about") for found in _descriptions(document)), "")
    name = f"{rdf.prefix}:" if rdf.prefix else ""
    description = document.createElementNS(RDF, f"{name}Description")
    if rdf.prefix:
        description.setAttributeNS(RDF, f"{rdf.prefix}:about", subject)
    else:
        description.setAttributeNS(_XMLNS, "xmlns:rdf", RDF)
        description.setAttributeNS(RDF, "rdf:about", subject)
    description.setAttributeNS(_XMLNS, f"xmlns:{prefix}", namespace)
    for key, value in fields.items():
        description.setAttributeNS(namespace, f"{prefix}:{key}", value)
    rdf.appendChild(description)


def add_fragment(document: Document, fragment: str) -> None:
    """Add a description given as XML that declares all its prefixes."""
    rdf = _rdf(document)
    assert rdf is not None
    root = minidom.parseString(fragment).documentElement
    assert root is not None
    rdf.appendChild(document.importNode(root, True))


def merged(xmp: bytes | None, extended: bytes | None) -> bytes | None:
    """One packet of a JPEG's main and extended XMP (Part 3, 1.1.3.1)."""
    if extended is None:
        return xmp
    document, more = parse(xmp or EMPTY), parse(extended)
    if document is None or more is None:
        logger.warning("extended XMP that can't be parsed is left out")
        return xmp
    rdf = _rdf(document)
    assert rdf is not None
    for description in list(_descriptions(more)):
        rdf.appendChild(document.importNode(description, True))
    return serialised(document)


def split(xmp: bytes, limit: int) -> tuple[bytes, bytes | None]:
    """A packet as JPEG holds it: what fits into `limit` bytes, and the rest as extended XMP.

    Whole top-level properties move, the largest first. Raises ValueError where that is not enough.
    """
    if len(xmp) <= limit:
        return xmp, None
    document, more = parse(xmp), parse(EMPTY)
    if document is None or more is None:
        raise ValueError("XMP that can't be parsed can't be split")
    rest = _rdf(more)
    assert rest is not None
    parts = sorted(_movable(document), key=lambda part: -_length(part[1]))
    for description, part in parts:
        home = _copy_of_description(more, description)
        rest.appendChild(home)
        if isinstance(part, Attr):
            description.removeAttributeNode(part)
            home.setAttributeNS(part.namespaceURI or "", part.name, part.value)
        else:
            home.appendChild(more.importNode(part, True))
            description.removeChild(part)
        extended = serialised(more)
        digest = hashlib.md5(extended, usedforsecurity=False).hexdigest().upper()
        remove_properties(document, _NOTE, ["HasExtendedXMP"])
        add_description(document, "xmpNote", _NOTE, {"HasExtendedXMP": digest})
        main = serialised(document)
        if len(main) <= limit:
            return main, extended
    raise ValueError("XMP is too long")


def _movable(document: Document) -> Iterator[tuple[Element, Attr | Element]]:
    for description in _descriptions(document):
        for attribute in list(description.attributes.values()):
            if attribute.namespaceURI not in (None, _XMLNS, RDF):
                yield description, attribute
        for child in list(description.childNodes):
            if child.nodeType == Node.ELEMENT_NODE:
                yield description, child


def _length(part: Attr | Element) -> int:
    return len(part.value) if isinstance(part, Attr) else len(_written(part))


def _copy_of_description(document: Document, description: Element) -> Element:
    """An empty description that declares every prefix that is known where `description` stands."""
    copy = document.importNode(description, False)
    at: Node | None = description
    while at is not None and at.nodeType == Node.ELEMENT_NODE:
        for attribute in list((at.attributes or {}).values()):
            if attribute.namespaceURI == _XMLNS and not copy.hasAttribute(attribute.name):
                copy.setAttributeNS(_XMLNS, attribute.name, attribute.value)
        at = at.parentNode
    for attribute in list(copy.attributes.values()):
        if attribute.namespaceURI not in (_XMLNS, RDF):
            copy.removeAttributeNode(attribute)
    return copy


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


def _rdf(document: Document) -> Element | None:
    found = document.getElementsByTagNameNS(RDF, "RDF")
    return found[0] if found else None


def _descriptions(document: Document) -> list[Element]:
    rdf = _rdf(document)
    if rdf is None:
        return []
    return [
        node
        for node in rdf.childNodes
        if node.nodeType == Node.ELEMENT_NODE and node.localName == "Description"
    ]


def _elements(document: Document) -> list[Element]:
    return list(document.getElementsByTagName("*"))


def _text_of(element: Element) -> str:
    return "".join(
        node.data for node in element.childNodes
        if node.nodeType in (Node.TEXT_NODE, Node.CDATA_SECTION_NODE)
    )  # fmt: skip


def _remove(document: Document, is_wanted: Callable[[str, str], bool]) -> None:
    """Take out elements and attributes by namespace and name, with all that is in them."""
    for element in _elements(document):
        for attribute in list(element.attributes.values()):
            if attribute.namespaceURI != _XMLNS and is_wanted(
                attribute.namespaceURI or "", attribute.localName or attribute.name
            ):
                element.removeAttributeNode(attribute)
        if element.parentNode is not None and is_wanted(
            element.namespaceURI or "", element.localName or ""
        ):
            element.parentNode.removeChild(element)


def _set_all(document: Document, namespace: str, name: str, value: str) -> None:
    """Give every such property this value; none is added."""
    for element in _elements(document):
        attribute = element.getAttributeNodeNS(namespace, name)
        if attribute is not None:
            attribute.value = value
        if (element.namespaceURI, element.localName) == (namespace, name):
            _set_text(document, element, value)


def _set_text(document: Document, element: Element, value: str) -> None:
    for node in list(element.childNodes):
        element.removeChild(node)
    element.appendChild(document.createTextNode(value))


class _Fields:
    """The fields of a structure, whether they are written as attributes or as elements."""

    def __init__(self, element: Element, namespace: str) -> None:
        self._element, self._namespace = element, namespace

    def __getitem__(self, name: str) -> str | None:
        node = self._node(name)
        if node is None:
            return None
        return str(node.value) if isinstance(node, Attr) else _text_of(node).strip()

    def __setitem__(self, name: str, value: str) -> None:
        node = self._node(name)
        if isinstance(node, Attr):
            node.value = value
        elif node is not None and node.ownerDocument is not None:
            _set_text(node.ownerDocument, node, value)

    def _node(self, name: str) -> Attr | Element | None:
        attribute = self._element.getAttributeNodeNS(self._namespace, name)
        if attribute is not None:
            return attribute
        for child in self._element.childNodes:
            if child.nodeType == Node.ELEMENT_NODE and (child.namespaceURI, child.localName) == (
                self._namespace,
                name,
            ):
                return child
        return None


def _turn_area(element: Element, orientation: int) -> None:
    """A region by its middle, in shares of the picture (MWG 2.0, 5.9; IPTC has none in XMP)."""
    for namespace in (_AREA, _AREA_OLD):
        area = _Fields(element, namespace)
        try:
            x, y = float(area["x"] or ""), float(area["y"] or "")
        except ValueError:
            continue
        if area["unit"] not in (None, "normalized"):
            continue
        area["x"], area["y"] = map(_share, turned_point(x, y, 1, 1, orientation))
        if orientation >= 5:
            area["w"], area["h"] = area["h"] or "", area["w"] or ""


def _turn_rectangle(element: Element, orientation: int) -> None:
    """A region of Microsoft's: left, top, width and height as shares, in one string."""
    fields = _Fields(element, _MICROSOFT_REGION)
    try:
        x, y, width, height = map(float, (fields["Rectangle"] or "").split(","))
    except ValueError:
        return
    corners = [
        turned_point(px, py, 1, 1, orientation) for px, py in ((x, y), (x + width, y + height))
    ]
    (x1, x2), (y1, y2) = (sorted(values) for values in zip(*corners, strict=True))
    fields["Rectangle"] = ", ".join(map(_share, (x1, y1, x2 - x1, y2 - y1)))


def _turn_dimensions(document: Document, orientation: int) -> None:
    """What regions were measured in (mwg-rs:AppliedToDimensions)."""
    if orientation < 5:
        return
    for element in document.getElementsByTagNameNS(_MWG_REGIONS, "AppliedToDimensions"):
        for holder in (element, *element.getElementsByTagName("*")):
            size = _Fields(holder, _DIMENSIONS)
            if size["w"] is not None and size["h"] is not None:
                size["w"], size["h"] = size["h"] or "", size["w"] or ""
                break


def _share(value: float) -> str:
    return f"{value:.6f}".rstrip("0").rstrip(".")
