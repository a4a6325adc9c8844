"""XMP too long for one segment of a JPEG, in several (XMP Specification, Part 3, 1.1.3.1)."""

import hashlib
import logging
from collections.abc import Iterator
from xml.dom.minidom import Attr, Document, Element, Node

from stylegan_cli.pictures.metadata.xmp import (
    EMPTY,
    NOTE,
    RDF,
    XMLNS,
    add_description,
    descriptions,
    parse,
    rdf_of,
    remove_properties,
    serialised,
    written,
)

logger = logging.getLogger(__name__)


def merged(xmp: bytes | None, extended: bytes | None) -> bytes | None:
    """One packet of a JPEG's main and extended XMP (Part 3, 1.1.3.1)."""
    if extended is None:
        return xmp
    document, more = parse(xmp or EMPTY), parse(extended)
    if document is None or more is None:
        logger.warning("extended XMP that can't be parsed is left out")
        return xmp
    rdf = rdf_of(document)
    assert rdf is not None
    for description in list(descriptions(more)):
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
    rest = rdf_of(more)
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
        remove_properties(document, NOTE, ["HasExtendedXMP"])
        add_description(document, "xmpNote", NOTE, {"HasExtendedXMP": digest})
        main = serialised(document)
        if len(main) <= limit:
            return main, extended
    raise ValueError("XMP is too long")


def _movable(document: Document) -> Iterator[tuple[Element, Attr | Element]]:
    for description in descriptions(document):
        for attribute in list(description.attributes.values()):
            if attribute.namespaceURI not in (None, XMLNS, RDF):
                yield description, attribute
        for child in list(description.childNodes):
            if child.nodeType == Node.ELEMENT_NODE:
                yield description, child


def _length(part: Attr | Element) -> int:
    return len(part.value) if isinstance(part, Attr) else len(written(part))


def _copy_of_description(document: Document, description: Element) -> Element:
    """An empty description that declares every prefix that is known where `description` stands."""
    copy = document.importNode(description, False)
    at: Node | None = description
    while at is not None and at.nodeType == Node.ELEMENT_NODE:
        for attribute in list((at.attributes or {}).values()):
            if attribute.namespaceURI == XMLNS and not copy.hasAttribute(attribute.name):
                copy.setAttributeNS(XMLNS, attribute.name, attribute.value)
        at = at.parentNode
    for attribute in list(copy.attributes.values()):
        if attribute.namespaceURI not in (XMLNS, RDF):
            copy.removeAttributeNode(attribute)
    return copy
