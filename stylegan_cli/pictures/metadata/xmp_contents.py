"""What XMP says that a result should not: places, small pictures, what does not come along."""

import re
from typing import Final
from xml.dom.minidom import Document

from stylegan_cli.pictures.metadata.xmp import (
    APPLE_GAIN_MAP,
    CONTAINER,
    GAIN_MAP,
    GOOGLE,
    IPTC_CORE,
    IPTC_EXT,
    ITEM,
    NOTE,
    PHOTOSHOP,
    XMLNS,
    XMP,
    elements,
    parse,
    properties,
    remove,
)

# Names that tell where: coordinates in any namespace (those of drones too), places in IPTC's.
_COORDINATES: Final = re.compile(
    r"gps|latitude|longt?itude|geotag|^(absolute|relative)altitude$|^(start|end)?location(lat|lon)",
    re.IGNORECASE,
)
_PLACE_NAMES: Final = {
    PHOTOSHOP: {"City", "State", "Country"},
    IPTC_CORE: {"Location", "CountryCode"},
    IPTC_EXT: {"LocationCreated", "LocationShown", "City", "CountryCode", "CountryName",
                "ProvinceState", "Sublocation", "WorldRegion", "LocationName", "LocationId"},
}  # fmt: skip
# What is true only while something beside the picture comes with it: a map, a clip, a depth map.
_CLAIMS: Final = (
    CONTAINER,
    ITEM,
    GAIN_MAP,
    APPLE_GAIN_MAP,
    "http://ns.apple.com/pixeldatainfo/1.0/",
    GOOGLE + "depthmap/",
    GOOGLE + "image/",
    GOOGLE + "audio/",
)
_CLIP_CLAIM: Final = re.compile("^(MotionPhoto|MicroVideo)")


def drop_thumbnails(document: Document) -> None:
    """Take out small pictures that show what was there before."""
    remove(document, lambda ns, name: ns == XMP and name == "Thumbnails")
    remove(document, lambda ns, name: ns == NOTE and name == "HasExtendedXMP")


def drop_coordinates(document: Document) -> None:
    """Take out where on Earth it was, whoever wrote it."""
    remove(document, lambda ns, name: bool(_COORDINATES.search(name)))


def drop_place_names(document: Document) -> None:
    """Take out the names of places."""
    remove(document, lambda ns, name: name in _PLACE_NAMES.get(ns, ()))


def drop_claims(document: Document) -> None:
    """Take out what is said of gain maps, clips and depth maps: they do not come along."""
    remove(document, lambda ns, name: ns in _CLAIMS or bool(_CLIP_CLAIM.match(name)))
    for element in elements(document):
        for attribute in list(element.attributes.values()):
            if attribute.namespaceURI == XMLNS and attribute.value in _CLAIMS:
                element.removeAttributeNode(attribute)


def claims(xmp: bytes | None) -> tuple[bool, bool]:
    """Whether a packet says that there is a gain map, and a clip."""
    document = None if xmp is None else parse(xmp)
    if document is None:
        return False, False
    names = {(ns, name) for _, ns, name in properties(document)}
    clip = any(_CLIP_CLAIM.match(name) for _, name in names)
    return (GAIN_MAP, "Version") in names, clip
