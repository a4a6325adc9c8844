/** XMP edited as XML, by namespace; mirrors pictures.metadata.xmp and pictures.provenance. Workers have no XML parser. */

import { turnRegions } from "./xmpRegions";

const RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#";
const XMLNS = "http://www.w3.org/2000/xmlns/";
const XMP = "http://ns.adobe.com/xap/1.0/";
const NOTE = "http://ns.adobe.com/xmp/note/";
const IPTC_EXT = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const GOOGLE = "http://ns.google.com/photos/1.0/";
const EMPTY =
  '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">' +
  `<rdf:RDF xmlns:rdf="${RDF}"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`;

const COORDINATES = /gps|latitude|longt?itude|geotag|^(absolute|relative)altitude$|^(start|end)?location(lat|lon)/i;
const PLACE_NAMES: Record<string, string[]> = {
  "http://ns.adobe.com/photoshop/1.0/": ["City", "State", "Country"],
  "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/": ["Location", "CountryCode"],
  [IPTC_EXT]: [
    ...["LocationCreated", "LocationShown", "City", "CountryCode", "CountryName"],
    ...["ProvinceState", "Sublocation", "WorldRegion", "LocationName", "LocationId"],
  ],
};
// What is true only while something beside the picture comes with it: a map, a clip, a depth map.
const CLAIMS = [
  ...[`${GOOGLE}container/`, `${GOOGLE}container/item/`, "http://ns.adobe.com/hdr-gain-map/1.0/"],
  ...["http://ns.apple.com/HDRGainMap/1.0/", "http://ns.apple.com/pixeldatainfo/1.0/"],
  ...[`${GOOGLE}depthmap/`, `${GOOGLE}image/`, `${GOOGLE}audio/`],
];
const CLIP_CLAIM = /^(MotionPhoto|MicroVideo)/;

const SOURCES = "http://cv.iptc.org/newscodes/digitalsourcetype/";
const COMPOSITE = `${SOURCES}compositeWithTrainedAlgorithmicMedia`;
const GENERATED = `${SOURCES}trainedAlgorithmicMedia`;
const [SOURCE_TYPE, SYSTEM, VERSION] = ["DigitalSourceType", "AISystemUsed", "AISystemVersionUsed"];

/** Which system changed a picture. */
export interface AiLabel {
  system: string;
  version: string;
}

/**
 * XMP for an upright result: without places, small pictures and what does not come along, with the label of a trained network.
 *
 * xmp: of the source; what can't be parsed is left out. orientation: how its pixels were stored, 1 to 8. height, width: upright.
 */
export function xmpOfResult(xmp: string | null, label: AiLabel, orientation: number, height: number, width: number): string {
  const found = xmp === null ? null : parsed(xmp);
  if (found) {
    remove(found, (space, name) => (space === XMP && name === "Thumbnails") || (space === NOTE && name === "HasExtendedXMP"));
    turnRegions(found, orientation, height, width);
    remove(found, (space, name) => CLAIMS.includes(space) || CLIP_CLAIM.test(name));
    remove(found, (space, name) => COORDINATES.test(name) || (PLACE_NAMES[space]?.includes(name) ?? false));
  }
  const document = found ?? parsed(EMPTY)!;
  addLabel(document, label);
  return new XMLSerializer().serializeToString(document).replace(/^<\?xml\s[^>]*\?>/, "");
}

/** How a packet says that the pixels lie; 1 where it says nothing. */
export function orientationOfXmp(xmp: string): number {
  const document = parsed(xmp);
  const said = document ? valueOf(document, "http://ns.adobe.com/tiff/1.0/", "Orientation") : null;
  return said && /^[1-8]$/.test(said) ? Number(said) : 1;
}

function parsed(xmp: string): XMLDocument | null {
  const text = xmp.replace(/^[\ufeff\0 \t\r\n]+|[\ufeff\0 \t\r\n]+$/g, "").replace(/^<\?xml\s[^>]*\?>/, "");
  if (/<!(?:DOCTYPE|ENTITY)/.test(text)) return null;
  const document = new DOMParser().parseFromString(text, "application/xml");
  return document.querySelector("parsererror") || !rdfOf(document) ? null : document;
}

function addLabel(document: XMLDocument, label: AiLabel): void {
  const said = [SOURCE_TYPE, SYSTEM, VERSION].map((name) => valueOf(document, IPTC_EXT, name));
  remove(document, (space, name) => space === IPTC_EXT && [SOURCE_TYPE, SYSTEM, VERSION].includes(name));
  const rdf = rdfOf(document)!;
  const first = [...rdf.children].find(({ localName }) => localName === "Description");
  const description = document.createElementNS(RDF, rdf.prefix ? `${rdf.prefix}:Description` : "Description");
  description.setAttributeNS(RDF, `${rdf.prefix ?? "rdf"}:about`, first?.getAttributeNS(RDF, "about") ?? "");
  const fields = [said[0] === GENERATED ? GENERATED : COMPOSITE, joined(said[1], label.system), joined(said[2], label.version)];
  [SOURCE_TYPE, SYSTEM, VERSION].forEach((name, k) => description.setAttributeNS(IPTC_EXT, `Iptc4xmpExt:${name}`, fields[k]));
  rdf.append(description);
}

function rdfOf(document: XMLDocument): Element | undefined {
  return document.getElementsByTagNameNS(RDF, "RDF")[0];
}

/** The text of a simple property, wherever it stands first. */
function valueOf(document: XMLDocument, space: string, name: string): string | null {
  for (const element of document.querySelectorAll("*")) {
    const value = element.getAttributeNS(space, name);
    if (value !== null) return value.trim();
    if (element.namespaceURI === space && element.localName === name) {
      return (element.getAttributeNS(RDF, "resource") || (element.textContent ?? "")).trim();
    }
  }
  return null;
}

/** Take out elements and attributes by namespace and name, with all that is in them. */
function remove(document: XMLDocument, isWanted: (space: string, name: string) => boolean): void {
  for (const element of document.querySelectorAll("*")) {
    for (const attribute of [...element.attributes]) {
      const { namespaceURI, localName, value } = attribute;
      if (namespaceURI === XMLNS ? CLAIMS.includes(value) && isWanted(value, "") : isWanted(namespaceURI ?? "", localName)) {
        element.removeAttributeNode(attribute);
      }
    }
    if (isWanted(element.namespaceURI ?? "", element.localName)) element.remove();
  }
}

function joined(said: string | null, added: string): string {
  const name = added.replace(/[^ -\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "");
  const known = (said ?? "").split("; ").filter(Boolean);
  return (known.includes(name) ? known : [...known, name]).join("; ");
}
