/** Closed forms on colours; mirrors the package's `colour` module. Colours are (N, 3) unit, interleaved. */

import { covariance, eigh3, inverse3, multiply3, transpose3 } from "./linear";

export type Colours = Float32Array;

/** (K, K, K, 3), red the slowest. */
export interface Lut {
  points: number;
  data: Float32Array;
}

export interface ColourMap {
  matrix: Float32Array; // (3, 3), `x @ matrix + offset`
  offset: Float32Array; // (3,)
}

const MAX_GREY_RANGE = 0.02; // mean range of the channels of a black-and-white LUT, unit
export const LUMA = [0.299, 0.587, 0.114].map(Math.fround);

/** The linear map between two Gaussians (Pitié & Kokaram 2007, eq. 12). */
export function linearMap(source: Colours, target: Colours): ColourMap {
  const from = covariance(source);
  const to = covariance(target);
  for (const k of [0, 4, 8]) {
    from.matrix[k] += 1e-5;
    to.matrix[k] += 1e-5;
  }
  const root = squareRoot(from.matrix);
  const inverse = inverse3(root);
  const inner = squareRoot(multiply3(multiply3(root, to.matrix), root));
  const matrix = multiply3(multiply3(inverse, inner), inverse);
  const offset = to.mean.map((value, column) => {
    let moved = 0;
    for (let row = 0; row < 3; row++) moved += from.mean[row] * matrix[3 * row + column];
    return value - moved;
  });
  return { matrix: Float32Array.from(matrix), offset: Float32Array.from(offset) };
}

function squareRoot(matrix: Float64Array): Float64Array {
  const { values, vectors } = eigh3(matrix);
  const scaled = vectors.map((value, k) => value * Math.sqrt(Math.max(values[k % 3], 0)));
  return multiply3(scaled, transpose3(vectors));
}

export function applyMap(colours: Colours, { matrix, offset }: ColourMap): Colours {
  const result = new Float32Array(colours.length);
  for (let k = 0; k < colours.length; k += 3) {
    const [r, g, b] = [colours[k], colours[k + 1], colours[k + 2]];
    for (let c = 0; c < 3; c++) result[k + c] = r * matrix[c] + g * matrix[3 + c] + b * matrix[6 + c] + offset[c];
  }
  return result;
}

/** The colours of a regular table, first channel slowest. */
export function lattice(points: number): Colours {
  const result = new Float32Array(3 * points ** 3);
  let k = 0;
  for (let r = 0; r < points; r++)
    for (let g = 0; g < points; g++)
      for (let b = 0; b < points; b++) {
        result[k++] = r / (points - 1);
        result[k++] = g / (points - 1);
        result[k++] = b / (points - 1);
      }
  return result;
}

/** Whether a LUT makes black-and-white pictures. */
export function isGrey({ data }: Lut): boolean {
  let range = 0;
  for (let k = 0; k < data.length; k += 3) {
    range += Math.max(data[k], data[k + 1], data[k + 2]) - Math.min(data[k], data[k + 1], data[k + 2]);
  }
  return range / (data.length / 3) < MAX_GREY_RANGE;
}

/** Trilinear look-up of unit colours; clips to the table's range. */
export function applyLut(colours: Colours, lut: Lut): Colours {
  const result = new Float32Array(colours.length);
  forCorners(colours, lut.points, (colour, point, share) => {
    for (let c = 0; c < 3; c++) result[3 * colour + c] += share * lut.data[3 * point + c];
  });
  return result;
}

/** The eight points around each unit colour, with their shares. */
export function forCorners(
  colours: Colours,
  points: number,
  visit: (colour: number, point: number, share: number) => void,
): void {
  const low = [0, 0, 0];
  const past = [0, 0, 0];
  for (let n = 0; n < colours.length / 3; n++) {
    for (let c = 0; c < 3; c++) {
      const place = Math.fround(Math.min(1, Math.max(0, colours[3 * n + c])) * (points - 1));
      low[c] = Math.min(Math.trunc(place), points - 2);
      past[c] = place - low[c];
    }
    const index = (low[0] * points + low[1]) * points + low[2];
    for (let corner = 0; corner < 8; corner++) {
      const [i, j, k] = [corner >> 2, (corner >> 1) & 1, corner & 1];
      const share = (i ? past[0] : 1 - past[0]) * (j ? past[1] : 1 - past[1]) * (k ? past[2] : 1 - past[2]);
      if (share) visit(n, index + (i * points + j) * points + k, share);
    }
  }
}

/** Iterative distribution transfer (Pitié et al. 2007, algorithm 1) from the linear map on. */
export function transferLut(source: Colours, target: Colours, points: number, rotations: Float64Array): Lut {
  const step = 0.7;
  const map = linearMap(source, target);
  let moved = Float64Array.from(applyMap(source, map));
  let nodes = Float64Array.from(applyMap(lattice(points), map));
  const goal = Float64Array.from(target);
  const shares = linspace(0, 1, 200);
  for (let seed = 0; seed < 30; seed++) {
    const rotation = rotations.subarray(9 * seed, 9 * seed + 9);
    const s = rotated(moved, rotation);
    const t = rotated(goal, rotation);
    const n = rotated(nodes, rotation);
    for (let axis = 0; axis < 3; axis++) {
      const before = quantiles(column(s, axis), shares);
      const after = quantiles(column(t, axis), shares);
      for (const values of [s, n]) {
        for (let k = axis; k < values.length; k += 3) {
          values[k] += step * (transport(values[k], before, after) - values[k]);
        }
      }
    }
    const back = transpose3(rotation);
    moved = rotated(s, back);
    nodes = rotated(n, back);
  }
  return { points, data: Float32Array.from(nodes) };
}

/** The colour statistics of a creator and the content, for the encoder; see colour.style_statistics. */
export function styleStatistics(
  creator: Colours,
  content: Colours,
  count: number,
  constants: { quantiles: number; luma_bands: number },
): Float32Array {
  const map = linearMap(content, creator);
  const mapped = applyMap(content, map);
  const identity = [1, 0, 0, 0, 1, 0, 0, 0, 1];
  const cross = covariance(creator).matrix;
  const parts: ArrayLike<number>[] = [
    map.matrix.map((value, k) => value - identity[k]),
    map.offset,
    ...[creator, content].map(meanAndDeviation),
    [cross[1], cross[2], cross[5]].map((value) => Math.sqrt(Math.abs(value))),
    ...[creator, mapped].map((colours) => marginals(colours, constants.quantiles)),
    lumaBands(creator, creator, constants.luma_bands),
    lumaBands(mapped, content, constants.luma_bands),
    [Math.log(count) / Math.log(250)],
  ];
  return Float32Array.from(parts.flatMap((part) => Array.from(part)));
}

function meanAndDeviation(colours: Colours): number[] {
  const mean = [0, 0, 0];
  const square = [0, 0, 0];
  const count = colours.length / 3;
  for (let k = 0; k < colours.length; k++) mean[k % 3] += colours[k] / count;
  for (let k = 0; k < colours.length; k++) square[k % 3] += (colours[k] - mean[k % 3]) ** 2 / count;
  return [...mean, ...square.map(Math.sqrt)];
}

function marginals(colours: Colours, count: number): number[] {
  const shares = linspace(0.005, 0.995, count);
  const saturation = new Float64Array(colours.length / 3);
  for (let n = 0; n < saturation.length; n++) {
    const [r, g, b] = [colours[3 * n], colours[3 * n + 1], colours[3 * n + 2]];
    saturation[n] = Math.max(r, g, b) - Math.min(r, g, b);
  }
  const values = [column(colours, 0), column(colours, 1), column(colours, 2), lumaOf(colours), saturation];
  return values.flatMap((one) => Array.from(quantiles(one, shares)));
}

function lumaBands(colours: Colours, lumaFrom: Colours, bands: number): number[] {
  const luma = lumaOf(lumaFrom);
  const order = Array.from(luma.keys()).sort((a, b) => luma[a] - luma[b]);
  return arraySplit(order, bands).flatMap((band) => {
    const chosen = new Float32Array(3 * band.length);
    band.forEach((n, k) => chosen.set(colours.subarray(3 * n, 3 * n + 3), 3 * k));
    return meanAndDeviation(chosen);
  });
}

/** numpy.array_split: the first parts one longer where it does not divide. */
export function arraySplit<T>(values: ArrayLike<T>, parts: number): T[][] {
  const all = Array.from(values);
  const each = Math.floor(all.length / parts);
  const longer = all.length % parts;
  const result: T[][] = [];
  for (let k = 0, from = 0; k < parts; k++) {
    const to = from + each + (k < longer ? 1 : 0);
    result.push(all.slice(from, to));
    from = to;
  }
  return result;
}

export function lumaOf(colours: Colours): Float64Array {
  const luma = new Float64Array(colours.length / 3);
  for (let n = 0; n < luma.length; n++) {
    luma[n] = Math.fround(LUMA[0] * colours[3 * n] + LUMA[1] * colours[3 * n + 1] + LUMA[2] * colours[3 * n + 2]);
  }
  return luma;
}

export function linspace(from: number, to: number, count: number): Float64Array {
  return Float64Array.from({ length: count }, (_, k) => from + ((to - from) * k) / (count - 1));
}

function column(colours: ArrayLike<number>, axis: number): Float64Array {
  return Float64Array.from({ length: colours.length / 3 }, (_, n) => colours[3 * n + axis]);
}

function rotated(colours: Float64Array, m: Float64Array): Float64Array<ArrayBuffer> {
  const result = new Float64Array(colours.length);
  for (let k = 0; k < colours.length; k += 3) {
    const [x, y, z] = [colours[k], colours[k + 1], colours[k + 2]];
    result[k] = x * m[0] + y * m[3] + z * m[6];
    result[k + 1] = x * m[1] + y * m[4] + z * m[7];
    result[k + 2] = x * m[2] + y * m[5] + z * m[8];
  }
  return result;
}

/** np.quantile of values at sorted shares. */
export function quantiles(values: Float64Array, shares: Float64Array): Float64Array {
  const sorted = values.slice().sort();
  const last = sorted.length - 1;
  return shares.map((share) => {
    const place = share * last;
    const low = Math.min(Math.floor(place), Math.max(last - 1, 0));
    const high = Math.min(low + 1, last);
    return sorted[low] + (place - low) * (sorted[high] - sorted[low]);
  });
}

/** 1-D transport between quantiles; beyond the ends values keep their distance to the end. */
function transport(value: number, before: Float64Array, after: Float64Array): number {
  const last = before.length - 1;
  if (value < before[0]) return value - before[0] + after[0];
  if (value > before[last]) return value - before[last] + after[last];
  let low = 0;
  let high = last;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (before[middle] <= value) low = middle;
    else high = middle;
  }
  if (value === before[high]) return after[high];
  const width = before[high] - before[low];
  return width > 0 ? after[low] + ((value - before[low]) / width) * (after[high] - after[low]) : after[low];
}
