/** IPTC in Photoshop's image resources, without the names of places; mirrors pictures.metadata.iptc. */

const [IPTC, DIGEST] = [0x0404, 0x0425];
// Small pictures, and copies of EXIF, XMP and the profile.
const DROPPED = [0x0409, 0x040c, 0x040f, 0x0422, 0x0423, 0x0424, DIGEST];
const PLACES = ["2/26", "2/27", "2/90", "2/92", "2/95", "2/100", "2/101"];

/** Image resources that a result may have; null when nothing is left. */
export function resourcesOfResult(resources: Uint8Array): Uint8Array | null {
  const parts: Uint8Array[] = [];
  for (const { kind, name, body } of blocks(resources)) {
    if (DROPPED.includes(kind)) continue;
    const kept = kind === IPTC ? withoutPlaces(body) : body;
    const head = new Uint8Array(10 + name.length);
    head.set([0x38, 0x42, 0x49, 0x4d, kind >> 8, kind & 255]);
    head.set(name, 6);
    new DataView(head.buffer).setUint32(6 + name.length, kept.length);
    parts.push(head, kept, new Uint8Array(kept.length % 2));
  }
  return parts.length ? together(parts) : null;
}

/** Each resource, up to the first that is damaged. */
function* blocks(bytes: Uint8Array): Generator<{ kind: number; name: Uint8Array; body: Uint8Array }> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 12 <= bytes.length && view.getUint32(at) === 0x3842494d; ) {
    const length = bytes[at + 6] + 1;
    const start = at + 10 + length + (length % 2);
    if (start > bytes.length) return;
    const size = view.getUint32(start - 4);
    if (start + size > bytes.length) return;
    yield { kind: view.getUint16(at + 4), name: bytes.subarray(at + 6, start - 4), body: bytes.subarray(start, start + size) };
    at = start + size + (size % 2);
  }
}

function withoutPlaces(iptc: Uint8Array): Uint8Array {
  const kept: Uint8Array[] = [];
  for (let at = 0; at + 5 <= iptc.length && iptc[at] === 0x1c; ) {
    const size = iptc[at + 3] * 256 + iptc[at + 4];
    let end = at + 5 + size;
    if (size & 0x8000) {
      // An extended dataset: so many bytes tell the size.
      const width = size & 0x7fff;
      end = at + 5 + width + iptc.subarray(at + 5, at + 5 + width).reduce((sum, byte) => sum * 256 + byte, 0);
    }
    if (end > iptc.length) break;
    if (!PLACES.includes(`${iptc[at + 1]}/${iptc[at + 2]}`)) kept.push(iptc.subarray(at, end));
    at = end;
  }
  return together(kept);
}

export function together(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}
