/** EXIF kept, without what would be wrong or tell too much in the result; mirrors pictures.metadata. */

import { turnedPoint } from "./xmpRegions";

interface Field {
  tag: number;
  type: number;
  count: number;
  data: Uint8Array; // in the byte order of the block
}

const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8];
const EXIF_IFD = 0x8769;
const GPS_IFD = 0x8825;
const INTEROPERABILITY_IFD = 0xa005;
const ORIENTATION = 0x0112;
const MAKER_NOTE = 0x927c;
const COLOUR_SPACE = 0xa001;
const PIXEL_WIDTH = 0xa002;
const PIXEL_HEIGHT = 0xa003;
// Of the old pixels in memory, blobs that hold a preview of them, and what has a field of its own.
const STRUCTURE = new Set([
  254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 280, 281, 284, 290, 291, 292, 293, 301,
  317, 318, 319, 320, 321, 322, 323, 324, 325, 330, 332, 333, 334, 336, 337, 338, 339, 340, 341, 342, 347, 512, 513,
  514, 515, 517, 518, 519, 520, 521, 529, 530, 531, 532, 700, 33723, 34377, 34675, 37724, 50341, 50740, 59932,
]);
const AREAS = [0x9214, 0xa214]; // of the subject
const MOST_FIELDS = 1000;

/** The block for an upright sRGB picture: no place, thumbnail or MakerNote. Null where nothing is worth keeping. */
export function uprightExif(exif: Uint8Array, height: number, width: number): Uint8Array | null {
  const orientation = orientationOfExif(exif) ?? 1;
  try {
    const little = exif[0] === 0x49;
    const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
    if (view.getUint16(2, little) !== 42) return null;
    const main = readFields(view, view.getUint32(4, little), little);
    const pointer = main.find(({ tag }) => tag === EXIF_IFD);
    const number = (data: Uint8Array) => new DataView(data.buffer, data.byteOffset).getUint32(0, little);
    const details = pointer ? readFields(view, number(pointer.data), little) : [];
    const kept = main.filter(({ tag }) => !STRUCTURE.has(tag) && ![EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD, ORIENTATION].includes(tag));
    const more = details.filter(({ tag }) => ![MAKER_NOTE, INTEROPERABILITY_IFD, COLOUR_SPACE].includes(tag));
    if (!kept.length && !more.length) return null;
    const fields = more.map((field) => {
      const side = field.tag === PIXEL_WIDTH ? width : field.tag === PIXEL_HEIGHT ? height : null;
      if (side !== null) return long(field.tag, side, little);
      return AREAS.includes(field.tag) && orientation !== 1 ? turnedArea(field, height, width, orientation, little) : field;
    });
    if (details.some(({ tag }) => tag === COLOUR_SPACE)) fields.push(short(COLOUR_SPACE, 1, little));
    return written([...kept, short(ORIENTATION, 1, little)], fields, little);
  } catch {
    return null; // better no EXIF than one that may tell the place
  }
}

/** How the pixels of the file must be turned, 1 to 8; null where it does not say. */
export function orientationOfExif(exif: Uint8Array): number | null {
  try {
    const little = exif[0] === 0x49;
    const view = new DataView(exif.buffer, exif.byteOffset, exif.byteLength);
    const found = readFields(view, view.getUint32(4, little), little).find(({ tag }) => tag === ORIENTATION);
    const number = found ? new DataView(found.data.buffer, found.data.byteOffset).getUint16(0, little) : 0;
    return number >= 1 && number <= 8 ? number : null;
  } catch {
    return null;
  }
}

/** A point, circle or rectangle around a point, turned with the picture. height, width: of the upright one. */
function turnedArea(field: Field, height: number, width: number, orientation: number, little: boolean): Field {
  if (field.type !== 3 || field.count < 2) return field;
  const view = new DataView(field.data.buffer, field.data.byteOffset);
  const values = Array.from({ length: field.count }, (_, k) => view.getUint16(2 * k, little));
  const [right, bottom] = orientation >= 5 ? [height - 1, width - 1] : [width - 1, height - 1];
  const [x, y] = turnedPoint(values[0], values[1], right, bottom, orientation);
  const sides = values.slice(2);
  if (orientation >= 5 && sides.length === 2) sides.reverse();
  const data = new Uint8Array(2 * field.count);
  [x, y, ...sides].forEach((value, k) => new DataView(data.buffer).setUint16(2 * k, Math.max(0, value), little));
  return { ...field, data };
}

function readFields(view: DataView, at: number, little: boolean): Field[] {
  const count = view.getUint16(at, little);
  if (count > MOST_FIELDS) throw new RangeError("too many fields");
  return Array.from({ length: count }, (_, k) => {
    const entry = at + 2 + 12 * k;
    const [tag, type] = [view.getUint16(entry, little), view.getUint16(entry + 2, little)];
    const values = view.getUint32(entry + 4, little);
    const size = (SIZES[type] ?? 1) * values;
    const place = size <= 4 ? entry + 8 : view.getUint32(entry + 8, little);
    if (place + size > view.byteLength) throw new RangeError("a field lies outside of the block");
    return { tag, type, count: values, data: new Uint8Array(view.buffer.slice(view.byteOffset + place, view.byteOffset + place + Math.max(size, 4))) };
  }).map((field) => ({ ...field, data: field.data.subarray(0, Math.max(1, (SIZES[field.type] ?? 1) * field.count)) }));
}

function short(tag: number, value: number, little: boolean): Field {
  const data = new Uint8Array(2);
  new DataView(data.buffer).setUint16(0, value, little);
  return { tag, type: 3, count: 1, data };
}

function long(tag: number, value: number, little: boolean): Field {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setUint32(0, value, little);
  return { tag, type: 4, count: 1, data };
}

function written(main: Field[], details: Field[], little: boolean): Uint8Array {
  const sizeOf = (fields: Field[]) =>
    2 + 12 * fields.length + 4 + fields.reduce((sum, { data }) => sum + (data.length > 4 ? data.length + (data.length & 1) : 0), 0);
  const all = details.length ? [...main, long(EXIF_IFD, 0, little)] : main;
  const begin = 8 + sizeOf(all);
  if (details.length) all[all.length - 1] = long(EXIF_IFD, begin, little);
  const result = new Uint8Array(begin + (details.length ? sizeOf(details) : 0));
  const view = new DataView(result.buffer);
  view.setUint16(0, little ? 0x4949 : 0x4d4d);
  view.setUint16(2, 42, little);
  view.setUint32(4, 8, little);
  writeFields(view, 8, all, little);
  if (details.length) writeFields(view, begin, details, little);
  return result;
}

function writeFields(view: DataView, at: number, fields: Field[], little: boolean): void {
  const bytes = new Uint8Array(view.buffer);
  const sorted = [...fields].sort((a, b) => a.tag - b.tag);
  view.setUint16(at, sorted.length, little);
  let place = at + 2 + 12 * sorted.length + 4;
  sorted.forEach(({ tag, type, count, data }, k) => {
    const entry = at + 2 + 12 * k;
    view.setUint16(entry, tag, little);
    view.setUint16(entry + 2, type, little);
    view.setUint32(entry + 4, count, little);
    if (data.length <= 4) {
      bytes.set(data, entry + 8);
    } else {
      view.setUint32(entry + 8, place, little);
      bytes.set(data, place);
      place += data.length + (data.length & 1);
    }
  });
}
