/** EXIF and XMP in and out of JPEG, PNG and WebP files, and nothing else of them. */

import { crc32 } from "../core/styleCode";

export interface Metadata {
  exif: Uint8Array | null; // from its TIFF header on
  xmp: string | null;
}

const EXIF = "Exif\0\0";
const XMP = "http://ns.adobe.com/xap/1.0/\0";
const PNG_XMP = "XML:com.adobe.xmp";
const LARGEST_SEGMENT = 65_000;
const PNG_SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

/** What a picture file says of itself; nothing where it can't be read. */
export async function readMetadata(bytes: Uint8Array): Promise<Metadata> {
  const found: Metadata = { exif: null, xmp: null };
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
  for (const { marker, begin, end } of segments(bytes)) {
    if (marker !== 0xe1) continue;
    if (latin(bytes, begin, begin + 6) === EXIF) found.exif ??= bytes.slice(begin + 6, end);
    if (latin(bytes, begin, begin + XMP.length) === XMP) found.xmp ??= utf8(bytes.subarray(begin + XMP.length, end));
  }
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
  return utf8(joined(parts));
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

/** A JPEG or PNG file with this EXIF and XMP, in place of its own. */
export function withMetadata(bytes: Uint8Array, { exif, xmp }: Metadata): Uint8Array {
  return bytes[0] === 0xff ? jpegWith(bytes, exif, xmp) : pngWith(bytes, exif, xmp);
}

function jpegWith(bytes: Uint8Array, exif: Uint8Array | null, xmp: string | null): Uint8Array {
  const added: Uint8Array[] = [];
  for (const [head, body] of [
    [EXIF, exif],
    [XMP, xmp === null ? null : new TextEncoder().encode(xmp)],
  ] as [string, Uint8Array | null][]) {
    if (!body || body.length > LARGEST_SEGMENT) continue;
    const length = 2 + head.length + body.length;
    added.push(Uint8Array.of(0xff, 0xe1, length >> 8, length & 255, ...letters(head)), body);
  }
  // After the JFIF segment, which comes first.
  let at = 2;
  const kept: Uint8Array[] = [];
  for (const { marker, begin, end } of segments(bytes)) {
    if (marker === 0xe0) kept.push(bytes.subarray(begin - 4, end));
    if (marker !== 0xe0 && marker !== 0xe1) break;
    at = end;
  }
  return joined([bytes.subarray(0, 2), ...kept, ...added, bytes.subarray(at)]);
}

function pngWith(bytes: Uint8Array, exif: Uint8Array | null, xmp: string | null): Uint8Array {
  const end = 8 + 25; // signature and IHDR
  const added: Uint8Array[] = [];
  if (exif) added.push(chunk("eXIf", exif));
  if (xmp !== null) {
    const head = letters(`${PNG_XMP}\0\0\0\0\0`);
    added.push(chunk("iTXt", joined([Uint8Array.from(head), new TextEncoder().encode(xmp)])));
  }
  return joined([bytes.subarray(0, end), ...added, bytes.subarray(end)]);
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

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
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
