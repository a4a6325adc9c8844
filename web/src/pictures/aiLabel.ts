/** What a picture says of the network that made part of it, in XMP; mirrors pictures.provenance. */

const SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/";
const COMPOSITE = `${SOURCE}compositeWithTrainedAlgorithmicMedia`;
const GENERATED = `${SOURCE}trainedAlgorithmicMedia`;
const NAMESPACE = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/";
const [SOURCE_TYPE, SYSTEM, VERSION] = ["DigitalSourceType", "AISystemUsed", "AISystemVersionUsed"];
const PACKET =
  '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">' +
  '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"></rdf:RDF></x:xmpmeta><?xpacket end="w"?>';
const END = /<\/([\w.-]+:|)RDF\s*>/g;

/** XMP for the upright picture: no thumbnails, no place. */
export function uprightXmp(xmp: string): string {
  return xmp
    .replace(/<(xmp|xap):Thumbnails[^]*<\/\1:Thumbnails\s*>/g, "")
    .replace(/\sxmpNote:HasExtendedXMP\s*=\s*(?:"[^"]*"|'[^']*')/g, "")
    .replace(/(tiff:Orientation\s*=\s*["'])\d+(["'])/g, "$11$2")
    .replace(/(<tiff:Orientation>\s*)\d+(\s*<\/tiff:Orientation>)/g, "$11$2")
    .replace(/\s[\w.-]+:(?:GPS|Gps)\w+\s*=\s*(?:"[^"]*"|'[^']*')/g, "")
    .replace(/<[\w.-]+:(?:GPS|Gps)\w+(?:\s[^<>]*)?(?:\/>|>[^<>]*<\/[^<>]*>)/g, "");
}

/** `xmp` with the label of a system; all else in it stays, and systems named in it stay named. */
export function labelled(xmp: string | null, system: string, version: string): string {
  let text = xmp ?? PACKET;
  if (![...text.matchAll(END)].length) text = PACKET;
  const said: Record<string, string> = {};
  text = withoutLabel(text, said);
  const fields: [string, string][] = [
    [SOURCE_TYPE, said[SOURCE_TYPE] === GENERATED ? GENERATED : COMPOSITE],
    [SYSTEM, joined(said[SYSTEM], system)],
    [VERSION, joined(said[VERSION], version)],
  ];
  const end = [...text.matchAll(END)].pop()!;
  const rdf = end[1];
  const subject = /\s(?:[\w.-]+:)?about\s*=\s*("[^"]*"|'[^']*')/.exec(text)?.[1] ?? '""';
  const label = fields.map(([name, value]) => ` Iptc4xmpExt:${name}=${quoted(value)}`).join("");
  const block = `<${rdf}Description ${rdf}about=${subject} xmlns:Iptc4xmpExt="${NAMESPACE}"${label}/>`;
  return text.slice(0, end.index) + block + text.slice(end.index);
}

/** XMP without a label of ours or of others; what it said goes into `said`. */
function withoutLabel(text: string, said: Record<string, string>): string {
  const value = `(?:"([^"]*)"|'([^']*)')`;
  const escaped = NAMESPACE.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
  const prefixes = new Set(["Iptc4xmpExt"]);
  for (const found of text.matchAll(new RegExp(`xmlns:([\\w.-]+)\\s*=\\s*["']${escaped}["']`, "g"))) prefixes.add(found[1]);
  for (const prefix of prefixes) {
    const name = `${prefix.replace(/\./g, "\\.")}:(${SOURCE_TYPE}|${SYSTEM}|${VERSION})`;
    for (const pattern of [
      `\\s${name}\\s*=\\s*${value}`,
      `<${name}\\s[^<>]*?rdf:resource\\s*=\\s*${value}\\s*(?:/>|>\\s*</[^<>]*>)`,
      `<${name}(?:\\s[^<>]*)?>([^<>]*)</[^<>]*>`,
    ]) {
      text = text.replace(new RegExp(pattern, "g"), (_match, field: string, ...rest) => {
        said[field] = unescaped(rest.find((one) => typeof one === "string" && one !== text) ?? "").trim();
        return "";
      });
    }
  }
  return text;
}

function joined(said: string | undefined, added: string): string {
  const known = (said ?? "").split("; ").filter(Boolean);
  return (known.includes(added) ? known : [...known, added]).join("; ");
}

function quoted(value: string): string {
  const text = value
    .replace(/[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, "")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");
  return `"${text}"`;
}

function unescaped(text: string): string {
  const named: Record<string, string> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => named[name]);
}
