/** What JPEG, PNG and WebP files say besides their pixels, in and out. */

import { crc32 } from "../core/styleCode";
import { together } from "./iptc";

export interface Metadata {
  exif: Uint8Array | null; // from its TIFF header on
  xmp: string | null;
  resources: Uint8Array | null; // of Photoshop, with IPTC; of JPEG
  comment: Uint8Array | null; // of JPEG
  text: { kind: string; data: Uint8Array }[]; // of PNG: chunks of text and time
  dpi: [number, number] | null; // across and down
}

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const PHOTOSHOP = "Photoshop 3.0\0";
const PNG_XMP = "XML:com.adobe.xmp";
const RAW_PROFILE = "Raw profile type ";
const METRE_IN = 0.0254;
const LARGEST_SEGMENT = 65_000;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** What a picture file says of itself; nothing where it can't be read. */
export async function readMetadata(bytes: Uint8Array): Promise<Metadata> {
  const found: Metadata = { exif: null, xmp: null, resources: null, comment: null, text: [], dpi: null };
  try {
    if (bytes[0] === 0xff && bytes[1] === 0xd8) readJpeg(bytes, found);
    else if (PNG_SIGNATURE.every((byte, k) => bytes[k] === byte)) await readPng(bytes, found);
    else if (latin(bytes, 0, 4) === "RIFF" && latin(bytes, 8, 12) === "WEBP") readWebp(bytes, found);
  } catch {
    // What is damaged is left out; the pixels may be whole.
  }
  return found;
}

function readJpeg(bytes: Uint8Array, found: Metadata): void {
  const resources: Uint8Array[] = [];
  for (const { marker, begin, end } of segments(bytes)) {
    const starts = (head: string) => latin(bytes, begin, Math.min(end, begin + head.length)) === head;
    if (marker === 0xe0 && starts("JFIF\0")) found.dpi ??= dpiOfJfif(bytes.subarray(begin, end));
    if (marker === 0xfe) found.comment ??= bytes.slice(begin, end);
    if (marker === 0xed && starts(PHOTOSHOP)) resources.push(bytes.subarray(begin + PHOTOSHOP.length, end));
    if (marker !== 0xe1) continue;
    if (starts(EXIF)) found.exif ??= bytes.slice(begin + 6, end);
    if (starts(XMP)) found.xmp ??= utf8(bytes.subarray(begin + XMP.length, end));
  }
  if (resources.length) found.resources = together(resources);
}

function dpiOfJfif(body: Uint8Array): [number, number] | null {
  const scale = [0, 1, 2.54][body[7]]; // dots per inch, or per centimetre
  return scale ? [scale * (256 * body[8] + body[9]), scale * (256 * body[10] + body[11])] : null;
}

/** The segments before the pixels. begin, end: of what follows their length. */
function* segments(bytes: Uint8Array): Generator<{ marker: number; begin: number; end: number }> {
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff; ) {
    const marker = bytes[at + 1];
    if (marker === 0xff) {
      at++;
      continue;
    }
    if (marker === 0xda || marker === 0xd9) return;
    const end = at + 2 + bytes[at + 2] * 256 + bytes[at + 3];
    if (end > bytes.length) return;
    yield { marker, begin: at + 4, end };
    at = end;
  }
}

async function readPng(bytes: Uint8Array, found: Metadata): Promise<void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    const kind = latin(bytes, at + 4, at + 8);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "eXIf") found.exif ??= data.slice();
    if (kind === "iTXt" && latin(data, 0, PNG_XMP.length) === PNG_XMP) found.xmp ??= await textOf(data);
    else if (["tEXt", "zTXt", "iTXt", "tIME"].includes(kind)) found.text.push({ kind, data: data.slice() });
    if (kind === "pHYs" && data[8] === 1) found.dpi = [view.getUint32(at + 8) * METRE_IN, view.getUint32(at + 12) * METRE_IN];
    at += 12 + length;
  }
}

/** The text of an iTXt chunk: keyword, compressed or not, language, translated keyword, text. */
async function textOf(data: Uint8Array): Promise<string | null> {
  const compressed = data[PNG_XMP.length + 1] === 1;
  let at = PNG_XMP.length + 3;
  for (let k = 0; k < 2; k++) at = data.indexOf(0, at) + 1;
  const text = data.slice(at);
  if (!compressed) return utf8(text);
  const stream = new Blob([text]).stream().pipeThrough(new DecompressionStream("deflate"));
  const reader = stream.getReader();
  const parts: Uint8Array[] = [];
  let total = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    total += part.value.length;
    if (total > 1 << 22) return null; // a bomb
    parts.push(part.value);
  }
  return utf8(together(parts));
}

function readWebp(bytes: Uint8Array, found: Metadata): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = view.getUint32(at + 4, true);
    const kind = latin(bytes, at, at + 4);
    const data = bytes.subarray(at + 8, at + 8 + length);
    if (kind === "EXIF") found.exif ??= (latin(data, 0, 6) === EXIF ? data.subarray(6) : data).slice();
    if (kind === "XMP ") found.xmp ??= utf8(data);
    at += 8 + length + (length & 1);
  }
}

/** What of a PNG's text a result may have: profiles stand elsewhere, and nothing tells the place. */
export function textOfResult(text: Metadata["text"]): Metadata["text"] {
  return text.filter(({ data }) => {
    const head = latin(data, 0, Math.min(80, data.length));
    return !head.startsWith(RAW_PROFILE) && !/gps/i.test(head);
  });
}

/** A JPEG or PNG file that says this, in place of what it said. */
export function withMetadata(bytes: Uint8Array, metadata: Metadata): Uint8Array {
  return bytes[0] === 0xff ? jpegWith(bytes, metadata) : pngWith(bytes, metadata);
}

function jpegWith(bytes: Uint8Array, { exif, xmp, resources, comment, dpi }: Metadata): Uint8Array {
  const added: Uint8Array[] = [];
  const add = (marker: number, head: string, body: Uint8Array | null) => {
    if (!body || body.length > LARGEST_SEGMENT) return;
    const length = 2 + head.length + body.length;
    added.push(Uint8Array.of(0xff, marker, length >> 8, length & 255, ...letters(head)), body);
  };
  add(0xe1, EXIF, exif);
  add(0xe1, XMP, xmp === null ? null : new TextEncoder().encode(xmp));
  for (let at = 0; resources && at < resources.length; at += LARGEST_SEGMENT) {
    add(0xed, PHOTOSHOP, resources.subarray(at, at + LARGEST_SEGMENT));
  }
  add(0xfe, "", comment && comment.subarray(0, LARGEST_SEGMENT));
  // After the JFIF segment, which comes first.
  let at = 2;
  const kept: Uint8Array[] = [];
  for (const { marker, begin, end } of segments(bytes)) {
    if (marker === 0xe0) kept.push(bytes.slice(begin - 4, end));
    if (marker !== 0xe0 && marker !== 0xe1) break;
    at = end;
  }
  if (kept.length && dpi) {
    const [across, down] = dpi.map((side) => Math.min(65_535, Math.round(side)));
    kept[0].set([1, across >> 8, across & 255, down >> 8, down & 255], 4 + 7);
  }
  return together([bytes.subarray(0, 2), ...kept, ...added, bytes.subarray(at)]);
}

function pngWith(bytes: Uint8Array, { exif, xmp, resources, text, dpi }: Metadata): Uint8Array {
  const end = 8 + 25; // signature and IHDR
  const added: Uint8Array[] = [];
  if (dpi) {
    const data = new Uint8Array(9);
    dpi.forEach((side, k) => new DataView(data.buffer).setUint32(4 * k, Math.round(side / METRE_IN)));
    data[8] = 1;
    added.push(chunk("pHYs", data));
  }
  if (exif) added.push(chunk("eXIf", exif));
  if (xmp !== null) {
    const head = letters(`${PNG_XMP}\0\0\0\0\0`);
    added.push(chunk("iTXt", together([Uint8Array.from(head), new TextEncoder().encode(xmp)])));
  }
  if (resources) {
    // As exiftool and ImageMagick write and read it.
    const digits = Array.from(resources, (byte) => byte.toString(16).padStart(2, "0")).join("");
    const lines = digits.match(/.{1,72}/g)!.join("\n");
    const body = `${RAW_PROFILE}iptc\0\niptc\n${String(resources.length).padStart(8)}\n${lines}\n`;
    added.push(chunk("tEXt", Uint8Array.from(letters(body))));
  }
  for (const { kind, data } of text) added.push(chunk(kind, data));
  return together([bytes.subarray(0, end), ...added, bytes.subarray(end)]);
}

function chunk(kind: string, data: Uint8Array): Uint8Array {
  const result = new Uint8Array(12 + data.length);
  const view = new DataView(result.buffer);
  view.setUint32(0, data.length);
  result.set(letters(kind), 4);
  result.set(data, 8);
  view.setUint32(8 + data.length, crc32(result.subarray(4, 8 + data.length)));
  return result;
}

function latin(bytes: Uint8Array, begin: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(begin, end));
}

function letters(text: string): number[] {
  return Array.from(text, (letter) => letter.charCodeAt(0));
}

function utf8(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
