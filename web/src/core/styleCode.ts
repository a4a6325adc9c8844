/** An instant style as one line of text; mirrors sharing.style_code. */

import type { Backend } from "./backend";
import { applyLut, forCorners, lattice, type Lut } from "./colour";
import { applyColour, foldStyle } from "./folding";
import { opaque, readRgb } from "./instant/encoding";
import { decodeIntegers, encodeIntegers } from "./entropyCoding";
import { solve } from "./linear";
import type { LearnModel, StylizeModel } from "./model";
import { type Pixels, rowsOf } from "./rendering";
import { roundHalfToEven } from "./safetensors";
import { EMPTY, type Mode, type Style, StyleFileError } from "./styleFile";
import { Stylizer } from "./stylizer";

const PREFIX = "influ";
const VERSION = 1;
const HEAD = 17; // bytes
const MODES: Mode[] = ["colour", "photographic", "drawn"];
const MOST_TEXT = 1 << 14;
const MOST_ROWS = 64;

/** The shortest line that keeps the style, or null where no line is precise enough. */
export async function writeLine(
  style: Style,
  backend: Backend,
  learn: LearnModel,
  decode: (jpeg: Uint8Array) => Promise<Pixels>,
): Promise<string | null> {
  if (style.deltas.size) return null;
  const photos: Pixels[] = [];
  for (const index of learn.measured) {
    photos.push(opaque(readRgb(await decode(learn.starter[index]), learn.constants.line_photo_size)));
  }
  const wanted = await stylized(style, backend, photos);
  for (let rung = 0; `line_rung_${rung}_step` in learn.constants; rung++) {
    const data = packed(style, backend.model, learn, rung);
    const found = await stylized(unpacked(data, style.info.name, backend.model, learn), backend, photos);
    let error = 0;
    for (let k = 0; k < wanted.length; k++) error += ((found[k] - wanted[k]) / 255) ** 2;
    const psnr = -10 * Math.log10(Math.max(error / wanted.length, 1e-10));
    if (psnr >= learn.constants.line_faithful_db) {
      return `${PREFIX}${VERSION}:${btoa(String.fromCharCode(...data)).replace(/=+$/, "")}`;
    }
  }
  return null;
}

/** The style that a line describes; white space in it does not count. Throws StyleFileError. */
export function readLine(text: string, name: string, model: StylizeModel, learn: LearnModel): Style {
  const bare = text.replace(/\s+/g, "").replace(/^['"`]+|['"`]+$/g, "");
  const [, version, body] = /^influ(\d+):(.*)$/.exec(bare) ?? [];
  if (version === undefined || bare.length > MOST_TEXT) throw new StyleFileError("noCode");
  if (Number(version) !== VERSION) throw new StyleFileError("newerFormat");
  let data: Uint8Array;
  try {
    data = Uint8Array.from(atob(body + "=".repeat(-body.length & 3)), (letter) => letter.charCodeAt(0));
  } catch {
    throw new StyleFileError("mistyped");
  }
  if (data.length < HEAD || new DataView(data.buffer).getUint32(0) !== crc32(data.subarray(4))) {
    throw new StyleFileError("mistyped");
  }
  return unpacked(data, name, model, learn);
}

function packed(style: Style, model: StylizeModel, learn: LearnModel, rung: number): Uint8Array {
  const { constants } = learn;
  const step = constants[`line_rung_${rung}_step`];
  const codeNumbers = rounded(style.code, step, constants.line_largest);
  const mapNumbers = rounded(numbersOfMap(style), constants.line_map_step, constants.line_largest);
  const codeFactors = rounded(style.codeFactors, step / 2, constants.line_largest);
  const shown = { ...style, ...mapOfNumbers(restored(mapNumbers, constants.line_map_step)), code: restored(codeNumbers, step) };
  const moves = fittedMoves(style, shown, model, learn, constants[`line_rung_${rung}_points`]);
  const body = encodeIntegers([codeNumbers, mapNumbers, codeFactors, moves.coarse, moves.fine], constants);
  const licence = new TextEncoder().encode(style.info.licence);
  const data = new Uint8Array(HEAD + licence.length + body.length);
  const view = new DataView(data.buffer);
  for (let k = 0; k < 4; k++) view.setUint8(4 + k, parseInt(model.baseHash.slice(2 * k, 2 * k + 2), 16));
  view.setUint8(8, rung);
  view.setUint8(9, MODES.indexOf(style.info.mode));
  view.setUint16(10, style.info.working_size);
  view.setUint16(12, Math.min(style.info.pictures, 0xffff));
  view.setUint8(14, style.codeFactors.length / model.codeDim);
  view.setUint16(15, licence.length);
  data.set(licence, HEAD);
  data.set(body, HEAD + licence.length);
  view.setUint32(0, crc32(data.subarray(4)));
  return data;
}

function unpacked(data: Uint8Array, name: string, model: StylizeModel, learn: LearnModel): Style {
  const { constants } = learn;
  const view = new DataView(data.buffer, data.byteOffset);
  const madeOn = Array.from(data.subarray(4, 8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  if (madeOn !== model.baseHash.slice(0, 8)) throw new StyleFileError("otherBase");
  const [rung, mode, rows, licenceSize] = [view.getUint8(8), view.getUint8(9), view.getUint8(14), view.getUint16(15)];
  const [step, points] = [constants[`line_rung_${rung}_step`], constants[`line_rung_${rung}_points`]];
  const size = view.getUint16(10);
  if (!step || !MODES[mode] || rows > MOST_ROWS || size < 8 || size > 8192) throw new StyleFileError("mistyped");
  const coarsePoints = constants.line_coarse_points;
  const lengths = [model.codeDim, 12, rows * model.codeDim, 3 * coarsePoints ** 3, 3 * points ** 3];
  const [code, map, codeFactors, coarse, fine] = decodeIntegers(data.subarray(HEAD + licenceSize), lengths, constants);
  return {
    info: {
      ...EMPTY,
      name,
      display_name: name,
      pictures: view.getUint16(12),
      licence: new TextDecoder().decode(data.subarray(HEAD, HEAD + licenceSize)),
      working_size: size,
      mode: MODES[mode],
    },
    baseHash: model.baseHash,
    ...mapOfNumbers(restored(map, constants.line_map_step)),
    code: restored(code, step),
    codeFactors: restored(codeFactors, step / 2),
    calibration: tableOfMoves(coarse, fine, points, learn),
    deltas: new Map(),
  };
}

function numbersOfMap({ matrix: m, offset }: Style): Float32Array {
  const even = (i: number, j: number) => (m[3 * i + j] + m[3 * j + i]) / 2 - (i === j ? 1 : 0);
  const odd = (i: number, j: number) => (m[3 * i + j] - m[3 * j + i]) / 2;
  return Float32Array.of(
    ...[even(0, 0), even(0, 1), even(0, 2), even(1, 1), even(1, 2), even(2, 2)],
    ...[odd(0, 1), odd(0, 2), odd(1, 2)],
    ...offset,
  );
}

function mapOfNumbers(n: Float32Array): { matrix: Float32Array; offset: Float32Array } {
  const matrix = Float32Array.of(
    ...[1 + n[0], n[1] + n[6], n[2] + n[7]],
    ...[n[1] - n[6], 1 + n[3], n[4] + n[8]],
    ...[n[2] - n[7], n[4] - n[8], 1 + n[5]],
  );
  return { matrix, offset: n.slice(9) };
}

function tableOfMoves(coarse: number[], fine: number[], points: number, learn: LearnModel): Lut {
  const { line_coarse_points: coarsePoints, line_coarse_step: step, line_fine_step: fineStep } = learn.constants;
  const nodes = lattice(points);
  const moves = applyLut(nodes, { points: coarsePoints, data: restored(coarse, step) });
  return { points, data: nodes.map((value, k) => value + moves[k] + Math.fround(fine[k] * fineStep)) };
}

function fittedMoves(style: Style, shown: Style, model: StylizeModel, learn: LearnModel, points: number) {
  const { constants } = learn;
  const count = Math.min(constants.line_fitted_colours, learn.lineOrder.length);
  const even = lattice(constants.line_even_points);
  const colours = new Float32Array(3 * count + even.length);
  for (let k = 0; k < count; k++) {
    const from = 3 * learn.lineOrder[k];
    colours.set(learn.contentColours.subarray(from, from + 3), 3 * k);
  }
  colours.set(even, 3 * count);
  const baseColour = baseColourOf(shown, model, learn, colours);
  let wanted = baseColourOf(style, model, learn, colours);
  if (style.calibration) wanted = applyLut(wanted, style.calibration);
  const gaps = wanted.map((value, k) => value - baseColour[k]);
  const coarsePoints = constants.line_coarse_points;
  const coarseMoves = leastSquares(baseColour, gaps, coarsePoints, constants.line_coarse_pull);
  const coarse = rounded(coarseMoves, constants.line_coarse_step, constants.line_largest);
  const known = applyLut(baseColour, { points: coarsePoints, data: restored(coarse, constants.line_coarse_step) });
  const rest = gaps.map((value, k) => value - known[k]).subarray(0, 3 * count);
  const fine = leastSquares(baseColour.subarray(0, 3 * count), rest, points, constants.line_fine_pull);
  return { coarse, fine: rounded(fine, constants.line_fine_step, constants.line_largest) };
}

/** The table whose trilinear look-up is nearest to `gaps`, each point drawn to 0 by `pull`. */
function leastSquares(colours: Float32Array, gaps: Float32Array, points: number, pull: number): Float64Array {
  const size = points ** 3;
  const normal = new Float64Array(size * size);
  const right = new Float64Array(3 * size);
  let current = -1;
  let corners: [number, number][] = [];
  const flush = () => {
    for (const [p, a] of corners) {
      for (const [q, b] of corners) normal[p * size + q] += a * b;
      for (let c = 0; c < 3; c++) right[3 * p + c] += a * gaps[3 * current + c];
    }
    corners = [];
  };
  forCorners(colours, points, (n, point, share) => {
    if (n !== current) {
      flush();
      current = n;
    }
    corners.push([point, share]);
  });
  flush();
  for (let k = 0; k < size; k++) normal[k * size + k] += (pull * (colours.length / 3)) / size;
  return solve(normal, size, right, 3);
}

function baseColourOf(style: Style, model: StylizeModel, learn: LearnModel, colours: Float32Array): Float32Array {
  const folded = foldStyle(model.generator, style, style.code, learn.constants.line_photo_size, model.constants);
  return applyColour(folded, colours, model.constants).map((value) => Math.min(1, Math.max(0, value)));
}

/** Every value of the stylized photos, 8 bits. */
async function stylized(style: Style, backend: Backend, photos: Pixels[]): Promise<Uint8Array> {
  const stylizer = new Stylizer(style, backend);
  const parts: number[] = [];
  for (const photo of photos) {
    const prepared = await stylizer.prepare(rowsOf(photo));
    const data = photo.data.slice();
    stylizer.render(data, 0, photo.width, stylizer.rowsFor(prepared, photo.height, photo.width), 1);
    for (let k = 0; k < data.length; k++) if (k % 4 !== 3) parts.push(data[k]);
  }
  await stylizer.release();
  return Uint8Array.from(parts);
}

function rounded(values: ArrayLike<number>, step: number, most: number): number[] {
  return Array.from(values, (value) => Math.max(-most, Math.min(most, roundHalfToEven(value / step))) + 0);
}

function restored(numbers: number[], step: number): Float32Array {
  return Float32Array.from(numbers, (number) => number * Math.fround(step));
}

let crcTable: Uint32Array | undefined;

export function crc32(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, k) => {
    let value = k;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
    return value;
  });
  let sum = 0xffffffff;
  for (const byte of bytes) sum = crcTable[(sum ^ byte) & 255] ^ (sum >>> 8);
  return (sum ^ 0xffffffff) >>> 0;
}
