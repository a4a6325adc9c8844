/** Regions and sizes in XMP, turned with the picture; mirrors pictures.metadata.xmp_regions. */

const TIFF = "http://ns.adobe.com/tiff/1.0/";
const EXIF = "http://ns.adobe.com/exif/1.0/";
const MWG_REGIONS = "http://www.metadataworkinggroup.com/schemas/regions/";
const AREAS = ["http://ns.adobe.com/xmp/sType/Area#", "http://ns.adobe.com/xap/1.0/sType/Area#"];
const DIMENSIONS = "http://ns.adobe.com/xap/1.0/sType/Dimensions#";
const MICROSOFT_REGION = "http://ns.microsoft.com/photo/1.2/t/Region#";

/** What is said of the stored picture, said of the upright one. height, width: of the upright one. */
export function turnRegions(document: XMLDocument, orientation: number, height: number, width: number): void {
  const sides: [string, string, number][] = [
    [TIFF, "Orientation", 1],
    [TIFF, "ImageLength", height],
    [TIFF, "ImageWidth", width],
    [EXIF, "PixelYDimension", height],
    [EXIF, "PixelXDimension", width],
  ];
  for (const element of document.querySelectorAll("*")) {
    for (const [space, name, value] of sides) {
      if (element.hasAttributeNS(space, name)) element.setAttributeNS(space, nameOf(element, space, name), String(value));
      if (element.namespaceURI === space && element.localName === name) element.textContent = String(value);
    }
    if (orientation === 1) continue;
    for (const space of AREAS) turnArea(new Fields(element, space), orientation);
    turnRectangle(new Fields(element, MICROSOFT_REGION), orientation);
  }
  if (orientation < 5) return;
  for (const element of document.getElementsByTagNameNS(MWG_REGIONS, "AppliedToDimensions")) {
    for (const holder of [element, ...element.querySelectorAll("*")]) swap(new Fields(holder, DIMENSIONS));
  }
}

/** Where a point of the stored picture lies in the upright one; right, bottom: its last column and row. */
export function turnedPoint(x: number, y: number, right: number, bottom: number, orientation: number): [number, number] {
  if (orientation >= 5) [x, y, right, bottom] = [y, x, bottom, right];
  return [[2, 3, 6, 7].includes(orientation) ? right - x : x, [3, 4, 7, 8].includes(orientation) ? bottom - y : y];
}

/** The fields of a structure, whether they are written as attributes or as elements. */
class Fields {
  constructor(
    private readonly element: Element,
    private readonly space: string,
  ) {}

  get(name: string): string | null {
    return this.element.getAttributeNS(this.space, name) ?? this.child(name)?.textContent?.trim() ?? null;
  }

  set(name: string, value: string): void {
    const { element, space } = this;
    if (element.hasAttributeNS(space, name)) return element.setAttributeNS(space, nameOf(element, space, name), value);
    const child = this.child(name);
    if (child) child.textContent = value;
  }

  private child(name: string): Element | undefined {
    return [...this.element.children].find(({ namespaceURI, localName }) => namespaceURI === this.space && localName === name);
  }
}

function nameOf(element: Element, space: string, name: string): string {
  return element.getAttributeNodeNS(space, name)!.name;
}

function turnArea(area: Fields, orientation: number): void {
  const [x, y] = [area.get("x"), area.get("y")];
  const unit = area.get("unit");
  if (!x || !y || Number.isNaN(Number(x) + Number(y)) || (unit !== null && unit !== "normalized")) return;
  const [toX, toY] = turnedPoint(Number(x), Number(y), 1, 1, orientation);
  area.set("x", share(toX));
  area.set("y", share(toY));
  if (orientation >= 5) swap(area);
}

function turnRectangle(region: Fields, orientation: number): void {
  const [x, y, width, height, ...more] = (region.get("Rectangle") ?? "").split(",").map(Number);
  if (more.length || !(x + y + width + height < Infinity)) return;
  const corners = [turnedPoint(x, y, 1, 1, orientation), turnedPoint(x + width, y + height, 1, 1, orientation)];
  const [left, right] = corners.map(([one]) => one).sort((a, b) => a - b);
  const [top, bottom] = corners.map(([, one]) => one).sort((a, b) => a - b);
  region.set("Rectangle", [left, top, right - left, bottom - top].map(share).join(", "));
}

function swap(size: Fields): void {
  const [width, height] = [size.get("w"), size.get("h")];
  if (width === null || height === null) return;
  size.set("w", height);
  size.set("h", width);
}

function share(value: number): string {
  return value.toFixed(6).replace(/\.?0+$/, "");
}
