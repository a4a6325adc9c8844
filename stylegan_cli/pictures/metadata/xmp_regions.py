"""Regions and sizes in XMP, turned with the picture."""

from collections.abc import Callable
from typing import Final
from xml.dom.minidom import Attr, Document, Element, Node

from stylegan_cli.pictures.metadata.xmp import (
    EXIF,
    IPTC_EXT,
    TIFF,
    elements,
    set_all,
    set_text,
    text_of,
)
from stylegan_cli.pictures.orientation import turned_point

_MWG_REGIONS: Final = "http://www.metadataworkinggroup.com/schemas/regions/"
_AREA: Final = "http://ns.adobe.com/xmp/sType/Area#"
_AREA_OLD: Final = "http://ns.adobe.com/xap/1.0/sType/Area#"
_DIMENSIONS: Final = "http://ns.adobe.com/xap/1.0/sType/Dimensions#"
_MICROSOFT_REGION: Final = "http://ns.microsoft.com/photo/1.2/t/Region#"


def turn(orientation: int, size: tuple[int, int]) -> Callable[[Document], None]:
    """A change for a picture turned upright from `orientation`; size: its (height, width) now."""

    def change(document: Document) -> None:
        set_all(document, TIFF, "Orientation", "1")
        for namespace, names in (
            (TIFF, ("ImageLength", "ImageWidth")),
            (EXIF, ("PixelYDimension", "PixelXDimension")),
        ):
            for name, side in zip(names, size, strict=True):
                set_all(document, namespace, name, str(side))
        if orientation != 1:
            for element in elements(document):
                _turn_area(element, orientation)
                _turn_rectangle(element, orientation)
            stored = size if orientation < 5 else size[::-1]
            for boundary in document.getElementsByTagNameNS(IPTC_EXT, "RegionBoundary"):
                _turn_boundary(boundary, orientation, stored)
        _turn_dimensions(document, orientation)

    return change


class _Fields:
    """The fields of a structure, whether they are written as attributes or as elements."""

    def __init__(self, element: Element, namespace: str) -> None:
        self._element, self._namespace = element, namespace

    def __getitem__(self, name: str) -> str | None:
        node = self._node(name)
        if node is None:
            return None
        return str(node.value) if isinstance(node, Attr) else text_of(node).strip()

    def __setitem__(self, name: str, value: str) -> None:
        node = self._node(name)
        if isinstance(node, Attr):
            node.value = value
        elif node is not None and node.ownerDocument is not None:
            set_text(node.ownerDocument, node, value)

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
    """A region by its middle, in shares of the picture (MWG 2.0, 5.9)."""
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
    turned = _turned_box((x, y, width, height), (1, 1), orientation)
    fields["Rectangle"] = ", ".join(map(_share, turned))


def _turn_boundary(boundary: Element, orientation: int, stored: tuple[int, int]) -> None:
    """A region of IPTC's: a box by its corner, a circle by its middle, or points."""
    holders = [
        _Fields(holder, IPTC_EXT) for holder in (boundary, *boundary.getElementsByTagName("*"))
    ]
    in_pixels = any(fields["rbUnit"] == "pixel" for fields in holders)
    ends = stored[::-1] if in_pixels else (1, 1)
    for fields in holders:
        try:
            x, y = float(fields["rbX"] or ""), float(fields["rbY"] or "")
            width, height = float(fields["rbW"] or 0), float(fields["rbH"] or 0)
        except ValueError:
            continue
        turned = _turned_box((x, y, width, height), ends, orientation)
        for name, value in zip(("rbX", "rbY", "rbW", "rbH"), turned, strict=True):
            fields[name] = _share(value)


def _turned_box(
    box: tuple[float, ...], ends: tuple[float, float], orientation: int
) -> tuple[float, ...]:
    """Left, top, width and height in a picture whose right and bottom sides are at `ends`."""
    x, y, width, height = box
    corners = [
        turned_point(px, py, *ends, orientation) for px, py in ((x, y), (x + width, y + height))
    ]
    (x1, x2), (y1, y2) = (sorted(values) for values in zip(*corners, strict=True))
    return x1, y1, x2 - x1, y2 - y1


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
